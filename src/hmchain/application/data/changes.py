"""Erase records and patients, and write records out for use elsewhere in the hospital."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data import files
from hmchain.application.data.folder import Records
from hmchain.errors import InputError
from hmchain.records.catalogue import Version
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.deidentification.pseudonyms import Pseudonyms

INDEX = "index.csv"


class NothingToEraseError(InputError):
    """No record is of what was given."""

    code = "nothing_to_erase"


@dataclass(frozen=True)
class Erased:
    """What was destroyed."""

    records: int
    versions: tuple[tuple[str, int], ...]
    """Datasets and versions that had some; their roots can no longer be checked."""
    waiting: int = 0
    """Items in quarantine, as they came: whose they are is not known, so a person must reject those of the patient."""


def subject_of(records: Records, dataset: str, patient: str) -> str:
    """The pseudonym that a patient has in a dataset, from the identifier that the hospital knows the patient by."""
    found = records.catalogue.dataset(dataset)
    project = found.project if found else dataset
    return Pseudonyms(records.catalogue.project_key(project), project).subject(patient)


def erase_subject(records: Records, subject: str) -> Erased:
    """Destroy the keys of all records of a patient, then the ciphertext, then what the catalogue says of them.

    Raises `NothingToEraseError`.
    """
    done = records.vault.erase_subject(subject)
    listed = records.catalogue.forget(None, subject=subject)
    if not done.records and not listed:
        raise NothingToEraseError("no record is of this patient", "compare the identifier with `hmchain data show`")
    waiting = sum(held.state == PENDING for held in records.catalogue.held())
    return Erased(done.records, done.versions, waiting)


def erase_record(records: Records, dataset: str, record: str) -> Erased:
    """Destroy one record in all versions of a dataset. Raises `NothingToEraseError`."""
    versions = tuple(
        (dataset, version.number)
        for version in records.catalogue.versions(dataset)
        if records.vault.has(dataset, version.number, record)
    )
    count = records.vault.erase(dataset, record)
    listed = records.catalogue.forget(dataset, record=record)
    if not count and not listed:
        raise NothingToEraseError(f"dataset {dataset} has no such record", "`hmchain data show` lists its records")
    return Erased(count, versions)


def export(records: Records, version: Version, folder: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Write the records of a version into a folder, decrypted, with an index of what they are; returns their number.

    Raises `FolderInUseError` unless the folder is empty or new, `DiskFullError`, or an error of the vault.
    """
    files.new_folder(folder)
    entries = list(records.catalogue.records(version.dataset, version.number))
    columns = sorted({name for entry in entries for name in entry.attributes} - {"label"})
    with io.StringIO(newline="") as text:
        table = csv.writer(text)
        table.writerow(["file", "subject", "label", *columns])
        for done, entry in enumerate(entries, 1):
            name = files.file_name(entry.record, entry.media_type)
            files.write(folder / name, records.vault.get_stream(version.dataset, version.number, entry.record))
            table.writerow(
                [name, entry.subject, entry.label, *(entry.attributes.get(column, "") for column in columns)]
            )
            if progress is not None:
                progress(done, len(entries))
        files.write(folder / INDEX, [text.getvalue().encode()])
    return len(entries)
