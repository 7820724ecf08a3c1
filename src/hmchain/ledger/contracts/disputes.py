"""Disputes: a wrong aggregate is proven to the state machine by one chunk, and nobody is ever blamed by vote.

The prover shows that chunk of every frozen object and of the base model with their Merkle paths, and the master's own
leaf under the root it posted. The state machine computes what the leaf should be; an honest master cannot be framed.
"""

from __future__ import annotations

from hmchain import merkle
from hmchain.canonical import Record
from hmchain.errors import HMChainError
from hmchain.ledger import arithmetic
from hmchain.ledger.arithmetic import ChunkLeaves, SumOutOfRangeError
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts import conduct, membership, participation, round_flow, rounds
from hmchain.ledger.contracts.rounds import Posted, Round
from hmchain.ledger.contracts.studies import Study
from hmchain.ledger.transactions import Refusal

MASKED_SUM, SUM, MODEL = "masked_sum", "sum", "model"


class Leaf(Record, frozen=True):
    """A leaf and its Merkle path."""

    data: bytes
    path: tuple[bytes, ...]


class DisputeChunk(Record, frozen=True, tag="dispute_chunk"):
    """Transaction (any participant): this chunk of what the master posted is wrong, or the sum itself is impossible."""

    study: str
    round: int
    attempt: int
    chunk: int
    masked: tuple[Leaf, ...]
    """The chunk of each frozen object, in order of organisation."""
    base: Leaf
    """The chunk of the model the round starts from."""
    which: str
    """Which of the master's vectors is wrong: `masked_sum`, `sum` or `model`."""
    posted: Leaf
    """The master's own leaf. Empty when only an impossible sum is shown."""


Bodies = DisputeChunk


def _dispute(context: Context, body: DisputeChunk) -> None:
    phases = (rounds.AGGREGATE, rounds.VERIFY)
    study, entry = participation.require_round(context, body.study, body.round, body.attempt, *phases)
    try:
        right = _recompute(context, study, entry, body)
    except SumOutOfRangeError:
        context.emit("round.impossible_sum", body.study, str(body.round), str(body.chunk))
        round_flow.void(context, study, entry, "impossible_sum")
        return
    if entry.posted is None:
        raise Refusal("nothing_posted")
    _require_wrong(body, entry.posted, right, study.rule(entry.number).chunks)
    master = entry.posted.master
    conduct.bar(context, body.study, master)
    membership.open_removal(context, master)
    context.emit("round.fraud", body.study, str(body.round), master, str(body.chunk), body.which)
    round_flow.next_in_rank(context, study, entry)


def _recompute(context: Context, study: Study, entry: Round, body: DisputeChunk) -> ChunkLeaves:
    rule = study.rule(entry.number)
    size = rule.chunks
    require(len(body.masked) == len(entry.frozen), "wrong_count")
    for organisation, leaf in zip(entry.frozen, body.masked, strict=True):
        update = rounds.contribution(context.state, entry, organisation)
        require(update is not None and _holds(leaf, body.chunk, size, update.digest), "bad_path")
    require(_holds(body.base, body.chunk, size, entry.base_root), "bad_path")
    survivors = rounds.survivors(context.state, study, entry)
    try:
        return arithmetic.recompute_chunk(
            body.chunk, [leaf.data for leaf in body.masked], body.base.data, survivors, rule
        )
    except SumOutOfRangeError:
        raise
    except HMChainError:
        raise Refusal("bad_proof") from None


def _require_wrong(body: DisputeChunk, posted: Posted, right: ChunkLeaves, size: int) -> None:
    roots = {
        MASKED_SUM: (posted.masked_root, right.masked_sum),
        SUM: (posted.sum_root, right.sum),
        MODEL: (posted.model_root, right.model),
    }
    require(body.which in roots, "bad_proof")
    root, honest = roots[body.which]
    require(_holds(body.posted, body.chunk, size, root), "bad_path")
    require(body.posted.data != honest, "not_wrong")


def _holds(leaf: Leaf, index: int, size: int, root: bytes) -> bool:
    return 0 <= index < size and merkle.verify(leaf.data, index, size, leaf.path, root)


HANDLERS = {DisputeChunk: _dispute}
