"""Disputes: a wrong aggregate is proven to the state machine by one chunk, and nobody is ever blamed by vote.

The prover shows that chunk of every frozen object and of the base model with their paths, and the master's own leaf
under the root it posted. The state machine computes what the leaf should be; an honest master cannot be framed. Judging
takes a while, so a participant whose dispute proves nothing is heard no more in that attempt.
"""

from __future__ import annotations

from collections.abc import Sequence

from hmchain import blake3_tree
from hmchain.blake3_tree import Domain
from hmchain.canonical import Record
from hmchain.errors import HMChainError
from hmchain.ledger import events, vectors
from hmchain.ledger.arithmetic import ModelRule, SumOutOfRangeError, Survivor
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.learning import conduct, participation, round_flow, rounds
from hmchain.ledger.contracts.learning.rounds import Phase, Posted
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.state import Table
from hmchain.ledger.transactions import Refusal


class Leaf(Record, frozen=True):
    """One chunk's leaf of a vector, and its path."""

    data: bytes
    path: tuple[bytes, ...]


class DisputeChunk(Record, frozen=True, tag="dispute_chunk"):
    """Transaction (any participant): this chunk of what the master posted is wrong, or the sum itself is impossible."""

    study: str
    round: int
    attempt: int
    rank: int
    """The master's place in the ranking: a dispute that comes after a takeover is not about the next one."""
    chunk: int
    masked: tuple[Leaf, ...]
    """The chunk of each frozen object, in order of organisation."""
    base: Leaf
    """The chunk of the model the round starts from."""
    which: str
    """Which of the master's vectors is wrong: `masked_sum`, `sum`, `model` or `weights`."""
    posted: Leaf
    """The master's own leaf. Empty when only an impossible sum is shown."""


class Unproven(Record, frozen=True):
    """A dispute that proved nothing, and why."""

    organisation: str
    code: str


Bodies = DisputeChunk

_UNPROVEN = Table("unproven_disputes", Unproven)


def _dispute(context: Context, body: DisputeChunk) -> None:
    phases = (Phase.AGGREGATE, Phase.VERIFY)
    study, entry = participation.require_round(context, body.study, body.round, body.attempt, *phases)
    author = context.sender.organisation
    place = (body.study, body.round, body.attempt, author)
    require(body.rank == entry.rank, "wrong_master")
    require(_UNPROVEN.get(context.state, *place) is None, "dispute_spent")
    require(body.which in vectors.PARTS and 0 <= body.chunk < study.rule(entry.number).chunks, "bad_proof")
    require(len(body.masked) == len(entry.frozen), "wrong_count")
    try:
        updates = (rounds.contribution(context.state, entry, organisation) for organisation in entry.frozen)
        digests = [update.digest for update in updates if update is not None]
        survivors = rounds.survivors(context.state, study, entry)
        judge(body, digests, entry.base_root, entry.posted, survivors, study.rule(entry.number))
    except SumOutOfRangeError:
        context.emit(events.SumImpossible(body.study, body.round, body.chunk))
        round_flow.impossible(context, study, entry)
        return
    except Refusal as refusal:
        _UNPROVEN.put(context.state, Unproven(author, refusal.code), *place)
        raise Refusal(refusal.code, kept=True) from None
    master = entry.master
    conduct.bar(context, body.study, master)
    membership.open_removal(context, master)
    context.emit(events.FraudProven(body.study, body.round, master, body.chunk, body.which))
    round_flow.next_in_rank(context, study, entry)


def judge(
    body: DisputeChunk,
    updates: Sequence[bytes],
    base_root: bytes,
    posted: Posted | None,
    survivors: Sequence[Survivor],
    rule: ModelRule,
) -> None:
    """Return if the chunk that is shown proves fraud; `updates` are the digests of the frozen set, in order.

    Raises `SumOutOfRangeError` if it proves that the sum is impossible, else `Refusal`: it proves nothing.
    """
    _require_paths([body.base], body.chunk, rule, [base_root], vectors.MODEL)
    _require_paths(body.masked, body.chunk, rule, updates, vectors.UPDATE)
    masked = [leaf.data for leaf in body.masked]
    try:
        right = vectors.recompute_chunk(body.chunk, masked, body.base.data, survivors, rule)
    except SumOutOfRangeError:
        raise
    except HMChainError:
        raise Refusal("bad_proof") from None
    if posted is None:
        raise Refusal("nothing_posted")
    root, honest = {
        "masked_sum": (posted.masked_root, right.masked_sum),
        "sum": (posted.sum_root, right.sum),
        "model": (posted.model_root, right.model),
        "weights": (posted.weights_root, right.weights),
    }[body.which]
    _require_paths([body.posted], body.chunk, rule, [root], vectors.PARTS[body.which])
    require(body.posted.data != honest, "not_wrong")


def _require_paths(leaves: Sequence[Leaf], chunk: int, rule: ModelRule, roots: Sequence[bytes], domain: Domain) -> None:
    data, paths = [leaf.data for leaf in leaves], [leaf.path for leaf in leaves]
    require(blake3_tree.verify(data, chunk, rule.chunks, paths, roots, domain), "bad_path")


HANDLERS = {DisputeChunk: _dispute}
