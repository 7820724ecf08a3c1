"""Sign-in by key, sessions and tokens: who is let in, for how long, and what the ledger takes away at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hmchain.application.access.challenges import ChallengeError, SignIn, read_text
from hmchain.application.access.permissions import Operation
from hmchain.application.access.sessions import NoCredentialError, SignInAgainError, TokenError
from hmchain.application.access.sign_in import SignInRefusedError
from hmchain.application.access.store import SESSION, TOKEN
from hmchain.application.access.throttle import TooManyError
from hmchain.application.node.meaning import UnreadableTransactionError, meaning
from hmchain.application.security.events import Kind
from hmchain.keys import PublicKey, SigningKey
from hmchain.ledger.contracts.members.enrolment import (
    AcceptInvitation,
    ChangeRoles,
    ConfirmChange,
    HandOver,
    ReinstatePerson,
    RemovePerson,
    ReplaceKey,
    SuspendPerson,
    change_id,
    possession_bytes,
)
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import ADDRESS, Door, door
from support.one_machine import person_key
from support.passkey_device import data

__all__ = ["door"]
S1 = PersonRef("a", "s1")


def refused(door: Door, person: str = "s1", organisation: str = "a", key: SigningKey | None = None) -> str:
    """What a sign-in that fails is told."""
    ref = PersonRef(organisation, person)
    asked = door.access.challenge(ref, ADDRESS)
    with pytest.raises(SignInRefusedError) as caught:
        door.access.by_key(ref, asked.challenge, (key or door.key(ref)).sign(asked.message), ADDRESS)
    return str(caught.value)


def replace_key(door: Door, person: str, number: int) -> None:
    key = person_key("a", person, number)
    proof = key.sign(possession_bytes(door.machine.chain, "a", person, key.public.raw))
    assert door.machine.office("a", ReplaceKey(person, key.public.raw, proof)) == "ok"


def test_people_and_offices_of_members_sign_in_with_the_key_that_the_ledger_has(door: Door) -> None:
    for organisation, person, roles in (
        ("a", "s1", {"steward"}), ("b", "p1", {"scientist"}), ("a", "steward", {"steward", "officer"}),
        ("b", "scientist", {"scientist"}),
    ):  # fmt: skip
        found = door.visitor(door.enter(person, organisation)).principal
        assert (found.name, found.roles) == (f"{organisation}/{person}", roles)
        assert found.public == door.key(PersonRef(organisation, person)).public.raw
        assert (found.factors, found.scopes) == ({"key"}, set(Operation))
    assert [(each.person, each.other) for each in door.events() if each.kind is Kind.SIGN_IN] == [
        ("s1", ""), ("p1", "b"), ("steward", ""), ("scientist", "b"),
    ]  # fmt: skip


def test_whoever_is_refused_learns_nothing_and_costs_the_same_work(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[int] = []
    verify = PublicKey.verify

    def counted(self: PublicKey, signature: bytes, message: bytes) -> bool:
        verified.append(len(message))
        return verify(self, signature, message)

    monkeypatch.setattr(PublicKey, "verify", counted)
    door.enter("s1")  # which begins the log
    said, work = set[str](), set[tuple[int, int, int]]()
    for organisation, person in (("a", "s1"), ("a", "nobody"), ("z", "s1"), ("a", "invited"), ("a", "agent")):
        before, notes = door.live.readings, len(door.events())
        verified.clear()
        said.add(refused(door, person, organisation, SigningKey.generate()))
        work.add((door.live.readings - before, len(verified), len(door.events()) - notes))
    assert len(said) == 1
    assert work == {(1, 1, 1)}


def test_a_name_that_nobody_has_is_in_no_log(door: Door) -> None:
    refused(door, "maria-meier-1970", key=SigningKey.generate())
    refused(door, "s1", key=SigningKey.generate())
    assert [each.person for each in door.events() if each.kind is Kind.SIGN_IN_REFUSED] == ["", "s1"]


def test_a_challenge_is_good_once_and_for_two_minutes(door: Door) -> None:
    asked = door.access.challenge(S1, ADDRESS)
    signature = door.key(S1).sign(asked.message)
    door.access.by_key(S1, asked.challenge, signature, ADDRESS)
    with pytest.raises(ChallengeError):
        door.access.by_key(S1, asked.challenge, signature, ADDRESS)
    late = door.access.challenge(S1, ADDRESS)
    door.later(minutes=3)
    with pytest.raises(ChallengeError):
        door.access.by_key(S1, late.challenge, door.key(S1).sign(late.message), ADDRESS)


@pytest.mark.parametrize("made", [bytes(40), b"", bytes(39), bytes(4000)])
def test_a_challenge_that_was_made_elsewhere_is_none(door: Door, made: bytes) -> None:
    with pytest.raises(ChallengeError):
        door.access.by_key(S1, made, bytes(64), ADDRESS)


def test_a_challenge_of_another_purpose_or_process_is_none(door: Door) -> None:
    passkeys = data(door.access.passkey_questions(ADDRESS)["challenge"])
    asked = door.access.challenge(S1, ADDRESS)
    door.access.close()
    door.open()
    for challenge in (passkeys, asked.challenge):
        with pytest.raises(ChallengeError):
            door.access.by_key(S1, challenge, door.key(S1).sign(asked.message), ADDRESS)


@pytest.mark.parametrize(
    "other",
    [
        lambda asked: SignIn("https://evil.example", asked.chain_id, "a", "s1", asked.challenge, asked.expires_ms),
        lambda asked: SignIn(asked.origin, "another-chain", "a", "s1", asked.challenge, asked.expires_ms),
        lambda asked: SignIn(asked.origin, asked.chain_id, "a", "x1", asked.challenge, asked.expires_ms),
        lambda asked: SignIn(asked.origin, asked.chain_id, "b", "s1", asked.challenge, asked.expires_ms),
        lambda asked: SignIn(asked.origin, asked.chain_id, "a", "s1", asked.challenge, asked.expires_ms + 1),
    ],
    ids=["origin", "chain", "person", "organisation", "end"],
)
def test_what_was_signed_for_something_else_lets_nobody_in(door: Door, other: Callable[[SignIn], SignIn]) -> None:
    asked = door.access.challenge(S1, ADDRESS)
    with pytest.raises(SignInRefusedError):
        door.access.by_key(S1, asked.challenge, door.key(S1).sign(other(asked).message), ADDRESS)


def test_what_is_signed_is_no_transaction_and_travels_in_a_line(door: Door) -> None:
    asked = door.access.challenge(S1, ADDRESS)
    with pytest.raises(UnreadableTransactionError):
        meaning(asked.message)
    assert read_text(f" {asked.text[:40]}\n{asked.text[40:]} ") == asked
    assert asked.words == f"sign in as a/s1 at http://localhost:8470, to the network {door.machine.chain}"
    for text in ("", "hmchain-sign-in:", asked.text[:-2], asked.text + "00", "hmchain-sign-in:" + "00" * 2000, "é"):
        with pytest.raises(ChallengeError):
            read_text(text)


# -- what the ledger takes away ----------------------------------------------------------------------------------------


def test_a_suspended_person_is_out_at_the_next_block_and_signs_in_again_after_it(door: Door) -> None:
    session, token = (door.enter("s1") for _ in range(2))
    token = door.access.make_token(door.visitor(session), "script", ["view"], 30)
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    assert not door.is_in(session) and not door.is_in(token)
    refused(door)
    assert door.machine.office("a", ReinstatePerson("s1")) == "ok"
    assert not door.is_in(session) and not door.is_in(token)
    assert door.is_in(door.enter("s1"))


def test_what_nobody_used_while_a_person_was_suspended_is_gone_all_the_same(door: Door) -> None:
    session = door.enter("s1")
    token = door.access.make_token(door.visitor(session), "script", ["view"], 30)
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    assert door.machine.office("a", ReinstatePerson("s1")) == "ok"
    assert not door.is_in(session) and not door.is_in(token)


def test_a_replaced_key_takes_its_sessions_and_tokens_with_it(door: Door) -> None:
    session = door.enter("s1")
    token = door.access.make_token(door.visitor(session), "script", ["view"], 30)
    replace_key(door, "s1", 1)
    assert not door.is_in(session) and not door.is_in(token)
    refused(door)
    assert door.is_in(door.enter("s1", number=1))


def test_an_office_that_was_handed_over_and_a_removed_person_are_out(door: Door) -> None:
    machine, inside = door.machine, [door.enter("s1"), door.enter("steward")]
    machine.enrol("a", "o1", "officer")
    invitation = machine.invitation("a", "o2", "officer")
    assert machine.office("a", invitation) == "ok"
    assert machine.person("a", "o1", ConfirmChange(change_id("a", invitation))) == "ok"
    assert machine.person("a", "o2", AcceptInvitation(("officer",))) == "ok"
    for change in (HandOver(), RemovePerson("s1")):
        assert machine.person("a", "o1", change) == "ok"
        assert machine.person("a", "o2", ConfirmChange(change_id("a", change))) == "ok"
    assert not any(map(door.is_in, inside))
    refused(door)
    refused(door, "steward")


def test_a_role_that_was_taken_away_is_gone_from_sessions_and_tokens(door: Door) -> None:
    session = door.enter("s1")
    token = door.access.make_token(door.visitor(session), "script", ["view"], 30)
    assert door.machine.office("a", ChangeRoles("s1", ("auditor",))) == "ok"
    assert {frozenset(door.visitor(each).principal.roles) for each in (session, token)} == {frozenset({"auditor"})}


def test_an_invited_person_is_not_let_in_before_the_acceptance(door: Door) -> None:
    assert door.machine.office("a", door.machine.invitation("a", "s2", "steward")) == "ok"
    refused(door, "s2")


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_each_sign_in_opens_a_new_session_and_the_one_before_is_over(door: Door) -> None:
    """Session fixation: what somebody had put into the browser before is worth nothing after."""
    planted = door.enter("x1")
    own = door.enter("s1", before=door.visitor(planted))
    assert own.secret != planted.secret and not door.is_in(planted)
    assert door.visitor(own).principal.factors == {"key"}
    again = door.enter("s1", before=door.visitor(own))
    assert not door.is_in(own) and door.is_in(again)


def test_a_session_ends_when_it_is_left_alone_and_after_hours_whatever_is_done(door: Door) -> None:
    left, used = door.enter("s1"), door.enter("s1")
    for _ in range(71):
        door.later(minutes=10)
        assert door.is_in(used)
    assert not door.is_in(left)
    door.later(minutes=11)
    assert not door.is_in(used)


def test_a_person_ends_sessions_and_nobody_elses(door: Door) -> None:
    one, other, foreign = door.enter("s1"), door.enter("s1"), door.enter("x1")
    assert {each.id for each in door.access.sessions.all_of(SESSION, S1)} == {
        one.credential.id, other.credential.id,
    }  # fmt: skip
    with pytest.raises(NoCredentialError):
        door.access.end_session(door.visitor(one), foreign.credential.id)
    door.access.end_session(door.visitor(one), other.credential.id)
    door.access.sign_out(door.visitor(one))
    assert not door.is_in(one) and not door.is_in(other) and door.is_in(foreign)


def test_sessions_outlive_the_process_and_a_person_has_so_many(door: Door) -> None:
    kept = []
    for _ in range(23):
        kept.append(door.enter("s1"))
        door.later(minutes=0)
        door.now_ms += 1
    door.access.close()
    door.open()
    assert [door.is_in(each) for each in kept] == [False] * 3 + [True] * 20


def test_what_is_answered_for_minutes_asks_again_and_renews_nothing(door: Door) -> None:
    used, left = door.visitor(door.enter("s1")), door.visitor(door.enter("s1"))
    door.later(minutes=10)
    assert door.access.still(used) and door.access.still(left)
    assert door.access.of_cookie("x") is None
    door.access.store.used(used.credential, door.now_ms)
    door.later(minutes=6)
    assert door.access.still(used) and not door.access.still(left)
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    assert not door.access.still(used)


def test_of_many_answers_to_one_challenge_one_is_taken(door: Door) -> None:
    asked = door.access.challenge(S1, ADDRESS)
    signature = door.key(S1).sign(asked.message)

    def enter(number: int) -> bool:
        with suppress(ChallengeError):
            door.access.by_key(S1, asked.challenge, signature, f"198.51.100.{number}")
            return True
        return False

    with ThreadPoolExecutor(8) as many:
        assert sum(many.map(enter, range(16))) == 1


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_may_what_its_person_gave_it_and_has_no_factor(door: Door) -> None:
    session = door.visitor(door.enter("s1"))
    token = door.access.make_token(session, " nightly report ", ["view", "ask"], 30)
    found = door.visitor(token)
    assert (found.principal.scopes, found.principal.factors) == ({"view", "ask"}, set())
    assert (found.credential.name, found.credential.used_ms) == ("nightly report", 0)
    door.later(minutes=2)
    assert door.visitor(token).credential.used_ms == 1_700_000_000_000
    door.later(days=31)
    assert not door.is_in(token)


def test_a_token_makes_no_token_and_no_more_than_the_session_may(door: Door) -> None:
    session = door.visitor(door.enter("s1"))
    token = door.access.make_token(session, "script", ["view", "change"], 1)
    with pytest.raises(SignInAgainError):
        door.access.make_token(door.visitor(token), "child", ["view"], 1)
    for name, scopes, days in (("", ["view"], 1), ("x" * 61, ["view"], 1), ("a\nb", ["view"], 1), ("a", [], 1),
                               ("a", ["all"], 1), ("a", ["view"], 0), ("a", ["view"], 366)):  # fmt: skip
        with pytest.raises(TokenError):
            door.access.make_token(session, name, scopes, days)
    door.later(minutes=11)
    with pytest.raises(SignInAgainError):
        door.access.make_token(session, "late", ["view"], 1)


def test_tokens_that_count_no_more_take_no_room(door: Door) -> None:
    session = door.visitor(door.enter("s1"))
    for _ in range(50):
        door.access.make_token(session, "script", ["view"], 1)
    with pytest.raises(TokenError):
        door.access.make_token(session, "one too many", ["view"], 1)
    replace_key(door, "s1", 1)
    made = door.access.make_token(door.visitor(door.enter("s1", number=1)), "script", ["view"], 1)
    assert [each.id for each in door.access.sessions.all_of(TOKEN, S1)] == [made.credential.id]
    assert door.is_in(made)


def test_a_revoked_token_is_over_and_others_are_not(door: Door) -> None:
    mine, others = door.visitor(door.enter("s1")), door.visitor(door.enter("x1"))
    token = door.access.make_token(mine, "script", ["view"], 1)
    with pytest.raises(NoCredentialError):
        door.access.revoke_token(others, token.credential.id)
    assert [each.name for each in door.access.sessions.all_of(TOKEN, S1)] == ["script"]
    door.access.revoke_token(mine, token.credential.id)
    assert not door.is_in(token)
    kinds = [(each.kind, each.what) for each in door.events()][-2:]
    assert kinds == [(Kind.CREDENTIAL_CHANGED, "token-made"), (Kind.CREDENTIAL_CHANGED, "token-revoked")]


def test_whoever_steals_the_file_has_nothing_to_sign_in_with(door: Door) -> None:
    session = door.enter("s1")
    token = door.access.make_token(door.visitor(session), "script", ["view"], 1)
    store = door.place / "portal" / "portal.db"
    assert (store.stat().st_mode & 0o777, store.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with sqlite3.connect(store) as file:
        rows = [
            row for table in ("credentials", "passkeys", "handles") for row in file.execute(f"SELECT * FROM {table}")
        ]
    held = [value for row in rows for value in row]
    files = b"".join(path.read_bytes() for path in store.parent.iterdir())
    for secret in (session.secret, token.secret):
        assert secret not in held and secret.encode() not in files
    for value in held:
        for given in (value, value.hex()) if isinstance(value, bytes) else (str(value),):
            assert door.access.of_bearer(given if isinstance(given, str) else given.hex()) is None
    assert session.secret not in repr(session)


# -- too often ---------------------------------------------------------------------------------------------------------


def test_a_guesser_is_slowed_by_address_and_its_victim_signs_in_from_elsewhere(door: Door) -> None:
    for _ in range(10):
        refused(door, key=SigningKey.generate())
    asked = door.access.challenge(S1, ADDRESS)
    with pytest.raises(TooManyError) as caught:
        door.access.by_key(S1, asked.challenge, bytes(64), ADDRESS)
    assert 0 < caught.value.retry_after <= 15
    assert door.is_in(door.enter("s1", address="198.51.100.1"))
    door.later(minutes=1)
    assert door.is_in(door.enter("s1"))


def test_guessers_at_many_addresses_are_slowed_by_person(door: Door) -> None:
    for number in range(30):
        asked = door.access.challenge(S1, f"198.51.100.{number}")
        with pytest.raises(SignInRefusedError):
            door.access.by_key(S1, asked.challenge, bytes(64), f"198.51.100.{number}")
    with pytest.raises(TooManyError):
        door.enter("s1", address="203.0.113.1")
    assert door.is_in(door.enter("x1", address="203.0.113.1"))
    door.now_ms += 2000
    assert door.is_in(door.enter("s1", address="203.0.113.1"))


def test_one_machine_with_many_addresses_is_one(door: Door) -> None:
    for number in range(10):
        asked = door.access.challenge(S1, f"2001:db8::{number}")
        with pytest.raises(SignInRefusedError):
            door.access.by_key(S1, asked.challenge, bytes(64), f"2001:db8::{number}")
    with pytest.raises(TooManyError):
        door.enter("s1", address="2001:db8::ffff")
