"""Every transaction is a security event of a known kind; one that is refused for want of a right is a denial."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.security import log
from hmchain.application.security.events import Event, Kind
from hmchain.application.security.transactions import DENIALS, FAMILIES, event_of, kind_of, told
from hmchain.canonical import Record
from hmchain.errors import LedgerError
from hmchain.ledger import contracts
from hmchain.ledger.contracts.data.deciding import RevokeRequest
from hmchain.ledger.contracts.data.policies import WithdrawPolicy
from hmchain.ledger.contracts.members.anchors import AnchorLog, RestoreLog
from hmchain.ledger.contracts.members.rotation import RotateKey
from hmchain.ledger.engines.ledger import refused
from hmchain.ledger.refusals import REFUSALS
from hmchain.ledger.transactions import transaction_digest

WIRE = b"signed"


def events(path: Path) -> list[Event]:
    return [each.typed for each in log.read(path)][1:]


@pytest.mark.parametrize("body", sorted(contracts.HANDLERS, key=lambda kind: kind.__name__))
def test_every_transaction_has_a_kind(body: type[Record]) -> None:
    """Of a new family of contracts the kind stands in `FAMILIES`."""
    assert body.__module__.rpartition(".")[2] in FAMILIES
    assert isinstance(kind_of(body), Kind)


def test_every_denial_is_a_refusal() -> None:
    assert set(REFUSALS) >= DENIALS


@pytest.mark.parametrize(
    ("body", "kind", "about", "reason"),
    [
        (RevokeRequest("asked", 1, bytes(32), "brain", "consent", b""), Kind.ACCESS_DECIDED, "asked", "consent"),
        (WithdrawPolicy("brain"), Kind.POLICY_CHANGED, "brain", ""),
        (RotateKey("steward", bytes(32), b""), Kind.KEY_CHANGED, "steward", ""),
        (AnchorLog(5, bytes(32)), Kind.LOG_ANCHORED, "", ""),
        (RestoreLog(2, 5, bytes(32)), Kind.LOG_RESTORED, "", ""),
    ],
)
def test_an_event_says_what_it_is_about(body: Record, kind: Kind, about: str, reason: str) -> None:
    found = event_of(body, "anna", WIRE)
    assert (found.kind, found.about, found.reason, found.person) == (kind, about, reason, "anna")
    assert found.transaction == transaction_digest(WIRE).hex()


def test_it_is_written_before_it_is_sent_and_once_its_outcome_is_known(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with told(path, WithdrawPolicy("brain"), "anna", WIRE):
        assert [each.outcome for each in events(path)] == ["begun"]
    assert [(each.outcome, each.ends) for each in events(path)] == [("begun", 0), ("done", 2)]


def test_a_refusal_for_want_of_a_right_is_a_denial_and_others_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for error in (refused("wrong_role"), refused("no_policy_waits"), LedgerError("the node is away")):
        with pytest.raises(type(error)), told(path, WithdrawPolicy("brain"), "anna", WIRE):
            raise error
    ended = [(each.kind, each.outcome) for each in events(path) if each.ends]
    assert ended == [
        (Kind.ACCESS_DENIED, "wrong_role"), (Kind.POLICY_CHANGED, "no_policy_waits"), (Kind.POLICY_CHANGED, "ledger"),
    ]  # fmt: skip
