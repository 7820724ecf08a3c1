"""A proposal is executed while it is voted on, and nobody can tell but by the clock."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.blocks import BlockInput, BlockResult
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.state import State
from support.abci_chain import Chain, init_request, misbehaviour

RULES = Parameters(epoch_blocks_min=10, epoch_ms=1, jail_blocks_per_member=2, jail_ms=2000)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain.found(tmp_path / "node")


def propose(chain: Chain, request: abci.RequestFinalizeBlock) -> bool:
    """Hand the block over as a proposal; what follows the answer happens too."""
    proposal = abci.RequestProcessProposal(
        txs=request.txs,
        proposed_last_commit=request.decided_last_commit,
        misbehavior=request.misbehavior,
        height=request.height,
        time=request.time,
        proposer_address=request.proposer_address,
    )
    answer = chain.app.process_proposal(proposal)
    chain.app.execute_optimistically()
    return answer.status == abci.ResponseProcessProposal.ACCEPT


def executions(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The heights of the blocks that are executed from now on."""
    found: list[int] = []
    execute = chain.app.machine.execute

    def counted(inputs: BlockInput, *arguments: Any) -> BlockResult:
        found.append(inputs.height)
        return execute(inputs, *arguments)

    monkeypatch.setattr(chain.app.machine, "execute", counted)
    return found


