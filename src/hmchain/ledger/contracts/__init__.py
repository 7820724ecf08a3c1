"""Contracts: one module a family, each with its transaction bodies, its state records and its pure `apply`.

Which protocol has which of them is for `protocols` to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hmchain.canonical import NotCanonicalError, decode
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import (
    applicants,
    applying,
    attachments,
    break_glass,
    datasets,
    deciding,
    describing,
    obligations,
    policies,
    reviewing,
    transfers,
)
from hmchain.ledger.contracts.learning import (
    approvals,
    closing,
    counting,
    disputes,
    drafting,
    leaving,
    opening,
    participation,
    permitted,
    planning,
    releasing,
    studies,
)
from hmchain.ledger.contracts.members import (
    admission,
    anchors,
    enrolment,
    incidents,
    maintenance,
    membership,
    office_keys,
    rotation,
    standings,
)
from hmchain.ledger.transactions import Refusal

Body = (
    membership.Bodies
    | datasets.Bodies
    | approvals.Bodies
    | studies.ProposeStudy
    | permitted.Bodies
    | counting.Bodies
    | leaving.Bodies
    | opening.Bodies
    | closing.Bodies
    | participation.Bodies
    | disputes.Bodies
    | standings.Bodies
    | rotation.Bodies
    | maintenance.Bodies
    | enrolment.Bodies
    | policies.Bodies
    | applying.Bodies
    | applicants.Bodies
    | deciding.Bodies
    | reviewing.Bodies
    | attachments.Bodies
    | obligations.Bodies
    | admission.Bodies
    | office_keys.Bodies
    | anchors.Bodies
    | transfers.Bodies
    | releasing.Bodies
    | incidents.Bodies
    | break_glass.Bodies
)
"""Every transaction body there is, told apart by its tag."""

_OF_2 = (
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

_SINCE_3: tuple[Any, ...] = (
    enrolment,
    admission,
    office_keys,
    describing,
    policies,
    applying,
    planning,
    applicants,
    deciding,
    reviewing,
    attachments,
    obligations,
    permitted,
    counting,
    leaving,
)
"""Families of protocol 3: people, policies, requests and the decisions on them, studies under permits."""

_SINCE_4: tuple[Any, ...] = (
    anchors,
    drafting,
    incidents,
    transfers,
    releasing,
    break_glass,
)
"""Families of protocol 4: what hospitals share under permits, and what is told of it afterwards."""

Handlers = dict[type, Callable[[Context, Any], None]]


def _handlers(families: tuple[Any, ...]) -> Handlers:
    return {body: handler for family in families for body, handler in family.HANDLERS.items()}


HANDLERS_OF_2: Handlers = _handlers(_OF_2)
"""What protocol 2 does with each body that it knows."""
HANDLERS_OF_3: Handlers = HANDLERS_OF_2 | _handlers(_SINCE_3)
"""The same of protocol 3."""
HANDLERS: Handlers = HANDLERS_OF_3 | _handlers(_SINCE_4)
"""The same of the newest protocol."""


def decode_body(data: bytes, bodies: Any = Body) -> Body:
    """Decode a transaction body, one of `bodies`; refuse `malformed` for what is none or not canonical."""
    try:
        return decode(data, bodies)  # type: ignore[no-any-return]
    except NotCanonicalError:
        raise Refusal("malformed") from None


def apply(context: Context, body: Body) -> None:
    """Apply one transaction body, or raise `Refusal`; the caller undoes the writes of a refused one."""
    HANDLERS[type(body)](context, body)
