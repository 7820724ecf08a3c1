"""The learner of a study that brings code of its own: only code that this hospital accepted is ever imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.agent.protocols import Learner
from hmchain.application.consent.usable import Usable
from hmchain.application.hospital.authority import is_authorised, require_authorised
from hmchain.application.hospital.hospital import Hospital, Learn
from hmchain.application.hospital.lazy_learner import LazyLearner, LearnerData, records_digest
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.study_records import StudyRecords
from hmchain.application.learning.trainer_study import (
    OwnStart,
    pins_own_trainer,
    read_pins,
    start,
    trainer_differences,
)
from hmchain.application.learning.trainers.own import RECORDS_MIN
from hmchain.application.learning.trainers.own_child import Begin
from hmchain.application.learning.trainers.own_trainer import OwnTrainer
from hmchain.application.learning.trainers.source import (
    AcceptedTrainer,
    TrainerCodeError,
    TrainerSource,
    parse_accepted,
    read_source,
)
from hmchain.application.learning.trainers.worker import TrainerBusyError, Worker
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members import parameters


def learning_with(*trainers: AcceptedTrainer | str) -> Learn:
    """A hospital's learners: FL-CNN, and these trainers, as `FILE.py:CLASS@DIGEST` or `MODULE:CLASS@DIGEST`.

    Without a digest the code is accepted as it lies there now. Raises `TrainerCodeError`.
    """
    return OwnLearning([each if isinstance(each, AcceptedTrainer) else _accepted(each) for each in trainers])


def _accepted(text: str) -> AcceptedTrainer:
    return parse_accepted(text) if "@" in text else AcceptedTrainer(text, read_source(text).digest)


class OwnLearning:
    """Makes learners of FL-CNN studies, and of those that pin a trainer which the hospital accepted."""

    def __init__(self, accepted: Sequence[AcceptedTrainer]) -> None:
        self.accepted = tuple(accepted)
        self._starting: dict[tuple[str, str], Worker] = {}
        self._begun: dict[tuple[str, str], OwnStart] = {}

    def __call__(self, hospital: Hospital, spec: StudySpec) -> Learner:
        """The learner of a study. Raises `UnpinnedError`, or `TrainerBusyError` while its code is being imported.

        Where the approval was taken back, nothing is imported: seeds may be owed, and for those no code is needed.
        """
        if not pins_own_trainer(spec):
            return cnn_learner(hospital, spec)
        if is_authorised(hospital, spec):
            self._start(hospital, spec)
        asking = StudyRecords(hospital, spec)
        return LazyLearner(
            lambda: self._start(hospital, spec).initial,
            lambda: _data(hospital, spec, self._start(hospital, spec), asking.usable()),
            asking,
        )

    def _start(self, hospital: Hospital, spec: StudySpec) -> OwnStart:
        """Load the trainer, once, and hold the study against it. Raises `NotApprovedError`, and as `__call__`."""
        key = hospital.organisation, spec.name
        if key in self._begun:
            return self._begun[key]
        require_authorised(hospital, spec, f"the code of study {spec.name} is not loaded")
        salt = parameters.founding(hospital.node.state).salt
        try:
            _, plan = read_pins(spec)
            source = self._source(spec)
            worker = self._starting.setdefault(key, Worker(str(source)))
            begun = worker.ask("initial", "initial", lambda: start(source, spec.schema, plan, salt, spec.name))
        except TrainerBusyError:
            raise
        except HMChainError as error:
            raise UnpinnedError(f"study {spec.name}: {error.what}", error.hint) from error
        if others := trainer_differences(spec, source, plan, salt, begun):
            what = f"study {spec.name} pins what does not follow from its trainer and plan: {', '.join(others)}"
            raise UnpinnedError(what, "have it proposed again, by `hmchain study propose FILE`")
        self._begun[key] = begun
        return begun

    def _source(self, spec: StudySpec) -> TrainerSource:
        """The accepted code that the study pins, as it lies there now. Raises `TrainerCodeError`."""
        accepted = next((each for each in self.accepted if each.digest == spec.code), None)
        if accepted is None:
            known = ", ".join(map(str, self.accepted)) or "none"
            raise TrainerCodeError(
                f"it pins a trainer of digest {spec.code.hex()}, and this hospital accepts {known}",
                "get that code from who proposed the study and read it; `hmchain node trainers FILE.py:CLASS` shows "
                "its digest and how to accept it",
            )
        source = read_source(accepted.source)
        if source.digest != accepted.digest:
            raise TrainerCodeError(
                f"{accepted.source} has the digest {source.digest.hex()} now; {accepted.digest.hex()} was accepted",
                "put the accepted code back, then start the agent again",
            )
        return source


def _data(hospital: Hospital, spec: StudySpec, begun: OwnStart, usable: Usable) -> LearnerData:
    require_authorised(hospital, spec, f"no record is opened for study {spec.name}")
    examples = hospital.examples(usable, spec.schema)
    train = examples["train"]
    if len(train) < RECORDS_MIN:
        what = f"study {spec.name} trains on {usable.dataset}, which has {len(train)} records to train on"
        raise UnpinnedError(what, f"{RECORDS_MIN} are needed: what a hospital sends must differ from round to round")
    secret = hospital.agent.coins.derive("training", spec.name.encode())
    apart = Begin(begun.source, spec.schema, begun.options, begun.layers, sys.path)
    counts = np.bincount(train.labels, minlength=len(spec.schema.classes))
    trainer = OwnTrainer(
        apart,
        examples,
        secret.raw,
        spec.deadlines,
        hospital.agent.allowance(spec),
        lambda text: hospital.agent.news.append(f"study {spec.name}: {text}"),
    )
    return LearnerData(
        trainer,
        counts,
        records_digest(train.inputs, train.labels),
        lambda _: None,  # what the classes' shares are for is the trainer's business, and it has none of others'
        usable,
        trainer.end,
    )
