"""Blocks: roots that bind, and the rules of form of the next block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain import merkle
from hmchain.canonical import NotCanonicalError, decode, encode
from hmchain.ledger import chain
from hmchain.ledger.blocks import (
    COMMIT,
    NIL,
    Block,
    BlockInput,
    BlockResult,
    Commit,
    Event,
    Receipt,
    Vote,
    make_block,
    make_header,
    vote_bytes,
)
from hmchain.ledger.proposer import Validator
from support.ledger_network import Sender

WIRES = tuple(Sender().dataset("a", f"x{number}") for number in range(3))
INPUTS = BlockInput(1, 1000, "a", 0, (), (), WIRES)
BLOCK = make_block(make_header("test", INPUTS, 0, bytes(32), BlockResult((), ()), bytes(32)), INPUTS)
TIP = chain.Tip("test", 0, 0, bytes(32), None)
ALONE = (Validator("a", 1000),)


def test_a_block_gives_back_its_inputs_and_passes() -> None:
    assert BLOCK.input == INPUTS
    assert decode(encode(BLOCK), Block) == BLOCK
    chain.check_block(TIP, BLOCK, ALONE)


def test_every_field_of_a_header_is_in_its_hash() -> None:
    header = BLOCK.header
    changed = {
        "chain_id": "other", "height": 2, "time_ms": 1, "round": 1, "proposer": "b", "previous": b"\1" * 32,
        "votes_root": b"", "evidence_root": b"", "transactions_root": b"", "receipts_root": b"",
        "state_commitment": b"",
    }  # fmt: skip
    assert set(changed) == set(header.__struct_fields__)
    hashes = {replace(header, **{name: value}).hash for name, value in changed.items()}
    assert len(hashes) == len(changed) and header.hash not in hashes


@given(st.integers(0, 2))
def test_a_transaction_is_proven_by_the_header_alone(position: int) -> None:
    path = merkle.path(WIRES, position)
    assert merkle.verify(WIRES[position], position, 3, path, BLOCK.header.transactions_root)
    assert not merkle.verify(WIRES[position], (position + 1) % 3, 3, path, BLOCK.header.transactions_root)


def test_receipts_and_block_events_are_in_the_root() -> None:
    receipt = Receipt(bytes(32), "ok", ())
    roots = {
        BlockResult((), ()).root,
        BlockResult((receipt,), ()).root,
        BlockResult((replace(receipt, code="replayed"),), ()).root,
        BlockResult((replace(receipt, events=(Event("e", ()),)),), ()).root,
        BlockResult((receipt,), (Event("e", ()),)).root,
    }
    assert len(roots) == 5


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        (replace(BLOCK, transactions=()), "transactions root"),
        (replace(BLOCK, last_votes=(Vote("a", COMMIT),)), "votes root"),
        (make_block(replace(BLOCK.header, height=2), INPUTS), "height 1 is missing"),
        (make_block(replace(BLOCK.header, time_ms=0), INPUTS), "time is not after"),
        (make_block(replace(BLOCK.header, round=65), INPUTS), "round is too high"),
        (make_block(replace(BLOCK.header, proposer="b"), INPUTS), "turn"),
    ],
)
def test_a_block_that_breaks_a_rule_is_named(block: Block, rule: str) -> None:
    with pytest.raises(chain.InvalidBlockError, match=rule):
        chain.check_block(TIP, block, ALONE)


def test_limits_of_form() -> None:
    assert chain.well_formed(BLOCK)
    assert not chain.well_formed(replace(BLOCK, transactions=(b"",) * (chain.BLOCK_TRANSACTIONS_MAX + 1)))
    assert not chain.well_formed(replace(BLOCK, transactions=(bytes(chain.BLOCK_BYTES_MAX + 1),)))


def test_empty_blocks_are_no_blocks() -> None:
    inputs = replace(INPUTS, transactions=())
    empty = make_block(make_header("test", inputs, 0, bytes(32), BlockResult((), ()), bytes(32)), inputs)
    with pytest.raises(chain.InvalidBlockError, match="empty"):
        chain.check_block(TIP, empty, ALONE)


@pytest.mark.parametrize("field", ["height", "round", "time_ms"])
@pytest.mark.parametrize("number", [-1, 2**64 - 1])
def test_numbers_out_of_range_do_not_decode(field: str, number: int) -> None:
    with pytest.raises(NotCanonicalError):
        decode(encode(replace(BLOCK, header=replace(BLOCK.header, **{field: number}))), Block)


def test_more_than_two_thirds_of_the_power_decide() -> None:
    four = tuple(Validator(name, power) for name, power in zip("abcd", (1000, 1000, 1000, 1), strict=True))

    def commit(*names: str) -> Commit:
        votes = tuple(Vote(v.id, COMMIT if v.id in names else NIL) for v in four)
        return Commit(1, 0, bytes(32), votes, (b"",) * 4)

    assert not chain.has_quorum(commit("a", "b"), four)
    assert not chain.has_quorum(commit("c", "d"), four)
    assert chain.has_quorum(commit("a", "b", "c"), four)
    even = tuple(Validator(name, 1000) for name in "abc")
    two = Commit(1, 0, bytes(32), (Vote("a", COMMIT), Vote("b", COMMIT), Vote("c", NIL)), (b"",) * 3)
    assert not chain.has_quorum(two, even)  # exactly two thirds are not more


def test_votes_are_bound_to_chain_height_round_and_block() -> None:
    messages = {
        vote_bytes("test", 1, 0, bytes(32)),
        vote_bytes("tesu", 1, 0, bytes(32)),
        vote_bytes("test", 2, 0, bytes(32)),
        vote_bytes("test", 1, 1, bytes(32)),
        vote_bytes("test", 1, 0, b"\1" * 32),
    }
    assert len(messages) == 5
