"""Dishonest agents, for demonstrations and tests: they go through the same code as everyone else."""

from __future__ import annotations

from enum import Enum

import numpy as np

from hmchain.application.learning.aggregation import Aggregate, Base
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.arithmetic import CHUNK_COORDINATES, ModelRule, Survivor


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


FORGERIES = (AgentBehaviour.FORGE_SUM, AgentBehaviour.FORGE_MODEL, AgentBehaviour.FORGE_WEIGHTS)


def forge(
    behaviour: AgentBehaviour, right: Aggregate, base: Base, survivors: tuple[Survivor, ...], rule: ModelRule
) -> Aggregate:
    """What a dishonest master posts instead of the right aggregate."""
    if behaviour is AgentBehaviour.FORGE_SUM:
        total = right.sum.copy()
        chunk = slice(CHUNK_COORDINATES * (right.chunks // 2), CHUNK_COORDINATES * (right.chunks // 2 + 1))
        total[chunk] = -total[chunk]
        weights = arithmetic.weight_total(survivors)
        step = arithmetic.steps(rule, 0, rule.padded_size)
        model, momentum = arithmetic.step_model(base.model, base.momentum, total, weights, step, rule)
        return Aggregate(right.masked_sum, total, model, momentum, vectors.weight_bits(model))
    if behaviour is AgentBehaviour.FORGE_MODEL:
        model = right.model.copy()
        model[: CHUNK_COORDINATES // 2] += np.int64(1) << 30
        return Aggregate(right.masked_sum, right.sum, model, right.momentum, vectors.weight_bits(model))
    if behaviour is AgentBehaviour.FORGE_WEIGHTS:
        bits = right.weight_bits ^ np.uint32(1 << 31)
        return Aggregate(right.masked_sum, right.sum, right.model, right.momentum, bits)
    return right
