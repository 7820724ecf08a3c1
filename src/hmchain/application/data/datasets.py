"""A hospital's datasets, as its catalogue has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from hmchain.application.data.received import Act, is_over, require_allowed
from hmchain.application.data.registered import require_as_registered
from hmchain.application.site.hospital import Records
from hmchain.records.catalogue import ActionCount, Dataset, RecordEntry, UnknownVersionError, Version
from hmchain.records.catalogue.accounts import Account


@dataclass(frozen=True)
class Hit:
    """A record that a search found."""

    dataset: str
    version: int
    record: str


@dataclass(frozen=True)
class Description:
    """A version of a dataset, and what was done to its records."""

    version: Version
    dataset: Dataset
    duplicates: int
    """Records that its sources gave twice."""
    actions: tuple[ActionCount, ...]
    """Deeds of de-identification, by element."""
    entries: tuple[RecordEntry, ...]
    """The first of its records."""
    account: Account = field(default_factory=Account)
    """What the files of its sources are now."""
    kind: str = ""
    """Of its items, where all are of one."""


def versions(records: Records) -> tuple[Version, ...]:
    """All versions of all datasets."""
    catalogue = records.catalogue
    return tuple(version for entry in catalogue.datasets() for version in catalogue.versions(entry.name))


def search(records: Records, words: str) -> tuple[Hit, ...]:
    """The records whose entries have all of `words`; none that came by a grant which is over."""
    hits = [Hit(*hit) for hit in records.catalogue.search(words)]
    over = {name for name in {hit.dataset for hit in hits} if is_over(records, name)}
    return tuple(hit for hit in hits if hit.dataset not in over)


def describe(records: Records, name: str, number: int | None, limit: int) -> Description:
    """A version, the newest unless `number` names one, with `limit` of its records.

    Raises `UnknownVersionError`, or `ChangedDatasetError` if it is not what it was registered as.
    """
    catalogue, version = records.catalogue, _as_registered(records, name, number)
    dataset = catalogue.dataset(name)
    assert dataset is not None, "a version belongs to a dataset"
    kinds = {kind for kind, _ in catalogue.media(name, version.number)}
    return Description(
        version,
        dataset,
        catalogue.duplicates(name, version.number),
        tuple(catalogue.actions(name, version.number)),
        tuple(islice(catalogue.records(name, version.number), limit)),
        catalogue.account(name, version.number),
        kinds.pop() if len(kinds) == 1 else "",
    )


def entry(records: Records, name: str, number: int | None, record: str) -> RecordEntry:
    """The catalogue's entry of one record. Raises as `describe`."""
    found = records.catalogue.record(name, _as_registered(records, name, number).number, record)
    if found is None:
        raise UnknownVersionError(f"dataset {name} has no such record", f"list its records: `hmchain data show {name}`")
    return found


def _as_registered(records: Records, name: str, number: int | None) -> Version:
    require_allowed(records, name, Act.LOOK)
    version = records.catalogue.version(name, number)
    require_as_registered(records, version)
    return version
