"""What a study pins, put together in one way whatever trains: rule, clip and roots follow from plan and first model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hmchain.application.learning.defaults import BITS, GATE_TOLERANCE_PERMYRIAD
from hmchain.application.learning.quantise import layer_steps, to_fixed
from hmchain.application.learning.schedule import MILLION
from hmchain.application.learning.trainers.local import Vector
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.arithmetic import ModelRule
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec
from hmchain.ledger.reputation import faults_tolerated


class ServerPlan(Protocol):
    """The part of a plan that says how sums become the next model."""

    @property
    def rounds(self) -> int:
        """After the one that counts classes."""

    @property
    def server_momentum_q16(self) -> int:
        """In 1/65536."""

    @property
    def server_learning_rate_q16(self) -> int:
        """In 1/65536."""


def specification(
    name: str,
    schema: Schema,
    uses: tuple[DatasetUse, ...],
    plan: ServerPlan,
    sizes: Sequence[int],
    initial: Vector,
    *,
    architecture: bytes,
    code: bytes,
    training: bytes,
    clip_norm_millionths: int,
    purpose: str,
    deadlines: Deadlines,
    colluders: int | None,
) -> StudySpec:
    """The specification of a study whose first model is `initial`, of layers of `sizes` numbers.

    `uses` in order of organisation; `colluders` is f of the participants if not given.
    """
    model = arithmetic.padded(to_fixed(initial))
    steps = layer_steps(list(sizes), clip_norm_millionths / MILLION, BITS)
    rule = ModelRule(
        steps, plan.server_momentum_q16, plan.server_learning_rate_q16, len(uses), plan.rounds, BITS
    )  # fmt: skip
    return StudySpec(
        name=name,
        purpose=purpose,
        schema=schema,
        uses=uses,
        architecture=architecture,
        code=code,
        training=training,
        rule=rule,
        clip_norm_millionths=clip_norm_millionths,
        rounds=plan.rounds,
        initial_root=vectors.model_root(model, model * 0),
        initial_weights=vectors.weights_root(model),
        deadlines=deadlines,
        gate_tolerance_permyriad=GATE_TOLERANCE_PERMYRIAD,
        colluders=faults_tolerated(len(uses)) if colluders is None else colluders,
    )


def fields_that_differ(spec: StudySpec, right: StudySpec) -> tuple[str, ...]:
    """The names of what two specifications pin otherwise."""
    return tuple(name for name in spec.__struct_fields__ if getattr(spec, name) != getattr(right, name))
