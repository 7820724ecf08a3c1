"""Models that studies made, as the ledger registered them."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.learning import models as contract
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State


@dataclass(frozen=True)
class ModelView:
    """A model as the ledger has it."""

    study: str
    purpose: str
    round: int
    root: bytes
    weights: bytes
    """Root of its float32 weights."""
    meaning: bytes
    """Digest of all that gives them a meaning."""
    object: bytes
    height: int
    participants: tuple[str, ...]
    classes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.study}: {self.root.hex()}, made in round {self.round} by {', '.join(self.participants)}"


def models(state: State) -> Views[ModelView]:
    """The models on a ledger, in order of study."""
    known = set(studies.names(state))
    return Views([name for name in contract.names(state) if name in known], lambda name: _view(state, name))


def model(state: State, study: str) -> ModelView | None:
    """The model of a study; None where it has none."""
    return _view(state, study) if contract.model(state, study) is not None else None


def _view(state: State, name: str) -> ModelView:
    model, spec = contract.model(state, name), studies.require_study(state, name).spec
    assert model is not None, "a model that was registered stays"
    return ModelView(
        model.study, spec.purpose, model.round, model.root, model.weights, model.meaning, model.object, model.height,
        spec.participants, spec.schema.classes,
    )  # fmt: skip
