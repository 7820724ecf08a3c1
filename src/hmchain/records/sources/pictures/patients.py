"""The patients of pictures: a file of pixels does not say it, so the hospital does, by its folders or in a table.

What a patient is called goes no further than into the keyed pseudonym that is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hmchain.errors import DataError
from hmchain.records.sources.tabulated import csv_lines

_COLUMNS = ["file", "patient"]


class PatientFileError(DataError):
    """A table of patients cannot be read as one."""

    code = "patient_file"


@dataclass(frozen=True, repr=False)
class Patients:
    """Tells whose a file is."""

    table: Mapping[str, str] | None = None
    """The patient of each file, by its path in the folder or archive; None: each folder is a patient's."""

    def of(self, file: str, folder: str) -> str:
        """The patient of a file; nothing if nobody says it."""
        return folder if self.table is None else self.table.get(file, "")

    @property
    def unsaid(self) -> str:
        """Say why it is not known whose a file is."""
        return "in no patient's folder" if self.table is None else "of no patient in the table"


def read_patient_table(path: Path) -> Patients:
    """Read a CSV file with the columns `file` and `patient`. Raises `PatientFileError`, without a line's content."""
    patients: dict[str, str] = {}
    lines = csv_lines(path, PatientFileError)
    _, header = next(lines, (0, []))
    if [name.strip().lower() for name in header] != _COLUMNS:
        raise PatientFileError(f"{path} has other columns", "its first line must be 'file,patient'")
    for number, line in lines:
        file, patient = (each.strip() for each in line) if len(line) == len(_COLUMNS) else ("", "")
        if not file or not patient:
            hint = "write two values, with a comma between"
            raise PatientFileError(f"line {number} of {path} is no file and patient", hint)
        file = PurePosixPath(file.replace("\\", "/")).as_posix()  # without a leading ./
        if patients.setdefault(file, patient) != patient:
            raise PatientFileError(f"line {number} of {path} contradicts an earlier one", "give each file one patient")
    if not patients:
        raise PatientFileError(f"{path} names no patient", "write a line for each file")
    return Patients(patients)
