"""Models that studies made: read from the object store, checked against the ledger, written to a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hmchain.application.agent import exchange
from hmchain.application.agent.updates import class_counts
from hmchain.application.learning.cnn import Architecture, Preprocessing, prediction_prior, save_model
from hmchain.application.learning.quantise import to_weights
from hmchain.application.learning.schedule import TrainingPlan
from hmchain.canonical import decode
from hmchain.errors import StudyError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts import models, rounds, studies
from hmchain.ledger.contracts.studies import Study
from hmchain.ledger.state import State
from hmchain.records.envelope import open_envelope
from hmchain.records.objects import ObjectStore


class NoModelError(StudyError):
    """A study has not made the model that is asked for."""

    code = "no_model"


def accepted_model(
    state: State, objects: ObjectStore, key: SecretKey, study: str, number: int
) -> npt.NDArray[np.float32]:
    """The weights that a round's gate accepted, (d,) float32, checked against the root on the ledger.

    Raises `NoModelError`, or an error of the store or envelope.
    """
    entry = _study(state, study)
    round_ = rounds.round_(state, study, number)
    if round_ is None or round_.outcome != rounds.ACCEPTED or round_.posted is None or number == 0:
        raise NoModelError(f"round {number} of study {study} has no accepted model", "see `hmchain study status`")
    data = open_envelope(objects.get(round_.posted.object), key, exchange.aggregate_context(study, number))
    model, _ = exchange.model_of(data, entry.spec.rule, round_.posted.model_root)
    return to_weights(model)[: entry.spec.rule.size]


def summed_counts(state: State, objects: ObjectStore, key: SecretKey, study: str) -> npt.NDArray[np.int64]:
    """The noised class counts of all participants together, from the secure sum of round 0."""
    entry = _study(state, study)
    round_ = rounds.round_(state, study, 0)
    if round_ is None or round_.posted is None:
        raise NoModelError(f"study {study} has not summed its class counts")
    data = open_envelope(objects.get(round_.posted.object), key, exchange.aggregate_context(study, 0))
    means, _ = exchange.model_of(data, entry.rule(0), round_.posted.model_root)
    return class_counts(entry, means)


def prior(state: State, objects: ObjectStore, key: SecretKey, study: str) -> npt.NDArray[np.float64]:
    """Class shares that prediction with a study's models adds to the logits, (classes,)."""
    plan = decode(_study(state, study).spec.training, TrainingPlan)
    return prediction_prior(plan, summed_counts(state, objects, key, study))


def export(
    state: State, objects: ObjectStore, key: SecretKey, study: str, path: Path, origin: dict[str, str]
) -> npt.NDArray[np.float32]:
    """Write a finished study's model with its preprocessing, classes and origin; returns its weights.

    Raises `NoModelError` if the study made none.
    """
    entry, registered = _study(state, study), models.model(state, study)
    if registered is None or registered.round == 0:
        raise NoModelError(f"study {study} has not made a model", "see `hmchain study status`")
    weights = accepted_model(state, objects, key, study, registered.round)
    arch = decode(entry.spec.architecture, Architecture)
    shares = prior(state, objects, key, study)
    preprocessing = Preprocessing.for_model(arch, entry.spec.schema.classes, shares)
    metadata = {
        "study": study,
        "round": str(registered.round),
        "model_root": registered.root.hex(),
        "code": entry.spec.code.hex(),
        "purpose": entry.spec.purpose,
        **origin,
    }
    save_model(path, arch, weights, preprocessing, metadata)
    return weights


def _study(state: State, name: str) -> Study:
    entry = studies.study(state, name)
    if entry is None:
        raise NoModelError(f"the ledger knows no study {name}", "see `hmchain study status`")
    return entry
