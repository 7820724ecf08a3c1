"""The outcomes of de-identification: records that may be kept, an item that a person must look at, or nothing.

Nothing here may tell who a patient is: these values are shown, searched and written into reports.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hmchain.records.deidentification.patients import PatientNote
from hmchain.records.envelope import Buffer
from hmchain.records.sources.item import Item, Rectangles

REMOVED, EMPTIED, REPLACED, SHIFTED, GENERALISED, KEPT, READ = (
    "removed", "emptied", "replaced", "shifted", "generalised", "kept", "read",
)  # fmt: skip


@dataclass(frozen=True)
class Action:
    """A change to an element, wherever it occurred in the item."""

    element: str
    """The element's name in its standard: `(0010,0010) PatientName`, `Patient.birthDate`, `PID-5`, a column, `EXIF`."""
    done: str
    """`REMOVED`, `EMPTIED`, `REPLACED`, `SHIFTED`, `GENERALISED` or `KEPT` (kept on purpose, by the profile)."""
    count: int = 1


@dataclass(frozen=True)
class Edition:
    """One of several editions of a resource, as its source counts them, of which a record was made."""

    updated: str = ""
    """When it was changed last: ISO 8601 in UTC with microseconds, so that texts compare as times do."""
    number: int | None = None

    def is_after(self, other: Edition) -> bool | None:
        """Tell whether it is a later edition than `other`; None if that cannot be told."""
        if self.updated and other.updated and self.updated != other.updated:
            return self.updated > other.updated
        if self.number is None or other.number is None or self.number == other.number:
            return None
        return self.number > other.number


@dataclass(frozen=True)
class Clean:
    """One de-identified record."""

    record: str
    """Its id: a keyed pseudonym, the same whenever the same thing is extracted for the same project."""
    subject: str
    """The patient's keyed pseudonym; what erasure down to one patient goes by. Nothing for what is nobody's."""
    media_type: str
    """For instance `application/dicom`, `application/fhir+json`, `image/png`, `application/vnd.apache.parquet`."""
    pieces: Callable[[], Iterable[Buffer]]
    """The record's bytes in pieces, from the start at each call, while the item's outcome is being handled."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the catalogue shows and searches: modality, body part, code, rows, columns, label ..."""
    actions: tuple[Action, ...] = ()
    edition: Edition | None = None
    """Of a resource that its source may change, where it says which edition this is."""
    patient: PatientNote | None = None
    """The patient's number, sealed; of a record of nobody's in particular, nothing."""
    same: tuple[tuple[bytes, bytes], ...] = ()
    """Persons whom the item says to be another: the digest of each, and of whom it is from now on."""
    parts: int = 1
    """The parts of the item that went into it: a resource, a message, a frame, the rows of a table."""
    of: int = 1
    """The parts of the item in all, counted before anything became of them: all its outcomes say the same."""


@dataclass(frozen=True)
class Origin:
    """The place that a held item came from, as far as it could be told: what a reviewer goes by where many wait."""

    series: str = ""
    """Pseudonym of its series."""
    modality: str = ""
    """A defined term of DICOM's, or `other`: whatever else stands there may be anything."""
    device: str = ""
    """Pseudonym of its device and the size of its pictures: of all that one rule of a profile blanks alike."""


@dataclass(frozen=True)
class Excerpt:
    """A part of an item, with what it is judged by: what a person decides about by itself."""

    name: str
    """What it is called within its file, which may tell who it is: `Observation/o9`."""
    content: bytes
    """An item of the same kind."""
    subjects: tuple[str, ...] = ()
    """Pseudonyms of the patients whose records are in it, also where the part itself is nobody's."""


@dataclass(frozen=True)
class Held:
    """An item that must not pass as it is."""

    code: str
    """The kind of reason, for instance `burned_in_text`, `no_pixel_data`, `damaged`."""
    reason: str
    """The reason in words, without any of the item's content."""
    releasable: bool
    """Whether a reviewer may let it through (`reviewed=True`); a damaged file can only be mended or rejected."""
    subjects: tuple[str, ...] = ()
    """Pseudonyms of all patients that it is about; none if that cannot be told."""
    regions: Rectangles = ()
    """Where a reviewer should look in an image: places, not what is written there."""
    origin: Origin = Origin()
    same: tuple[tuple[bytes, bytes], ...] = ()
    """As of `Clean`: what is said of numbers holds, whether the item passes or not."""
    parts: int = 1
    of: int = 1
    excerpt: Excerpt | None = None
    """The parts by themselves, if they can be decided about without the rest of the item."""
    record: str = ""
    """The id of the record that it would be, of what is held since that one is there with other content."""


NEVER_TAKEN = frozenset({"dicomdir", "encapsulated_document", "structured_report", "voice"})
"""Codes of what is never taken, whoever looks at it: it is counted, and no copy of it kept for a reviewer."""


@dataclass(frozen=True)
class PassedOver:
    """Parts of an item that are never taken, whatever they hold: nothing is kept of them but their number."""

    reason: str
    """Why, without any of the item's content: it goes into reports."""
    parts: int = 1
    of: int = 1


@dataclass(frozen=True)
class Finding:
    """Something in what would stay of an item that tells who its patient is: for the eyes of who reviews it alone.

    It is worked out from the item whenever it is asked for, and written down nowhere.
    """

    place: str
    """The element or field, for instance `(0018,0022) ScanOptions`."""
    word: str = field(repr=False)
    """What was found there, as it stands."""
    certain: bool
    """False of a short word or number, which may be met by chance."""


Outcome = Clean | Held | PassedOver


class Deidentifier(Protocol):
    """De-identifies the items of one kind, for one project, by one profile."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """De-identify `item` into one or several records, or a `Held`; bad bytes raise nothing, they are `Held`.

        `reviewed` says that a person looked at it and found no identifier where no program can look (its pixels). What
        the program itself finds is then removed, but for the places that the person keeps (`Item.keep`).
        """
        ...

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """List what would stay of an item and tells who its patient is; nothing of one that cannot be read."""
        ...


@runtime_checkable
class Parted(Protocol):
    """De-identifies items of many parts, some of which can stand by themselves."""

    def excerpts(self, item: Item, records: Container[str]) -> Iterator[tuple[str, Excerpt]]:
        """The parts of an item that make some records, each with the record's id."""
        ...
