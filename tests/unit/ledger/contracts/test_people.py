"""People of organisations: who may act, who lets them, and what a stolen key can and cannot do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.canonical import Record, encode
from hmchain.keys import SigningKey
from hmchain.ledger.contracts import HANDLERS_OF_2
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import enrolment, membership, people
from hmchain.ledger.contracts.members.enrolment import (
    CHANGE_LIFE_MS,
    CHANGES_MAX,
    AcceptInvitation,
    ChangeRoles,
    ConfirmChange,
    DropChange,
    HandOver,
    InvitePerson,
    ReinstatePerson,
    RemovePerson,
    ReplaceKey,
    SuspendPerson,
    change_id,
    possession_bytes,
)
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction, ballot_id
from hmchain.ledger.contracts.members.people import PersonRef, Status
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.transactions import Refusal, read
from support.ledger_network import SCHEMA, genesis, signing_key
from support.one_machine import OneMachine, person_key

STEWARD_ROLES = ("steward",)


@pytest.fixture
def bed() -> OneMachine:
    return OneMachine()


@pytest.fixture
def pair() -> OneMachine:
    """Organisation a has two officers: its steward's office and o1."""
    bed = OneMachine()
    bed.enrol("a", "o1", "officer")
    return bed


def deed(number: int) -> RegisterDataset:
    return RegisterDataset(f"d{number}", SCHEMA)


def replacement(bed: OneMachine, name: str, number: int = 1) -> ReplaceKey:
    key = person_key("a", name, number)
    return ReplaceKey(name, key.public.raw, key.sign(possession_bytes(bed.chain, "a", name, key.public.raw)))


def status(bed: OneMachine, name: str) -> Status:
    return people.status(bed.state, PersonRef("a", name))


def confirmed(bed: OneMachine, change: enrolment.Change, by: str = "o1") -> str:
    """A change that the steward's office asks for and another officer confirms."""
    assert bed.office("a", change) == "ok"
    return bed.person("a", by, ConfirmChange(change_id("a", change)))


# -- a person's life ---------------------------------------------------------------------------------------------------


def test_a_person_acts_from_the_acceptance_on_and_in_no_other_role(bed: OneMachine) -> None:
    assert bed.office("a", bed.invitation("a", "s1", "steward")) == "ok"
    assert bed.person("a", "s1", deed(1)) == "not_accepted"
    assert bed.person("a", "s1", AcceptInvitation(("officer", "steward"))) == "other_roles"
    assert bed.person("a", "s1", AcceptInvitation(STEWARD_ROLES)) == "ok"
    assert bed.person("a", "s1", deed(1)) == "ok"
    assert bed.person("a", "s1", AcceptInvitation(STEWARD_ROLES)) == "not_invited"
    assert bed.person("a", "s1", bed.invitation("a", "s2", "steward")) == "wrong_role", "a steward is no officer"
    assert bed.office("a", ChangeRoles("s1", ("scientist",))) == "ok"
    assert bed.person("a", "s1", deed(2)) == "wrong_role"
    assert people.with_role(bed.state, "a", "scientist") == [PersonRef("a", "scientist"), PersonRef("a", "s1")]


@pytest.mark.parametrize(
    ("name", "roles", "code"),
    [
        ("steward", STEWARD_ROLES, "bad_name"),
        ("validator", STEWARD_ROLES, "bad_name"),
        ("Dr. Meier", STEWARD_ROLES, "bad_name"),
        ("s1", (), "bad_roles"),
        ("s1", ("agent",), "bad_roles"),
        ("s1", ("steward", "officer"), "bad_roles"),
        ("s1", ("steward", "steward"), "bad_roles"),
    ],
)
def test_what_names_no_person_or_no_role_is_refused(
    bed: OneMachine, name: str, roles: tuple[str, ...], code: str
) -> None:
    key = person_key("a", name)
    proof = key.sign(possession_bytes(bed.chain, "a", name, key.public.raw))
    assert bed.office("a", InvitePerson(name, roles, key.public.raw, proof)) == code


