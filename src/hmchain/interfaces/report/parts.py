"""The parts of a run's summary (`hmchain.interfaces.report.summary` puts them together).

Everything here is a plain value that JSON can carry. Scores between 0 and 1 are fractions (0.975, never 97.5),
reputation scores are the ledger's integers (0..10000), sizes are bytes, times are seconds, digests and transaction
hashes are lower-case hex. A tuple "in order of hospitals" or "of classes" follows `RunSummary.hospitals` and
`RunIdentity.classes`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

import msgspec

from hmchain.errors import InputError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Role = Literal["steward", "scientist", "operator", "auditor"]
Decision = Literal["approved", "refused", "revoked"]
Outcome = Literal["accepted", "rejected", "void"]
Fault = Literal["fraud", "silent"]


class SummaryError(InputError):
    """A run's summary cannot be read, or contradicts itself."""

    code = "summary"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every part of a summary: immutable, named fields, a misspelt one is refused."""


# --- small parts --------------------------------------------------------------------------------------------------


class Fact(Part, frozen=True, kw_only=True):
    """One line of a list: a short name and what it is."""

    name: str
    text: str


class Count(Part, frozen=True, kw_only=True):
    """How many of something."""

    name: str
    count: int


class Estimate(Part, frozen=True, kw_only=True):
    """A measured fraction with its interval; `value` is None where it is undefined (AUC of a single class)."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Metrics(Part, frozen=True, kw_only=True):
    """AUC and accuracy as MedMNIST computes them."""

    auc: Estimate
    acc: Estimate


# --- who and what -------------------------------------------------------------------------------------------------


class RunIdentity(Part, frozen=True, kw_only=True):
    """What tells this run from every other one."""

    dataset: str
    seed: int
    classes: tuple[str, ...]
    chain_id: str
    genesis_digest: str
    model_digest: str
    finished: str
    """Date and time in ISO 8601."""
    software: str = ""
    """Program and version."""
    machine: str = ""
    """Where the figures were measured: cores, memory, accelerator."""
    engine: str = ""
    """What decided the ledger's blocks."""


class Verdict(Part, frozen=True, kw_only=True):
    """One sentence for one role."""

    role: Role
    good: bool
    sentence: str


class Hospital(Part, frozen=True, kw_only=True):
    """One hospital as the study found it."""

    name: str
    class_counts: tuple[int, ...]
    """Training images of each class, in order of classes."""
    validation: int = 0
    """Images kept back to vote on each round's model."""
    files_stripped: int = 0
    """Files that carried metadata (EXIF, XMP, text) which was removed."""
    images_encrypted: int = 0
    bytes_encrypted: int = 0

    @property
    def training(self) -> int:
        """Training images of all classes."""
        return sum(self.class_counts)


class Approval(Part, frozen=True, kw_only=True):
    """A steward's signed decision about one study and one dataset version, or a study turned away without one."""

    hospital: str
    study: str
    decision: Decision
    reason: str = ""
    height: int | None = None
    transaction: str = ""


class Split(Part, frozen=True, kw_only=True):
    """How the images were shared out, and what was done about near-duplicates."""

    description: str
    images_found: int
    near_duplicates_dropped: int
    """Training images left out because a near-duplicate is in the test set."""
    groups: int
    """Near-duplicate groups; each is kept whole, in one hospital and on one side of the split."""
    training: int
    validation: int
    test: int
    redraws: int = 0
    """Draws that were thrown away because a hospital had too few images."""


class TrainingPlan(Part, frozen=True, kw_only=True):
    """What the study pinned on the ledger before the first round."""

    architecture: str
    parameters: int
    rounds: int
    algorithm: str
    schedule: str
    bits: int
    """Bits of one quantised coordinate."""
    code_digest: str
    comparison: str = ""
    """What makes the baselines comparable, e.g. equal total work."""
    more: tuple[Fact, ...] = ()


# --- rounds and reputation ----------------------------------------------------------------------------------------


class FailedMaster(Part, frozen=True, kw_only=True):
    """A master that was replaced within its round."""

    hospital: str
    fault: Fault


class Round(Part, frozen=True, kw_only=True):
    """One round: who led it, what became of it, and the test score of the model after it.

    `auc` and `acc` are measured by the demo on the test set, never by the hospitals' votes.
    """

    number: int
    master: str
    """Who finished the round."""
    outcome: Outcome = "accepted"
    failed: tuple[FailedMaster, ...] = ()
    """Masters replaced before `master`, in order."""
    auc: float | None = None
    acc: float | None = None
    accepts: int | None = None
    rejects: int | None = None
    seconds: float | None = None


class ReputationPoint(Part, frozen=True, kw_only=True):
    """Scores after a round (0: before the first), each in order of hospitals."""

    round: int
    consensus: tuple[int, ...]
    learning: tuple[int, ...]
    power: tuple[int, ...]


class Proposer(Part, frozen=True, kw_only=True):
    """One hospital's work as a block proposer."""

    hospital: str
    committed: int
    failed: int = 0


class Incident(Part, frozen=True, kw_only=True):
    """Something dishonest that was noticed, with the evidence for it."""

    title: str
    hospital: str
    sentence: str
    round: int | None = None
    height: int | None = None
    chunk: int | None = None
    """Index of the chunk that proves a wrong aggregate."""
    transaction: str = ""
    evidence_bytes: int | None = None
    score: str = ""
    """Which score paid for it, e.g. "consensus score"."""
    before: int | None = None
    after: int | None = None
    consequence: str = ""


