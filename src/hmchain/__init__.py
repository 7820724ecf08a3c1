"""FL-HMChain: hospitals learn together without giving away a patient's data.

What stands in `__all__` is the public face: programs and notebooks import it from here, and it keeps its names.
Everything else may move. A name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hmchain.application.hospital.consortium import Consortium
    from hmchain.application.hospital.hospital import Hospital
    from hmchain.application.hospital.node_hospital import NodeHospital
    from hmchain.application.hospital.own_learner import learning_with
    from hmchain.application.learning.description import Description
    from hmchain.application.learning.model_file import Model, load_model
    from hmchain.application.learning.prediction import predict, predict_many
    from hmchain.application.learning.schedule import default_plan
    from hmchain.application.learning.study import study_spec
    from hmchain.application.learning.trainer_study import TrainerPlan, trainer_spec
    from hmchain.application.learning.trainers.architecture import Architecture
    from hmchain.application.learning.trainers.source import read_source
    from hmchain.application.learning.trainers.trainer import Examples, Trainer
    from hmchain.application.models.scores import RoundScore, StudyScores
    from hmchain.application.node.opening import open_hospital
    from hmchain.application.node.questions import datasets, members, open_ledger, studies, trace, verify
    from hmchain.application.node.study_results import study_model, study_scores
    from hmchain.application.site.node import NodeFolder
    from hmchain.canonical import encode
    from hmchain.errors import HMChainError
    from hmchain.keys import SecretKey, WrappingKey, load_key, save_key
    from hmchain.ledger.contracts.data.datasets import Schema
    from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy, RevokeApproval
    from hmchain.ledger.contracts.learning.studies import DatasetUse, ProposeStudy
    from hmchain.ledger.readers.blocks import BlockView
    from hmchain.ledger.readers.datasets import DatasetView
    from hmchain.ledger.readers.ledger import LedgerReader
    from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
    from hmchain.ledger.readers.members import BallotView, ValidatorStatus
    from hmchain.ledger.readers.replay import AuditReport
    from hmchain.ledger.readers.study_status import StudyStatus
    from hmchain.ledger.readers.transactions import TransactionView
    from hmchain.records.objects import ObjectStore
    from hmchain.records.pictures.prepared import Images
    from hmchain.records.prepared_rows import RowSet
    from hmchain.records.vault import SecretKeyProvider, Vault, verify_record_proof
    from hmchain.rows import Rows

_HOMES = {
    "hmchain.application.hospital.consortium": ("Consortium",),
    "hmchain.application.hospital.hospital": ("Hospital",),
    "hmchain.application.hospital.node_hospital": ("NodeHospital",),
    "hmchain.application.hospital.own_learner": ("learning_with",),
    "hmchain.application.learning.description": ("Description",),
    "hmchain.application.learning.model_file": ("Model", "load_model"),
    "hmchain.application.learning.prediction": ("predict", "predict_many"),
    "hmchain.application.learning.schedule": ("default_plan",),
    "hmchain.application.learning.study": ("study_spec",),
    "hmchain.application.learning.trainer_study": ("TrainerPlan", "trainer_spec"),
    "hmchain.application.learning.trainers.architecture": ("Architecture",),
    "hmchain.application.learning.trainers.source": ("read_source",),
    "hmchain.application.learning.trainers.trainer": ("Examples", "Trainer"),
    "hmchain.application.node.opening": ("open_hospital",),
    "hmchain.application.models.scores": ("RoundScore", "StudyScores"),
    "hmchain.application.node.questions": ("datasets", "members", "open_ledger", "studies", "trace", "verify"),
    "hmchain.application.node.study_results": ("study_model", "study_scores"),
    "hmchain.application.site.node": ("NodeFolder",),
    "hmchain.canonical": ("encode",),
    "hmchain.errors": ("HMChainError",),
    "hmchain.keys": ("SecretKey", "WrappingKey", "load_key", "save_key"),
    "hmchain.ledger.contracts.data.datasets": ("Schema",),
    "hmchain.ledger.contracts.learning.approvals": ("ApproveStudy", "RefuseStudy", "RevokeApproval"),
    "hmchain.ledger.contracts.learning.studies": ("DatasetUse", "ProposeStudy"),
    "hmchain.ledger.readers.blocks": ("BlockView",),
    "hmchain.ledger.readers.datasets": ("DatasetView",),
    "hmchain.ledger.readers.ledger": ("LedgerReader",),
    "hmchain.ledger.readers.lineage": ("DatasetTrace", "StudyTrace"),
    "hmchain.ledger.readers.members": ("BallotView", "ValidatorStatus"),
    "hmchain.ledger.readers.replay": ("AuditReport",),
    "hmchain.ledger.readers.study_status": ("StudyStatus",),
    "hmchain.ledger.readers.transactions": ("TransactionView",),
    "hmchain.records.objects": ("ObjectStore",),
    "hmchain.records.pictures.prepared": ("Images",),
    "hmchain.records.prepared_rows": ("RowSet",),
    "hmchain.records.vault": ("SecretKeyProvider", "Vault", "verify_record_proof"),
    "hmchain.rows": ("Rows",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

# In the order in which one meets them.
__all__ = [  # noqa: RUF022
    "HMChainError",
    # a ledger
    "open_ledger", "verify", "trace", "studies", "datasets", "members",
    "LedgerReader", "AuditReport", "BlockView", "TransactionView", "StudyStatus", "DatasetView", "ValidatorStatus",
    "BallotView", "StudyTrace", "DatasetTrace", "Rows",
    # a model
    "load_model", "predict", "predict_many", "Model",
    # what a study gave at one hospital
    "study_model", "study_scores", "StudyScores", "RoundScore",
    # records
    "Vault", "ObjectStore", "WrappingKey", "SecretKey", "SecretKeyProvider", "load_key", "save_key",
    "verify_record_proof", "encode",
    # a hospital at its node, and hospitals of one's own
    "open_hospital", "NodeHospital", "NodeFolder",
    "Consortium", "Hospital", "Images", "Schema", "Architecture", "DatasetUse", "ProposeStudy", "ApproveStudy",
    "RefuseStudy", "RevokeApproval", "Description", "default_plan", "study_spec",
    # a trainer of one's own
    "Trainer", "Examples", "RowSet", "TrainerPlan", "trainer_spec", "read_source", "learning_with",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hmchain' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
