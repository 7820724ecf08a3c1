"""The parts of a run's summary (`hmchain.interfaces.report.summary` puts them together).

Everything here is a plain value that JSON can carry. Scores between 0 and 1 are fractions (0.975, never 97.5),
reputation scores are the ledger's integers (0..10000), sizes are bytes, times are seconds, digests and transaction
hashes are lower-case hex. A tuple "in order of hospitals" or "of classes" follows `RunSummary.hospitals` and
`RunIdentity.classes`.
"""

from hmchain.interfaces.report.parts.base import Count, Estimate, Fact, Metrics, Part, SummaryError
from hmchain.interfaces.report.parts.own import OwnRound, OwnScores, Participant
from hmchain.interfaces.report.parts.proof import (
    Audit,
    Check,
    Departure,
    Exposure,
    LedgerStatistics,
    Lineage,
    LineageDataset,
    TamperTest,
    Timing,
)
from hmchain.interfaces.report.parts.quality import (
    Calibration,
    CalibrationBin,
    ClassResult,
    HospitalResult,
    Performance,
    Results,
    RocCurve,
)
from hmchain.interfaces.report.parts.rounds import (
    FailedMaster,
    Fault,
    Incident,
    Outcome,
    Proposer,
    ReputationPoint,
    Round,
)
from hmchain.interfaces.report.parts.sharing import Release, Withdrawal, Word
from hmchain.interfaces.report.parts.study import (
    Approval,
    Decision,
    Hospital,
    Quarantined,
    Returned,
    Role,
    RunIdentity,
    Split,
    TrainingPlan,
    Verdict,
)

__all__ = [
    "Approval", "Audit", "Calibration", "CalibrationBin", "Check", "ClassResult", "Count", "Decision", "Departure",
    "Estimate", "Exposure", "Fact", "FailedMaster", "Fault", "Hospital", "HospitalResult", "Incident",
    "LedgerStatistics", "Lineage", "LineageDataset", "Metrics", "Outcome", "OwnRound", "OwnScores", "Part",
    "Participant", "Performance", "Proposer", "Quarantined", "Release", "ReputationPoint", "Results", "Returned",
    "RocCurve", "Role", "Round", "RunIdentity", "Split", "SummaryError", "TamperTest", "Timing", "TrainingPlan",
    "Verdict", "Withdrawal", "Word",
]  # fmt: skip
