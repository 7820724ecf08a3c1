"""Entries of the catalogue: datasets, versions, records, and items that wait for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hmchain.records.catalogue.accounts import Became
from hmchain.records.catalogue.outcomes import Outcomes
from hmchain.records.deidentification.outcome import Action, Edition
from hmchain.records.deidentification.patients import PatientNote
from hmchain.records.deidentification.profile import Profile
from hmchain.records.sources.item import Rectangles

PENDING, RELEASED, REJECTED = "pending", "released", "rejected"
"""What a reviewer said of an item in quarantine: nothing yet, that it may pass, that it may not."""


_ORIGIN = re.compile(r"dataset (\S+), version (\d+)")


def origin_of(source: Version) -> str:
    """The origin of what is made of a version."""
    return f"dataset {source.dataset}, version {source.number}"


@dataclass(frozen=True)
class Dataset:
    """A dataset, whatever its versions hold."""

    name: str
    title: str
    project: str
    """Pseudonyms are stable within a project, and unlinkable between projects."""
    profile: Profile
    """The rules of de-identification, kept whole: all versions, and releases from quarantine, go by them."""
    created_ms: int
    schema: str = ""
    """Of tables: what their columns are, as JSON; nothing for other data."""
    form: str = ""
    """Of images made for learning: their form, as JSON; nothing for what is extracted from sources."""


@dataclass(frozen=True)
class Version:
    """One version of a dataset: filled while it is open, fixed by its root once it is closed."""

    dataset: str
    number: int
    source: str
    """What it was extracted from, as the source describes itself; no credentials, no patient."""
    records: int
    subjects: int
    """Patients; records that are nobody's (a kind of medication) have none."""
    size: int
    """Bytes of plaintext."""
    held: int
    """Items in quarantine that wait for a reviewer."""
    root: bytes | None
    """The keyed root that commits to its records; None while it is open."""
    created_ms: int
    closed_ms: int | None
    erased_ms: int | None = None
    """When a record of it was erased after it was fixed: its root can no longer be checked since."""

    @property
    def made_of(self) -> tuple[str, int] | None:
        """The dataset and the version that it was made of, to learn from; None for what was extracted."""
        found = _ORIGIN.fullmatch(self.source)
        return (found[1], int(found[2])) if found else None

    @property
    def closed(self) -> bool:
        """Tell whether it is fixed."""
        return self.root is not None


@dataclass(frozen=True)
class RecordEntry:
    """One de-identified record."""

    record: str
    subject: str
    kind: str
    """Kind of the item that it came from."""
    media_type: str
    size: int
    """Bytes of plaintext."""
    label: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    edition: Edition | None = None
    """Written down where it is given; read by `Catalogue.edition` alone."""


@dataclass(frozen=True)
class ActionCount:
    """The number of times that a version's de-identification did one thing to one element."""

    element: str
    done: str
    count: int


@dataclass(frozen=True)
class CarriedLabels:
    """The number of records that took over a label of the version before, or did not."""

    records: int
    moved: int
    """Records that had one there, as another patient's."""


Place = tuple[str, int, bytes]
"""Of an item in quarantine: its dataset and version, and the digest that is its name there."""


@dataclass(frozen=True)
class HeldItem:
    """An item in quarantine. The item itself lies encrypted in the vault until somebody decides."""

    item: bytes
    """Keyed digest of its name and content, and of where it waits; its first letters name it to commands."""
    dataset: str
    version: int
    kind: str
    label: str
    code: str
    reason: str
    releasable: bool
    state: str = PENDING
    reviewer: str = ""
    reviewed_ms: int | None = None
    regions: Rectangles = ()
    """Where the reviewer should look in an image; what a release with these as its item's `blank` sets to 0."""
    series: str = ""
    modality: str = ""
    device: str = ""
    patient: str = ""
    """Pseudonyms, where they can be told (`Origin`); those of series and patient go once somebody has decided."""
    content: bytes = b""
    """Keyed digest of its content: what a decision about it is found by later (`Decisions`)."""

    @property
    def place(self) -> Place:
        """What no other item has in common with it, and items are in order of."""
        return self.dataset, self.version, self.item


@dataclass(frozen=True)
class Decision:
    """What was decided about a content."""

    state: str
    reviewer: str
    """All of them, where it took several."""
    persons: int
    decided_ms: int
    regions: Rectangles = ()
    """What is blanked in its images before it passes."""


@dataclass(frozen=True)
class Decided:
    """An item in quarantine, and what was decided about it."""

    held: HeldItem
    decision: Decision
    lasting: bool = True
    """Whether it holds for the item's content in other versions too."""


@dataclass(frozen=True)
class ItemDone:
    """The results of one item of a source: its records, or its place in quarantine."""

    name: bytes
    """Keyed digest of the item's mark."""
    records: tuple[RecordEntry, ...] = ()
    duplicates: int = 0
    """Records that the version had already, byte for byte."""
    held: HeldItem | None = None
    apart: tuple[tuple[HeldItem, tuple[str, ...]], ...] = ()
    """Parts of it in quarantine by themselves, and the pseudonyms of all whom each is about, as `held_subjects`."""
    actions: tuple[Action, ...] = ()
    held_subjects: tuple[str, ...] = ()
    """Pseudonyms of all whom an item in quarantine is about, with an empty one if there are others unknown."""
    replaced: tuple[str, ...] = ()
    """Those of its records that take the place of an entry that is there."""
    patients: tuple[PatientNote, ...] = ()
    same: tuple[tuple[bytes, bytes], ...] = ()
    """Persons whom it says to be another (`Clean.same`)."""
    file: bytes = b""
    """Keyed digest of the mark of the file that it is, or is a part of; nothing of an item from quarantine."""
    became: Became = field(default_factory=dict)
    """What became of its parts, for the account."""
    made: Outcomes = field(default_factory=dict)
    """Which records, or which place in quarantine, its parts went into."""
    is_released: bool = False
    """Of an item from quarantine, whose name is its id there."""
    decided: Decided | None = None
    """Of such an item, unless it waits again: what was decided, to be known as soon as its records are."""
    clears: tuple[bytes, ...] = ()
    """Under which names it was written down when it could not be had, or was passed over."""