def test_a_name_is_given_once(bed: OneMachine) -> None:
    bed.enrol("a", "s1", "steward")
    assert bed.office("a", RemovePerson("s1")) == "ok"
    assert bed.person("a", "s1", deed(1)) == "removed_person"
    assert bed.office("a", bed.invitation("a", "s1", "steward", key=person_key("a", "other"))) == "name_taken"
    assert bed.office("a", ReinstatePerson("s1")) == "no_such_person"
    assert bed.office("b", bed.invitation("b", "s1", "steward")) == "ok", "of one's own organisation"


def test_the_key_of_a_member_is_nobody_else_s_ever(bed: OneMachine) -> None:
    taken = [signing_key("a", "agent"), signing_key("b", "steward"), person_key("a", "s1"), person_key("a", "s2")]
    bed.enrol("a", "s1", "steward")
    bed.enrol("a", "s2", "steward")
    assert bed.office("a", replacement(bed, "s2")) == "ok", "the old key stays bound too"
    for key in taken:
        assert bed.office("b", bed.invitation("b", "s9", "steward", key=key)) == "key_taken"
    own = person_key("a", "s1")
    proof = own.sign(rotation_bytes(bed.chain, "a", "agent", signing_key("a", "agent").public.raw, own.public.raw))
    assert bed.office("a", RotateKey("agent", own.public.raw, proof)) == "key_taken"


def test_a_key_proven_by_another_cannot_be_enrolled(bed: OneMachine) -> None:
    victim, thief = person_key("b", "victim"), person_key("a", "thief")
    raw = victim.public.raw
    for key, words in [(thief, ("a", "s1")), (victim, ("b", "s1")), (victim, ("a", "s2"))]:
        proof = key.sign(possession_bytes(bed.chain, *words, raw))
        assert bed.office("a", InvitePerson("s1", STEWARD_ROLES, raw, proof)) == "bad_proof_of_possession"
    elsewhere = victim.sign(possession_bytes("another-0000", "a", "s1", raw))
    assert bed.office("a", InvitePerson("s1", STEWARD_ROLES, raw, elsewhere)) == "bad_proof_of_possession"


# -- a stolen key ------------------------------------------------------------------------------------------------------


def test_a_suspended_person_s_key_is_refused_at_once(pair: OneMachine) -> None:
    receipts = pair.block(
        pair.wire(person_key("a", "o1"), SuspendPerson("o1")),
        pair.wire(person_key("a", "o1"), SuspendPerson("scientist")),
    )
    assert [receipt.code for receipt in receipts] == ["ok", "suspended_person"], "in the same block"
    later = read(pair.wire(person_key("a", "o1"), deed(1)), pair.chain).transaction
    with pytest.raises(Refusal, match="suspended_person"):
        pair.machine.check(later, pair.now_ms)  # as a node asks before it takes one for a block


def test_any_one_officer_cuts_a_key_off_and_two_let_it_act_again(pair: OneMachine) -> None:
    assert confirmed(pair, pair.invitation("a", "s1", "steward")) == "ok"
    assert pair.person("a", "s1", AcceptInvitation(STEWARD_ROLES)) == "ok"
    assert pair.person("a", "s1", SuspendPerson("o1")) == "wrong_role"
    assert pair.person("a", "o1", SuspendPerson("s1")) == "ok"
    assert pair.person("a", "s1", deed(1)) == "suspended_person"
    assert pair.person("a", "o1", SuspendPerson("s1")) == "not_active"
    assert confirmed(pair, ReinstatePerson("s1")) == "ok"
    assert pair.person("a", "s1", deed(1)) == "ok"
    assert pair.person("a", "o1", SuspendPerson("steward")) == "ok", "an office too"
    assert pair.office("a", deed(2)) == "suspended_person"


