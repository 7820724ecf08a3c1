"""What a study pins in bytes that the ledger keeps without reading them: its trainer, plan and description.

An approval binds the whole specification, so it binds these too, and no rule of the ledger has to know them.
"""

from __future__ import annotations

from hmchain.application.learning.schedule import TrainingPlan
from hmchain.canonical import NotCanonicalError, Record, decode, encode

FL_CNN = "fl-cnn"
"""The trainer that every version has."""


class WordsPin(Record, frozen=True):
    """Which description a study has; whoever guesses its words cannot tell from this whether they are right."""

    digest: bytes
    """Of salt and words, 32 bytes."""
    object: bytes
    """Where the words lie, sealed to the members: the address in the store that they share."""
    size: int
    """Of that object, in bytes."""


class PinnedTraining(Record, frozen=True, tag="training"):
    """All that `StudySpec.training` holds."""

    trainer: str
    plan: bytes
    """As the trainer encodes it; of FL-CNN a `TrainingPlan`."""
    words: WordsPin | None = None


def pin_training(plan: bytes, *, trainer: str = FL_CNN, words: WordsPin | None = None) -> bytes:
    """The bytes for a specification: FL-CNN's plan alone where nothing else is to be said."""
    if trainer == FL_CNN and words is None:
        return plan
    return encode(PinnedTraining(trainer, plan, words))


def read_training(training: bytes) -> PinnedTraining:
    """Read the bytes of a specification; what is no envelope is a plan of FL-CNN, or claims to be."""
    try:
        return decode(training, PinnedTraining)
    except NotCanonicalError:
        return PinnedTraining(FL_CNN, training)


def cnn_plan(training: bytes) -> TrainingPlan:
    """FL-CNN's plan in the bytes of a specification. Raises `NotCanonicalError` or `PlanError`."""
    pinned = read_training(training)
    if pinned.trainer != FL_CNN:
        raise NotCanonicalError(f"the study is of the trainer {pinned.trainer!r}, not of {FL_CNN}")
    return decode(pinned.plan, TrainingPlan)
