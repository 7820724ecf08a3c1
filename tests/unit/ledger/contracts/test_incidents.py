"""Incidents: what all members share of one, and what a thief who holds a key cannot make of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger.contracts import HANDLERS_OF_3
from hmchain.ledger.contracts.members import incidents
from hmchain.ledger.contracts.members.enrolment import (
    Change,
    ConfirmChange,
    ReinstatePerson,
    ReplaceKey,
    SuspendPerson,
    change_id,
    possession_bytes,
)
from hmchain.ledger.contracts.members.incident_codes import CONTAIN_MS, Deed, Severity
from hmchain.ledger.contracts.members.incidents import (
    NOTES_MAX,
    OPEN_MAX,
    AcknowledgeIncident,
    CloseIncident,
    ContainIncident,
    Incident,
    NoteIncident,
    OpenIncident,
)
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction, ballot_id
from hmchain.ledger.contracts.members.people import OFFICER
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.protocols import KNOWN
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.transactions import Refusal
from support.ledger_network import signing_key
from support.one_machine import OneMachine, person_key

NAME = "lost-laptop"
PAPER = bytes([7]) * 32
STOLEN = person_key("a", "s1").public.raw
KNOW, CUT_OFF = AcknowledgeIncident(NAME, b""), ContainIncident(NAME, ("key-cut-off",), b"")
CLOSE = CloseIncident(NAME, b"")


@pytest.fixture
def bed() -> OneMachine:
    """Organisation a has a second officer, and a steward whose key is about to be stolen."""
    bed = OneMachine()
    bed.enrol("a", "s1", "steward")
    bed.enrol("a", "o1", OFFICER)
    return bed


def report(bed: OneMachine, **changes: Any) -> OpenIncident:
    given: dict[str, Any] = {
        "incident": NAME, "kind": "key", "severity": "high", "affected": ("a",), "keys": (STOLEN,),
        "detected_ms": bed.now_ms, "evidence": PAPER,
    }  # fmt: skip
    return OpenIncident(**{**given, **changes})


def opened(bed: OneMachine, by: str = "a", **changes: Any) -> Incident:
    assert bed.office(by, report(bed, **changes)) == "ok"
    return found(bed)


def found(bed: OneMachine) -> Incident:
    entry = incidents.incident(bed.state, NAME)
    assert entry is not None
    return entry


def cut_off(bed: OneMachine, person: str = "s1") -> None:
    assert bed.office("a", SuspendPerson(person)) == "ok"


def confirmed(bed: OneMachine, change: Change) -> None:
    assert (bed.office("a", change), bed.person("a", "o1", ConfirmChange(change_id("a", change)))) == ("ok", "ok")


def known_to_all(bed: OneMachine) -> None:
    assert [bed.office(name, KNOW) for name in "bcd"] == ["ok"] * 3


# -- the life of one ---------------------------------------------------------------------------------------------------


def test_an_incident_is_opened_acknowledged_contained_and_closed(bed: OneMachine) -> None:
    cut_off(bed)
    entry = opened(bed)
    assert incidents.owing(bed.state, entry) == ["b", "c", "d"] and incidents.uncontained(bed.state, entry) == ["a"]
    assert bed.office("a", CLOSE) == "not_contained"
    assert bed.person("a", "o1", CUT_OFF) == "ok"
    assert bed.office("a", CLOSE) == "not_acknowledged"
    known_to_all(bed)
    assert bed.office("b", CLOSE) == "not_the_opener"
    assert bed.office("a", CLOSE) == "ok"
    said = [(word.deed, str(word.by)) for word in incidents.words(bed.state, NAME)]
    assert said == [
        (Deed.OPEN, "a/steward"), (Deed.CONTAIN, "a/o1"), (Deed.ACKNOWLEDGE, "b/steward"),
        (Deed.ACKNOWLEDGE, "c/steward"), (Deed.ACKNOWLEDGE, "d/steward"), (Deed.CLOSE, "a/steward"),
    ]  # fmt: skip
    assert incidents.open_incidents(bed.state) == [] and not found(bed).is_open
    assert {bed.office("b", body) for body in (KNOW, CLOSE, CUT_OFF)} == {"incident_closed"}
    assert bed.office("a", report(bed)) == "name_taken"


def test_who_became_a_member_later_owes_nothing(bed: OneMachine) -> None:
    entry = opened(bed)
    assert incidents.owing(bed.state, replace(entry, height=0)) == ["b", "c", "d"], "members since height 0"
    assert incidents.owing(bed.state, replace(entry, height=-1)) == []


def test_whoever_stays_silent_holds_an_incident_up_no_longer_than_its_time(bed: OneMachine) -> None:
    cut_off(bed)
    entry = opened(bed)
    assert bed.person("a", "o1", CUT_OFF) == "ok"
    bed.now_ms = entry.due_ms - 2 * 1000
    assert bed.office("a", CLOSE) == "not_acknowledged"
    bed.now_ms = entry.due_ms
    assert bed.office("a", CLOSE) == "ok"


def test_whoever_never_says_what_it_did_holds_it_open_for_a_month_and_is_named(bed: OneMachine) -> None:
    entry = opened(bed, keys=(), affected=("a", "b"))
    known_to_all(bed)
    later = bed.now_ms
    assert bed.office("a", NoteIncident(NAME, (), ("c",), (), b"")) == "ok"
    bed.now_ms = entry.opened_ms + CONTAIN_MS
    assert incidents.silent(bed.state, found(bed), bed.now_ms) == ["a", "b"], "c was named later"
    assert bed.person("a", "o1", CUT_OFF) == "ok" and bed.office("a", CLOSE) == "not_contained"
    bed.now_ms = later + CONTAIN_MS + 1000
    assert bed.office("a", CLOSE) == "ok"
    assert incidents.words(bed.state, NAME)[-1].affected == ("b", "c")


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_month_closes_nothing_for_who_closes_it_nor_where_a_stolen_key_signs(bed: OneMachine, who: str) -> None:
    entry = opened(bed, by=who)
    known_to_all(bed) if who == "a" else [bed.office(name, KNOW) for name in "acd"]
    bed.now_ms = entry.opened_ms + 2 * CONTAIN_MS
    assert bed.office(who, CLOSE) == "not_contained"
    cut_off(bed)
    assert bed.office(who, CLOSE) == ("not_contained" if who == "a" else "ok")


def test_who_is_no_member_any_more_holds_nothing_up(bed: OneMachine) -> None:
    entry = opened(bed, by="b", affected=("d",), keys=())
    action, ballot = Remove("d"), ballot_id(Remove("d"), bed.state.height + 1)
    assert bed.office("a", ProposeAction(action)) == "ok"
    assert [bed.office(name, VoteAction(ballot)) for name in "bc"] == ["ok", "ok"]
    assert incidents.uncontained(bed.state, entry) == [] and incidents.owing(bed.state, entry) == ["a", "c"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"incident": "East's key"}, "bad_name"),
        ({"kind": "theft"}, "bad_incident"),
        ({"severity": "awful"}, "bad_incident"),
        ({"affected": ()}, "bad_incident"),
        ({"affected": ("b", "a")}, "bad_incident"),
        ({"affected": ("a", "a")}, "bad_incident"),
        ({"affected": ("a", "z")}, "not_a_member"),
        ({"keys": (bytes(32),)}, "no_such_key"),
        ({"affected": ("b",)}, "no_such_key"),
        ({"detected_ms": 0}, "bad_incident"),
        ({"evidence": b"somebody wrote this"}, "bad_digest"),
    ],
)
def test_what_is_no_incident_is_refused(bed: OneMachine, changes: dict[str, Any], code: str) -> None:
    assert bed.office("a", report(bed, **changes)) == code
    assert incidents.incident(bed.state, NAME) is None


def test_a_time_to_come_is_now(bed: OneMachine) -> None:
    assert opened(bed, detected_ms=bed.now_ms + DAY_MS).detected_ms == bed.now_ms


@pytest.mark.parametrize(("severity", "days"), [("low", 7), ("medium", 3), ("high", 1)])
def test_how_bad_it_is_says_how_soon_members_answer(bed: OneMachine, severity: str, days: int) -> None:
    entry = opened(bed, severity=severity)
    assert entry.severity is Severity(severity) and entry.due_ms == entry.opened_ms + days * DAY_MS


def test_roles_are_held_to(bed: OneMachine) -> None:
    bed.enrol("b", "r1", "scientist")
    bed.enrol("b", "u1", "auditor")
    assert bed.person("b", "r1", report(bed)) == "wrong_role"
    assert bed.office("b", report(bed), "agent") == "wrong_role"
    assert bed.person("b", "u1", report(bed)) == "ok", "who audits may notice"
    assert bed.person("b", "r1", NoteIncident(NAME, (), (), (), PAPER)) == "wrong_role"
    assert {bed.person("b", "u1", body) for body in (KNOW, CUT_OFF, CLOSE)} == {"wrong_role"}
    assert bed.person("b", "u1", NoteIncident(NAME, (), (), (), PAPER)) == "ok"
    assert "b" not in incidents.owing(bed.state, found(bed)), "its own organisation opened it"


def test_nobody_says_the_same_twice_or_for_others(bed: OneMachine) -> None:
    opened(bed, keys=())
    assert bed.office("a", KNOW) == "already_told"
    assert bed.office("b", CUT_OFF) == "not_affected"
    assert [bed.office("b", KNOW), bed.office("b", KNOW)] == ["ok", "already_told"]
    assert bed.office("b", AcknowledgeIncident("another", b"")) == "no_such_incident"
    for measures in ((), ("prayed",), ("restored", "key-cut-off"), ("restored", "restored")):
        assert bed.office("a", ContainIncident(NAME, measures, b"")) == "bad_incident"


# -- what is known later -----------------------------------------------------------------------------------------------


def test_a_note_adds_what_became_known(bed: OneMachine) -> None:
    opened(bed)
    agent = signing_key("b", "agent").public.raw
    assert bed.office("c", NoteIncident(NAME, (), ("b",), (), b"")) == "not_the_opener"
    assert bed.office("c", NoteIncident(NAME, (), (), (agent,), b"")) == "no_such_key", "b is not affected yet"
    assert bed.office("b", NoteIncident(NAME, ("persons-told",), ("b",), (agent,), PAPER)) == "ok", "of oneself"
    assert bed.office("a", NoteIncident(NAME, (), ("d",), (), b"")) == "ok", "whoever opened it"
    assert (found(bed).affected, found(bed).keys) == (("a", "b", "d"), tuple(sorted((STOLEN, agent))))
    assert bed.office("a", NoteIncident(NAME, (), ("d",), (), b"")) == "bad_incident", "it says nothing new"
    assert bed.office("b", CUT_OFF) == "key_still_signs"


def test_the_bounds_are_those_that_members_were_told() -> None:
    bounds = (OPEN_MAX, NOTES_MAX, incidents.KEYS_MAX, incidents.DETECTED_MS_MAX, CONTAIN_MS)
    assert bounds == (8, 64, 32, 366 * DAY_MS, 30 * DAY_MS)


def test_a_thief_s_own_incidents_and_notes_leave_room_for_those_whose_key_it_was(bed: OneMachine) -> None:
    """A thief filled the hospital's share, and it could not tell members of the theft until others contained them."""
    opened(bed, "b")
    note = NoteIncident(NAME, ("other",), (), (), b"")
    for number in range(OPEN_MAX):
        flood = report(bed, incident=f"i{number}", affected=("b", "c", "d"), keys=())
        assert bed.person("a", "s1", flood) == "ok"
    assert [bed.person("a", "s1", note) for _ in range(NOTES_MAX)] == ["ok"] * NOTES_MAX
    theft = report(bed, incident="theft")
    assert (bed.office("a", theft), bed.office("a", note)) == ("too_many_incidents", "too_many_notes")
    cut_off(bed)
    assert (bed.office("a", theft), bed.office("a", note)) == ("ok", "ok")


