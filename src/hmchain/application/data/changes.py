"""Erase records and patients, and write records out for use elsewhere in the hospital."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data.folder import Records
from hmchain.errors import InputError
from hmchain.records.catalogue import Version
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.objects import DiskFullError

_SUFFIXES = {
    "application/dicom": ".dcm",
    "application/fhir+json": ".json",
    "application/vnd.apache.parquet": ".parquet",
    "image/png": ".png",
    "text/csv": ".csv",
    "x-application/hl7-v2+er7": ".hl7",
}
INDEX = "index.csv"


class NothingToEraseError(InputError):
    """No record is of what was given."""

    code = "nothing_to_erase"


class FolderInUseError(InputError):
    """The folder to write to holds something."""

    code = "folder_in_use"


@dataclass(frozen=True)
class Erased:
    """What was destroyed."""

    records: int
    versions: tuple[tuple[str, int], ...]
    """Datasets and versions that had some; their roots can no longer be checked."""


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
    return Erased(done.records, done.versions)


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

    Raises `FolderInUseError` unless the folder is empty or new, or an error of the vault.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUseError(f"{folder} is not empty", "give the name of a new folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = list(records.catalogue.records(version.dataset, version.number))
    columns = sorted({name for entry in entries for name in entry.attributes} - {"label"})
    try:
        with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["file", "subject", "label", *columns])
            for done, entry in enumerate(entries, 1):
                name = entry.record + suffix_of(entry.media_type)
                _write(records, version, entry.record, folder / name)
                table.writerow(
                    [name, entry.subject, entry.label, *(entry.attributes.get(column, "") for column in columns)]
                )
                if progress is not None:
                    progress(done, len(entries))
    except OSError as error:
        raise DiskFullError(f"{folder} cannot be written", "check its owner and the free space") from error
    return len(entries)


def suffix_of(media_type: str) -> str:
    """How the name of a file with such a record ends."""
    return _SUFFIXES.get(media_type, ".bin")


def _write(records: Records, version: Version, record: str, path: Path) -> None:
    with path.open("wb") as file:
        for piece in records.vault.get_stream(version.dataset, version.number, record):
            file.write(piece)
