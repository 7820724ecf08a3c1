"""Models that studies made, as the ledger registered them."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.learning import models as contract
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import Study
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


def models(state: State) -> list[ModelView]:
    """The models on a ledger, in order of study."""
    found = ((model, studies.study(state, model.study)) for model in contract.models(state))
    return [_view(model, study) for model, study in found if study is not None]


def _view(model: contract.Model, study: Study) -> ModelView:
    spec = study.spec
    return ModelView(
        model.study, spec.purpose, model.round, model.root, model.weights, model.meaning, model.object, model.height,
        spec.participants, spec.schema.classes,
    )  # fmt: skip
