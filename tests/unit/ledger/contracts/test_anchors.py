"""Anchors of logs: forward alone, by those who keep the log, and back only by a steward's word that stays."""

from __future__ import annotations

import pytest

from hmchain.canonical import Record, encode
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD, VALIDATOR, Acting, Context, Credential
from hmchain.ledger.contracts.members import anchors
from hmchain.ledger.contracts.members.anchors import Anchor, AnchorLog, Loss, RestoreLog
from hmchain.ledger.contracts.members.people import AUDITOR, PersonRef
from hmchain.ledger.protocols import KNOWN
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

HEAD, OTHER = bytes(32), bytes(31) + b"1"


def send(state: State, body: Record, role: str = AGENT, height: int = 7, name: str = "north") -> str:
    """The refusal's code, or the kinds of events."""
    context = Context(state, "test", height, 1000 * height, Credential(name, role))
    try:
        anchors.HANDLERS[type(body)](context, body)
    except Refusal as refusal:
        return refusal.code
    return " ".join(event.encode().kind for event in context.events)


def test_the_last_anchor_of_each_organisation_is_kept() -> None:
    state = State()
    assert send(state, AnchorLog(5, HEAD)) == "log.anchored"
    assert send(state, AnchorLog(9, OTHER), STEWARD, 8) == "log.anchored"
    assert send(state, AnchorLog(2, OTHER), height=9, name="south") == "log.anchored"
    assert anchors.anchor(state, "north") == Anchor("north", 9, OTHER, 8000, 8)
    assert anchors.losses(state, "north") == []


def test_an_auditor_may_anchor_what_an_audit_saw() -> None:
    context = Context(State(), "test", 7, 0, Acting("north", "ann", (AUDITOR,)))
    anchors.HANDLERS[AnchorLog](context, AnchorLog(5, HEAD))
    assert anchors.anchor(context.state, "north") is not None


@pytest.mark.parametrize("size", [0, -1, anchors.SIZE_MAX + 1])
def test_a_size_is_one(size: int) -> None:
    assert send(State(), AnchorLog(size, HEAD)) == "bad_size"


def test_the_longest_log_is_anchored_and_all_of_one_may_be_lost() -> None:
    state = State()
    assert send(state, AnchorLog(1 << 53, HEAD)) == "log.anchored"
    assert send(state, RestoreLog(0, 1, OTHER), STEWARD, 8) == "log.restored"


@pytest.mark.parametrize("body", [AnchorLog(5, b"short"), RestoreLog(2, 5, b"short")])
def test_a_head_is_a_digest(body: Record) -> None:
    assert send(State(), body, STEWARD) == "bad_digest"


@pytest.mark.parametrize(
    ("body", "role"),
    [(AnchorLog(5, HEAD), SCIENTIST), (AnchorLog(5, HEAD), VALIDATOR), (RestoreLog(2, 5, HEAD), AGENT)],
)
def test_others_are_refused(body: Record, role: str) -> None:
    assert send(State(), body, role) == "wrong_role"


@pytest.mark.parametrize("again", [AnchorLog(5, HEAD), AnchorLog(5, OTHER), AnchorLog(4, HEAD)])
def test_no_anchor_goes_back_or_says_the_same_length_anew(again: AnchorLog) -> None:
    """A log that was cut or rewritten cannot be anchored over the anchor that tells."""
    state = State()
    send(state, AnchorLog(5, HEAD))
    assert send(state, again, height=8) == "log_not_longer"
    assert anchors.anchor(state, "north") == Anchor("north", 5, HEAD, 7000, 7)


def test_a_loss_is_said_by_a_steward_and_stays() -> None:
    state = State()
    assert send(state, RestoreLog(2, 5, HEAD), STEWARD) == "log_not_lost"
    send(state, AnchorLog(9, HEAD))
    assert send(state, RestoreLog(4, 5, OTHER), STEWARD, 9) == "log.restored"
    send(state, AnchorLog(7, HEAD), height=10)
    assert anchors.losses(state, "north") == [Loss("north", 9, HEAD, 4, 5, PersonRef("north", "steward"), 9000, 9)]
    assert anchors.anchor(state, "north") == Anchor("north", 7, HEAD, 10000, 10)


@pytest.mark.parametrize(("kept", "size"), [(9, 12), (-1, 5), (5, 5), (7, 5)])
def test_what_is_lost_was_anchored(kept: int, size: int) -> None:
    state = State()
    send(state, AnchorLog(9, HEAD))
    assert send(state, RestoreLog(kept, size, OTHER), STEWARD, 8) == "log_not_lost"


@pytest.mark.parametrize("body", [AnchorLog(5, HEAD), RestoreLog(2, 5, HEAD)])
def test_the_protocol_before_knows_no_anchors(body: Record) -> None:
    assert KNOWN[4].decode_body(encode(body)) == body
    with pytest.raises(Refusal, match="malformed"):
        KNOWN[3].decode_body(encode(body))
