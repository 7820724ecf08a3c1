"""The learner of a hospital in a study: what the study pins, trained on what the hospital published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.agent.protocols import Learner
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.pinned import cnn_plan
from hmchain.canonical import decode
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members import parameters

if TYPE_CHECKING:
    from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer, Cohort


def cnn_learner(hospital: Hospital, spec: StudySpec) -> Learner:
    """The FL-CNN of a study on a hospital's images. Raises `UnpinnedError` for a model or code that is not ours."""
    # torch takes seconds to import, and only those who train need it.
    from hmchain.application.learning.study import differences, repeats_itself
    from hmchain.application.learning.trainers.cnn import (
        Architecture,
        code_digest,
        dimension,
        first_model_seed,
        initial_vector,
    )
    from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer

    if spec.code != code_digest():
        raise UnpinnedError(f"study {spec.name} pins other training code than is installed", "install that version")
    try:
        arch, plan = decode(spec.architecture, Architecture), cnn_plan(spec.training)
    except HMChainError as error:
        raise UnpinnedError(f"study {spec.name} pins a model that this version cannot build") from error
    schema, salt = spec.schema, parameters.founding(hospital.node.state).salt
    images = (schema.channels, schema.height, schema.width, len(schema.classes))
    if (arch.channels, arch.height, arch.width, arch.classes) != images:
        raise UnpinnedError(f"study {spec.name} pins a model and a schema that do not fit each other")
    try:
        fits = dimension(arch) == spec.rule.size  # nothing is built for it
    except RuntimeError:  # torch cannot count so many weights
        fits = False
    if not fits:
        raise UnpinnedError(f"study {spec.name} pins a model and a rule that do not fit each other")
    if others := differences(spec, arch, plan, salt):
        what = f"study {spec.name} pins what does not follow from its plan: {', '.join(others)}"
        raise UnpinnedError(what, "have it proposed again, by `hmchain study propose`")
    use = spec.uses[spec.participants.index(hospital.organisation)]

    def load() -> LearnerData:
        cohort = hospital.cohort(use.dataset, use.version)
        if len(cohort.train_labels) <= plan.batch_size:
            what = f"study {spec.name} trains on batches of {plan.batch_size}, which is all that {use.dataset} has"
            raise UnpinnedError(what, "batches must be smaller: what a hospital sends must differ from round to round")
        if repeats_itself(plan, len(cohort.train_labels)):
            what = f"study {spec.name} draws too many of the images of {use.dataset} in a round"
            raise UnpinnedError(what, "fewer steps, and augmentation: what is sent must differ from round to round")
        secret = hospital.agent.coins.derive("training", spec.name.encode())
        return LearnerData(
            CNNTrainer(cohort, plan, arch, secret.raw), cohort.class_counts(arch.classes), _digest(cohort)
        )

    return CNNLearner(initial_vector(arch, first_model_seed(salt, spec.name)), load)


def _digest(cohort: Cohort) -> bytes:
    """Of what is trained on: other records, another digest."""
    images, labels = np.ascontiguousarray(cohort.train_images), np.ascontiguousarray(cohort.train_labels, np.int64)
    return blake3(images.reshape(-1).data).update(labels.view(np.uint8).data).digest()


class LearnerData(NamedTuple):
    """A learner's data once it has read them."""

    trainer: CNNTrainer
    class_counts: npt.NDArray[np.int64]
    data: bytes


class CNNLearner:
    """The FL-CNN of one study; a `Learner` that decrypts the images when it is first asked to use them.

    An agent may be started in a study whose approval was taken back: it still owes the others the seeds of its last
    update, and for those no image is needed.
    """

    def __init__(self, initial: npt.NDArray[np.float32], load: Callable[[], LearnerData]) -> None:
        """`load` reads the data."""
        self.initial = initial
        self._load = load
        self._loaded: LearnerData | None = None
        self._counts: npt.NDArray[np.int64] | None = None

    @property
    def trainer(self) -> CNNTrainer:
        """Trains and evaluates, with the prior that `use_counts` was given."""
        return self._data().trainer

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """Training images of each class."""
        return self._data().class_counts

    @property
    def data(self) -> bytes:
        """Digest of the training images and their labels."""
        return self._data().data

    def use_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Predict with the class shares of all participants together."""
        self._counts = counts
        self._set_prior()

    def read(self) -> None:
        """Decrypt the images now. Raises what `Hospital.cohort` raises."""
        self._data()

    @property
    def has_read(self) -> bool:
        """True once the images are in memory, decrypted."""
        return self._loaded is not None

    def _data(self) -> LearnerData:
        if self._loaded is None:
            self._loaded = self._load()
            self._set_prior()
        return self._loaded

    def _set_prior(self) -> None:
        from hmchain.application.learning.trainers.cnn import prediction_prior

        if self._loaded is not None and self._counts is not None:
            trainer = self._loaded.trainer
            trainer.prior = prediction_prior(trainer.plan, self._counts)
