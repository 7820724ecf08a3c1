"""What becomes of a record whose id is taken: nothing new, the place of the other, or a person's decision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256

from hmchain.records.deidentification.outcome import Clean, Edition
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline.workers import SealedRecord
from hmchain.records.vault import Vault


@dataclass(frozen=True)
class Known:
    """A record that is listed already."""

    edition: Edition | None
    label: str
    is_catalogued: bool
    """Whether by an item before this one."""

    def is_superseded_by(self, clean: Clean) -> bool:
        """Whether `clean` is made of a later edition."""
        return bool(self.edition and clean.edition and clean.edition.is_after(self.edition))

    def supersedes(self, clean: Clean) -> bool:
        """Whether `clean` is made of an earlier edition."""
        return bool(self.edition and clean.edition and self.edition.is_after(clean.edition))


class Place(Enum):
    """Where a record goes in the vault."""

    NEW = auto()
    SAME = auto()
    """It is there."""
    REPLACING = auto()
    """Into the place of another one of its id, which is gone."""
    REFUSED = auto()
    """Another one of its id is there, and stays."""

    @property
    def is_free(self) -> bool:
        """Whether the record is to be put."""
        return self in (Place.NEW, Place.REPLACING)


def make_place(
    vault: Vault,
    dataset: str,
    version: int,
    found: Clean | SealedRecord,
    content: Iterable[Buffer],
    known: Known | None,
    *,
    replacing: bool,
) -> Place:
    """Find the place of a record, and withdraw from the vault another one of its id that must make way for it.

    `content` is that of a record which is not sealed; it is read only if the vault has one of this id. One that is not
    listed makes way: a run that was cut short left it. `replacing` says that any does. Raises `VersionClosedError` if
    the version is committed to.
    """
    clean = found.clean if isinstance(found, SealedRecord) else found
    if not vault.has(dataset, version, clean.record):
        return Place.NEW
    if _is_there(vault, dataset, version, found, content):
        return Place.SAME
    if replacing or known is None or known.is_superseded_by(clean):
        vault.withdraw(dataset, version, clean.record)
        return Place.REPLACING
    return Place.REFUSED


def _is_there(vault: Vault, dataset: str, version: int, found: Clean | SealedRecord, content: Iterable[Buffer]) -> bool:
    """Whether the vault has the very content of a record under its id."""
    if isinstance(found, SealedRecord):
        return vault.holds(dataset, version, found.clean.record, found.sealed)
    return _sha256(vault.get_stream(dataset, version, found.record)) == _sha256(content)


def _sha256(pieces: Iterable[Buffer]) -> bytes:
    hasher = sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()