def test_a_decided_proposal_is_executed_once(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.fill(2)
    executed = executions(chain, monkeypatch)
    request = chain.request(chain.send.dataset("a", "x"), chain.send.dataset("b", "y"))
    assert propose(chain, request) and executed == [3]
    chain.decide(request)
    assert executed == [3] and chain.height == 3
    chain.fill(1, first=3)
    assert executed == [3, 4]


def test_nobody_sees_what_was_executed_ahead(chain: Chain) -> None:
    chain.fill(2)
    before, wire = chain.app.state.commitment(), chain.send.dataset("a", "x")
    request = chain.request(wire)
    assert propose(chain, request)
    assert chain.app.state.commitment() == before
    assert chain.app.info(abci.RequestInfo()).last_block_app_hash == before
    assert chain.check([wire]) == [""], "a block that is not decided uses up no nonce"
    assert chain.prepare(wire) == [wire]
    assert chain.decide(request).app_hash != before
    assert chain.check([wire]) == ["replayed"]


@pytest.mark.parametrize("difference", ["transactions", "time", "proposer", "votes", "round", "evidence"])
def test_another_decided_block_is_executed_anew(chain: Chain, tmp_path: Path, difference: str) -> None:
    chain.fill(3)
    twin = Chain(tmp_path / "twin", chain.founding, chain.send)
    twin.app.init_chain(init_request(twin.founding))
    for stored in chain.app.storage.blocks.blocks():
        twin.app.machine.execute(stored.block.input)
        twin.app.machine.commit(stored.height)
    request = chain.request(chain.send.dataset("a", "x"))
    assert propose(chain, request)
    decided = abci.RequestFinalizeBlock.FromString(request.SerializeToString())
    if difference == "transactions":
        decided.txs.append(chain.send.dataset("b", "y"))
    elif difference == "time":
        decided.time.seconds += 1
    elif difference == "proposer":
        decided.proposer_address = chain.request(proposer_name="b").proposer_address
    elif difference == "votes":
        decided.decided_last_commit.votes[0].block_id_flag = 1
    elif difference == "round":
        decided.decided_last_commit.round = 1
    else:
        decided.misbehavior.append(misbehaviour("d", 2))
    assert chain.decide(decided) == twin.decide(decided)
    assert chain.app.state.commitment() == twin.app.state.commitment()


def test_random_proposals_decided_or_not_give_the_state_of_a_node_that_never_works_ahead(tmp_path: Path) -> None:
    chance = random.Random(3)
    chain = Chain.found(tmp_path / "ahead", parameters=RULES)
    plain = Chain(tmp_path / "plain", chain.founding, chain.send)
    plain.app.init_chain(init_request(plain.founding))

    def block() -> abci.RequestFinalizeBlock:
        wires = [chain.send.dataset(chance.choice("abcd"), f"d{chance.randrange(40)}") for _ in range(3)]
        votes = {name: chance.choice((1, 2, 2, 2)) for name in "abcd"}
        proposer_name, round_ = chance.choice("abcd"), chance.randrange(2)
        return chain.request(*wires, votes=votes, proposer_name=proposer_name, round_=round_)

    for _ in range(40):
        for _ in range(chance.randrange(3)):
            propose(chain, block())
        decided = block()
        if chance.random() < 0.6:
            assert propose(chain, decided)
        if chance.random() < 0.1:
            chain.reopen()
        assert chain.decide(decided) == plain.decide(decided)
    assert chain.app.state.commitment() == plain.app.state.commitment()
    logs = [list(each.app.storage.blocks.blocks()) for each in (chain, plain)]
    assert logs[0] == logs[1] and len(logs[0]) == 40


def test_1_a_crash_after_working_ahead_leaves_nothing(chain: Chain) -> None:
    chain.fill(2)
    before, request = chain.app.state.commitment(), chain.request(chain.send.dataset("a", "x"))
    assert propose(chain, request)
    app = chain.reopen()
    assert (app.state.height, app.state.commitment()) == (2, before)
    assert propose(chain, request)
    expected = chain.decide(request)
    assert expected.app_hash == chain.app.state.commitment()


def test_1_cometbft_alone_starts_again_after_a_block_executed_ahead(chain: Chain) -> None:
    chain.fill(2)
    request = chain.request(chain.send.dataset("a", "x"))
    assert propose(chain, request)
    expected = chain.app.finalize_block(request)
    assert chain.app.info(abci.RequestInfo()).last_block_height == 2
    assert chain.decide(request) == expected
    assert chain.app.info(abci.RequestInfo()).last_block_app_hash == expected.app_hash


def test_a_block_proposed_again_in_a_later_round_is_not_executed_again(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = executions(chain, monkeypatch)
    request = chain.request(chain.send.dataset("a", "x"))
    assert propose(chain, request) and propose(chain, request) and executed == [1]
    assert propose(chain, chain.request(chain.send.dataset("b", "y"))) and executed == [1, 1]
    chain.decide(request)
    assert executed == [1, 1, 1], "the proposal that was accepted last has taken its place"


def test_only_what_is_accepted_and_comes_next_is_executed_ahead(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    executed = executions(chain, monkeypatch)
    assert not propose(chain, chain.request(b"garbage"))
    late = chain.request(chain.send.dataset("a", "x"))
    late.height = 7
    assert propose(chain, late)
    request = chain.request(chain.send.dataset("a", "x"))
    chain.app.finalize_block(request)
    assert propose(chain, request)
    assert executed == [1]
    chain.app.commit(abci.RequestCommit())
    assert chain.height == 1


def test_a_proposal_that_breaks_the_machine_leaves_no_trace(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    request = chain.request(chain.send.dataset("a", "x"))
    before, execute = chain.app.state.commitment(), chain.app.machine.execute

    def broken(inputs: BlockInput, *arguments: Any) -> BlockResult:
        execute(inputs, *arguments)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(chain.app.machine, "execute", broken)
        with pytest.raises(ZeroDivisionError):
            propose(chain, request)
    assert chain.app.state.commitment() == before
    assert chain.decide(request).app_hash == chain.app.state.commitment() != before


@settings(derandomize=True, deadline=None)
@given(st.lists(st.dictionaries(st.binary(max_size=2), st.none() | st.binary(max_size=2), max_size=5), max_size=6))
def test_writes_set_aside_and_taken_up_again_are_as_if_never_gone(blocks: list[dict[bytes, bytes | None]]) -> None:
    plain, moved = State(), State()
    for height, block in enumerate(blocks, 1):
        before = moved.commitment()
        for state in (plain, moved):
            for key, value in block.items():
                state.put(key, value)
        writes = moved.detach()
        assert moved.commitment() == before and list(moved.scan(b"\0")) == [
            pair for pair in moved.snapshot() if pair[0].startswith(b"\0")
        ]
        moved.put(b"other", b"")
        moved.rollback()
        moved.attach(writes)
        assert moved.commitment() == plain.commitment()
        if height % 2:
            for state in (plain, moved):
                state.commit(height)
        else:
            for state in (plain, moved):
                state.rollback()
        assert list(moved.snapshot()) == list(plain.snapshot())


# -- what the mempool knows -------------------------------------------------------------------------------------------


def test_a_bad_signature_is_never_remembered_as_good(chain: Chain) -> None:
    good = chain.send.dataset("a", "x")
    bad = good[:-1] + bytes([good[-1] ^ 1])
    for _ in range(2):
        assert chain.check([bad, good, bad]) == ["bad_signature", "", "bad_signature"]
        assert chain.prepare(bad, good) == [good]
        assert not chain.accepts(bad) and not chain.accepts(good, bad) and chain.accepts(good)
    answer = chain.block(bad, good)
    assert [result.log for result in answer.tx_results] == ["bad_signature", ""]


def test_what_was_known_before_a_restart_is_checked_again(chain: Chain) -> None:
    good = chain.send.dataset("a", "x")
    assert chain.check([good]) == [""] and len(chain.app.known) == 1
    chain.reopen()
    assert not chain.app.known
    request = chain.request(good)
    assert propose(chain, request) and len(chain.app.known) == 1
    assert chain.decide(request).tx_results[0].code == 0
    assert not chain.app.known, "what is in a block takes no more room"
