"""The rules of a living chain change: by a ballot, at one block for everybody, across a round that is under way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.errors import HMChainError
from hmchain.ledger import contracts, protocols
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import BlockInput
from hmchain.ledger.context import Context, Credential
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.members import membership, parameters, upgrades
from hmchain.ledger.contracts.members.membership import ProposeAction, SetParameters, VoteAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.upgrades import CallOff, Upgrade
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.damage import diagnose
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.genesis import NOTICE_MS, GenesisError
from hmchain.ledger.protocols import ProtocolError
from hmchain.ledger.readers import replay
from hmchain.ledger.readers.rules import OldRulesError, require_sharing, rules_of
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.ledger.transition import Machine
from support import next_protocol
from support.abci_chain import Chain
from support.ledger_network import CHAIN, SCHEMA, START_MS, Network, genesis, validator_keys
from support.study_bed import STUDY, Bed

LATER_MS = START_MS + NOTICE_MS + 3_600_000


@pytest.fixture
def state() -> Iterator[State]:
    state = State()
    genesis_file.initialise(state, genesis(protocol=4))
    state.commit(0)
    yield state
    state.close()


def refusal(state: State, body: contracts.Body, name: str = "a", role: str = "steward", ms: int = START_MS + 1) -> str:
    mark, context = state.savepoint(), Context(state, CHAIN, state.height + 1, ms, Credential(name, role))
    try:
        contracts.apply(context, body)
    except Refusal as refused:
        state.rollback(mark)
        return refused.code
    return "ok"


def agree(state: State, action: Upgrade | CallOff, ms: int = START_MS + 1) -> None:
    assert refusal(state, ProposeAction(action), ms=ms) == "ok"
    ballot = membership.open_ballot(state, action, ms)
    assert ballot is not None
    assert [refusal(state, VoteAction(ballot), name, ms=ms) for name in "bc"] == ["ok", "ok"]


# -- what is agreed on -------------------------------------------------------------------------------------------------


def test_two_thirds_agree_on_the_next_protocol_and_may_call_it_off(state: State) -> None:
    action = Upgrade(5, LATER_MS, 20)
    agree(state, action)
    assert upgrades.planned(state) == action
    assert refusal(state, ProposeAction(Upgrade(5, LATER_MS, 30))) == "upgrade_planned"
    agree(state, CallOff(5))
    assert upgrades.planned(state) is None
    assert refusal(state, ProposeAction(CallOff(5))) == "no_upgrade"
    state.commit(1)
    agree(state, action)  # and again


@pytest.mark.parametrize(
    ("action", "role", "code"),
    [
        (Upgrade(4, LATER_MS, 0), "steward", "wrong_protocol"),
        (Upgrade(6, LATER_MS, 0), "steward", "wrong_protocol"),
        (Upgrade(5, START_MS + NOTICE_MS, 0), "steward", "upgrade_too_soon"),
        (Upgrade(5, 0, 1 << 40), "steward", "upgrade_too_soon"),
        (CallOff(5), "steward", "no_upgrade"),
        (CallOff(4), "steward", "no_upgrade"),
        (Upgrade(5, LATER_MS, 0), "scientist", "wrong_role"),
        (Upgrade(5, LATER_MS, 0), "agent", "wrong_role"),
        (Upgrade(5, LATER_MS, 0), "validator", "wrong_role"),
    ],
)
def test_what_could_not_be_is_not_put_to_the_vote(
    state: State, action: Upgrade | CallOff, role: str, code: str
) -> None:
    assert refusal(state, ProposeAction(action), role=role) == code


def test_the_notice_counts_from_the_deciding_vote(state: State) -> None:
    """Else a ballot that was opened in time could take effect the moment it is carried."""
    action = Upgrade(5, LATER_MS, 0)
    assert refusal(state, ProposeAction(action)) == "ok"
    ballot = membership.open_ballot(state, action, START_MS + 1)
    assert ballot is not None
    assert refusal(state, VoteAction(ballot), "b") == "ok"
    assert refusal(state, VoteAction(ballot), "c", ms=LATER_MS - NOTICE_MS + 1) == "upgrade_too_soon"
    assert upgrades.planned(state) is None


def test_the_notice_is_the_genesis_s_and_no_ballot_shortens_it(state: State) -> None:
    assert parameters.founding(state).notice_ms == NOTICE_MS
    assert "notice_ms" not in Parameters.__struct_fields__
    for notice in (0, -1, 31 * NOTICE_MS):
        with pytest.raises(GenesisError, match="notice"):
            genesis_file.initialise(State(), replace(genesis(), notice_ms=notice))


# -- when it comes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [True, False])
def test_it_comes_after_the_first_block_that_is_at_both_and_once(state: State, empty: bool) -> None:
    agree(state, Upgrade(5, LATER_MS, 5))
    state.commit(1)
    machine = Machine(state, CHAIN)
    junk = () if empty else (b"refused",)

    def block(height: int, ms: int) -> list[str]:
        result = machine.execute(BlockInput(height, ms, "a", 0, (), (), junk))
        machine.commit(height)
        return [event.kind for event in result.events if event.kind == "protocol.changed"]

    assert block(2, LATER_MS + 1) == [], "too low"
    assert block(6, LATER_MS + 2) == ["protocol.changed"]
    assert (upgrades.at(state, 6), upgrades.at(state, 7)) == (4, 5)
    assert upgrades.planned(state) is None
    with pytest.raises(ProtocolError, match="block 7 follows protocol 5, and this program knows 2, 3, 4"):
        block(7, LATER_MS + 3)
    with next_protocol.known():
        assert block(7, LATER_MS + 3) == []


def test_it_does_not_come_before_its_time(state: State) -> None:
    agree(state, Upgrade(5, LATER_MS, 5))
    state.commit(1)
    machine = Machine(state, CHAIN)
    machine.execute(BlockInput(9, LATER_MS - 1, "a", 0, (), (), ()))
    assert upgrades.planned(state) is not None


# -- across a study ----------------------------------------------------------------------------------------------------


def upgraded(bed: Bed, number: int, phase: str) -> None:
    """Agree on protocol 5 while a round is in a phase; it is in force from a block soon after."""
    bed.until(number, phase)
    action = Upgrade(5, bed.now_ms + 50, 0)
    bed.require(bed.names[0], "steward", ProposeAction(action))
    ballot = membership.open_ballot(bed.state, action, bed.now_ms)
    assert ballot is not None
    for name in bed.names[1:3]:
        bed.require(name, "steward", VoteAction(ballot))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run", notice_ms=1, protocol=4)
    bed.prepare(4)
    bed.approve()
    yield bed
    bed.close()


def test_a_round_ends_under_the_rules_it_opened_with(bed: Bed) -> None:
    """Round 1 is open when protocol 5 comes: what is committed in it afterwards is not counted, in round 2 it is."""
    with next_protocol.known():
        upgraded(bed, 1, Phase.COMMIT)
        bed.now_ms += 100
        bed.require(bed.names[0], "steward", RegisterDataset("more", SCHEMA))
        assert upgrades.at(bed.state, bed.state.height + 1) == 5
        assert not bed.contributions()
        assert (bed.round.number, bed.round.phase) == (1, Phase.COMMIT)
        bed.run(lambda: bed.round.number == 2)
        assert not any(next_protocol.commits(bed.state, STUDY, name) for name in bed.names)
        bed.run()
        assert bed.study.progress.reason == "completed"
        for name in bed.names:
            assert next_protocol.commits(bed.state, STUDY, name) == next_protocol.Commits(2, 3)
        assert len({validator.state.commitment() for validator in bed.consortium.ledger.validators.values()}) == 1


def test_a_program_that_does_not_know_the_rules_stops_before_them_and_loses_nothing(bed: Bed, tmp_path: Path) -> None:
    upgraded(bed, 1, Phase.COMMIT)
    with pytest.raises(ProtocolError, match="follows protocol 5, and this program knows 2, 3, 4"):
        bed.run()
    height = bed.state.height
    assert upgrades.at(bed.state, height) == 4
    bed.consortium.close()
    keys = {name: hospital.keys.validator for name, hospital in bed.consortium.hospitals.items()}
    with pytest.raises(ProtocolError):  # on restart too
        EmbeddedLedger(bed.directory / "ledger", keys, clock_ms=bed.clock)
    assert replay.verify(bed.directory / "ledger").height == height
    with next_protocol.known():
        bed.adopt(type(bed.consortium).open(bed.directory, clock_ms=bed.clock, learn=bed.learn))
        assert bed.state.height == height
        bed.run()
        assert bed.study.progress.reason == "completed"
        bed.consortium.close()
        assert replay.verify(bed.directory / "ledger").height > height
    with pytest.raises(HMChainError, match=f"block {height + 1} follows protocol 5"):
        replay.verify(bed.directory / "ledger")
    with next_protocol.known():
        bed.adopt(type(bed.consortium).open(bed.directory, clock_ms=bed.clock, learn=bed.learn))


# -- a node of a network -----------------------------------------------------------------------------------------------


def node_before(directory: Path) -> Chain:
    """A node whose chain has agreed on protocol 5; its next block is the last one of protocol 4."""
    founding = replace(genesis(protocol=4), notice_ms=1)
    chain = Chain.of(directory, founding)
    action = Upgrade(5, chain.clock.ms + 5_000, 0)
    chain.block(chain.send("a", ProposeAction(action)))
    ballot = membership.open_ballot(chain.app.state, action, chain.clock.ms)
    assert ballot is not None
    chain.block(*[chain.send(name, VoteAction(ballot)) for name in "bc"])
    assert upgrades.planned(chain.app.state) == action
    chain.clock.ms += 5_000
    return chain


def test_a_node_stops_right_after_the_commit_before_it(tmp_path: Path) -> None:
    chain = node_before(tmp_path / "node")
    height = chain.height
    with pytest.raises(ProtocolError, match=f"block {height + 2} follows protocol 5"):
        chain.block()
    assert chain.height == height + 1, "the block itself is committed, on an idle chain too"
    for asked in (lambda: chain.app.info(abci.RequestInfo()), lambda: chain.reopen()):
        with pytest.raises(ProtocolError):
            asked()
    with next_protocol.known():
        chain.app = chain.opened()
        told = chain.app.info(abci.RequestInfo())
        assert (told.last_block_height, told.app_version) == (height + 1, 4)
        chain.fill(2)
        assert [rules_of(chain.app.state).protocol, chain.height] == [5, height + 3]
    chain.app.close()


def test_nodes_join_across_it_by_snapshot_and_by_replay(tmp_path: Path) -> None:
    with next_protocol.known():
        chain = node_before(tmp_path / "node")
        chain.fill(8)
        offer = chain.app.list_snapshots(abci.RequestListSnapshots()).snapshots[0]
        chunks = [
            chain.app.load_snapshot_chunk(abci.RequestLoadSnapshotChunk(height=offer.height, format=1, chunk=index))
            for index in range(offer.chunks)
        ]
        stored = list(chain.app.storage.blocks.blocks())
        commitments = {item.height: item.block.header.state_commitment for item in stored}
        commitment = next(value for height, value in commitments.items() if height == offer.height)

    def joined(name: str) -> Application:
        app = Application(tmp_path / name, chain.founding, threads=1)
        app.offer_snapshot(abci.RequestOfferSnapshot(snapshot=offer, app_hash=commitment))
        for index, answer in enumerate(chunks):
            app.apply_snapshot_chunk(abci.RequestApplySnapshotChunk(index=index, chunk=answer.chunk, sender="a"))
        return app

    with pytest.raises(ProtocolError):
        joined("old")
    with next_protocol.known():
        app = joined("new")
        assert app.state.commitment() == commitment and rules_of(app.state).protocol == 5
        app.close()
        state = State()
        genesis_file.initialise(state, chain.founding)
        machine = Machine(state, chain.founding.chain_id)
        machine.commit(0)
        for item in stored:
            machine.execute(item.block.input)
            machine.commit(item.height)
            assert state.commitment() == item.block.header.state_commitment
    chain.app.close()


def test_the_log_of_a_node_that_stopped_tells_why(tmp_path: Path) -> None:
    log, said = tmp_path / "node.log", "block 8 follows protocol 5, and this program knows 2, 3, 4"
    log.write_text(f"begins\n2027 app ERROR commit: {said} (use ...)\n")
    found = diagnose(tmp_path, log, "begins")
    assert isinstance(found, ProtocolError)
    assert found.what == said and "version" in found.hint


def test_a_body_that_older_rules_do_not_have_is_refused_in_their_rounds(state: State) -> None:
    class Novel:
        study = STUDY

    rules = protocols.Rules(5, handlers={Novel: lambda context, body: None}, of_rounds=frozenset({Novel}))
    context = Context(state, CHAIN, 1, START_MS + 1, Credential("a", "agent"))
    protocols.apply(rules, context, Novel())
    with pytest.raises(Refusal, match="wrong_protocol"):
        protocols.apply(protocols.KNOWN[4], context, Novel())


# -- ballots -----------------------------------------------------------------------------------------------------------


def test_a_ballot_lapses_and_can_be_opened_again(tmp_path: Path) -> None:
    network = Network.found(tmp_path)
    action = SetParameters(Parameters(jail_ms=5_000))
    network.block(network.send("a", ProposeAction(action)))
    ((ballot, entry),) = membership.ballots(network.ledger.state)
    network.send.clock.ms = entry.until_ms
    codes = [receipt.code for receipt in network.block(network.send("b", VoteAction(ballot))).receipts]
    assert codes == ["ballot_lapsed"]
    codes = [receipt.code for receipt in network.block(network.send("b", ProposeAction(action))).receipts]
    assert codes == ["ok"]
    assert membership.open_ballot(network.ledger.state, action, network.send.clock.ms) not in (None, ballot)
    network.ledger.close()
    assert validator_keys()


def test_a_yes_can_be_taken_back_and_the_last_one_ends_the_ballot(state: State) -> None:
    action = SetParameters(Parameters(jail_ms=5_000))
    assert refusal(state, ProposeAction(action)) == "ok"
    ballot = membership.open_ballot(state, action, START_MS + 1)
    assert ballot is not None
    assert refusal(state, VoteAction(ballot), "b") == "ok"
    taken = membership.WithdrawVote(ballot)
    assert refusal(state, taken, "c") == "not_voted"
    assert refusal(state, taken, "a", "agent") == "wrong_role"
    assert refusal(state, membership.WithdrawVote(bytes(32))) == "no_such_ballot"
    assert refusal(state, taken, "a") == "ok"
    assert refusal(state, taken, "a") == "not_voted"
    assert refusal(state, VoteAction(ballot), "c") == "ok", "b and c: not yet two thirds"
    assert parameters.current(state).jail_ms != 5_000
    assert [refusal(state, taken, name) for name in "bc"] == ["ok", "ok"]
    assert refusal(state, VoteAction(ballot), "d") == "no_such_ballot"
    assert refusal(state, taken, "b") == "no_such_ballot"
    assert membership.open_ballot(state, action, START_MS + 1) is None
    lapsed = membership.ballots(state)[0][1].until_ms
    assert refusal(state, taken, "b", ms=lapsed) == "no_such_ballot"


@pytest.mark.parametrize("early", [False, True], ids=["opened by the ledger", "opened by the culprit before"])
def test_a_proven_fraud_s_removal_is_not_its_culprit_s_to_take_back(state: State, early: bool) -> None:
    if early:
        assert refusal(state, ProposeAction(membership.Remove("d")), "d") == "ok"
    membership.open_removal(Context(state, CHAIN, 1, START_MS + 1, Credential("a", "agent")), "d")
    ballot = membership.open_ballot(state, membership.Remove("d"), START_MS + 1)
    assert ballot is not None
    assert refusal(state, VoteAction(ballot), "d") == ("already_voted" if early else "ok")
    assert refusal(state, membership.WithdrawVote(ballot), "d") == "ok"
    assert [refusal(state, VoteAction(ballot), name) for name in "abc"] == ["ok"] * 3
    assert not membership.is_active(state, "d")


def test_l6_a_member_has_so_many_open_ballots_and_no_more(state: State) -> None:
    def wanted(number: int) -> ProposeAction:
        return ProposeAction(SetParameters(Parameters(jail_ms=10_000 + number)))

    most = membership.OPEN_BALLOTS_MAX
    assert [refusal(state, wanted(number)) for number in range(most + 1)] == ["ok"] * most + ["too_many_ballots"]
    assert refusal(state, wanted(99), "b") == "ok", "another member has its own"
    first = membership.open_ballot(state, wanted(0).action, START_MS + 1)
    assert first is not None and refusal(state, membership.WithdrawVote(first)) == "ok"
    assert [refusal(state, wanted(most)), refusal(state, wanted(0))] == ["ok", "too_many_ballots"], "one made room"
    after = START_MS + 1 + membership.BALLOT_LIFE_MS
    state.commit(1)
    assert refusal(state, wanted(1), "b", ms=after) == "ok", "what lapsed can be opened by others"
    assert [refusal(state, wanted(100 + number), ms=after) for number in range(most)] == ["ok"] * most
    assert membership.open_ballot(state, wanted(1).action, after) is not None, "nobody's room takes it from the index"


def test_what_a_proposal_costs_does_not_grow_with_the_ballots_of_others(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanted(number: int) -> ProposeAction:
        return ProposeAction(SetParameters(Parameters(jail_ms=10_000 + number)))

    for place, name in enumerate("abcd"):
        mine = range(100 * place, 100 * place + membership.OPEN_BALLOTS_MAX)
        assert {refusal(state, wanted(number), name) for number in mine} == {"ok"}
    scanned: list[bytes] = []
    real = State.scan
    monkeypatch.setattr(State, "scan", lambda self, prefix: scanned.append(prefix) or real(self, prefix))
    assert refusal(state, wanted(99), "d") == "too_many_ballots" and not scanned


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_chain_of_older_rules_says_what_has_to_be_voted_for_first(protocol: int) -> None:
    before, now = State(), State()
    genesis_file.initialise(before, genesis(protocol=protocol))
    genesis_file.initialise(now, genesis(protocol=4))
    require_sharing(now, "transfers need")
    with pytest.raises(OldRulesError, match=f"transfers need protocol 4, and this ledger follows protocol {protocol}"):
        require_sharing(before, "transfers need")
