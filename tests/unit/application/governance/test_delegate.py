"""Whoever speaks for a hospital needs somebody who signs, and no key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance import members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.canonical import encode
from hmchain.keys import save_key
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import VoteAction, WithdrawVote
from hmchain.ledger.engines.ledger import prepare, submit
from support.ledger_network import CHAIN, Network, signing_key
from support.remote_signer import RemoteSigner, SignatureDeniedError

SIGNED = ("VoteAction",)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network.found(tmp_path / "ledger")
    yield network
    network.ledger.close()


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[RemoteSigner]:
    save_key(signing_key("b", "steward"), tmp_path / "steward.key")
    with RemoteSigner(tmp_path / "steward.key", CHAIN, SIGNED) as signer:
        yield signer


def test_a_vote_is_signed_where_the_key_lies(network: Network, signer: RemoteSigner) -> None:
    a = LedgerUser("a", signing_key("a", "steward"), network.ledger)
    b = LedgerUser("b", signer, network.ledger)
    ballot = members.propose(a, members.removal(a, "d"))
    found = members.vote(b, members.open_ballot(b, ballot.id.hex()))
    assert (found.yes, found.needed, found.open) == (("a", "b"), 3, True)


def test_an_empty_variable_names_no_ballot(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hmchain network vote "$BALLOT" --yes` must not agree to whatever is open just now."""
    a = LedgerUser("a", signing_key("a", "steward"), network.ledger)
    ballot = members.propose(a, members.removal(a, "d"))
    for prefix in ("", ballot.id.hex()[:3]):
        with pytest.raises(members.NoBallotError, match="too short") as told:
            members.open_ballot(a, prefix)
        assert "`hmchain network ballots`" in told.value.hint
        with pytest.raises(members.NoBallotError, match="too short"):
            members.withdraw(a, prefix)
    assert members.open_ballot(a, ballot.id.hex()[:4]).yes == ("a",)
    monkeypatch.setattr(members, "ballots", lambda state: [ballot, ballot])
    with pytest.raises(members.NoBallotError, match="2 open ballots begin"):
        members.open_ballot(a, ballot.id.hex())


def test_what_the_signer_does_not_know_is_not_signed_and_nothing_is_sent(
    network: Network, signer: RemoteSigner
) -> None:
    b = LedgerUser("b", signer, network.ledger)
    with pytest.raises(SignatureDeniedError, match="ProposeAction is not for me to sign"):
        members.propose(b, members.removal(b, "d"))
    assert (b.state.height, list(membership.ballots(b.state))) == (0, [])
    for message in (b"", b"anything", encode(WithdrawVote(bytes(32)))):
        with pytest.raises(SignatureDeniedError, match="no transaction that I know"):
            signer.sign(message)
    stranger = prepare(signing_key("c", "steward").public, b.node, VoteAction(bytes(32)))
    with pytest.raises(SignatureDeniedError, match="another sender's"):
        signer.sign(stranger.message)


def test_a_signature_may_come_by_another_way(network: Network, signer: RemoteSigner) -> None:
    a = LedgerUser("a", signing_key("a", "steward"), network.ledger)
    ballot = members.propose(a, members.removal(a, "d"))
    prepared = prepare(signer.public, LedgerUser("b", signer, network.ledger).node, VoteAction(ballot.id))
    signature = signer.sign(prepared.message)  # read, carried to the key and brought back, whenever that is
    assert submit(network.ledger, [prepared.attach(signature)]) == ["ok"]
    assert members.ballots(a.state)[0].yes == ("a", "b")
