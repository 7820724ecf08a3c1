"""Signing in two steps: what is shown is read from the bytes that are signed, whoever holds the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance import members, signing
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.signing import FileSigner, NotItsKeyError, PreparedOnly, UnsignedError
from hmchain.application.node.meaning import UnreadableTransactionError, meaning
from hmchain.application.node.sent import about, words
from hmchain.application.site import exchanged
from hmchain.application.site.exchanged import ToSign
from hmchain.canonical import decode, encode
from hmchain.ledger.contracts.data.break_glass import AnswerGlass, BreakGlass, LiftBar, ReviewGlass
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.transfers import ConfirmErasure, GrantRecords, ReceiveRecords, RevokeGrant
from hmchain.ledger.contracts.members import enrolment, membership, office_keys
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation, InvitePerson
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove
from hmchain.ledger.engines.ledger import prepare, submit
from hmchain.ledger.transactions import SignedTransaction
from support.hardware_token import Token, TokenError, TokenSigner
from support.ledger_network import Network, signing_key


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network.found(tmp_path / "ledger", protocol=3)
    yield network
    network.ledger.close()


def test_a_token_signs_what_its_person_read_and_nothing_else(network: Network) -> None:
    token = Token(signing_key("a", "steward"), "1234")
    signer = TokenSigner(token, lambda found: found.words == "propose to remove d")
    a = LedgerUser("a", signer, network.ledger)
    with pytest.raises(TokenError, match="NOT_LOGGED_IN"):
        members.propose(a, members.removal(a, "d"))
    token.login("1234")
    members.propose(a, members.removal(a, "d"))
    with pytest.raises(TokenError, match="said no"):
        members.propose(a, members.removal(a, "c"))
    assert signer.shown == ["propose to remove d", "propose to remove d", "propose to remove c"]
    assert (token.signed, len(membership.ballots(a.state))) == (1, 1)


def test_the_meaning_is_that_of_the_bytes_and_names_everything(network: Network) -> None:
    a = LedgerUser("a", signing_key("a", "steward"), network.ledger)
    body = InvitePerson("s1", ("officer", "steward"), bytes(range(32)), bytes(64))
    message = prepare(a.signer.public, a.node, body).message
    found = meaning(message)
    assert found.words == f"invite s1 as officer and steward, with the key {bytes(range(8)).hex()}"
    assert dict(found.fields) == {
        "kind": "invite_person", "person": "s1", "roles": "officer, steward", "key": bytes(range(32)).hex(),
        "proof": bytes(64).hex(),
    }  # fmt: skip
    nested = dict(meaning(prepare(a.signer.public, a.node, ProposeAction(Remove("d"))).message).fields)
    assert nested == {"kind": "propose_action", "action": "remove", "action.organisation": "d"}
    for bad in (b"", message[:-1], encode(body)):
        with pytest.raises(UnreadableTransactionError):
            meaning(bad)


@pytest.mark.parametrize("kind", sorted({*enrolment.HANDLERS, *office_keys.HANDLERS}, key=lambda kind: kind.__name__))
def test_whatever_people_sign_about_people_has_words(kind: type) -> None:
    values = {"person": "s1", "roles": ("steward",), "organisation": "a"}
    made = kind(**{name: values.get(name, bytes(32)) for name in kind.__struct_fields__})
    assert words(made) != kind.__struct_config__.tag and " " in words(made)


def test_whatever_is_signed_about_records_that_travel_has_words() -> None:
    given = GrantRecords("first", "relapse", "brain", 2, "west", "DUO:0000006", bytes(32), bytes(32), 1_800_000_000_000)
    assert words(given) == (
        "give records of brain version 2 to west as first, until 2027-01-15 08:00 UTC, under request relapse"
    )
    receipt = ConfirmErasure("first", b"\7" * 32, "keys-destroyed", b"")
    assert "no record can be read here any more" in words(receipt) and about(receipt) == "transfer first"
    assert "to be erased" in words(RevokeGrant("first", "consent"))
    assert "received whole" in words(ReceiveRecords("first", bytes(32)))


def test_whatever_is_signed_in_an_emergency_has_words() -> None:
    asked = words(BreakGlass("night", "north", "brain", 2, "danger-to-life", bytes(32)))
    assert asked.startswith("ask north at once for one patient's records of brain, as night, for treatment alone")
    assert "to be erased at once" in words(ReviewGlass("night", "unjustified"))
    assert "let west ask east in emergencies again" in words(LiftBar("east", "west"))
    assert words(ReviewGlass("night", "justified")) == "say that emergency night was justified"
    assert "emergency night" in words(AnswerGlass("night", bytes(32), bytes(32)))


def test_a_file_goes_to_the_key_and_comes_back(network: Network, tmp_path: Path) -> None:
    key, path = signing_key("a", "steward"), tmp_path / "to-sign.json"
    a = LedgerUser("a", FileSigner(key.public, path), network.ledger)
    with pytest.raises(PreparedOnly):
        members.propose(a, members.removal(a, "d"))
    assert not membership.ballots(a.state)
    with pytest.raises(UnsignedError):
        signing.wire(signing.read(path))
    with pytest.raises(NotItsKeyError):
        signing.sign(signing.read(path), signing_key("b", "steward"))
    assert signing.sign(signing.read(path), key).signed
    assert submit(network.ledger, [signing.wire(signing.read(path))]) == ["ok"]


def test_a_file_that_was_altered_on_its_way_is_not_sent(network: Network, tmp_path: Path) -> None:
    """Whoever swaps the transaction under a signature is found out, and shown for what it is."""
    key, path = signing_key("a", "steward"), tmp_path / "to-sign.json"
    a = LedgerUser("a", FileSigner(key.public, path), network.ledger)
    with pytest.raises(PreparedOnly):
        members.propose(a, members.removal(a, "d"))
    signing.sign(signing.read(path), key)
    signed = exchanged.load_to_sign(path)
    other = prepare(key.public, a.node, AcceptInvitation(("steward",))).message
    exchanged.save(replace(signed, message=other), path)
    with pytest.raises(NotItsKeyError, match="does not hold"):
        signing.wire(signing.read(path))


def test_a_file_swapped_between_show_and_sign_is_not_signed(network: Network, tmp_path: Path) -> None:
    """Whoever may write where the file lies changes it after its person has read it, or after it was signed."""
    key, path = signing_key("a", "steward"), tmp_path / "to-sign.json"
    read = prepare(key.public, network_user(network).node, ProposeAction(Remove("d"))).message
    other = prepare(key.public, network_user(network).node, ProposeAction(Remove("b"))).message
    exchanged.save(ToSign(read, b""), path)
    shown = signing.read(path)
    exchanged.save(ToSign(other, b""), path)
    signed = signing.sign(shown, key)
    assert (signed.meaning.words, signed.signed) == ("propose to remove d", True)
    assert exchanged.load_to_sign(path) == ToSign(read, key.sign(read))
    exchanged.save(ToSign(other, key.sign(other)), path)
    assert decode(signing.wire(signed), SignedTransaction).transaction.body == encode(ProposeAction(Remove("d")))


def test_a_name_in_a_prepared_file_writes_no_line_of_its_own(network: Network) -> None:
    body = ApproveRequest("x until 2030.\nsigned  yes\x1b[2J", 1, bytes(32), "d", 0)
    a = network_user(network)
    words = meaning(prepare(a.signer.public, a.node, body).message).words
    assert words.isprintable() and words.startswith("approve request x until 2030.")


def network_user(network: Network) -> LedgerUser:
    return LedgerUser("a", signing_key("a", "steward"), network.ledger)
