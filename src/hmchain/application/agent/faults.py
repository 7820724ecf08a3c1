"""Dishonest agents, for demonstrations and tests: each is handed phases of its own, and all else is everyone's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import assert_never

import numpy as np

from hmchain.application.agent import results
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.phases import HONEST, Phases, aggregate, commit, gate
from hmchain.application.agent.phases.gate import Judgement
from hmchain.application.learning.aggregation import Aggregate
from hmchain.application.learning.masking import MaskSeeds, mask_update
from hmchain.ledger import arithmetic, contracts, vectors
from hmchain.ledger.arithmetic import CHUNK_COORDINATES, U32
from hmchain.ledger.contracts.learning import rounds


class AgentBehaviour(Enum):
    """What an agent does; all but the first are faults."""

    HONEST = "honest"
    FORGE_SUM = "forges the sum"
    """As master, alters one chunk of the sum and builds the model from it."""
    FORGE_MODEL = "forges the model"
    """As master, posts another model beside a right sum."""
    FORGE_WEIGHTS = "forges the weights"
    """As master, posts other weights beside a right model."""
    SILENT_MASTER = "posts nothing as master"
    HIDE_AGGREGATE = "stores nothing under its roots"
    """As master, posts the right roots and the address of an object that is not there."""
    WITHHOLD_SEED = "withholds its seed"
    """Commits an update, then does not reveal its self seed."""
    GARBAGE_UPDATE = "sends garbage"
    """Masks values far out of range."""
    REJECT_ALWAYS = "votes against every model"


def phases_of(behaviour: AgentBehaviour) -> Phases:
    """What an agent does that behaves so."""
    match behaviour:
        case AgentBehaviour.HONEST:
            return HONEST
        case AgentBehaviour.FORGE_SUM:
            return replace(HONEST, aggregate=partial(_forge, other_sum))
        case AgentBehaviour.FORGE_MODEL:
            return replace(HONEST, aggregate=partial(_forge, other_model))
        case AgentBehaviour.FORGE_WEIGHTS:
            return replace(HONEST, aggregate=partial(_forge, other_weights))
        case AgentBehaviour.SILENT_MASTER:
            return replace(HONEST, aggregate=_compute_only)
        case AgentBehaviour.HIDE_AGGREGATE:
            return replace(HONEST, aggregate=_hide)
        case AgentBehaviour.WITHHOLD_SEED:
            return replace(HONEST, reveal=_nothing)
        case AgentBehaviour.GARBAGE_UPDATE:
            return replace(HONEST, commit=partial(commit.commit, masked=garbage))
        case AgentBehaviour.REJECT_ALWAYS:
            return replace(HONEST, vote=partial(gate.vote, judge=_reject))
        case _:
            assert_never(behaviour)


def other_sum(desk: RoundDesk, right: Aggregate) -> Aggregate:
    """A result whose sum is altered in one chunk, and all else follows from it."""
    rule, base = desk.study.rule(desk.entry.number), desk.base()
    total = right.sum.copy()
    chunk = slice(CHUNK_COORDINATES * (right.chunks // 2), CHUNK_COORDINATES * (right.chunks // 2 + 1))
    total[chunk] = -total[chunk]
    weights = arithmetic.weight_total(rounds.survivors(desk.state, desk.study, desk.entry))
    step = arithmetic.steps(rule, 0, rule.padded_size)
    model, momentum = arithmetic.step_model(base.model, base.momentum, total, weights, step, rule)
    return Aggregate(right.masked_sum, total, model, momentum, vectors.weight_bits(model))


def other_model(desk: RoundDesk, right: Aggregate) -> Aggregate:
    """A result with another model beside a right sum."""
    model = right.model.copy()
    model[: CHUNK_COORDINATES // 2] += np.int64(1) << 30
    return Aggregate(right.masked_sum, right.sum, model, right.momentum, vectors.weight_bits(model))


def other_weights(desk: RoundDesk, right: Aggregate) -> Aggregate:
    """A result with other weights beside a right model."""
    bits = right.weight_bits ^ np.uint32(1 << 31)
    return Aggregate(right.masked_sum, right.sum, right.model, right.momentum, bits)


def garbage(desk: RoundDesk, seeds: MaskSeeds) -> U32:
    """An update far out of range, which the sum gives away."""
    size = desk.study.rule(desk.entry.number).padded_size
    return mask_update(np.full(size, np.iinfo(np.int32).max // 2, np.int32), seeds)


def _forge(forgery: Callable[[RoundDesk, Aggregate], Aggregate], desk: RoundDesk) -> Iterator[contracts.Body]:
    if (right := aggregate.due(desk)) is not None:
        yield aggregate.post(desk, forgery(desk, right))


def _compute_only(desk: RoundDesk) -> tuple[contracts.Body, ...]:
    aggregate.due(desk)
    return ()


def _hide(desk: RoundDesk) -> Iterator[contracts.Body]:
    if (right := aggregate.due(desk)) is not None:
        yield aggregate.said(desk, right, *results.addresses(desk.entry, right, desk.object_key))


def _nothing(desk: RoundDesk) -> tuple[contracts.Body, ...]:
    return ()


def _reject(desk: RoundDesk, result: Aggregate) -> Judgement:
    return gate.judge(desk, result)._replace(accept=False)
