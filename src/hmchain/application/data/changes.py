"""Erase records and patients, and write records out for use elsewhere in the hospital."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data.registered import require_as_registered
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.plain import Progress
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.catalogue.optouts import OptOut
from hmchain.records.pipeline import clean_files, review
from hmchain.records.pipeline.extraction import is_quarantine

INDEX = "index.csv"


class NothingToEraseError(InputError):
    """No record is of what was given."""

    code = "nothing_to_erase"


class UnknownDatasetError(InputError):
    """The catalogue has no dataset of that name."""

    code = "no_such_dataset"


@dataclass(frozen=True)
class Erased:
    """What was destroyed."""

    records: int
    versions: tuple[tuple[str, int], ...]
    """Datasets and versions that had some; their roots can no longer be checked."""
    quarantined: int = 0
    """Items in quarantine that were about the patient."""
    cards: tuple[Path, ...] = ()
    """Dataset cards that told of them, and were deleted."""
    waiting: int = 0
    """Items in quarantine whose patients cannot be told: a person must reject those of the patient."""


@dataclass(frozen=True)
class Target:
    """A patient or a record, as it is named to commands: by one of these."""

    patient: str | None = None
    """The hospital's own identifier: for all projects, those to come too."""
    subject: str | None = None
    """A pseudonym: for its project alone."""
    record: str | None = None


def erase(records: Records, dataset: str | None, target: Target) -> Erased:
    """Destroy the keys of what is named, then the ciphertext, then what the catalogue says of it, and opt it out.

    A record is erased from all versions of `dataset`; a patient from every dataset, whichever is named. Opting out
    comes first, so that no extraction brings back what an erasure that was cut short has destroyed. Raises
    `NothingToEraseError` or `UnknownDatasetError`; nothing is changed then.
    """
    if dataset is not None and dataset not in (known := _dataset_names(records)):
        hint = f"the datasets are: {', '.join(known) or 'none yet'}"
        raise UnknownDatasetError(f"there is no dataset {dataset}", hint)
    if target.record is not None:
        if dataset is None:
            raise UnknownDatasetError("it is not said of which dataset the record is", "name the dataset")
        return _erase_record(records, dataset, target.record)
    return _erase_subjects(records, _subjects(records, target), target)


def opt_out(records: Records, target: Target) -> None:
    """Have later extractions pass over what is named; what is extracted already stays."""
    records.catalogue.opt_outs.add(_listed(records, target)[:1], now_ms())


def lift_opt_out(records: Records, target: Target) -> int:
    """Let later extractions take again what is named, however it was opted out; returns how many entries that took."""
    return records.catalogue.opt_outs.lift(_listed(records, target))


def _subjects(records: Records, target: Target) -> list[str]:
    """The pseudonyms of a patient: that which is given, or those of all projects."""
    if target.patient is None:
        return [target.subject] if target.subject else []
    catalogue = records.catalogue
    return [catalogue.pseudonyms(project).subject(target.patient) for project in catalogue.projects()]


def _listed(records: Records, target: Target) -> list[OptOut]:
    """What stands for a target in the list of those who opted out, the entry that is made of it first."""
    catalogue = records.catalogue
    if target.record is not None:
        return [catalogue.opt_outs.of_record(target.record)]
    by_pseudonym = [catalogue.opt_outs.of_subject(subject) for subject in _subjects(records, target)]
    return by_pseudonym if target.patient is None else [catalogue.opt_outs.of_patient(target.patient), *by_pseudonym]


def _erase_subjects(records: Records, subjects: list[str], target: Target) -> Erased:
    vault, catalogue = records.vault, records.catalogue
    held = [item for subject in subjects for item in catalogue.quarantine.of(subject)]
    if not held and not any(vault.holds_subject(each) or catalogue.has_subject(each) for each in subjects):
        hint = "compare the identifier; to keep out whom no record is of yet: hmchain data opt-out"
        raise NothingToEraseError("no record is of this patient", hint)
    opt_out(records, target)
    for item in held:
        review.forget(catalogue, vault, item)
    done = [vault.erase_subject(subject) for subject in subjects]
    versions = [version for subject in subjects for version in catalogue.forget(None, now_ms(), subject=subject)]
    cards = _drop_cards(records.folder, versions)
    waiting = len(catalogue.quarantine.of(""))
    return Erased(sum(each.records for each in done), tuple(sorted(versions)), len(held), cards, waiting)


def _erase_record(records: Records, dataset: str, record: str) -> Erased:
    catalogue, vault = records.catalogue, records.vault
    kept = {(name, number) for name, number in vault.versions() if name == dataset and vault.has(name, number, record)}
    listed = any(catalogue.record(dataset, version.number, record) for version in catalogue.versions(dataset))
    if not kept and not listed:
        raise NothingToEraseError(f"dataset {dataset} has no such record", "`hmchain data show` lists its records")
    opt_out(records, Target(record=record))
    count = vault.erase(dataset, record)
    versions = kept.union(catalogue.forget(dataset, now_ms(), record=record))
    return Erased(count, tuple(sorted(versions)), cards=_drop_cards(records.folder, versions))


def _dataset_names(records: Records) -> list[str]:
    """All datasets, in order; also those that a program put into the vault without a catalogue."""
    named = {entry.name for entry in records.catalogue.datasets()}
    return sorted(named | {name for name, _ in records.vault.versions() if not is_quarantine(name)})


def _drop_cards(place: HospitalFolder, versions: Iterable[tuple[str, int]]) -> tuple[Path, ...]:
    """Delete the cards of versions: they show labels and counts of what was erased. Returns those that there were."""
    dropped = []
    for name, number in sorted(versions):
        place.card_data(name, number).unlink(missing_ok=True)
        page = place.card(name, number)
        if page.exists():
            page.unlink()
            dropped.append(page)
    return tuple(dropped)


def export(records: Records, version: Version, folder: Path, progress: Progress | None = None) -> int:
    """Write the records of a version into a folder, decrypted, with an index of what they are; returns their number.

    The same call goes on where one was cut short. Raises `FolderInUseError` unless the folder is empty or new,
    `DiskFullError`, `ChangedDatasetError` if it is not what it was registered as, or an error of the vault.
    """
    require_as_registered(records, version)
    what = f"export of {records.folder.organisation}/{version.dataset} version {version.number}"
    with clean_files.filled(folder, what):
        entries = list(records.catalogue.records(version.dataset, version.number))
        names = [clean_files.file_name(entry.record, entry.media_type) for entry in entries]
        clean_files.drop_others(folder, {*names, INDEX})
        for done, (entry, name) in enumerate(zip(entries, names, strict=True), 1):
            if not _is_written(folder / name, entry.size):
                clean_files.write(
                    folder / name, records.vault.get_stream(version.dataset, version.number, entry.record)
                )
            if progress is not None:
                progress(done, len(entries))
        clean_files.write(folder / INDEX, [_index(entries, names).encode()])
    return len(entries)


def _is_written(path: Path, size: int) -> bool:
    """Whether an earlier run wrote a record; what a power cut left of it is shorter."""
    return path.exists() and path.stat().st_size == size


def _index(entries: Sequence[RecordEntry], names: Sequence[str]) -> str:
    columns = sorted({name for entry in entries for name in entry.attributes} - {"label"})
    with io.StringIO(newline="") as text:
        table = csv.writer(text)
        table.writerow(["file", "subject", "label", *columns])
        for entry, name in zip(entries, names, strict=True):
            table.writerow(
                [name, entry.subject, entry.label, *(entry.attributes.get(column, "") for column in columns)]
            )
        return text.getvalue()
