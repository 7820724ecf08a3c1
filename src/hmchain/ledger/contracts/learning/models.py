"""Models: what studies produced, for the registry, for inference and for lineage."""

from __future__ import annotations

from hmchain.canonical import Record, digest, encode
from hmchain.ledger import events
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.state import State, Table


class Meaning(Record, frozen=True, kw_only=True):
    """All that gives a model's weights a meaning. The ledger keeps its digest; a model file holds all of it."""

    chain_id: str
    """It names the genesis."""
    study: str
    purpose: str
    code: bytes
    """Digest of the training code, which prepares images too."""
    training: bytes
    """Encoding of the training plan: it says whether prediction needs the prior."""
    schema: Schema
    """With the classes in the order of the network's outputs."""
    architecture: bytes
    participants: int
    counts_root: bytes
    """Root of round 0's "model", the participants' mean class counts: the prior follows from them."""

    @property
    def digest(self) -> bytes:
        """32 bytes."""
        return digest("hmchain model meaning", encode(self))


class Model(Record, frozen=True):
    """The outcome of a finished study. Its lineage is the study's specification, approvals and rounds."""

    study: str
    round: int
    """The last round whose model the gate accepted."""
    root: bytes
    """Root of model and momentum, which everyone can recompute."""
    weights: bytes
    """Root of its float32 weights: what a model file holds, and predictions read."""
    meaning: bytes
    """Digest of all that gives the weights a meaning."""
    object: bytes
    """The encrypted object that holds model and momentum; weights follow from the model."""
    height: int


_MODELS = Table("models", Model)


def model(state: State, study: str) -> Model | None:
    """A study's model, or None."""
    return _MODELS.get(state, study)


def models(state: State) -> list[Model]:
    """All models in order of study."""
    return _MODELS.all(state)


def names(state: State) -> list[str]:
    """The studies that made one, in order."""
    return _MODELS.names(state)


def register(context: Context, model: Model) -> None:
    """Keep a finished study's model."""
    _MODELS.put(context.state, model, model.study)
    context.emit(events.ModelRegistered(model.study, model.root, model.weights, model.meaning))
