"""The summary of a run: one typed tree, saved as `summary.json`, printed by `--json`, drawn by the report.

`None` or an empty tuple means "this run did not measure it"; the report then leaves the section out.
"""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec

from hmchain import decoding
from hmchain.interfaces.report.parts import (
    Approval,
    Audit,
    Count,
    Departure,
    Exposure,
    Fact,
    Hospital,
    Incident,
    LedgerStatistics,
    Lineage,
    OwnScores,
    Part,
    Participant,
    Performance,
    Proposer,
    Quarantined,
    Release,
    ReputationPoint,
    Results,
    Returned,
    Round,
    RunIdentity,
    Split,
    SummaryError,
    Timing,
    TrainingPlan,
    Verdict,
    Withdrawal,
)

SCHEMA = 2

ONE_PROCESS = Fact(
    name="The hospitals are simulated in one process.",
    text="Each has its own keys, data folder and copy of the ledger, but they share one machine and one operator. "
    "The run shows that the protocol works; it does not show how it behaves over real networks, or that "
    "independent organisations ran it.",
)
ONE_MACHINE = Fact(
    name="The hospitals share one machine.",
    text="Each runs a node of its own, two real processes that talk to the others over loopback, with its own keys, "
    "data folder and copy of the ledger; the agents, which train, share one process. The run shows that the nodes "
    "agree and survive; it does not show how they behave over real networks, or that independent organisations ran "
    "them.",
)
PRIVACY_LIMITS = (
    Fact(
        name="No differential privacy was added.",
        text="Nobody sees a single hospital's update, only the sum. The finished model itself may still remember "
        "something of the images it learned from, and nothing here bounds how much. Treat the model as confidential.",
    ),
    Fact(
        name="A poisoned update is noticed, not attributed.",
        text="Updates are masked, so a harmful round can be rejected, but whose update was harmful cannot be told.",
    ),
)
DEFAULT_LIMITS = (ONE_PROCESS, *PRIVACY_LIMITS)


class RunSummary(Part, frozen=True, kw_only=True):
    """Everything that the report shows."""

    identity: RunIdentity
    hospitals: tuple[Hospital, ...]
    schema: int = SCHEMA
    title: str = "Federated learning run"
    notice: str = ""
    """A warning shown above everything else, e.g. that the figures are made up."""
    verdicts: tuple[Verdict, ...] = ()
    participants: tuple[Participant, ...] = ()
    """Of a study on a real network, as one hospital knows them; it cannot know the others' classes and files."""
    own: OwnScores | None = None
    """The scores of the hospital at whose node the report was drawn."""
    metadata: tuple[Count, ...] = ()
    """Files by kind of metadata removed, e.g. EXIF."""
    quarantine: tuple[Quarantined, ...] = ()
    """What the hospitals held back, and who decided what about it."""
    approvals: tuple[Approval, ...] = ()
    returned: tuple[Returned, ...] = ()
    withdrawal: Withdrawal | None = None
    release: Release | None = None
    split: Split | None = None
    plan: TrainingPlan | None = None
    rounds: tuple[Round, ...] = ()
    results: Results | None = None
    performance: Performance | None = None
    reputation: tuple[ReputationPoint, ...] = ()
    proposers: tuple[Proposer, ...] = ()
    incidents: tuple[Incident, ...] = ()
    departures: tuple[Departure, ...] = ()
    exposure: Exposure | None = None
    audit: Audit | None = None
    lineage: Lineage | None = None
    ledger: LedgerStatistics | None = None
    timings: tuple[Timing, ...] = ()
    limits: tuple[Fact, ...] = DEFAULT_LIMITS
    next_commands: tuple[Fact, ...] = ()
    """Commands to run next (`name`) and what each does (`text`)."""

    def __post_init__(self) -> None:
        classes, hospitals = len(self.identity.classes), len(self.hospitals)
        for hospital in self.hospitals:
            _require(len(hospital.class_counts) == classes, f"{hospital.name} does not count {classes} classes")
        for point in self.reputation:
            lengths = {len(point.consensus), len(point.learning), len(point.power)}
            _require(lengths == {hospitals}, f"the scores after round {point.round} are not {hospitals} each")
        if self.performance is not None:
            _check_performance(self.performance, classes)


class OtherSchemaError(SummaryError):
    """A run's summary is of a version that wrote other parts."""

    code = "summary_schema"


class Claimed(msgspec.Struct):
    """What a summary of any schema says of its ledger, and of itself."""

    schema: int
    identity: RunIdentity
    approvals: tuple[Approval, ...] = ()
    lineage: Lineage | None = None


def to_json(summary: RunSummary) -> bytes:
    """Return `summary` as indented JSON, ending with a newline."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def from_json(data: bytes) -> RunSummary:
    """Read back what `to_json` wrote; raises `OtherSchemaError` for another schema's, `SummaryError` for all else."""
    if (schema := claimed(data).schema) != SCHEMA:
        raise OtherSchemaError(
            f"the run's summary has schema {schema}, this program reads {SCHEMA}",
            "read it with the version that wrote it, or run the demo again, into another folder",
        )
    return _decoded(data, RunSummary)


def claimed(data: bytes) -> Claimed:
    """Read what a summary of any schema says of its ledger; raises `SummaryError` if it is none."""
    return _decoded(data, Claimed)


Read = TypeVar("Read", RunSummary, Claimed)


def _decoded(data: bytes, kind: type[Read]) -> Read:
    try:
        return decoding.from_json(data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SummaryError(
            f"the run's summary cannot be read: {error}", "run the demo again to write it anew"
        ) from error


def _check_performance(performance: Performance, classes: int) -> None:
    rows = [len(row) for row in performance.confusion]
    _require(rows == [classes] * classes, f"the confusion matrix is not {classes} x {classes}")
    for curve in performance.roc:
        rates = (*curve.false_positive_rate, *curve.true_positive_rate)
        same = len(curve.false_positive_rate) == len(curve.true_positive_rate)
        _require(same and all(math.isfinite(rate) for rate in rates), f"the ROC curve of {curve.method} is broken")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SummaryError(f"the run's summary contradicts itself: {what}")
