"""The run and its hospitals: who took part in what, and on whose permission."""

from __future__ import annotations

from typing import Literal

from hmchain.interfaces.report.parts.base import Fact, Part

Role = Literal["steward", "scientist", "operator", "auditor"]
Decision = Literal["approved", "refused", "revoked"]


class RunIdentity(Part, frozen=True, kw_only=True):
    """Names, digests and dates that tell this run from every other one."""

    dataset: str
    classes: tuple[str, ...]
    chain_id: str
    genesis_digest: str
    model_digest: str
    finished: str
    """Date and time in ISO 8601; of a study at a node, of the block that is told of."""
    seed: int | None = None
    """Of the split and the training of a demo."""
    software: str = ""
    """Program and version."""
    machine: str = ""
    """The machine that the figures were measured on: cores, memory, accelerator."""
    engine: str = ""
    """The engine that decided the ledger's blocks."""


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
    files: int = 0
    """Files that it extracted."""
    duplicates: int = 0
    """Files that were given twice, byte for byte."""
    held: int = 0
    """Files that its quarantine held."""
    metadata_removed: int = 0
    """Pieces of metadata (EXIF, XMP, text) that were removed from its files."""
    images_encrypted: int = 0
    bytes_encrypted: int = 0

    @property
    def training(self) -> int:
        """Training images of all classes."""
        return sum(self.class_counts)


class Quarantined(Part, frozen=True, kw_only=True):
    """One file that a hospital's quarantine held, and what became of it."""

    hospital: str
    reason: str
    decision: str
    """`pending`, `released` or `rejected`."""
    reviewer: str = ""


class Approval(Part, frozen=True, kw_only=True):
    """A hospital's decision about one study, or the request for it, and one dataset version."""

    hospital: str
    study: str
    decision: Decision
    reason: str = ""
    persons: tuple[str, ...] = ()
    """Who decided, as `east/steward`; nobody where the hospital's policy did."""
    until: str = ""
    """The last day of an approval."""
    asked_by: str = ""
    """Who asked, where there was a request."""
    height: int | None = None
    transaction: str = ""


class Returned(Part, frozen=True, kw_only=True):
    """A request that a hospital gave back to whoever asked, to be changed."""

    request: str
    version: int
    by: str
    """Who did, as `east/steward`."""
    reason: str
    height: int


class Split(Part, frozen=True, kw_only=True):
    """The sharing-out of the images, and what was done about near-duplicates."""

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
    """The plan that the study pinned on the ledger before the first round."""

    architecture: str
    parameters: int
    rounds: int
    algorithm: str
    schedule: str
    bits: int
    """Bits of one quantised coordinate."""
    code_digest: str
    comparison: str = ""
    """The terms that make the baselines comparable, e.g. equal total work."""
    more: tuple[Fact, ...] = ()
