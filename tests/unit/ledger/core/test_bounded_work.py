"""What nobody can make expensive: looks at an idle chain, strangers' transactions, nested evidence, ballots."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain import merkle
from hmchain.canonical import encode
from hmchain.keys import PublicKey, SigningKey
from hmchain.ledger import chain, proposer
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import Block, InvalidProposal, evidence_root
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.approvals import RefuseStudy
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.embedded import NoQuorumError
from hmchain.ledger.state import State
from hmchain.ledger.transactions import sign
from support.abci_chain import Chain
from support.ledger_network import CHAIN, SCHEMA, START_MS, Network, genesis
from support.study_bed import STUDY, Bed, another

IDLE_BLOCKS = 30 * 24 * 60
"""A month of CometBFT's empty blocks, one a minute."""


# -- idle chains -------------------------------------------------------------------------------------------------------


def test_l3_a_look_after_an_idle_month_goes_on_from_the_look_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block looks at the validators of its own height: together as many steps as there are blocks, no more."""
    state, steps = State(), 0
    genesis_file.initialise(state, genesis("abcde"))
    state.commit(0)
    real = proposer.advance_blocks

    def counted(validators: proposer.Validators, blocks: int) -> proposer.Validators:
        nonlocal steps
        steps += blocks
        return real(validators, blocks)

    monkeypatch.setattr(proposer, "advance_blocks", counted)
    standings.forget()
    for height in range(1, 300):
        for ahead in (0, 1, 0, 1):
            standings.validators_at(state, height + ahead)
    assert steps == 299
    standings.validators_at(state, IDLE_BLOCKS)
    standings.validators_at(state, IDLE_BLOCKS)
    assert steps == IDLE_BLOCKS - 1


def test_l3_what_is_remembered_is_what_a_first_look_finds() -> None:
    state, chance = State(), random.Random(3)
    genesis_file.initialise(state, genesis("abcde"))
    state.commit(0)
    for height in chance.choices(range(1, 5_000), k=60):
        remembered = standings.validators_at(state, height)
        standings.forget()
        assert standings.validators_at(state, height) == remembered
        standings.validators_at(state, height // 2)


# -- strangers ---------------------------------------------------------------------------------------------------------


def test_l7_no_signature_of_a_stranger_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Chain.found(tmp_path / "node")
    stranger, checked = SigningKey.generate(), []
    real = PublicKey.verify

    def counted(self: PublicKey, signature: bytes, message: bytes) -> bool:
        checked.append(self.raw)
        return real(self, signature, message)

    monkeypatch.setattr(PublicKey, "verify", counted)
    body, expires = encode(RegisterDataset("x", SCHEMA)), node.clock.ms + 1000
    wires = [sign(stranger, CHAIN, body, number.to_bytes(16, "big"), expires) for number in range(20)]
    assert set(node.check(wires)) == {"unknown_sender"} and not checked
    member = node.send.dataset("a", "d0")
    forged = member[:-1] + bytes([member[-1] ^ 1])
    assert node.check([*wires, member, forged]) == ["unknown_sender"] * 20 + ["", "bad_signature"]
    assert len(checked) == 2
    node.block(member)
    assert node.check([member]) == ["replayed"] and len(checked) == 2
    node.app.close()


# -- evidence ----------------------------------------------------------------------------------------------------------


def accusing(block: Block, *accused: Block) -> Block:
    return replace(block, transactions=(), evidence=tuple(InvalidProposal(encode(each), bytes(64)) for each in accused))


def nested(block: Block, depth: int) -> Block:
    for _ in range(depth):
        block = accusing(block, block)
    return block


@pytest.fixture
def block(tmp_path: Path) -> Block:
    network = Network.found(tmp_path)
    network.fill(1)
    stored = network.ledger.store.get(1)
    network.ledger.close()
    assert stored is not None
    return replace(stored.block, transactions=())


def test_l9_evidence_in_evidence_has_a_floor(block: Block) -> None:
    assert [chain.well_formed(nested(block, depth)) for depth in (0, 3, 4, 1200)] == [True, True, False, False]
    deep = nested(block, 1200)
    header = replace(deep.header, evidence_root=evidence_root(deep.evidence), transactions_root=merkle.root(()))
    tip = chain.Tip(CHAIN, 0, START_MS, header.previous, None)
    state = State()
    genesis_file.initialise(state, genesis())
    with pytest.raises(chain.InvalidBlockError, match="nests deeper"):
        chain.check_block(tip, replace(deep, header=header), standings.validators_at(state, 1))


def test_l9_evidence_counts_in_the_size_of_a_block(block: Block) -> None:
    large = replace(block, transactions=(bytes(chain.BLOCK_BYTES_MAX),))
    assert chain.well_formed(large) and chain.well_formed(accusing(block, large)), "none is too large to be accused"
    second = replace(large, last_round=1)
    assert not chain.well_formed(accusing(block, large, second))
    assert not chain.well_formed(replace(accusing(block, large), transactions=(bytes(3 * chain.BLOCK_ROOM_BYTES),)))
    assert chain.room_beside(accusing(block, large).evidence) >= 0
    assert chain.room_beside(accusing(block, large, second).evidence) < 0


def test_l9_accusations_within_accusations_count_as_one_block_s(block: Block) -> None:
    """Else 16 of them in each of three levels are 4368 executions."""
    one = [replace(block, last_round=number) for number in range(16)]
    full = accusing(block, *one)
    assert chain.well_formed(full) and not chain.well_formed(accusing(block, *one, block))
    assert chain.well_formed(accusing(block, full)), "a block as full as may be can be accused"
    assert not chain.well_formed(accusing(block, full, one[0]))
    assert not chain.well_formed(accusing(block, full, replace(full, last_round=1)))


# -- time --------------------------------------------------------------------------------------------------------------


def test_l10_nobody_votes_for_a_time_far_ahead_of_the_own_clock(tmp_path: Path) -> None:
    network = Network.found(tmp_path)
    network.fill(2)
    ledger, clock = network.ledger, network.send.clock
    honest = clock.ms
    ledger.submit(network.send.dataset("a", "later"))
    times = iter([honest + chain.TIME_AHEAD_MS_MAX + 60_000])
    ledger.clock_ms = lambda: next(times, honest)  # of the first proposer alone
    decided = ledger.produce_block()
    assert decided is not None and decided[0].header.round > 0
    assert honest <= decided[0].header.time_ms <= honest + 1000
    ledger.close()


def test_l10_where_all_clocks_are_wrong_nothing_is_stored_that_cannot_be_read(tmp_path: Path) -> None:
    network = Network.found(tmp_path)
    network.fill(2)
    network.ledger.submit(network.send.dataset("a", "later"))
    network.ledger.clock_ms = lambda: (1 << 63) - 1
    with pytest.raises(NoQuorumError):
        network.ledger.produce_block()
    assert network.reopen().height == 2
    network.fill(1, first=7)
    network.ledger.close()


# -- scans -------------------------------------------------------------------------------------------------------------


def test_l11_a_scan_reads_what_it_is_asked_for_and_no_more() -> None:
    """Against a twin that sorts everything each time, over random writes, savepoints, rollbacks and commits."""
    state, chance = State(), random.Random(11)
    kept: dict[bytes, bytes] = {}
    seen, marks = dict(kept), []
    for step in range(3_000):
        key = bytes([chance.choice(b"abc"), 0, chance.randrange(30)])
        match chance.randrange(10):
            case 0:
                marks.append((state.savepoint(), dict(seen)))
            case 1 if marks:
                mark, seen = marks.pop()
                state.rollback(mark)
            case 2 if step % 50 == 0:
                state.commit(step)
                kept, marks = dict(seen), []
            case 3:
                aside, before = state.detach(), seen
                assert list(state.scan(b"a\0")) == sorted(item for item in kept.items() if item[0] < b"b")
                state.attach(aside)
                seen = before
            case 4:
                state.put(key, None)
                seen.pop(key, None)
            case _:
                state.put(key, value := chance.randbytes(2))
                seen[key] = value
        prefix = bytes([key[0], 0])
        assert list(state.scan(prefix)) == sorted(item for item in seen.items() if item[0].startswith(prefix))


# -- studies -----------------------------------------------------------------------------------------------------------


def test_l6_an_agent_reads_the_open_studies_that_name_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = Bed.found(tmp_path, n=5, protocol=2)
    spec = bed.prepare(1)
    outside = another(spec, "others", uses=spec.uses[1:], rule=replace(spec.rule, participants=4))
    bed.require(bed.names[0], "scientist", ProposeStudy(outside))
    assert studies.open_studies(bed.state, bed.names[0]) == [STUDY]
    assert studies.open_studies(bed.state, bed.names[1]) == ["others", STUDY]
    read = []
    real = studies.study
    monkeypatch.setattr(studies, "study", lambda state, name: read.append(name) or real(state, name))
    bed.agent(bed.names[0]).step()
    assert "others" not in read
    monkeypatch.undo()
    bed.approve()
    bed.run()
    assert all(studies.open_studies(bed.state, name) == ["others"] for name in bed.names[1:])
    bed.reopen()
    assert STUDY in {study.spec.name for study in bed.agent(bed.names[0]).open_studies()}, (
        "there may be something to close"
    )
    bed.close()


def test_l6_a_member_has_so_many_proposals_that_wait_and_no_more(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path, protocol=2)
    spec = bed.prepare(1)
    more = [another(spec, f"s{number}") for number in range(studies.PROPOSALS_MAX)]
    codes = [bed.submit(bed.names[0], "scientist", ProposeStudy(each)) for each in more]
    assert codes == ["ok"] * (studies.PROPOSALS_MAX - 1) + ["too_many_proposals"]
    assert bed.submit(bed.names[1], "scientist", ProposeStudy(more[-1])) == "ok", "another member has its own"
    bed.require(bed.names[2], "steward", RefuseStudy("s0", "ethics"))
    last = ProposeStudy(another(spec, "last"))
    assert bed.submit(bed.names[0], "scientist", last) == "ok", "what is over makes room"
    bed.close()
