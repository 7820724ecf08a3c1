"""Disputing: show the one chunk that proves what is wrong with the sum, or with what the master posted."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain import blake3_tree
from hmchain.application.agent import turns
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.learning.aggregation import Aggregate, Fraud, Part, find_fraud
from hmchain.blake3_tree import Domain
from hmchain.errors import StorageError
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import CHUNK_COORDINATES, SumOutOfRangeError
from hmchain.ledger.contracts.learning.disputes import DisputeChunk, Leaf


def dispute(desk: RoundDesk) -> Iterator[DisputeChunk]:
    """Prove garbage in the sum, or a lie of the master's, if it is one's turn."""
    result = desk.result()
    if isinstance(result, SumOutOfRangeError):
        if desk.is_turn((desk.entry.master,)):  # it may be in league with whoever sent the garbage
            yield proof(desk, result.coordinate // CHUNK_COORDINATES, None)
    elif result is not None and (fraud := _fraud(desk, result)) is not None:
        yield proof(desk, fraud.chunk, fraud)


def proof(desk: RoundDesk, chunk: int, fraud: Fraud | None) -> DisputeChunk:
    """One chunk of every object, with paths: all that the state machine needs to judge."""
    masked = []
    for update in desk.frozen:
        vector = desk.vector(update)
        if vector is None:
            raise StorageError(f"the update of {update.organisation} is gone", "fetch it from another attester")
        masked.append(_leaf(vectors.vector_bytes(vector), chunk, vectors.UPDATE))
    model, momentum, _ = desk.base()
    base = _leaf(vectors.model_bytes(model, momentum), chunk, vectors.MODEL)
    which = fraud.part.value if fraud else Part.SUM.value
    posted = Leaf(fraud.posted_leaf, fraud.posted_path) if fraud else Leaf(b"", ())
    return DisputeChunk(desk.name, *desk.place, desk.entry.rank, chunk, tuple(masked), base, which, posted)


def _fraud(desk: RoundDesk, result: Aggregate) -> Fraud | None:
    """A chunk of what the master posted that is not what the frozen set gives."""
    theirs = desk.unconfirmed
    if theirs is None or not desk.is_turn(turns.first_verifiers(desk.study, desk.entry)):
        return None
    found = find_fraud(result, theirs, lambda part: _posted(desk, part))
    return found if isinstance(found, Fraud) else None


def _posted(desk: RoundDesk, part: Part) -> bytes | None:
    stored = desk.results.posted_part(desk.study, desk.entry, part, desk.object_key)
    return None if stored is None else bytes(stored)


def _leaf(data: memoryview, chunk: int, domain: Domain) -> Leaf:
    start = chunk * domain.leaf_bytes
    return Leaf(bytes(data[start : start + domain.leaf_bytes]), tuple(blake3_tree.path(data, chunk, domain)))
