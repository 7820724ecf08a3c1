"""The state machine: replays, nonces, refusals, and evidence that frames nobody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.canonical import Record, encode
from hmchain.ledger import chain, contracts, proposer
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import (
    COMMIT,
    Block,
    BlockInput,
    BlockResult,
    DoubleSign,
    Evidence,
    InvalidProposal,
    SignedVote,
    Vote,
    make_block,
    make_header,
    proposal_bytes,
    vote_bytes,
)
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal
from hmchain.ledger.transition import Machine
from support.ledger_network import CHAIN, ROLES, SCHEMA, START_MS, Clock, Sender, genesis, signing_key

STANDINGS = Table("standings", standings.Standing)
"""As the contract keeps them: these tests change what no transaction may."""


@dataclass
class Bench:
    """One machine, fed block by block."""

    machine: Machine
    send: Sender = field(default_factory=Sender)
    height: int = 0
    time_ms: int = START_MS

    @classmethod
    def fresh(cls) -> Bench:
        state = State()
        genesis_file.initialise(state, genesis())
        machine = Machine(state, CHAIN)
        machine.commit(0)
        return cls(machine)

    @property
    def state(self) -> State:
        return self.machine.state

    def inputs(self, *wires: bytes, evidence: Sequence[Evidence] = (), step_ms: int = 1000) -> BlockInput:
        votes = tuple(Vote(name, COMMIT) for name in "abcd") if self.height else ()
        time_ms = self.time_ms + step_ms
        return BlockInput(self.height + 1, time_ms, self.proposer, 0, votes, tuple(evidence), wires)

    @property
    def proposer(self) -> str:
        return proposer.proposers_of_rounds(standings.validators_at(self.state, self.height + 1), 0)[0]

    def block(self, *wires: bytes, evidence: Sequence[Evidence] = (), step_ms: int = 1000) -> BlockResult:
        inputs = self.inputs(*wires, evidence=evidence, step_ms=step_ms)
        result = self.machine.execute(inputs)
        self.machine.commit(inputs.height)
        self.height, self.time_ms = inputs.height, inputs.time_ms
        self.send.clock = Clock(self.time_ms)
        return result

    def codes(self, *wires: bytes, step_ms: int = 1000) -> list[str]:
        return [receipt.code for receipt in self.block(*wires, step_ms=step_ms).receipts]

    def proposal(self, *wires: bytes, author: str = "b", evidence: Sequence[Evidence] = (), lie: bool = False) -> Block:
        """The block that `author` would sign now: as it should be, or with another state than execution gives."""
        inputs = replace(self.inputs(*wires, evidence=evidence), proposer=author)
        result = self.machine.execute(inputs)
        commitment = bytes(32) if lie else self.state.commitment()
        self.machine.rollback()
        return make_block(make_header(CHAIN, inputs, 0, bytes(32), result, commitment), inputs)


def accusation(block: Block, signer: str | None = None) -> InvalidProposal:
    key = signing_key(signer or block.header.proposer, "validator")
    return InvalidProposal(encode(block), key.sign(proposal_bytes(block.header)))


def double_sign(name: str, signer: str | None = None, heights: tuple[int, int] = (1, 1)) -> DoubleSign:
    key = signing_key(signer or name, "validator")
    votes = []
    for number, height in enumerate(heights):
        block_hash = bytes([number]) * 32
        votes.append(SignedVote(height, 0, block_hash, key.sign(vote_bytes(CHAIN, height, 0, block_hash))))
    return DoubleSign(name, votes[0], votes[1])


def scores(bench: Bench) -> dict[str, int]:
    return {name: standings.standing(bench.state, name).consensus for name in "abcd"}


UNHARMED = dict.fromkeys("abcd", 5000)


@pytest.fixture
def bench() -> Bench:
    return Bench.fresh()


# -- lines of research/protocol-attacks.md -----------------------------------------------------------------------------


def test_failed_transaction_resubmitted_by_anyone_when_the_state_changed(bench: Bench) -> None:
    failing = bench.send("b", Unjail())
    assert bench.codes(failing) == ["not_jailed"]
    standing = standings.standing(bench.state, "b")
    bench.state.put(STANDINGS.key("b"), encode(replace(standing, jailed=True)))
    bench.machine.commit(bench.height)
    assert bench.codes(failing) == ["replayed"]  # it would succeed now, and is used up
    assert bench.codes(bench.send("b", Unjail())) == ["ok"]


def test_sequential_nonces(bench: Bench) -> None:
    wires = [bench.send.dataset("a", f"x{number}") for number in range(4)]
    lost = wires.pop(1)
    assert bench.codes(*reversed(wires)) == ["ok"] * 3  # any order, and a lost one stalls nobody
    assert bench.codes(lost) == ["ok"]


def test_counters_in_every_block_s_state(bench: Bench) -> None:
    bench.block(bench.send.dataset("a", "x"))
    before = bench.state.commitment()
    inputs = bench.inputs()
    assert bench.machine.execute(inputs) == BlockResult((), ())
    assert bench.state.commitment() == before


def test_several_encodings_of_one_transaction(bench: Bench) -> None:
    wire = bench.send.dataset("a", "x")
    longer = b"\xdc\x00\x02" + wire[1:]  # the same array of two, with a longer head
    assert bench.codes(longer, wire) == ["malformed", "ok"]


# -- replays, expiry and refusals ----------------------------------------------------------------------------------


def test_a_transaction_counts_once(bench: Bench) -> None:
    wire = bench.send.dataset("a", "x")
    assert bench.codes(wire, wire) == ["ok", "replayed"]
    assert bench.codes(wire) == ["replayed"]


def test_nonces_are_forgotten_only_after_expiry(bench: Bench) -> None:
    wire = bench.send("a", Unjail(), life_ms=120_000)
    bench.block(wire)
    used = len(list(bench.state.scan(b"nonces\0")))
    assert bench.codes(wire, step_ms=118_000) == ["replayed"]
    assert bench.codes(wire, step_ms=120_000) == ["expired"]
    bench.block(bench.send("a", Unjail(), life_ms=3_600_000), step_ms=1_800_000)
    assert len(list(bench.state.scan(b"nonces\0"))) == used  # the old ones are gone, the new one is there
    assert len(bench.machine.used_nonces) == 1


def test_a_restarted_machine_still_knows_the_nonces(bench: Bench) -> None:
    wire = bench.send.dataset("a", "x")
    bench.block(wire)
    bench.machine = Machine(bench.state, CHAIN)
    assert bench.codes(wire) == ["replayed"]


@pytest.mark.parametrize(
    ("life_ms", "code"), [(0, "expired"), (1000, "expired"), (3_601_000, "ok"), (3_601_001, "expiry_too_far")]
)
def test_expiry_is_in_block_time_and_at_most_an_hour_ahead(bench: Bench, life_ms: int, code: str) -> None:
    assert bench.codes(bench.send("a", RegisterDataset("x", SCHEMA), life_ms=life_ms)) == [code]


def test_what_is_not_authentic_leaves_no_trace_at_all(bench: Bench) -> None:
    good = bench.send.dataset("a", "x")
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    other_chain = Sender(bench.send.clock, chain="other").dataset("a", "x")
    stranger = bench.send.dataset("stranger", "x")
    huge = b"\x00" * (65 << 10)
    before = len(list(bench.state.scan(b"nonces\0")))
    codes = bench.codes(flipped, other_chain, stranger, huge, b"")
    assert codes == ["bad_signature", "wrong_chain", "unknown_sender", "oversized", "malformed"]
    assert len(list(bench.state.scan(b"nonces\0"))) == before
    assert bench.codes(good) == ["ok"]


def test_an_unknown_kind_of_body_is_malformed_and_uses_its_nonce(bench: Bench) -> None:
    class Strange(Record, frozen=True, tag="strange"):
        pass

    wire = bench.send("a", Strange())
    assert bench.codes(wire) == ["malformed"]
    assert bench.codes(wire) == ["replayed"]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_refused_transactions_change_nothing_but_the_nonce(seed: int) -> None:
    """Two machines: one gets refused transactions among the others, one gets them not. They differ in nonces alone."""
    chance = random.Random(seed)
    plain, noisy = Bench.fresh(), Bench.fresh()
    noisy.send.sent = 1000
    for height in range(3):
        good = [plain.send.dataset(chance.choice("abcd"), f"g{height}-{i}") for i in range(3)]
        bad = [noisy.send.dataset("a", "NOT A NAME"), noisy.send("b", Unjail(), role=chance.choice(ROLES))]
        mixed = [*good, *bad]
        chance.shuffle(mixed)
        plain.block(*[wire for wire in mixed if wire in good])
        noisy.block(*mixed)
    assert _without_nonces(plain.state) == _without_nonces(noisy.state)


def _without_nonces(state: State) -> list[tuple[bytes, bytes]]:
    return [pair for pair in state.snapshot() if not pair[0].startswith(b"nonces\0")]


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 12), max_size=4))
def test_rolled_back_and_repeated_execution_gives_the_same_commitment(cuts: list[int]) -> None:
    """Any interleaving of proposals, rollbacks and blocks that ends in one order of transactions gives one state."""
    straight, winding = Bench.fresh(), Bench.fresh()
    wires = [straight.send.dataset("abcd"[i % 4], f"x{i}") for i in range(12)]
    for start in range(0, 12, 4):
        straight.block(*wires[start : start + 4])
        for cut in cuts:
            winding.machine.execute(winding.inputs(*wires[cut:], *wires[:cut]))
            winding.machine.rollback()
        winding.block(*wires[start : start + 4])
    assert straight.state.commitment() == winding.state.commitment()
    assert straight.machine.used_nonces == winding.machine.used_nonces


# -- evidence --------------------------------------------------------------------------------------------------------


def test_an_invalid_proposal_halves_the_score_of_its_proposer_alone(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"), lie=True)
    result = bench.block(evidence=[accusation(block)])
    assert [event.kind for event in result.events] == ["standing.invalid_proposal"]
    assert scores(bench) == UNHARMED | {"b": 2500}


def test_a_sound_proposal_is_no_offence(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"))
    assert bench.block(evidence=[accusation(block)]).events == ()
    assert scores(bench) == UNHARMED


def test_swapped_inputs_frame_nobody(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"))
    other = bench.send.dataset("a", "y")
    swaps = [
        replace(block, transactions=(other,)),
        replace(block, transactions=()),
        replace(block, last_votes=(Vote("a", COMMIT),)),
        replace(block, last_round=5),
        replace(block, evidence=(double_sign("c"),)),
    ]
    evidence = [accusation(swap) for swap in swaps]
    assert bench.block(evidence=evidence[:4]).events == ()
    assert bench.block(evidence=evidence[4:]).events == ()
    assert scores(bench) == UNHARMED


def test_a_block_of_another_height_frames_nobody(bench: Bench) -> None:
    early = accusation(bench.proposal(bench.send.dataset("a", "x")))
    bench.block(bench.send.dataset("a", "y"))
    assert bench.block(evidence=[early]).events == ()  # on this state it would fail
    assert scores(bench) == UNHARMED


def test_a_block_that_its_proposer_never_signed_frames_nobody(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"), lie=True)
    stranger = replace(block, header=replace(block.header, proposer="stranger"))
    assert (
        bench.block(evidence=[accusation(block, "c"), accusation(stranger), InvalidProposal(b"junk", b"")]).events == ()
    )
    assert scores(bench) == UNHARMED


def test_an_honest_block_that_carries_evidence_is_no_offence(bench: Bench) -> None:
    """Whoever proposes after a liar carries the evidence; accused in turn, it is found sound, however deep."""
    evidence: list[Evidence] = [accusation(bench.proposal(bench.send.dataset("a", "x"), lie=True))]
    for author in "cd":
        honest = bench.proposal(bench.send.dataset("a", "x"), author=author, evidence=evidence)
        evidence = [accusation(honest)]
    assert chain.extent(tuple(evidence)).nesting == chain.EVIDENCE_NESTING_MAX
    bench.block(evidence=evidence)
    assert scores(bench) == UNHARMED


def test_nobody_escapes_by_nesting_evidence_too_deep(bench: Bench) -> None:
    evidence: list[Evidence] = []
    for _ in range(chain.EVIDENCE_NESTING_MAX + 1):
        evidence = [accusation(bench.proposal(bench.send.dataset("a", "x"), author="c", evidence=evidence, lie=True))]
    deep = bench.proposal(bench.send.dataset("a", "x"), author="b", lie=False)
    deep_inputs = replace(deep.input, evidence=tuple(evidence))
    header = make_header(CHAIN, deep_inputs, 0, bytes(32), BlockResult((), ()), bytes(32))
    bench.block(evidence=[accusation(make_block(header, deep_inputs))])
    assert scores(bench) == UNHARMED | {"b": 2500}


def test_a_double_sign_is_proven_by_two_signatures_of_one_turn(bench: Bench) -> None:
    bench.block(evidence=[double_sign("c")])
    assert standings.standing(bench.state, "c").tombstoned
    assert bench.block(evidence=[double_sign("c")]).events == ()  # once is for ever


@pytest.mark.parametrize(
    "evidence",
    [
        double_sign("c", signer="a"),
        double_sign("c", heights=(1, 2)),
        double_sign("stranger"),
        replace(double_sign("c"), second=double_sign("c").first),
    ],
    ids=["another's key", "two heights", "no member", "the same vote twice"],
)
def test_a_false_double_sign_frames_nobody(bench: Bench, evidence: DoubleSign) -> None:
    assert bench.block(evidence=[evidence]).events == ()
    assert not standings.standing(bench.state, "c").tombstoned


def test_one_offence_is_punished_once_in_a_block(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"), lie=True)
    bench.block(evidence=[accusation(block), accusation(block)])
    assert scores(bench)["b"] == 2500


def test_numbers_out_of_range_in_evidence_break_nothing(bench: Bench) -> None:
    block = bench.proposal(bench.send.dataset("a", "x"), lie=True)
    absurd = replace(block, last_round=-1), replace(block, header=replace(block.header, height=-(2**63)))
    wild = [InvalidProposal(encode(item), bytes(64)) for item in absurd]
    assert bench.block(evidence=wild).events == ()


@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize(
    "absurd",
    [
        {"last_round": 2**31 - 1},
        {"last_round": chain.ROUNDS_MAX + 1},
        {"time_ms": 2**63 - 1},
        {"time_ms": 0},
        {"last_votes": tuple(Vote(f"v{number}", COMMIT) for number in range(100_000))},
        {"last_votes": (Vote("a", COMMIT), Vote("a", COMMIT), Vote("b", COMMIT), Vote("c", COMMIT))},
    ],
    ids=["rounds without end", "a round too many", "the end of time", "no time", "a crowd of voters", "one twice"],
)
def test_what_follows_no_block_is_an_offence_and_is_not_executed(
    bench: Bench, height: int, absurd: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed, one such block takes hours and all memory, or ends in a record that does not decode."""
    if height == 2:
        bench.block(bench.send.dataset("a", "x"))
    inputs = replace(bench.inputs(bench.send.dataset("a", "y")), proposer="b", **absurd)
    block = make_block(make_header(CHAIN, inputs, 0, bytes(32), BlockResult((), ()), bytes(32)), inputs)
    executed: list[BlockInput] = []
    real = bench.machine.execute
    monkeypatch.setattr(bench.machine, "execute", lambda inputs, *rest: executed.append(inputs) or real(inputs, *rest))
    assert [event.kind for event in bench.block(evidence=[accusation(block)]).events] == ["standing.invalid_proposal"]
    assert inputs not in executed and scores(bench) == UNHARMED | {"b": 2500}


def test_refusals_of_bodies_are_named() -> None:
    with pytest.raises(Refusal, match="malformed"):
        contracts.decode_body(b"\xc0")
