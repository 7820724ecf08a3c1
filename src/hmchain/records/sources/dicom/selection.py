"""Selections of studies: by patient, date, description and modality."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from hmchain.errors import InputError

_MODALITY = re.compile(r"[A-Z0-9_]{1,16}")
_DATE = re.compile(r"\d{8}")


class SelectionError(InputError):
    """A selection is not said in a way that can be followed."""

    code = "selection"


@dataclass(frozen=True)
class Selection:
    """Conditions on what is taken; what they do not name is not looked at."""

    modalities: frozenset[str] = frozenset()
    """DICOM's codes, for instance `MR` and `CT`; none: all."""
    since: date | None = None
    """First study date that is taken."""
    until: date | None = None
    """Last study date that is taken."""
    description: str = ""
    """Of the study, with `*` and `?`, whatever the case; nothing: any."""
    patients: frozenset[str] | None = field(default=None, repr=False)
    """Patient IDs as the hospital has them; None: all."""

    def __post_init__(self) -> None:
        for modality in sorted(self.modalities):
            if not _MODALITY.fullmatch(modality):
                raise SelectionError(f"{modality!r} is no modality", "give DICOM's code in capitals, for instance MR")
        if self.since and self.until and self.since > self.until:
            raise SelectionError(f"no date is from {self.since} to {self.until}", "give the earlier date first")
        if self.patients is not None and not self.patients:
            raise SelectionError("the list of patients is empty", "give one patient ID a line")

    @property
    def everything(self) -> bool:
        """Tell whether nothing is left out."""
        return self == Selection()

    @property
    def study_dates(self) -> str:
        """The dates as a range to query by (PS3.4 C.2.2.2.5.1), or nothing."""
        if not self.since and not self.until:
            return ""
        return f"{_written(self.since, '')}-{_written(self.until, '')}"

    def takes_study(self, patient: str, study_date: str, description: str) -> bool:
        """Tell whether a study is taken. One without a date, a description or a patient ID fails a condition on it."""
        if self.patients is not None and patient.strip() not in self.patients:
            return False
        if self.since or self.until:
            # DICOM writes dates as 20260131, and in its oldest files as 2026.01.31: both sort as text once joined
            day = study_date.strip().replace(".", "")
            first, last = _written(self.since, "00000000"), _written(self.until, "99999999")
            if not _DATE.fullmatch(day) or not first <= day <= last:
                return False
        return not self.description or fnmatchcase(description.strip().casefold(), self.description.casefold())

    def takes_series(self, modality: str) -> bool:
        """Tell whether a series of a study that is taken is taken too."""
        return not self.modalities or modality.strip() in self.modalities


def _written(day: date | None, otherwise: str) -> str:
    return day.isoformat().replace("-", "") if day else otherwise


EVERYTHING = Selection()


def read_patients(path: Path) -> frozenset[str]:
    """Read a list of patient IDs, one a line; empty lines and lines that begin with `#` are left out.

    Raises `SelectionError` if it cannot be read or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SelectionError(f"the list of patients {path} cannot be read", "give a text file in UTF-8") from error
    patients = frozenset(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not patients:
        raise SelectionError(f"the list of patients {path} is empty", "give one patient ID a line")
    return patients