def test_a_lost_key_is_replaced_and_the_old_one_is_dead(bed: OneMachine) -> None:
    bed.enrol("a", "s1", "steward")
    assert bed.person("a", "s1", SuspendPerson("s1")) == "ok"
    stolen = replacement(bed, "s1")
    forged = ReplaceKey("s1", stolen.key, person_key("a", "x").sign(b"x"))
    assert bed.office("a", forged) == "bad_proof_of_possession"
    assert bed.office("a", stolen) == "ok"
    assert bed.person("a", "s1", deed(1)) == "retired_key"
    assert bed.person("a", "s1", deed(1), number=1) == "ok"


# -- two officers ------------------------------------------------------------------------------------------------------


def test_one_officer_alone_cannot_enrol_a_second_self_where_there_are_two(pair: OneMachine) -> None:
    second_self = pair.invitation("a", "me-too", "officer", "steward")
    for change in (
        second_self,
        ChangeRoles("o1", ("auditor",)),
        RemovePerson("o1"),
        replacement(pair, "o1"),
    ):
        assert pair.office("a", change) == "ok", "it waits"
        assert pair.office("a", ConfirmChange(change_id("a", change))) == "own_change"
        assert pair.office("b", ConfirmChange(change_id("a", change))) == "no_such_change"
    assert people.person(pair.state, "a", "me-too") is None
    assert people.roles_of(pair.state, PersonRef("a", "o1")) == ("officer",)


def test_nobody_is_the_only_officer_by_suspending_the_other(pair: OneMachine) -> None:
    assert pair.office("a", SuspendPerson("o1")) == "ok"
    second_self = pair.invitation("a", "me-too", "officer")
    assert pair.office("a", second_self) == "ok"
    assert people.person(pair.state, "a", "me-too") is None
    assert pair.office("a", ReinstatePerson("o1")) == "ok"
    assert status(pair, "o1") is Status.SUSPENDED


def test_nor_does_an_officer_take_the_scientist_s_office_or_a_steward_that_of_the_officer(pair: OneMachine) -> None:
    key = person_key("a", "scientist", 7)
    proof = key.sign(
        rotation_bytes(pair.chain, "a", "scientist", signing_key("a", "scientist").public.raw, key.public.raw)
    )
    assert pair.office("a", RotateKey("scientist", key.public.raw, proof)) == "takes_two_officers"
    own = person_key("a", "steward", 7)
    proof = own.sign(rotation_bytes(pair.chain, "a", "steward", signing_key("a", "steward").public.raw, own.public.raw))
    assert pair.person("a", "o1", RotateKey("steward", own.public.raw, proof)) == "wrong_role"
    assert confirmed(pair, replacement(pair, "scientist")) == "ok"
    assert pair.office("a", deed(1), "scientist") == "retired_key"


def test_what_a_thief_asked_for_lapses_with_the_thief(pair: OneMachine) -> None:
    change = pair.invitation("a", "me-too", "officer")
    assert pair.person("a", "o1", change) == "ok"
    assert pair.office("a", SuspendPerson("o1")) == "ok"
    assert pair.office("a", ConfirmChange(change_id("a", change))) == "change_lapsed"


def test_what_a_thief_asked_for_does_not_come_back_with_the_key_s_person(pair: OneMachine) -> None:
    """Suspended and taken back, or given another key: what the stolen key asked for is confirmed by nobody's slip."""
    assert confirmed(pair, pair.invitation("a", "o2", "officer")) == "ok"
    assert pair.person("a", "o2", AcceptInvitation(("officer",))) == "ok"
    waits = pair.invitation("a", "me-too", "officer")
    assert pair.person("a", "o2", waits) == "ok"
    back: tuple[enrolment.Change, ...] = (ReinstatePerson("o2"), replacement(pair, "o2"))
    assert [pair.office("a", change) for change in back] == ["not_suspended", "ok"]
    assert pair.office("a", SuspendPerson("o2")) == "ok"
    assert pair.person("a", "o1", ConfirmChange(change_id("a", back[1]))) == "ok"
    assert status(pair, "o2") is Status.ACTIVE
    assert pair.office("a", ConfirmChange(change_id("a", waits))) == "change_lapsed"
    assert pair.person("a", "o2", waits, number=1) == "ok", "said again"
    assert pair.office("a", SuspendPerson("o2")) == "ok"
    assert confirmed(pair, ReinstatePerson("o2")) == "ok"
    assert pair.office("a", ConfirmChange(change_id("a", waits))) == "no_such_change", (
        "gone with the next that is asked"
    )