def test_what_is_kept_is_bounded(bed: OneMachine) -> None:
    for number in range(OPEN_MAX):
        assert bed.office("a", report(bed, incident=f"i{number}")) == "ok"
    assert bed.office("a", report(bed)) == "too_many_incidents"
    assert bed.office("b", report(bed)) == "ok", "each has its own share"
    note = NoteIncident(NAME, ("other",), (), (), b"")
    assert [bed.office("c", note) for _ in range(NOTES_MAX)] == ["ok"] * NOTES_MAX
    assert bed.office("c", note) == "too_many_notes"
    assert (bed.office("c", KNOW), bed.office("d", note)) == ("ok", "ok"), "nobody takes another one's word away"


# -- a thief -----------------------------------------------------------------------------------------------------------


def test_nothing_is_contained_while_a_stolen_key_signs(bed: OneMachine) -> None:
    entry = opened(bed)
    assert bed.office("a", CUT_OFF) == "key_still_signs"
    assert bed.person("a", "s1", CUT_OFF) == "key_still_signs", "nor by the thief"
    cut_off(bed)
    assert bed.office("a", CUT_OFF) == "ok"
    assert incidents.uncontained(bed.state, entry) == []


def test_a_key_that_signs_again_opens_it_again(bed: OneMachine) -> None:
    cut_off(bed)
    entry = opened(bed, affected=("a", "b"))
    assert bed.office("a", CUT_OFF) == "ok"
    known_to_all(bed)
    assert bed.office("b", ContainIncident(NAME, ("not-affected",), b"")) == "ok", "which vouches for no key of a's"
    confirmed(bed, ReinstatePerson("s1"))
    assert incidents.uncontained(bed.state, entry) == ["a"]
    assert bed.person("a", "o1", CLOSE) == "not_contained"


