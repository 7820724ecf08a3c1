"""Confirming: say which study key one derived, so that nobody enters a study with another than the rest.

A half that does not open, and a share that differs from hospital to hospital, would shut its victim out of every round:
the first only the victim sees, the second nobody. So all say what they derived before anything is masked.
"""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import Desk
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.opening import ConfirmPairs


def confirm(desk: Desk) -> Iterator[ConfirmPairs]:
    """The hash of the study key, once, and not without a permit.

    Raises `PairAgreementError` if a half does not open; `deny` is what to say then.
    """
    chain_id, name = desk.node.chain_id, desk.name
    said = opening.confirmations(desk.state, name)
    if not desk.may_agree or any(each.organisation == desk.organisation for each in said):
        return
    derived = desk.keys.keys(chain_id, name, desk.order, opening.agreements(desk.state, name))
    yield ConfirmPairs(name, key_hash(chain_id, name, SecretKey(derived.study_key)))


def deny(desk: Desk) -> ConfirmPairs:
    """Say that a half did not open: the study closes, and nobody is blamed."""
    return ConfirmPairs(desk.name, b"")


def key_hash(chain_id: str, study: str, key: SecretKey) -> bytes:
    """A hash of the study key that gives nothing of it away, for this study alone."""
    return digest("hmchain study key", chain_id.encode(), study.encode(), key.derive("hmchain study key hash").raw)
