"""The parts of the evidence on a model of somebody's own trainer: by what its own code predicts, and by that alone.

The code runs in a process of its own, as in the study, and only if this hospital accepts it. No reference models are
trained: what a trainer of somebody's does with records outside of a study nobody allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hmchain.application.consent.usable import Usable
from hmchain.application.disclosure import membership
from hmchain.application.disclosure.evidence import Attack, Found, Memorisation
from hmchain.application.disclosure.membership import Bools, Indices, Signals
from hmchain.application.disclosure.memorisation import memorisation
from hmchain.application.disclosure.model_parts import ModelParts, chance_of
from hmchain.application.disclosure.own_images import NothingLeftError, own_images
from hmchain.application.learning.trainer_study import read_pins
from hmchain.application.learning.trainers.own_child import Begin, Predict
from hmchain.application.learning.trainers.own_process import TrainerProcess
from hmchain.application.learning.trainers.source import AcceptedTrainer, TrainerCodeError, read_source
from hmchain.application.learning.trainers.trainer import Inputs, is_rows
from hmchain.application.site.hospital import Records
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.plain import Progress, tell
from hmchain.records.pictures.prepared import TRAIN, VALIDATION
from hmchain.records.prepared_rows import RowSet, decode_rows, stack_rows

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model

PREDICT_SECONDS = 60.0
"""After so long the trainer's process is ended."""


class _Held(NamedTuple):
    """Records (n, ...), those of training first."""

    inputs: Inputs
    labels: Indices
    members: Bools
    groups: Indices
    across: int | None


def by_predictions(
    records: Records, allowed: Usable, accepted: Sequence[AcceptedTrainer], target: Model, spec: StudySpec, seed: bytes,
    progress: Progress | None = None,
) -> ModelParts:  # fmt: skip
    """What the model's own predictions tell; where they cannot be had, why."""
    try:
        begin = _beginning(accepted, spec)
        held = _rows(records, allowed, progress) if is_rows(spec.schema) else _images(records, allowed, seed, progress)
        asked = Predict(target.vector, held.inputs, len(spec.schema.classes))
        process = TrainerProcess(begin)
        try:
            shares = process.predict(asked, PREDICT_SECONDS)
        finally:
            process.end()
    except HMChainError as error:
        return unsaid(f"its predictions cannot be had: {error.what}")
    said = np.asarray(shares[np.arange(len(held.labels)), held.labels], np.float64)
    signals = Signals(said, held.members, held.labels, held.groups)
    return ModelParts(
        membership.attacks(signals, None, chance_of(seed)), memorisation(signals, held.across, chance_of(seed))
    )


def unsaid(why: str) -> ModelParts:
    """The parts of which nothing is said."""
    attacks = (
        Attack(name=name, source=source, found=Found.NOT_SAID, why=why) for name, source in membership.SOURCES.items()
    )
    return ModelParts(tuple(attacks), Memorisation(found=Found.NOT_SAID, why=why))


def _beginning(accepted: Sequence[AcceptedTrainer], spec: StudySpec) -> Begin:
    """What the trainer's process is given first: code that this hospital accepts, as it did for the study."""
    found = next((each for each in accepted if each.digest == spec.code), None)
    if found is None:
        raise TrainerCodeError("this hospital does not accept the study's trainer any more")
    source = read_source(found.source)
    if source.digest != spec.code:
        raise TrainerCodeError("the trainer's code was changed since this hospital accepted it")
    model, plan = read_pins(spec)
    return Begin(source, spec.schema, plan.settings(), model.layers, sys.path)


def _images(records: Records, allowed: Usable, seed: bytes, progress: Progress | None) -> _Held:
    own = own_images(records, allowed, seed, progress)
    return _Held(own.images, own.labels, own.members, own.groups, own.across)


def _rows(records: Records, allowed: Usable, progress: Progress | None) -> _Held:
    """Rows, grouped by patient: all of one lie in one record."""
    parts: dict[str, list[RowSet]] = {TRAIN: [], VALIDATION: []}
    reading = records.vault.read(allowed.dataset, allowed.version, allowed.records)
    for done, (_, data) in enumerate(reading, 1):
        split, rows = decode_rows(data)
        parts.setdefault(split, []).append(rows)
        tell(progress, done, len(allowed.records))
    trained, others = parts[TRAIN], parts[VALIDATION]
    if not trained:
        raise NothingLeftError("no row that it was trained on may be used")
    together = stack_rows([*trained, *others])
    sizes = [len(each.labels) for each in (*trained, *others)]
    members = np.arange(len(together.labels)) < sum(sizes[: len(trained)])
    return _Held(together.values, together.labels, members, np.repeat(np.arange(len(sizes)), sizes), None)
