"""What a study pins, held against what this hospital has and asks for."""

from __future__ import annotations

from hmchain.application.agent.protocols import Learner
from hmchain.application.learning.quantise import to_fixed
from hmchain.errors import StudyError
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.contracts.learning.studies import StudySpec


class UnpinnedError(StudyError):
    """A study asks for a model or code that this agent does not have: it takes no part."""

    code = "unpinned"


class NotApprovedError(StudyError):
    """Code of others is to run, and the steward's approval is not in force: it waits."""

    code = "code_not_approved"


class TooFewColludersError(StudyError):
    """A study withstands fewer colluders than this hospital asks for: it takes no part."""

    code = "colluders_below_floor"


def require_floor(spec: StudySpec, colluders_min: int) -> None:
    """Refuse a study that withstands too few. Raises `TooFewColludersError`."""
    if spec.colluders < colluders_min:
        raise TooFewColludersError(
            f"study {spec.name} withstands {spec.colluders} colluders, and this hospital asks for {colluders_min}",
            "have it proposed with more, or lower colluders_min in node.toml",
        )


def require_first_model(spec: StudySpec, learner: Learner) -> None:
    """Refuse a first model or a rule that is not the learner's: fraud in such a study could not be proven.

    Raises `UnpinnedError`.
    """
    size, model = spec.rule.size, arithmetic.padded(to_fixed(learner.initial))
    pinned = (spec.initial_root, spec.initial_weights)
    if len(learner.initial) != size or (vectors.model_root(model, model * 0), vectors.weights_root(model)) != pinned:
        raise UnpinnedError(f"study {spec.name} does not start from the model that it names", "have it proposed again")