def test_a_change_waits_for_a_while_and_can_be_dropped(pair: OneMachine) -> None:
    change = pair.invitation("a", "s1", "steward")
    name = change_id("a", change)
    assert pair.office("a", change) == "ok"
    assert pair.office("a", change) == "change_asked"
    assert pair.person("a", "o1", DropChange(name)) == "ok"
    assert pair.person("a", "o1", ConfirmChange(name)) == "no_such_change"
    assert pair.office("a", change) == "ok"
    pair.now_ms += CHANGE_LIFE_MS
    assert pair.person("a", "o1", ConfirmChange(name)) == "change_lapsed"
    assert pair.office("a", change) == "ok", "it can be asked for again"
    for number in range(CHANGES_MAX - 1):
        assert pair.office("a", pair.invitation("a", f"p{number}", "auditor")) == "ok"
    assert pair.office("a", pair.invitation("a", "one-more", "auditor")) == "too_many_changes"


def test_an_organisation_keeps_an_officer(bed: OneMachine) -> None:
    for name in ("o1", "o2", "s1"):
        bed.office("a", bed.invitation("a", name, "steward"))
        bed.person("a", name, AcceptInvitation(STEWARD_ROLES))
    for name in ("o1", "o2"):
        bed.office("a", ChangeRoles(name, ("officer",)))
        if name == "o2":
            bed.person("a", "o1", ConfirmChange(change_id("a", ChangeRoles(name, ("officer",)))))
    assert bed.office("a", RemovePerson("steward")) == "no_such_person", "an office is given up by handing over"
    assert confirmed(bed, HandOver()) == "ok"
    assert bed.person("a", "o1", RemovePerson("o2")) == "ok"
    assert bed.person("a", "o2", ConfirmChange(change_id("a", RemovePerson("o2")))) == "ok"
    assert bed.person("a", "o1", RemovePerson("o1")) == "last_officer"
    assert bed.person("a", "o1", ChangeRoles("o1", STEWARD_ROLES)) == "last_officer"
    assert people.officers(bed.state, "a") == ["o1"]


def test_an_organisation_hands_over_to_its_people(pair: OneMachine) -> None:
    assert pair.office("a", HandOver()) == "too_few_people"
    for name, roles in (("o2", ("officer",)), ("s1", STEWARD_ROLES)):
        assert confirmed(pair, pair.invitation("a", name, *roles)) == "ok"
        assert pair.person("a", name, AcceptInvitation(roles)) == "ok"
    assert pair.person("a", "o1", HandOver()) == "ok"
    assert pair.person("a", "o2", ConfirmChange(change_id("a", HandOver()))) == "ok"
    for office in ("steward", "scientist"):
        assert pair.office("a", deed(1), office) == "removed_person"
    assert pair.office("a", deed(1), "agent") == "wrong_role", "machines go on"
    assert pair.person("a", "s1", deed(1)) == "ok"
    assert pair.person("a", "o1", HandOver()) == "no_change"
    assert pair.person("a", "o1", replacement(pair, "steward")) == "no_such_person"
    fresh = person_key("a", "agent", 3)
    proof = fresh.sign(rotation_bytes(pair.chain, "a", "agent", signing_key("a", "agent").public.raw, fresh.public.raw))
    assert pair.person("a", "o1", RotateKey("agent", fresh.public.raw, proof)) == "ok"


# -- members and protocols ---------------------------------------------------------------------------------------------