def test_somebody_else_says_that_a_key_was_not_stolen_and_nobody_else_but_they(bed: OneMachine) -> None:
    entry = opened(bed, by="b")
    calm = ContainIncident(NAME, ("not-affected",), PAPER)
    assert bed.person("a", "s1", calm) == "key_still_signs", "the thief says so too"
    assert bed.person("a", "o1", ContainIncident(NAME, ("not-affected", "other"), PAPER)) == "key_still_signs"
    assert bed.person("a", "o1", calm) == "ok"
    assert incidents.uncontained(bed.state, entry) == []


@pytest.mark.parametrize("person", ["s1", "o1"])
def test_what_was_said_before_a_key_was_named_does_not_vouch_for_it(bed: OneMachine, person: str) -> None:
    """A thief says at once that all is well; the key becomes known after it, and is vouched for by another alone."""
    entry, calm = opened(bed, by="b", keys=()), ContainIncident(NAME, ("not-affected",), b"")
    assert bed.person("a", person, calm) == "ok" and incidents.uncontained(bed.state, entry) == []
    assert bed.office("b", NoteIncident(NAME, (), (), (STOLEN,), b"")) == "ok"
    assert incidents.uncontained(bed.state, found(bed)) == ["a"]
    assert bed.office("b", CLOSE) == "not_contained"
    assert (bed.person("a", "s1", calm), bed.person("a", "o1", calm)) == ("key_still_signs", "ok")
    assert incidents.uncontained(bed.state, found(bed)) == []
    assert bed.person("a", "o1", calm) == "already_told"


