"""What a steward sends while blocks do not come: undecided is not refused, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from hmchain.application.governance import members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.members import announce_maintenance, unjail
from hmchain.application.governance.outbox import ContraryError, Outbox, Talk
from hmchain.application.node import sent
from hmchain.application.node.sent import Outcome
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.canonical import encode
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.applying import CreateRequest, DeleteDraft, SaveDraft
from hmchain.ledger.contracts.members import maintenance, people, standings
from hmchain.ledger.contracts.members.enrolment import ReinstatePerson, SuspendPerson
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.engines.cometbft.ledger import CometLedger, StoredStates
from hmchain.ledger.engines.cometbft.rpc import RpcClient, RpcError
from hmchain.ledger.engines.ledger import NotIncludedError, RefusedTransactionError
from hmchain.ledger.transactions import sign, transaction_digest
from support.abci_chain import Chain
from support.ledger_network import CHAIN, signing_key
from support.played_rpc import Engine
from support.request_bench import content

HOUR_MS = 3_600_000


@dataclass
class Desk:
    """Where a steward sits: each `steward()` is another command's."""

    chain: Chain
    engine: Engine
    folder: NodeFolder
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """What was said to be done while it lasted."""

    def steward(self, *, agrees: bool = False) -> LedgerUser:
        def ask(contrary: ContraryError) -> None:
            self.asked.append(contrary.what)
            if not agrees:
                raise contrary

        client = RpcClient(["http://node"], transport=self.engine)
        states = StoredStates({"a": self.chain.directory})
        ledger = CometLedger(client, self.chain.founding, states, clock_ms=self.chain.clock, patience_seconds=0.05)
        talk = Talk(self.said.append, ask, lambda what: nullcontext(self.done.append(what)))
        return LedgerUser("a", signing_key("a", "steward"), ledger, Outbox(self.folder, talk))

    def files(self) -> list[Path]:
        return sorted(self.folder.sent.glob("*"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = NodeFolder(tmp_path / "north")
    folder.path.mkdir()
    nowhere = "127.0.0.1:1"  # the node is asked for its time, and does not answer: then the log tells it
    folder.write_settings(
        NodeSettings(organisation="a", title="A", address=nowhere, p2p_listen=nowhere, rpc_listen=nowhere)
    )
    chain = Chain.found(folder.ledger)
    genesis_file.save(chain.founding, folder.genesis)
    yield Desk(chain, Engine(chain), folder)
    chain.app.close()


def test_a_transaction_that_is_in_no_block_is_told_to_be_undecided_and_kept(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError) as told:
        announce_maintenance(desk.steward(), 120)
    assert "maintenance of 120 min: sent, and not in a block yet; it may still come" in told.value.what
    assert "look with `hmchain node status`" in told.value.hint
    assert told.value.exit_code == 9
    (file,) = desk.files()
    assert file.stat().st_mode & 0o777 == 0o600
    (found,) = sent.look(desk.folder)
    assert (found.outcome, found.about) == (Outcome.UNDECIDED, "this node's votes")


def test_the_same_command_again_waits_for_the_first_and_sends_no_second(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    desk.chain.clock.ms += 60_000
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    assert len(set(desk.engine.taken)) == 1 and "waiting for it, sending no second" in desk.said[0]
    assert desk.done == ["waiting for the members' block"] * 2
    desk.engine.prompt = True
    assert announce_maintenance(desk.steward(), 120).until_ms > 0
    assert len(set(desk.engine.taken)) == 1 and not desk.files()


def test_what_was_decided_meanwhile_is_reported_and_not_sent_again(desk: Desk) -> None:
    """Two thirds were back after the command had ended: once more is `maintenance_lately`, if it were sent."""
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    desk.chain.block(desk.engine.taken[0])
    (found,) = sent.look(desk.folder)
    assert (found.outcome, found.height) == (Outcome.DONE, 1) and "done in block 1" in str(found)
    assert announce_maintenance(desk.steward(), 120) == maintenance.window(desk.chain.app.state, "a")
    assert len(desk.engine.taken) == 1 and not desk.files() and not sent.look(desk.folder)


def test_a_key_that_was_taken_back_and_stolen_again_is_cut_off_again(desk: Desk) -> None:
    """A suspension that came into a block when its command had ended is not the one that is asked for after that."""
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        desk.steward().send(SuspendPerson("scientist"))
    desk.chain.block(desk.engine.taken[0])
    desk.chain.block(desk.chain.send("a", ReinstatePerson("scientist")))
    desk.engine.prompt = True
    desk.steward().send(SuspendPerson("scientist"))
    assert people.office_status(desk.chain.app.state, "a", "scientist") is people.Status.SUSPENDED
    assert len(desk.engine.taken) == 2


def test_a_draft_that_was_changed_and_changed_back_is_what_was_saved_last(desk: Desk) -> None:
    scientist = replace(desk.steward(), signer=signing_key("a", "scientist"))
    scientist.send(CreateRequest("relapse"))
    desk.engine.prompt = False
    first, second = content("b"), content("b", commercial=True)
    with pytest.raises(NotIncludedError):
        scientist.send(SaveDraft("relapse", first))
    desk.chain.block(desk.engine.taken[-1])
    desk.engine.prompt = True
    for asked in (second, first):
        scientist.send(SaveDraft("relapse", asked))
        entry = requests.require_request(desk.chain.app.state, "relapse")
        assert requests.draft(desk.chain.app.state, entry) == asked
    scientist.send(DeleteDraft("relapse"))


def test_a_ballot_that_was_opened_meanwhile_is_there_until_its_yes_is_taken_back(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        members.propose(desk.steward(), members.removal(desk.steward(), "d"))
    desk.chain.block(desk.engine.taken[0])
    desk.chain.clock.ms += 2 * HOUR_MS
    desk.chain.fill(1, first=1)
    moved = members.removal(desk.steward(), "d")
    assert moved.ballot is not None and moved.ballot.opened_height == 1
    assert members.propose(desk.steward(), moved).id == moved.ballot.id
    assert desk.said == ["propose to remove d was sent before, and is there since block 1: nothing is sent"]
    assert len(desk.engine.taken) == 1 and not desk.files()
    with pytest.raises(members.UselessProposalError, match="asked just this already"):
        members.removal(desk.steward(), "d")


def test_a_vote_that_came_meanwhile_is_told_and_one_taken_back_can_be_given_anew(desk: Desk) -> None:
    ballot = members.propose(desk.steward(), members.removal(desk.steward(), "d")).id.hex()
    members.withdraw(desk.steward(), ballot)
    assert members.removal(desk.steward(), "d").ballot is None
    ballot = members.propose(desk.steward(), members.removal(desk.steward(), "d")).id.hex()
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        members.withdraw(desk.steward(), ballot)
    desk.chain.block(desk.engine.taken[-1])
    assert not members.withdraw(desk.steward(), ballot).open and "is there since block" in desk.said[-1]
    with pytest.raises(members.NoBallotError):
        members.withdraw(desk.steward(), ballot)


def test_a_kill_between_writing_and_sending_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(CometLedger, "submit", killed)
        announce_maintenance(desk.steward(), 120)
    (kept,) = sent.kept(desk.folder, CHAIN, desk.chain.clock())
    assert not desk.engine.taken
    announce_maintenance(desk.steward(), 120)
    assert desk.engine.taken == [kept.wire]


def killed(*_: object) -> bytes:
    raise KeyboardInterrupt


def test_what_contradicts_an_undecided_transaction_is_asked_first(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    with pytest.raises(ContraryError):
        unjail(desk.steward())
    assert "maintenance of 120 min: sent and not decided" in desk.asked[0] and len(desk.engine.taken) == 1
    with pytest.raises(NotIncludedError):
        unjail(desk.steward(agrees=True))
    assert len(desk.files()) == 2


def test_a_transaction_that_can_come_no_more_is_told_for_a_day_and_forgotten(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    desk.chain.clock.ms += HOUR_MS
    desk.chain.fill(1)
    assert [each.outcome for each in sent.look(desk.folder)] == [Outcome.EXPIRED]
    desk.engine.prompt = True
    announce_maintenance(desk.steward(), 120)
    assert len(set(desk.engine.taken)) == 2, "the first cannot come any more"
    desk.chain.clock.ms += 25 * HOUR_MS
    desk.chain.fill(1, first=1)
    assert not sent.look(desk.folder)
    unjail(desk.steward())
    assert not desk.files()


def test_a_refusal_stays_a_refusal(desk: Desk) -> None:
    with pytest.raises(RefusedTransactionError, match="not_jailed"):
        unjail(desk.steward())
    steward, desk.engine.problem = desk.steward(), "mempool is full: number of txs 20000 (max: 20000)"
    with pytest.raises(RefusedTransactionError, match="mempool_full"):
        unjail(steward)
    desk.engine.problem = "Tx too large. Max size is 65536, but got 70000"
    with pytest.raises(RpcError, match="too large"):
        unjail(steward)
    assert not desk.files()


def test_a_refusal_that_came_after_the_command_is_told_by_its_name(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        unjail(desk.steward())
    desk.chain.block(desk.engine.taken[0])
    (found,) = sent.look(desk.folder)
    assert (found.outcome, found.refusal) == (Outcome.REFUSED, "not_jailed")
    with pytest.raises(RefusedTransactionError, match="not_jailed"):
        unjail(desk.steward())
    assert len(desk.engine.taken) == 1


def test_a_node_that_dies_while_it_is_asked_may_have_it(desk: Desk) -> None:
    steward = desk.steward()
    desk.engine.dead = True
    with pytest.raises(NotIncludedError) as told:
        announce_maintenance(steward, 120)
    assert "no node answers" in told.value.hint
    assert len(desk.files()) == 1
    assert standings.standing(desk.chain.app.state, "a").power > 1


def test_the_same_is_told_from_what_differs_in_more_than_the_moment() -> None:
    one = AnnounceMaintenance(0, 120)
    assert sent.same(one, AnnounceMaintenance(60_000, 120))
    assert not sent.same(one, AnnounceMaintenance(HOUR_MS, 120))
    assert not sent.same(one, AnnounceMaintenance(0, 60))


@pytest.mark.parametrize(
    ("signer", "chain", "lasts_ms", "decided"),
    [
        (SigningKey.generate(), CHAIN, 600_000, False),  # nobody's key
        (signing_key("b", "steward"), CHAIN, 600_000, True),  # another member's, which is in a block
        (signing_key("a", "steward"), "other", 600_000, False),
        (signing_key("a", "steward"), CHAIN, 10**15, False),
    ],
)
def test_what_a_steward_sends_is_sent_whatever_else_lies_there(
    signer: SigningKey, chain: str, lasts_ms: int, decided: bool, desk: Desk
) -> None:
    """Of the same body, and never to come from this steward: neither waited for nor taken for done."""
    now, body = desk.chain.clock(), AnnounceMaintenance(desk.chain.clock() + 5000, 120)
    wire = sign(signer, chain, encode(body), b"n" * 16, now + lasts_ms)
    desk.folder.sent.mkdir()
    file = desk.folder.sent / f"{transaction_digest(wire).hex()}.json"
    file.write_bytes(msgspec.json.encode({"sent_ms": now, "wire": wire}))
    if decided:
        desk.chain.block(wire)
    with suppress(RefusedTransactionError):  # the ledger's own word: b has announced the same window
        desk.steward().send(body)
    assert not desk.said and len(desk.engine.taken) == 1 and desk.engine.taken[0] != wire


def test_a_file_under_another_name_or_of_absurd_times_is_passed_over(desk: Desk) -> None:
    desk.engine.prompt = False
    with pytest.raises(NotIncludedError):
        announce_maintenance(desk.steward(), 120)
    (file,) = desk.files()
    assert sent.look(desk.folder)
    for sent_ms in (-1, 10**18, 2**63):
        kept = msgspec.json.decode(file.read_bytes()) | {"sent_ms": sent_ms}
        file.write_bytes(msgspec.json.encode(kept))
        assert not sent.look(desk.folder)
    file.write_bytes(msgspec.json.encode(kept | {"sent_ms": desk.chain.clock()}))
    assert sent.look(desk.folder)
    file.rename(file.with_name(f"{'0' * 64}.json"))
    assert not sent.look(desk.folder)


def test_a_file_that_is_none_of_ours_is_passed_over(desk: Desk) -> None:
    desk.folder.sent.mkdir()
    (desk.folder.sent / f"{'0' * 64}.json").write_text("{")
    assert sent.look(desk.folder) == ()