def test_a_removed_organisation_s_people_can_do_nothing(bed: OneMachine) -> None:
    bed.enrol("a", "s1", "officer", "steward")
    assert bed.office("a", bed.invitation("a", "s2", "steward")) == "ok"
    action = Remove("a")
    assert bed.office("b", ProposeAction(action)) == "ok"
    ballot = ballot_id(action, bed.state.height)
    assert bed.office("c", VoteAction(ballot)) == "ok"
    assert bed.person("d", "nobody", VoteAction(ballot)) == "unknown_sender"
    assert bed.office("d", VoteAction(ballot)) == "ok"
    for body in (deed(1), SuspendPerson("s2"), AcceptInvitation(STEWARD_ROLES), bed.invitation("a", "s3", "steward")):
        assert bed.person("a", "s1", body) == "unknown_sender"
    assert not people.is_active(bed.state, PersonRef("a", "s1")) and people.is_gone(
        bed.state, PersonRef("a", "steward")
    )


def test_a_person_votes_for_the_organisation_once(bed: OneMachine) -> None:
    bed.enrol("a", "s1", "steward")
    action = Remove("d")
    assert bed.person("a", "s1", ProposeAction(action)) == "ok"
    assert bed.office("a", VoteAction(ballot_id(action, bed.state.height))) == "already_voted"


def test_protocol_2_refuses_all_of_it_as_it_always_did() -> None:
    bed = OneMachine(genesis(protocol=2))
    bodies: list[Record] = [
        bed.invitation("a", "s1", "steward"),
        AcceptInvitation(STEWARD_ROLES),
        ChangeRoles("s1", STEWARD_ROLES),
        SuspendPerson("s1"),
        ReinstatePerson("s1"),
        RemovePerson("s1"),
        replacement(bed, "s1"),
        HandOver(),
        ConfirmChange(bytes(32)),
        DropChange(bytes(32)),
    ]
    assert {type(body) for body in bodies} == set(enrolment.HANDLERS) and not enrolment.HANDLERS.keys() & HANDLERS_OF_2
    for body in bodies:
        assert bed.office("a", body) == "malformed"
    assert not list(bed.state.scan(b"people")) and not list(bed.state.scan(b"offices"))
    assert bed.person("a", "s1", deed(1)) == "unknown_sender"


# -- whatever is sent --------------------------------------------------------------------------------------------------

NAMES = ("steward", "o1", "p1", "p2")
STEPS = st.tuples(st.sampled_from(NAMES), st.integers(0, 7), st.sampled_from(NAMES[1:]), st.integers(0, 3))


@settings(max_examples=25)
@given(st.lists(STEPS, max_size=25))
def test_no_word_of_one_officer_gives_power_where_there_are_two(steps: list[tuple[str, int, str, int]]) -> None:
    """Of o1 and the steward's office only the latter plays, with all persons it may hold: o1's key stays silent."""
    bed = OneMachine()
    bed.enrol("a", "o1", "officer")
    for who, what, whom, number in steps:
        body = _body(bed, what, whom, number)
        key: SigningKey = signing_key("a", "steward") if who in ("steward", "o1") else person_key("a", who)
        bed.send(key, body)
        assert people.officers(bed.state, "a") == ["steward", "o1"]
        named = [entry for entry in people.people(bed.state, "a") if entry.status is Status.ACTIVE]
        assert all(entry.person == "o1" and entry.roles == ("officer",) for entry in named)
        for entry in people.people(bed.state, "a"):
            assert membership.credential(bed.state, entry.key) is not None


def _body(bed: OneMachine, what: int, whom: str, number: int) -> Record:
    waiting = [name for name, _ in enrolment.pending(bed.state, "a")]
    makes = (
        lambda: bed.invitation("a", whom, "officer", "steward"),
        lambda: AcceptInvitation(("officer", "steward")),
        lambda: ChangeRoles(whom, ("officer", "steward")),
        lambda: SuspendPerson(whom),
        lambda: ReinstatePerson(whom),
        lambda: RemovePerson(whom),
        lambda: replacement(bed, whom, number),
        lambda: ConfirmChange(waiting[number % len(waiting)] if waiting else bytes(32)),
    )
    body: Record = makes[what]()
    assert encode(body)
    return body
