"""Admission by proof and recovery by a vote: whose keys come in, and what a key that others voted can do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hmchain.application.agent import own_word
from hmchain.canonical import digest
from hmchain.keys import SigningKey
from hmchain.ledger.contracts.members import admission, enrolment, membership, people, recovery, upgrades
from hmchain.ledger.contracts.members.admission import ProposeAdmission, answer_digest
from hmchain.ledger.contracts.members.enrolment import SuspendPerson
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, VoteAction, ballot_id
from hmchain.ledger.contracts.members.office_keys import CompleteRecovery, ObjectRecovery
from hmchain.ledger.contracts.members.recovery import Recover, recovery_bytes
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.contracts.members.upgrades import Upgrade
from hmchain.ledger.genesis import NOTICE_MS
from hmchain.ledger.readers.people import people_of
from support.ledger_network import ROLES, genesis, member, possession, signing_key
from support.one_machine import OneMachine

WEEK_MS = 7 * NOTICE_MS
ANSWER = answer_digest(b"secret of the challenge")


@pytest.fixture
def bed() -> OneMachine:
    return OneMachine()


def opened(bed: OneMachine, action: membership.Action) -> bytes:
    """The ballot that is open on an action."""
    found = membership.open_ballot(bed.state, action, bed.now_ms)
    assert found is not None
    return found


# -- admission ---------------------------------------------------------------------------------------------------------


def test_a_member_comes_in_with_the_proof_of_its_keys(bed: OneMachine) -> None:
    east = member("e")
    assert bed.office("a", ProposeAction(Admit(east))) == "unproven_keys"
    assert bed.office("a", ProposeAdmission(east, possession(east, bed.chain))) == "ok"
    ballot = opened(bed, Admit(east))
    assert [bed.office(name, VoteAction(ballot)) for name in "bc"] == ["ok", "ok"]
    assert membership.is_active(bed.state, "e")
    vouched = admission.proven(bed.state, east)
    assert vouched is not None and (vouched.challenger, vouched.answer) == ("a", ANSWER)


def test_who_copies_a_proof_from_the_ledger_does_not_take_the_challenger_s_name_off_it(bed: OneMachine) -> None:
    east = member("e")
    for name in "ab":
        assert bed.office(name, ProposeAdmission(east, possession(east, bed.chain))) == "ok"
    vouched = admission.proven(bed.state, east)
    assert vouched is not None and vouched.challenger == "a"


@pytest.mark.parametrize("role", ROLES)
def test_a_key_proven_by_another_cannot_be_admitted(bed: OneMachine, role: str) -> None:
    """East names a key that it does not hold: another signs for it, or it shows what that key signed elsewhere."""
    victim = SigningKey(digest("victim"))
    east = replace(member("e"), **{role: victim.public.raw})
    thief = SigningKey(digest("thief"))
    for forged in (
        possession(east, bed.chain, **{role: thief}),
        possession(east, "other-abcdefgh", **{role: victim}),
        possession(replace(east, title="Another"), bed.chain, **{role: victim}),
        replace(possession(east, bed.chain, **{role: victim}), answer=answer_digest(b"another")),
    ):
        assert bed.office("a", ProposeAdmission(east, forged)) == "bad_proof_of_possession"
    assert admission.proven(bed.state, east) is None


def test_an_admission_that_was_proposed_before_the_upgrade_waits_for_its_proof() -> None:
    bed = OneMachine(replace(genesis(protocol=2), notice_ms=1))
    east = member("e")
    assert bed.office("a", ProposeAction(Admit(east))) == "ok"
    early = ProposeAdmission(east, possession(east, bed.chain))
    assert bed.office("a", early) == "malformed", "protocol 2 refuses it as it always did"
    upgrade = Upgrade(3, bed.now_ms + 5000, 0)
    assert bed.office("a", ProposeAction(upgrade)) == "ok"
    assert [bed.office(name, VoteAction(opened(bed, upgrade))) for name in "bc"] == ["ok", "ok"]
    bed.now_ms += 5000
    assert bed.office("d", ObjectRecovery()) == "malformed"
    assert upgrades.at(bed.state, bed.state.height + 1) == 3
    ballot = opened(bed, Admit(east))
    assert bed.office("b", VoteAction(ballot)) == "unproven_keys"
    assert bed.office("a", early) == "ok", "the proposer adds the proof, and has voted"
    assert bed.office("b", ProposeAdmission(east, possession(east, bed.chain))) == "ok", "and who adds one votes"
    assert bed.office("c", VoteAction(ballot)) == "ok"
    assert membership.is_active(bed.state, "e")


# -- recovery ----------------------------------------------------------------------------------------------------------

NEW = SigningKey(digest("east's new key"))


def recover(bed: OneMachine, wait_ms: int = WEEK_MS, key: SigningKey = NEW, former: bytes = b"") -> Recover:
    lost = former or signing_key("a", "steward").public.raw
    return Recover("a", lost, key.public.raw, wait_ms, key.sign(recovery_bytes(bed.chain, "a", lost, key.public.raw)))


def agreed(bed: OneMachine, action: Recover) -> None:
    assert bed.office("b", ProposeAction(action)) == "ok"
    ballot = opened(bed, action)
    assert [bed.office(name, VoteAction(ballot)) for name in "cd"] == ["ok", "ok"]


def test_a_lost_key_is_recovered_by_two_thirds_after_a_wait(bed: OneMachine) -> None:
    agreed(bed, recover(bed))
    assert bed.office("b", CompleteRecovery("a")) == "not_due"
    bed.now_ms += WEEK_MS
    assert bed.office("b", CompleteRecovery("a"), "agent") == "wrong_role"
    assert bed.office("b", CompleteRecovery("a")) == "ok"
    assert bed.office("a", SuspendPerson("scientist")) == "retired_key"
    assert bed.send(NEW, SuspendPerson("scientist")) == "ok"
    known = recovery.recovered(bed.state, "a")
    assert known is not None and known.key == NEW.public.raw
    assert bed.office("b", CompleteRecovery("a")) == "no_recovery"


def test_the_old_key_or_an_officer_objects_in_time(bed: OneMachine) -> None:
    bed.enrol("a", "o1", "officer")
    for objects in (lambda: bed.office("a", ObjectRecovery()), lambda: bed.person("a", "o1", ObjectRecovery())):
        agreed(bed, recover(bed))
        assert bed.office("a", ObjectRecovery(), "scientist") == "wrong_role"
        assert objects() == "ok"
        bed.now_ms += WEEK_MS
        assert bed.office("b", CompleteRecovery("a")) == "no_recovery"
    assert bed.office("a", SuspendPerson("scientist")) == "ok"


def test_a_key_that_was_rotated_meanwhile_was_not_lost(bed: OneMachine) -> None:
    agreed(bed, recover(bed))
    lost, own = signing_key("a", "steward").public.raw, SigningKey(digest("rotated"))
    rotated = own.sign(rotation_bytes(bed.chain, "a", "steward", lost, own.public.raw))
    assert bed.office("a", RotateKey("steward", own.public.raw, rotated)) == "ok"
    bed.now_ms += WEEK_MS
    assert bed.office("b", CompleteRecovery("a")) == "wrong_former"
    assert people_of(bed.state, "a", bed.now_ms).recovering is None, "nobody is told to object to it"
    assert not list(own_word.warnings(bed.state, "a", ()))
    assert bed.office("b", ProposeAction(recover(bed))) == "wrong_former"
    agreed(bed, recover(bed, former=own.public.raw))


def test_officers_who_were_silent_stand_in_nobody_s_way(bed: OneMachine) -> None:
    bed.enrol("a", "o1", "officer", "steward")
    assert bed.office("a", bed.invitation("a", "s1", "steward")) == "ok"
    agreed(bed, recover(bed))
    bed.now_ms += WEEK_MS
    assert bed.office("b", CompleteRecovery("a")) == "ok"
    assert people.officers(bed.state, "a") == ["steward"] and not enrolment.pending(bed.state, "a")
    assert people.roles_of(bed.state, people.PersonRef("a", "o1")) == ("steward",)
    assert bed.send(NEW, bed.invitation("a", "o2", "officer")) == "ok"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"wait_ms": WEEK_MS - 1}, "bad_wait"),
        ({"wait_ms": 10**12}, "bad_wait"),
        ({"organisation": "z"}, "bad_proof_of_possession"),
        ({"key": signing_key("b", "steward").public.raw}, "bad_proof_of_possession"),
        ({"proof": bytes(64)}, "bad_proof_of_possession"),
    ],
)
def test_what_is_no_recovery_is_refused(bed: OneMachine, changed: dict[str, object], code: str) -> None:
    assert bed.office("b", ProposeAction(replace(recover(bed), **changed))) == code
    taken = recover(bed, key=signing_key("c", "agent"))
    assert bed.office("b", ProposeAction(taken)) == "key_taken"


def test_protocol_2_refuses_a_recovery_as_it_always_did() -> None:
    bed = OneMachine(genesis(protocol=2))
    for body in (ProposeAction(recover(bed)), ObjectRecovery(), CompleteRecovery("a")):
        assert bed.office("b", body) == "malformed"
        assert bed.office("b", body, "agent") == "malformed", "whoever sends it"
    assert bed.office("b", VoteAction(ballot_id(recover(bed), 1))) == "no_such_ballot"
