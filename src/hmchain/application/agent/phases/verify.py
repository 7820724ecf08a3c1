"""Verifying: recompute everything, and confirm the master's roots where they are one's own."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent import turns
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.learning.aggregation import Aggregate
from hmchain.ledger.contracts.learning.participation import Confirm


def verify(desk: RoundDesk) -> Iterator[Confirm]:
    """Confirm, once, if it is one's turn. Where the roots differ this says nothing: a dispute does."""
    entry, theirs = desk.entry, desk.unconfirmed
    if theirs is None:
        return
    result = desk.result()
    if not isinstance(result, Aggregate) or not desk.is_turn(turns.first_verifiers(desk.study, entry)):
        return
    roots = result.roots
    if roots != theirs:
        return
    # The right roots are not enough: without the object nobody could start from this model later.
    address = desk.results.located(desk.study, entry, result, desk.object_key, late=desk.is_turn())
    if address is not None:
        yield Confirm(desk.name, *desk.place, roots.masked_sum, roots.sum, roots.model, roots.weights, address)
