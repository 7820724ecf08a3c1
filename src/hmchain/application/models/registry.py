"""Models that studies made: read from the object store, checked against the ledger, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hmchain.application.agent import contents
from hmchain.application.learning.model_file import (
    Model,
    RegisteredModels,
    check,
    own_preprocessing,
    save_model,
)
from hmchain.application.learning.model_origin import NoModelError, Origin
from hmchain.application.learning.pinned import cnn_plan
from hmchain.application.learning.prior import summed_counts
from hmchain.application.learning.quantise import to_weights
from hmchain.application.learning.trainer_study import TrainerModel, pins_own_trainer
from hmchain.application.learning.trainers.architecture import Architecture, Preprocessing
from hmchain.canonical import decode
from hmchain.keys import SecretKey
from hmchain.ledger.arithmetic import I64
from hmchain.ledger.contracts.learning import models, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study, StudySpec
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.records.envelope import open_envelope, sealed_size


class Objects(Protocol):
    """The source of encrypted objects: a store, or what an agent keeps of it."""

    def get(self, address: bytes, *, size: int) -> bytes:
        """The object of `size` bytes at an address. Raises `StorageError`."""


def accepted_model(state: State, objects: Objects, key: SecretKey, study: str, number: int) -> npt.NDArray[np.float32]:
    """The weights that a round's gate accepted, (d,) float32, checked against the root on the ledger.

    Raises `NoModelError`, or an error of the store or envelope.
    """
    entry = _study(state, study)
    round_ = rounds.round_(state, study, number)
    if round_ is None or round_.outcome != Verdict.ACCEPTED or round_.posted is None or number == 0:
        raise NoModelError(f"round {number} of study {study} has no accepted model", "see `hmchain study status`")
    model, _ = _made(objects, key, entry, round_)
    return to_weights(model)[: entry.spec.rule.size]


def mean_counts(state: State, objects: Objects, key: SecretKey, study: str) -> tuple[int, ...]:
    """The mean class counts of all participants, with noise: what round 0 made, as the ledger's integers."""
    entry = _study(state, study)
    round_ = rounds.round_(state, study, 0)
    if round_ is None or round_.posted is None:
        raise NoModelError(f"study {study} has not summed its class counts")
    means, _ = _made(objects, key, entry, round_)
    return tuple(means[: len(entry.spec.schema.classes)].tolist())


def preprocessing(state: State, means: tuple[int, ...], study: str) -> Preprocessing:
    """The way in which a study's model takes an image, with the prior that its mean class counts give."""
    spec = _study(state, study).spec
    if pins_own_trainer(spec):
        return own_preprocessing(spec.schema.channels, spec.schema.height, spec.schema.width, spec.schema.classes)
    adjusted = cnn_plan(spec.training).logit_adjustment
    counts = summed_counts(means, len(spec.uses))
    arch = decode(spec.architecture, Architecture)
    return Preprocessing.for_model(arch, spec.schema.classes, counts, adjusted=adjusted)


def export(
    state: State,
    objects: Objects,
    key: SecretKey,
    study: str,
    path: Path,
    genesis: Genesis,
    release: dict[str, Any] | None = None,
) -> Model:
    """Write a finished study's model with its preprocessing, classes and origin, held against the ledger.

    With `release` the file carries the proof that it was released. Raises `NoModelError` if the study made none.
    """
    entry, registered = _study(state, study), models.model(state, study)
    if registered is None or registered.round == 0:
        raise NoModelError(f"study {study} has not made a model", "see `hmchain study status`")
    spec, means = entry.spec, mean_counts(state, objects, key, study)
    chain = genesis.chain_at(registered.height)
    origin = Origin(
        study=study,
        purpose=spec.purpose,
        round=registered.round,
        model_root=registered.root.hex(),
        chain_id=chain.chain_id,
        genesis=chain.genesis.hex(),
        code=spec.code.hex(),
        training=spec.training.hex(),
        modality=spec.schema.modality,
        participants=len(spec.uses),
        mean_counts=means,
    )
    model = Model(
        _network(spec),
        accepted_model(state, objects, key, study, registered.round),
        preprocessing(state, means, study),
        origin,
    )
    check(model, RegisteredModels(chain.genesis, (registered,)), path)
    save_model(path, model, release)
    return model


def _network(spec: StudySpec) -> Architecture | TrainerModel:
    if pins_own_trainer(spec):
        return decode(spec.architecture, TrainerModel)
    return decode(spec.architecture, Architecture)


def _made(objects: Objects, key: SecretKey, entry: Study, made: Round) -> tuple[I64, I64]:
    """Model and momentum that a round made, from its master's object or a copy of it."""
    context, rule = contents.model_context(made.study, made.number), entry.rule(made.number)
    size, root = contents.model_bytes(rule), made.posted.model_root if made.posted else b""

    def read(address: bytes) -> bytes:
        return open_envelope(objects.get(address, size=sealed_size(size)), key, context, size)

    return contents.first_model(made.objects, read, rule, root)


def _study(state: State, name: str) -> Study:
    entry = studies.study(state, name)
    if entry is None:
        raise NoModelError(f"the ledger knows no study {name}", "see `hmchain study status`")
    return entry
