"""Check that a registered version is still what it was registered as; nobody relies on one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from hmchain.application.consent.usable import Usable, UseKind, usable_now
from hmchain.application.data.derivation import way_on
from hmchain.application.site.hospital import Records
from hmchain.errors import AuditError, InputError
from hmchain.records.catalogue import Version
from hmchain.records.catalogue.descriptions import about, descriptions
from hmchain.records.vault import MissingRecordError, VersionClosedError

_HINT = "restore vault and catalogue from a backup, or publish a new version"


class ErasedVersionError(InputError):
    """Records of a registered version were erased, so nothing can be checked against its root."""

    code = "version_erased"


class NothingUsableError(InputError):
    """No record of a version may be used for what is asked."""

    code = "nothing_usable"

    @classmethod
    def of(cls, version: Version, found: Usable) -> NothingUsableError:
        """The error of a version, with the reasons."""
        why = "; ".join(f"{count} since {reason}" for reason, count in found.reasons.items()) or "it has none"
        what = f"no record of dataset {version.dataset} version {version.number} may be used: {why}"
        return cls(what, f"`hmchain consent check {version.dataset}` shows what may be used for what")


class ConsentsChangedError(InputError):
    """While records were handed on, some of them became such that may not be."""

    code = "consents_changed"


def require_still_usable(records: Records, found: Usable, kind: UseKind, hint: str) -> None:
    """Raise `ConsentsChangedError`, with a way out, unless the same records may be used as when it was begun."""
    if usable_now(records, found.dataset, found.version, kind).stamp != found.stamp:
        what = f"meanwhile patients said otherwise which records of {found.dataset} may be used"
        raise ConsentsChangedError(what, hint)


class ChangedDatasetError(AuditError):
    """Records are not those that the version was registered with."""

    code = "dataset_changed"


@dataclass(frozen=True)
class ChangedVersion:
    """A registered version that is not what it was registered as."""

    dataset: str
    version: int
    what: str
    hint: str


def changes(records: Records, changed: Iterable[tuple[str, int]]) -> tuple[ChangedVersion, ...]:
    """All registered versions that are not what they were registered as, then others that the vault found `changed`."""
    found = []
    for dataset in records.catalogue.datasets():
        for version in records.catalogue.versions(dataset.name):
            try:
                require_as_registered(records, version)
            except ChangedDatasetError as error:
                found.append(ChangedVersion(version.dataset, version.number, error.what, error.hint))
    listed = {(each.dataset, each.version) for each in found}
    unlisted = (place for place in changed if place not in listed)
    found += [
        ChangedVersion(*place, f"version {place[1]} of dataset {place[0]} is not as it was fixed", _HINT)
        for place in unlisted
    ]
    return tuple(found)


def require_as_registered(records: Records, version: Version) -> None:
    """Raise `ChangedDatasetError` if vault or catalogue say something else of a fixed version than its root binds.

    No record is opened: rows, labels, patients, attributes and provenance are compared. With a record that was erased
    the vault has destroyed the key of the root; what is said of those that are left is compared still. A version is
    open if neither side has fixed it: then nothing is bound.
    """
    catalogue, place = records.catalogue, (version.dataset, version.number)
    if not version.closed and not records.vault.is_closed(*place):
        return
    try:
        root = records.vault.commitment(*place).root
    except VersionClosedError:
        if version.erased_ms is None:
            how = "has lost the key of its root, and the catalogue knows of no erasure"
            raise _changed(version, how, f"if an erasure was cut short, run it again; else {_HINT}") from None
    except MissingRecordError:
        raise _changed(version, "has no root in the vault") from None
    else:
        # A register that was cut short has fixed the vault's side alone.
        if version.erased_ms is not None or (version.closed and root != version.root):
            raise _changed(version, "is not as it was registered")
    unlike = records.vault.unlike(*place, descriptions(catalogue, *place), about(catalogue, *place))
    if "" in unlike and version.erased_ms is None:
        raise _changed(version, "is said to come from somewhere else than when it was registered")
    if wrong := [record for record in unlike if record]:
        raise _changed(version, f"has {len(wrong)} records of which something else is said than when it was registered")


def _changed(version: Version, how: str, hint: str = _HINT) -> ChangedDatasetError:
    return ChangedDatasetError(f"version {version.number} of dataset {version.dataset} {how}", hint)


def require_whole(version: Version) -> None:
    """Raise `ErasedVersionError` if records of a fixed version were erased."""
    if version.erased_ms is not None:
        day = datetime.fromtimestamp(version.erased_ms / 1000, UTC).date()
        name = version.dataset
        what = f"records of {name} version {version.number} were erased on {day}: no new study may use it"
        hint = f"what is left goes into the next version: {way_on(version)}; then register it"
        raise ErasedVersionError(what, hint)
