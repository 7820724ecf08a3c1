"""The gate: measure the new model on one's own validation images, and vote, bound first and opened after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from hmchain.application.agent import kept
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.kept import UNDEFINED, Best, GateChoice, Score
from hmchain.application.learning.aggregation import Aggregate
from hmchain.ledger.contracts.learning import participation, rounds
from hmchain.ledger.contracts.learning.participation import GateReveal, GateVote

SALT_BYTES = 32


class Judgement(NamedTuple):
    """One hospital's view of a model."""

    accept: bool
    score: Score


Judge = Callable[[RoundDesk, Aggregate], Judgement]


def judge(desk: RoundDesk, result: Aggregate) -> Judgement:
    """Measure a model on one's own validation data: it may be a little worse than the best that was accepted."""
    found = desk.learner.trainer.evaluate(result.weights[: desk.study.spec.rule.size], "validation")
    best = desk.store.get(kept.best_name(desk.name), Best)
    auc, reference = _permyriad(found.auc), best.auc_permyriad if best else UNDEFINED
    accept = auc == UNDEFINED or auc + desk.study.spec.gate_tolerance_permyriad >= reference
    acc = _permyriad(found.accuracy)
    return Judgement(accept, Score(desk.entry.number, found.examples, auc, acc, reference, accept))


def _permyriad(fraction: float) -> int:
    return UNDEFINED if np.isnan(fraction) else round(fraction * 10_000)


def vote(desk: RoundDesk, judge: Judge = judge) -> Iterator[GateVote]:
    """Bind one's vote, once; made of the hospital's records, so not without a permit: silence counts as accept."""
    entry = desk.entry
    ballot = rounds.gate_ballot(desk.state, entry, desk.organisation)
    is_asked = ballot is None and desk.organisation in entry.expected and desk.is_authorised
    if is_asked and (choice := _choice(desk, judge)) is not None:
        bound = participation.vote_commitment(desk.name, entry.number, desk.organisation, choice.accept, choice.salt)
        yield GateVote(desk.name, entry.number, bound)


def open_vote(desk: RoundDesk) -> Iterator[GateReveal]:
    """Open one's vote, once."""
    entry = desk.entry
    ballot = rounds.gate_ballot(desk.state, entry, desk.organisation)
    choice = desk.store.get(kept.gate_name(desk.name, entry.number), GateChoice)
    if ballot is not None and not ballot.verdict and choice is not None:
        yield GateReveal(desk.name, entry.number, choice.accept, choice.salt)


def _choice(desk: RoundDesk, judge: Judge) -> GateChoice | None:
    """Judge the new model, once; the same answer after a restart."""
    name = kept.gate_name(desk.name, desk.entry.number)
    choice = desk.store.get(name, GateChoice)
    if choice is not None:
        return choice
    result = desk.result()
    if not isinstance(result, Aggregate):
        return None
    desk.learner.renew(desk.place)
    accept, score = judge(desk, result)
    choice = GateChoice(desk.entry.number, accept, desk.random(SALT_BYTES), max(score.auc_permyriad, 0))
    desk.store.note(kept.score_name(desk.name, desk.entry.number), replace(score, accept=accept))
    desk.store.note(name, choice)
    return choice
