"""The gate: measure the new model on one's own validation images, and vote, bound first and opened after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hmchain.application.agent import kept
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.kept import Best, GateChoice
from hmchain.application.learning.aggregation import Aggregate
from hmchain.ledger.contracts.learning import participation, rounds
from hmchain.ledger.contracts.learning.participation import GateReveal, GateVote

SALT_BYTES = 32


class Judgement(NamedTuple):
    """One hospital's view of a model."""

    accept: bool
    auc_permyriad: int


Judge = Callable[[RoundDesk, Aggregate], Judgement]


def judge(desk: RoundDesk, result: Aggregate) -> Judgement:
    """Measure a model on one's own validation data: it may be a little worse than the best that was accepted."""
    auc = desk.learner.trainer.evaluate(result.weights[: desk.study.spec.rule.size], "validation").auc
    score = 0 if np.isnan(auc) else round(auc * 10_000)
    best = desk.store.get(kept.best_name(desk.name), Best)
    reference = best.auc_permyriad if best else 0
    accept = score + desk.study.spec.gate_tolerance_permyriad >= reference or bool(np.isnan(auc))
    return Judgement(accept, score)


def vote(desk: RoundDesk, judge: Judge = judge) -> Iterator[GateVote]:
    """Bind one's vote, once."""
    entry = desk.entry
    ballot = rounds.gate_ballot(desk.state, entry, desk.organisation)
    if ballot is None and desk.organisation in entry.expected and (choice := _choice(desk, judge)) is not None:
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
    if not desk.is_authorised and not desk.learner.has_read:
        return None  # a revocation lets the round end, and no data be decrypted; a missing vote counts as accept
    result = desk.result()
    if not isinstance(result, Aggregate):
        return None
    accept, score = judge(desk, result)
    choice = GateChoice(desk.entry.number, accept, desk.random(SALT_BYTES), score)
    desk.store.note(name, choice)
    return choice
