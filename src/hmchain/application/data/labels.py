"""Labels that a hospital keeps apart from its images: a CSV file that says what each object or patient shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.site.hospital import Records
from hmchain.errors import DataError
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.tabulated import csv_lines

PATIENT, OBJECT = "patient", "object"
"""Names of the first column: the hospital's patient identifier, or a DICOM SOP Instance UID."""
LABEL_MAX = 80


class LabelFileError(DataError):
    """A file of labels cannot be read as one."""

    code = "label_file"


@dataclass(frozen=True)
class LabelCounts:
    """Counts of what came of a file of labels."""

    labels: dict[str, int]
    """Records by label, in order of the labels."""
    unlabelled: int
    """Records that no line is of."""
    unknown: int
    """Lines that are of no record here."""


def apply(records: Records, version: Version, path: Path) -> LabelCounts:
    """Label the records of an open version from a CSV file with the columns `patient` or `object`, and `label`.

    Raises `LabelFileError` or `VersionFixedError`; the labels are then as before.
    """
    dataset = records.catalogue.dataset(version.dataset)
    assert dataset is not None, "a version belongs to a dataset"
    pseudonyms = records.catalogue.projects.pseudonyms(dataset.project)
    column, labels = _read(path, pseudonyms)
    chosen: dict[str, str] = {}
    met: set[str] = set()
    for entry in records.catalogue.records(version.dataset, version.number):
        key = _key(entry, column)
        if key in labels:
            chosen[entry.record] = labels[key]
            met.add(key)
    records.catalogue.label(version.dataset, version.number, chosen)
    counts = dict(sorted(Counter(chosen.values()).items()))
    return LabelCounts(counts, version.records - len(chosen), len(labels) - len(met))


def _key(entry: RecordEntry, column: str) -> str:
    return entry.subject if column == PATIENT else entry.record


def _read(path: Path, pseudonyms: Pseudonyms) -> tuple[str, dict[str, str]]:
    """The first column's name, and the labels by pseudonym: what the file calls a patient goes no further."""
    labels: dict[str, str] = {}
    column = ""
    for number, line in csv_lines(path, LabelFileError):
        if not column:
            column = line[0].strip().lower()
            if column not in (PATIENT, OBJECT) or [name.strip().lower() for name in line[1:]] != ["label"]:
                hint = f"its first line must be '{PATIENT},label' or '{OBJECT},label' (an object's SOP Instance UID)"
                raise LabelFileError(f"{path} has other columns", hint)
            continue
        if len(line) != 2 or not (name := line[0].strip()) or not _is_label(label := line[1].strip()):
            raise LabelFileError(
                f"line {number} of {path} is no name and label", "write two values, with a comma between"
            )
        key = pseudonyms.subject(name) if column == PATIENT else pseudonyms.identifier("dicom", name)
        if labels.setdefault(key, label) != label:
            raise LabelFileError(f"line {number} of {path} contradicts an earlier one", "give each one label")
    if not labels:
        raise LabelFileError(f"{path} has no labels", f"write '{PATIENT},label', and a line for each patient")
    return column, labels


def _is_label(text: str) -> bool:
    return 0 < len(text) <= LABEL_MAX and text.isprintable()
