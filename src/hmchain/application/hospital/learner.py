"""The learner of a hospital in a study: what the study pins, trained on what the hospital published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.agent.protocols import Learner
from hmchain.application.hospital.authority import require_authorised
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.lazy_learner import LazyLearner, LearnerData, records_digest
from hmchain.application.hospital.study_records import StudyRecords
from hmchain.application.learning.pinned import cnn_plan
from hmchain.application.learning.trainer_study import pins_own_trainer
from hmchain.canonical import decode
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.processes import own_memory_bytes


def _grown(hospital: Hospital) -> Callable[[], int]:
    """By how much this process grows from now on, if it is the agent of one node; 0 where hospitals share a process.

    Whose memory it is nobody could tell then, and who took none of it would be shut out.
    """
    if hospital.folder.node is None:
        return lambda: 0
    before_bytes = own_memory_bytes()
    return lambda: max(0, own_memory_bytes() - before_bytes)


def cnn_learner(hospital: Hospital, spec: StudySpec) -> Learner:
    """The FL-CNN of a study on a hospital's images. Raises `UnpinnedError` for a model or code that is not ours."""
    if pins_own_trainer(spec):
        what = f"study {spec.name} pins a trainer of digest {spec.code.hex()}, and none is accepted here"
        raise UnpinnedError(what, "`hmchain node trainers FILE.py:CLASS` shows the digest of one, and how to accept it")
    # torch takes seconds to import, and only those who train need it.
    from hmchain.application.learning.study import differences, repeats_itself
    from hmchain.application.learning.trainers.architecture import (
        Architecture,
        code_digest,
        dimension,
        first_model_seed,
        initial_vector,
        prediction_prior,
    )
    from hmchain.application.learning.trainers.held_cnn import HeldCNNTrainer

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
        raise UnpinnedError(what, "have it proposed again, by `hmchain study propose FILE`")
    name, asking = spec.use(hospital.organisation).dataset, StudyRecords(hospital, spec)

    def load() -> LearnerData:
        require_authorised(hospital, spec, f"no record is opened for study {spec.name}")
        memory_bytes = _grown(hospital)
        usable = asking.usable()
        cohort = hospital.cohort(usable)
        if len(cohort.train_labels) <= plan.batch_size:
            what = f"study {spec.name} trains on batches of {plan.batch_size}, which is all that {name} has"
            raise UnpinnedError(what, "batches must be smaller: what a hospital sends must differ from round to round")
        if repeats_itself(plan, len(cohort.train_labels)):
            what = f"study {spec.name} draws too many of the images of {name} in a round"
            raise UnpinnedError(what, "fewer steps, and augmentation: what is sent must differ from round to round")
        secret = hospital.agent.coins.derive("training", spec.name.encode())
        trainer = HeldCNNTrainer(cohort, plan, arch, secret.raw, hospital.agent.allowance(spec), memory_bytes)

        def use_counts(counts: npt.NDArray[np.int64]) -> None:
            trainer.prior = prediction_prior(plan, counts)

        digest = records_digest(cohort.train_images, cohort.train_labels)
        return LearnerData(trainer, cohort.class_counts(arch.classes), digest, use_counts, usable)

    initial = initial_vector(arch, first_model_seed(salt, spec.name))
    return LazyLearner(lambda: initial, load, asking)
