"""Aggregating: as master, sum the frozen set, store the model and post four roots."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import RoundDesk
from hmchain.application.learning.aggregation import Aggregate
from hmchain.ledger.contracts.learning.participation import PostAggregate
from hmchain.ledger.contracts.learning.rounds import Posted


def aggregate(desk: RoundDesk) -> Iterator[PostAggregate]:
    """Post the result, if one is the master and all objects are there."""
    if (result := due(desk)) is not None:
        yield post(desk, result)


def due(desk: RoundDesk) -> Aggregate | None:
    """The result that one has to post as master. All compute it: each has to verify it, or to vote on it."""
    result = desk.result()
    return result if desk.entry.master == desk.organisation and isinstance(result, Aggregate) else None


def post(desk: RoundDesk, result: Aggregate) -> PostAggregate:
    """Store a result and say so."""
    return said(desk, result, *desk.results.post(desk.entry, result, desk.object_key))


def said(desk: RoundDesk, result: Aggregate, model: bytes, evidence: bytes) -> PostAggregate:
    """Say which roots a result has, and at which addresses it lies."""
    roots = result.roots
    posted = Posted(desk.organisation, roots.masked_sum, roots.sum, roots.model, roots.weights, model, evidence)
    return PostAggregate(desk.name, *desk.place, posted)
