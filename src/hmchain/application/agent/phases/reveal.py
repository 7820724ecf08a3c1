"""Revealing: open one's self seed, and the pair seeds with hospitals outside the frozen set; never both kinds."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import RoundDesk
from hmchain.ledger.arithmetic import LostPair
from hmchain.ledger.contracts.learning import rounds, summing
from hmchain.ledger.contracts.learning.participation import Reveal


def reveal(desk: RoundDesk) -> Iterator[Reveal]:
    """Open one's seeds, once, for a sum that gives nobody away. Raises `SumRefusedError` for another."""
    entry, own, made = desk.entry, desk.own, desk.made
    if own is None or own.self_seed or made is None or own.digest != made.digest:
        return
    if desk.organisation not in entry.frozen:
        return
    history = summing.history(desk.state, made.key, desk.name)
    candidate = rounds.summands(desk.study, entry, entry.frozen)
    desk.sums.allow(made.key, history.sets, candidate, desk.study.spec.colluders, entry.number, made.data)
    desk.attempts.opened(entry, desk.state.height)
    seeds = desk.seeds
    outside = [order for order, name in enumerate(desk.study.spec.participants) if name not in entry.frozen]
    yield Reveal(
        desk.name, *desk.place, seeds.self_seed, tuple(LostPair(order, seeds.pairs[order]) for order in outside)
    )
