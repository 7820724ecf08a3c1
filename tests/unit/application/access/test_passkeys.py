"""Passkeys: added by who signed in just now, good at the portal's own page, and gone with the key of their person."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.application.access.challenges import ChallengeError
from hmchain.application.access.passkeys import PasskeyError
from hmchain.application.access.permissions import SecondFactorError
from hmchain.application.access.sessions import NoCredentialError, Opened, SignInAgainError, Visitor
from hmchain.application.access.sign_in import SignInRefusedError
from hmchain.application.security.events import Kind
from hmchain.ledger.contracts.members.enrolment import ReplaceKey, SuspendPerson, possession_bytes
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import ADDRESS, Door, door, opened_door
from support.one_machine import person_key
from support.passkey_device import PasskeyDevice, text

__all__ = ["door"]


def add(door: Door, of: Visitor, device: PasskeyDevice, name: str = "telephone") -> None:
    door.access.add_passkey(of, name, device.make(door.access.passkey_registration(of)))


def enter(door: Door, device: PasskeyDevice, before: Visitor | None = None) -> Opened:
    return door.access.by_passkey(device.answer(door.access.passkey_questions(ADDRESS)), ADDRESS, before)


def test_a_passkey_signs_its_person_in(door: Door) -> None:
    device, other = PasskeyDevice(), PasskeyDevice(counts=False)
    session = door.visitor(door.enter("s1"))
    add(door, session, device)
    add(door, session, other, "key on the desk")
    for each in (device, other, other):
        principal = door.visitor(enter(door, each)).principal
        assert (principal.name, principal.factors, principal.roles) == ("a/s1", {"passkey"}, {"steward"})
    assert {each.name for each in door.access.passkeys.all_of(session.credential.ref)} == {
        "telephone",
        "key on the desk",
    }
    whats = [each.what for each in door.events() if each.kind in (Kind.CREDENTIAL_CHANGED, Kind.SIGN_IN)]
    assert whats == ["key", "passkey-added", "passkey-added", "passkey", "passkey", "passkey"]


def test_a_passkey_strengthens_the_session_of_the_same_person_alone(door: Door) -> None:
    device = PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), device)
    other, own = door.visitor(door.enter("x1")), door.visitor(door.enter("s1"))
    assert door.visitor(enter(door, device, other)).principal.factors == {"passkey"}
    both = door.visitor(enter(door, device, own))
    assert both.principal.factors == {"key", "passkey"}
    assert both.credential.until_ms == own.credential.until_ms


@pytest.mark.parametrize(
    "device",
    [PasskeyDevice("https://evil.example"), PasskeyDevice("http://localhost:9999"), PasskeyDevice(verifies=False)],
    ids=["another page", "another port", "nobody verified"],
)
def test_a_passkey_of_another_page_or_an_unverified_person_is_not_added(door: Door, device: PasskeyDevice) -> None:
    with pytest.raises(PasskeyError):
        add(door, door.visitor(door.enter("s1")), device)


def test_an_answer_is_good_once_and_at_the_portals_own_page(door: Door) -> None:
    device = PasskeyDevice(counts=False)
    add(door, door.visitor(door.enter("s1")), device)
    answer = device.answer(door.access.passkey_questions(ADDRESS))
    door.access.by_passkey(answer, ADDRESS)
    with pytest.raises(ChallengeError):
        door.access.by_passkey(answer, ADDRESS)
    device.origin = "https://evil.example"
    with pytest.raises(SignInRefusedError):
        enter(door, device)


def test_a_copied_authenticator_shows_by_its_count(door: Door) -> None:
    device = PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), device)
    enter(door, device)
    device.count -= 1
    with pytest.raises(SignInRefusedError):
        enter(door, device)


def test_nobody_answers_with_anothers_handle_or_signature(door: Door) -> None:
    mine, other = PasskeyDevice(), PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), mine)
    add(door, door.visitor(door.enter("x1")), other)
    mine.handle, handle = other.handle, mine.handle
    with pytest.raises(SignInRefusedError):
        enter(door, mine)
    mine.handle, mine.credential = handle, other.credential
    with pytest.raises(SignInRefusedError):
        enter(door, mine)
    with pytest.raises(SignInRefusedError):
        enter(door, PasskeyDevice())


def damaged(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return answer | {"response": answer["response"] | changes}


def test_what_is_no_answer_is_refused_and_breaks_nothing(door: Door) -> None:
    device = PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), device)
    answer = device.answer(door.access.passkey_questions(ADDRESS))
    for broken in (
        {}, {"id": 7}, {**answer, "response": []}, {**answer, "type": "password"}, {**answer, "rawId": "%%"},
        damaged(answer, clientDataJSON=text(b"{}")), damaged(answer, clientDataJSON=text(b"[1]")),
        damaged(answer, clientDataJSON=text(b"\xff")), damaged(answer, clientDataJSON="é"),
        damaged(answer, userHandle=7),
    ):  # fmt: skip
        with pytest.raises((ChallengeError, SignInRefusedError)):
            door.access.by_passkey(broken, "198.51.100.9" if broken else ADDRESS)
    for changes in ({"authenticatorData": ""}, {"signature": ""}, {"userHandle": None}):
        fresh = device.answer(door.access.passkey_questions(ADDRESS))
        with pytest.raises(SignInRefusedError):
            door.access.by_passkey(damaged(fresh, **changes), "203.0.113.9")


def test_a_passkey_goes_with_the_key_that_its_person_had(door: Door) -> None:
    """A thief of a key may have added it."""
    device = PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), device)
    key = person_key("a", "s1", 1)
    proof = key.sign(possession_bytes(door.machine.chain, "a", "s1", key.public.raw))
    assert door.machine.office("a", ReplaceKey("s1", key.public.raw, proof)) == "ok"
    with pytest.raises(SignInRefusedError):
        enter(door, device)
    assert door.access.passkeys.all_of(PersonRef("a", "s1")) == []
    session = door.visitor(door.enter("s1", number=1))
    assert door.access.passkey_registration(session)["excludeCredentials"] == []
    add(door, session, device, "the same one again")
    assert door.is_in(enter(door, device))


def test_a_suspended_persons_passkey_lets_nobody_in(door: Door) -> None:
    device = PasskeyDevice()
    add(door, door.visitor(door.enter("s1")), device)
    assert door.machine.office("a", SuspendPerson("s1")) == "ok"
    with pytest.raises(SignInRefusedError):
        enter(door, device)


def test_passkeys_are_added_by_who_signed_in_just_now_and_in_that_session(door: Door) -> None:
    device, session = PasskeyDevice(), door.visitor(door.enter("s1"))
    answer = device.make(door.access.passkey_registration(session))
    with pytest.raises(ChallengeError):
        door.access.add_passkey(door.visitor(door.enter("x1")), "planted", answer)
    token = door.access.make_token(session, "script", ["view", "change"], 1)
    with pytest.raises(SignInAgainError):
        door.access.passkey_registration(door.visitor(token))
    add(door, session, device)
    with pytest.raises(PasskeyError):
        add(door, session, device)
    door.later(minutes=11)
    with pytest.raises(SignInAgainError):
        door.access.add_passkey(session, "late", answer)


def test_a_person_removes_passkeys_and_nobody_elses(door: Door) -> None:
    device, session = PasskeyDevice(), door.visitor(door.enter("s1"))
    add(door, session, device)
    (known,) = door.access.passkeys.all_of(session.credential.ref)
    with pytest.raises(NoCredentialError):
        door.access.remove_passkey(door.visitor(door.enter("x1")), known.id)
    door.access.remove_passkey(session, known.id)
    with pytest.raises(SignInRefusedError):
        enter(door, device)


def test_one_factor_makes_no_second_one_where_a_person_has_two(tmp_path: Any) -> None:
    """A stolen session, or a stolen key, shall not add a passkey of the thief's, nor remove the person's."""
    with opened_door(tmp_path / "node", second_factor=("decide",)) as door:
        device, session = PasskeyDevice(), door.visitor(door.enter("s1"))
        add(door, session, device)
        (known,) = door.access.passkeys.all_of(session.credential.ref)
        with pytest.raises(SecondFactorError):
            door.access.passkey_registration(session)
        with pytest.raises(SecondFactorError):
            door.access.remove_passkey(session, known.id)
        strong = door.visitor(enter(door, device, session))
        add(door, strong, PasskeyDevice(), "another")
