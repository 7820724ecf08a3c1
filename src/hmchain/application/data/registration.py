"""Register a version of a dataset, and check later what was registered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data import cards, provenance, publication, record_proof
from hmchain.application.data.labels import LabelState, carry, state
from hmchain.application.data.publication import Publication, VersionCheck
from hmchain.application.data.received import Act, require_allowed, require_own
from hmchain.application.data.registered import require_whole
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, open_records, read_records
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data.datasets import RecordSchema, Schema
from hmchain.plain import Progress
from hmchain.records.catalogue import Version
from hmchain.records.quality import Finding


@dataclass(frozen=True)
class FixedVersion:
    """What was written of a version that is fixed for good."""

    card: Path
    provenance: Path
    findings: tuple[Finding, ...]
    """Of a look at all records."""
    labels: LabelState


@dataclass(frozen=True, kw_only=True)
class Registration(Publication):
    """A version that is fixed, what was written of it, and what the ledger says of it."""

    card: Path
    provenance: Path
    findings: tuple[Finding, ...]
    """Of a look at all records."""
    labels: LabelState


@dataclass(frozen=True)
class RegistrationPreview:
    """A version as it would be fixed."""

    version: Version
    labels: LabelState


@dataclass(frozen=True)
class WrittenCard:
    """The card of a version."""

    card: Path
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class WrittenProof:
    """A proof that a version holds a record, in a file for an auditor."""

    file: Path
    dataset: str
    version: int
    root: bytes | None


def preview(
    place: HospitalFolder,
    dataset: str,
    number: int | None = None,
    *,
    leave_waiting: bool = False,
    unlabelled: bool = False,
    passphrase: str | None = None,
) -> RegistrationPreview:
    """A version as `register` would fix it; its records have taken over the labels of the version before.

    Raises as `publication.require_fixable` and `open_records`.
    """
    with open_records(place, passphrase) as records:
        require_own(records, dataset, Act.REGISTER)
        version = records.catalogue.version(dataset, number)
        labels = carry(records, version)
    if not version.closed:
        publication.require_fixable(version, labels, leave_waiting=leave_waiting, unlabelled=unlabelled)
    return RegistrationPreview(version, labels)


def register(
    place: HospitalFolder,
    dataset: str,
    number: int | None = None,
    *,
    leave_waiting: bool = False,
    unlabelled: bool = False,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> Registration:
    """Fix a version for good, write its card and Provenance, and publish it at the hospital's node if it has one.

    The same call does what one that was cut short left undone. Of a version whose records were erased since, it tells
    the ledger so, if that is still to be told, and raises `ErasedVersionError`: nothing can use it. Raises as
    `publication.fix`, `publication.publish`, `cards.write_card` and `open_records`.
    """
    version, schema, kept = _fixed(place, dataset, number, leave_waiting, unlabelled, passphrase, progress)
    if schema is not None:
        said = publication.publish_at(place, version, schema, passphrase)
    else:
        publication.withdraw_at(place, [(version.dataset, version.number)], passphrase)
    require_whole(version)
    assert kept is not None
    return Registration(**vars(said), **vars(kept))


def fix(
    place: HospitalFolder,
    dataset: str,
    number: int | None = None,
    *,
    leave_waiting: bool = False,
    unlabelled: bool = False,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> FixedVersion:
    """Fix a version for good, and write its card and Provenance; `publication.publish` tells the ledger.

    Raises as `register`.
    """
    version, _, kept = _fixed(place, dataset, number, leave_waiting, unlabelled, passphrase, progress)
    require_whole(version)
    assert kept is not None
    return kept


def _fixed(
    place: HospitalFolder, dataset: str, number: int | None, leave_waiting: bool, unlabelled: bool,
    passphrase: str | None, progress: Progress | None,
) -> tuple[Version, Schema | RecordSchema | None, FixedVersion | None]:  # fmt: skip
    """The version, the form of its records if it has any, and what was written of it unless some were erased."""
    with open_records(place, passphrase) as records:
        version = publication.fix(records, dataset, number, leave_waiting=leave_waiting, unlabelled=unlabelled)
        schema = publication.schema_of(records, version) if version.records else None
        if version.erased_ms is not None:
            return version, schema, None
        card, assessment = cards.write_card(records, version, progress)
        written = provenance.write_of_version(records, version)
        return version, schema, FixedVersion(card, written, tuple(assessment.findings), state(records, version))


def write_card(
    records: Records, dataset: str, number: int | None = None, progress: Progress | None = None
) -> WrittenCard:
    """Look at all records of a version and write its card. Raises as `cards.write_card`."""
    require_allowed(records, dataset, Act.LOOK)
    page, assessment = cards.write_card(records, records.catalogue.version(dataset, number), progress)
    return WrittenCard(page, tuple(assessment.findings))


def verify(
    place: HospitalFolder,
    dataset: str,
    number: int | None = None,
    record: str | None = None,
    *,
    offline: bool = False,
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> VersionCheck:
    """Compare all records of a version, or `record`, with what was registered; unless `offline` on the ledger too.

    Raises as `publication.check` and `publication.anchor_at`.
    """
    with read_records(place, passphrase) as records:
        version = records.catalogue.version(dataset, number)
        anchor = None if offline else publication.anchor_at(place, version, passphrase)
        return publication.check(records, version, anchor, record, progress)


def to_withdraw(place: HospitalFolder, passphrase: str | None = None) -> tuple[tuple[str, int], ...]:
    """Datasets and versions that `withdraw` would have the ledger call withdrawn. Raises as `withdraw`."""
    with open_records(place, passphrase) as records:
        erased = publication.erased_versions(records)
    return tuple(publication.usable_at(place, erased, passphrase))


def withdraw(place: HospitalFolder, passphrase: str | None = None) -> tuple[tuple[str, int], ...]:
    """Have the ledger call all versions withdrawn of which records were erased; returns those that were not yet.

    Raises as `publication.withdraw_at` and `open_records`.
    """
    with open_records(place, passphrase) as records:
        erased = publication.erased_versions(records)
    with recorded(place.activity, Deed(What.WITHDRAW, role=_role(place))):
        return tuple(publication.withdraw_at(place, erased, passphrase))


def _role(place: HospitalFolder) -> str:
    """The role whose key the ledger is told with, if it is told."""
    return STEWARD if publication.node_in_network(place) else ""


def prove(
    records: Records, record: str, file: Path, dataset: str | None = None, number: int | None = None
) -> WrittenProof:
    """Prove to an auditor that a registered version holds a record, in a new file. Raises as `record_proof.prove`."""
    with recorded(records.folder.activity, Deed(What.PROVE, where="file")) as deed:
        made = record_proof.prove(records, record, dataset, number)
        require_own(records, made.proof.dataset, Act.FORWARD)
        record_proof.write(made, file)
        version = records.catalogue.version(made.proof.dataset, made.proof.version)
        deed.add(dataset=version.dataset, version=version.number, records=1, bytes=file.stat().st_size)
    return WrittenProof(file, version.dataset, version.number, version.root)