def test_another_key_of_the_same_person_contains_it(bed: OneMachine) -> None:
    opened(bed)
    new = person_key("a", "s1", 1)
    proof = new.sign(possession_bytes(bed.chain, "a", "s1", new.public.raw))
    confirmed(bed, ReplaceKey("s1", new.public.raw, proof))
    assert bed.person("a", "s1", CUT_OFF) == "retired_key"
    assert bed.person("a", "s1", CUT_OFF, number=1) == "ok"


def test_a_machine_s_stolen_key_is_rotated(bed: OneMachine) -> None:
    former, new = signing_key("a", "agent").public.raw, person_key("a", "new agent")
    opened(bed, keys=(former,))
    assert bed.office("a", CUT_OFF) == "key_still_signs"
    proof = new.sign(rotation_bytes(bed.chain, "a", "agent", former, new.public.raw))
    assert bed.office("a", RotateKey("agent", new.public.raw, proof)) == "ok"
    assert bed.office("a", ContainIncident(NAME, ("key-rotated",), PAPER)) == "ok"


def test_what_a_thief_said_counts_no_more_once_the_key_is_cut_off(bed: OneMachine) -> None:
    """Another hospital opened it without knowing which key: the thief says that all is well."""
    entry = opened(bed, by="b", keys=())
    assert bed.person("a", "s1", ContainIncident(NAME, ("not-affected",), b"")) == "ok"
    assert incidents.uncontained(bed.state, entry) == [] and "a" not in incidents.owing(bed.state, entry)
    cut_off(bed)
    assert incidents.uncontained(bed.state, entry) == ["a"] and "a" in incidents.owing(bed.state, entry)
    assert bed.person("a", "o1", CUT_OFF) == "ok"


def test_one_key_alone_contains_and_closes_nothing(bed: OneMachine) -> None:
    assert bed.person("a", "s1", report(bed, keys=())) == "ok"
    assert bed.person("a", "s1", ContainIncident(NAME, ("not-affected",), b"")) == "ok"
    known_to_all(bed)
    assert bed.person("a", "s1", CLOSE) == "own_word"
    assert bed.person("a", "o1", CLOSE) == "ok"


def test_a_hospital_of_one_key_closes_what_it_contained(bed: OneMachine) -> None:
    opened(bed, by="b", affected=("b",), keys=())
    assert bed.office("b", ContainIncident(NAME, ("restored",), b"")) == "ok"
    assert [bed.office(name, KNOW) for name in "acd"] == ["ok"] * 3
    assert bed.office("b", CLOSE) == "ok"


def test_the_protocol_before_knows_no_incidents(bed: OneMachine) -> None:
    for body in (report(bed), KNOW, CUT_OFF, CLOSE, NoteIncident(NAME, (), (), (), b"")):
        assert type(body) not in HANDLERS_OF_3 and KNOWN[4].decode_body(encode(body)) == body
        with pytest.raises(Refusal, match="malformed"):
            KNOWN[3].decode_body(encode(body))
