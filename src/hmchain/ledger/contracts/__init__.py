"""Contracts: one module a family, each with its transaction bodies, its state records and its pure `apply`.

To come beside them: policies, consents, access requests and grants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hmchain.canonical import NotCanonicalError, decode
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.learning import approvals, closing, disputes, opening, participation, studies
from hmchain.ledger.contracts.members import maintenance, membership, rotation, standings
from hmchain.ledger.transactions import Refusal

Body = (
    membership.Bodies
    | datasets.Bodies
    | approvals.Bodies
    | studies.ProposeStudy
    | opening.Bodies
    | closing.Bodies
    | participation.Bodies
    | disputes.Bodies
    | standings.Bodies
    | rotation.Bodies
    | maintenance.Bodies
)
"""Every transaction body there is, told apart by its tag."""

_FAMILIES = (
    membership,
    datasets,
    approvals,
    studies,
    opening,
    closing,
    participation,
    disputes,
    standings,
    rotation,
    maintenance,
)

HANDLERS: dict[type, Callable[[Context, Any], None]] = {
    body: handler for family in _FAMILIES for body, handler in family.HANDLERS.items()
}


def decode_body(data: bytes, bodies: Any = Body) -> Body:
    """Decode a transaction body, one of `bodies`; refuse `malformed` for what is none or not canonical."""
    try:
        return decode(data, bodies)  # type: ignore[no-any-return]
    except NotCanonicalError:
        raise Refusal("malformed") from None


def apply(context: Context, body: Body) -> None:
    """Apply one transaction body, or raise `Refusal`; the caller undoes the writes of a refused one."""
    HANDLERS[type(body)](context, body)
