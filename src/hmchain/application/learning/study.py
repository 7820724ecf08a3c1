"""From a training plan to the specification that a study pins on the ledger."""

from __future__ import annotations

from hmchain.application.learning.defaults import CLIP_NORM, DEADLINES, HEALTH_RESEARCH
from hmchain.application.learning.pinned import WordsPin, pin_training, read_training
from hmchain.application.learning.schedule import MILLION, TrainingPlan
from hmchain.application.learning.specification import fields_that_differ, specification
from hmchain.application.learning.trainers.architecture import (
    Architecture,
    code_digest,
    first_model_seed,
    initial_vector,
    layers,
)
from hmchain.canonical import encode
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec

PASSES_MAX = 4
"""Through a hospital's images in a round, each time altered."""


def study_spec(
    name: str,
    schema: Schema,
    uses: tuple[DatasetUse, ...],
    arch: Architecture,
    plan: TrainingPlan,
    salt: bytes,
    *,
    colluders: int | None = None,
    purpose: str = HEALTH_RESEARCH,
    deadlines: Deadlines = DEADLINES,
    words: WordsPin | None = None,
) -> StudySpec:
    """The specification of an FL-CNN study; `uses` in order of organisation, `salt` of the chain's founding.

    `colluders` is f of the participants if not given; a consortium of more members wants its own f. All that is pinned
    follows from these: every agent makes it again, see `differences`.
    """
    return specification(
        name,
        schema,
        uses,
        plan,
        [layer.size for layer in layers(arch)],
        initial_vector(arch, first_model_seed(salt, name)),
        architecture=encode(arch),
        code=code_digest(),
        training=pin_training(encode(plan), words=words),
        clip_norm_millionths=round(CLIP_NORM * MILLION),
        purpose=purpose,
        deadlines=deadlines,
        colluders=colluders,
    )


def repeats_itself(plan: TrainingPlan, images: int) -> bool:
    """Whether a round draws so many of a hospital's images that the next, from nearly the same model, gives the same.

    Under a rate that hardly moves the model, the sums of both then differ by whoever is in one of them alone. Without
    augmentation a round draws half of the images at most, the next the others.
    """
    drawn = plan.steps * plan.batch_size
    return drawn > PASSES_MAX * images if plan.augmentation else 2 * drawn > images


def differences(spec: StudySpec, arch: Architecture, plan: TrainingPlan, salt: bytes) -> tuple[str, ...]:
    """What a specification pins otherwise than its own architecture, plan, participants and purpose give it.

    A rule that is not its plan's can keep the model where it is, or take updates out of range: in either case sums can
    tell of one hospital alone.
    """
    right = study_spec(
        spec.name, spec.schema, spec.uses, arch, plan, salt,
        colluders=spec.colluders, purpose=spec.purpose, deadlines=spec.deadlines,
        words=read_training(spec.training).words,
    )  # fmt: skip
    return fields_that_differ(spec, right)
