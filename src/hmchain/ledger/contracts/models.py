"""Models: what studies produced, for the registry, for inference and for lineage."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.context import Context
from hmchain.ledger.state import State, Table


class Model(Record, frozen=True):
    """The outcome of a finished study. Its lineage is the study's specification, approvals and rounds."""

    study: str
    round: int
    """The last round whose model the gate accepted."""
    root: bytes
    """Root of model and momentum, which everyone can recompute."""
    weights: bytes
    """Root of its float32 weights: what a model file holds, and predictions read."""
    object: bytes
    """The encrypted object that holds it."""
    height: int


_MODELS = Table("models", Model)


def model(state: State, study: str) -> Model | None:
    """A study's model, or None."""
    return _MODELS.get(state, study)


def models(state: State) -> list[Model]:
    """All models in order of study."""
    return _MODELS.all(state)


def register(context: Context, study: str, round_: int, root: bytes, weights: bytes, object_: bytes) -> None:
    """Keep a finished study's model."""
    _MODELS.put(context.state, Model(study, round_, root, weights, object_, context.height), study)
    context.emit("model.registered", study, root.hex())