# --- quality ------------------------------------------------------------------------------------------------------


class HospitalResult(Part, frozen=True, kw_only=True):
    """One hospital's own CNN beside the federated one, on the same test images."""

    hospital: str
    own: Metrics
    federated: Metrics
    gain_auc: Estimate | None = None
    """Difference federated - own; paired bootstrap interval where given."""
    gain_acc: Estimate | None = None

    def gain(self, metric: Literal["auc", "acc"]) -> Estimate:
        """Return the measured gain, else the plain difference without an interval."""
        measured = self.gain_auc if metric == "auc" else self.gain_acc
        own, federated = getattr(self.own, metric).value, getattr(self.federated, metric).value
        if measured is not None:
            return measured
        return Estimate(value=None if own is None or federated is None else federated - own)


class Results(Part, frozen=True, kw_only=True):
    """The comparison that a hospital decides on."""

    hospitals: tuple[HospitalResult, ...]
    federated: Metrics
    """The joint model; where it predicts differently for each hospital, the mean over them."""
    own_mean: Metrics
    fedavg: Metrics | None = None
    pooled: Metrics | None = None
    """A model trained on everybody's images in one place: the upper bound that nobody may have."""
    intervals: str = ""
    """How the intervals were made, e.g. "95 % bootstrap, 1000 resamples"."""


class ClassResult(Part, frozen=True, kw_only=True):
    """The federated model on one class."""

    name: str
    support: int
    sensitivity: Estimate
    specificity: Estimate


class RocCurve(Part, frozen=True, kw_only=True):
    """One method's ROC curve, both axes rising from 0 to 1."""

    method: str
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    auc: float | None = None


class CalibrationBin(Part, frozen=True, kw_only=True):
    """Predictions of about one confidence: how many, how sure they were, how often they were right."""

    count: int
    confidence: float
    accuracy: float


class Calibration(Part, frozen=True, kw_only=True):
    """Reliability of one method's probabilities."""

    method: str
    expected_error: float
    """Expected calibration error, 0..1."""
    bins: tuple[CalibrationBin, ...]


class Performance(Part, frozen=True, kw_only=True):
    """The federated model in detail, on the test set."""

    confusion: tuple[tuple[int, ...], ...]
    """Test images; a row is a true class, a column a predicted one."""
    classes: tuple[ClassResult, ...]
    roc: tuple[RocCurve, ...] = ()
    roc_note: str = ""
    """For more than two classes: how the curves were averaged."""
    calibration: tuple[Calibration, ...] = ()


# --- privacy and proof --------------------------------------------------------------------------------------------


class Departure(Part, frozen=True, kw_only=True):
    """What left one hospital during the run."""

    hospital: str
    update_bytes: int
    """Masked model updates."""
    transaction_bytes: int = 0
    images: int = 0


class Exposure(Part, frozen=True, kw_only=True):
    """One image as its hospital, the object store and the master see it: base64 of three PNG files.

    The original appears in the user's own report only; it is never part of the software.
    """

    original: str
    store: str
    master: str
    caption: str = ""

    def __post_init__(self) -> None:
        for name, text in (("original", self.original), ("store", self.store), ("master", self.master)):
            if not _is_png(text):
                raise SummaryError(f"the {name} picture is not a base64 PNG", "encode the PNG file's bytes with base64")


class Check(Part, frozen=True, kw_only=True):
    """One thing the audit looked at, and how many of it."""

    name: str
    count: int
    passed: bool = True


class TamperTest(Part, frozen=True, kw_only=True):
    """A copy of the ledger with one flipped bit: was it noticed, and named?"""

    where: str
    found: bool
    finding: str


class Audit(Part, frozen=True, kw_only=True):
    """The offline replay of the ledger."""

    passed: bool
    anchor: str
    """Digest that the replay was held against."""
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]
    seconds: float | None = None
    tamper: TamperTest | None = None
    command: str = ""


class LineageDataset(Part, frozen=True, kw_only=True):
    """A dataset version that went into the model, on whose permission."""

    hospital: str
    digest: str
    approval: str
    """Hash of the approving transaction."""
    withdrawn: str = ""
    """Hash of the transaction that withdrew the version since, because records of it were erased."""


class Lineage(Part, frozen=True, kw_only=True):
    """Where the model comes from, read back from the ledger alone."""

    study: str
    datasets: tuple[LineageDataset, ...]
    code_digest: str
    rounds_accepted: int
    masters: tuple[Count, ...]
    model_digest: str
    model_transaction: str = ""


class LedgerStatistics(Part, frozen=True, kw_only=True):
    """The size of the ledger."""

    blocks: int
    transactions: int
    bytes: int
    validators: int
    tolerated: int
    """Dishonest validators that it withstands."""
    refused: int = 0
    kinds: tuple[Count, ...] = ()
    """Transactions of each kind."""


class Timing(Part, frozen=True, kw_only=True):
    """How long one stage took."""

    stage: str
    seconds: float


def _is_png(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG_SIGNATURE)
    except (binascii.Error, ValueError):
        return False
