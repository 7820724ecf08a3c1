"""Labels that a hospital keeps apart from its images: a CSV file that says what each object or patient shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.errors import DataError
from hmchain.records.catalogue import CarriedLabels, RecordEntry, Version
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.tabulated import csv_lines

PATIENT, OBJECT = "patient", "object"
"""Names of the first column: the hospital's patient identifier, or a DICOM SOP Instance UID."""
LABEL_MAX = 80
CLASSES_MIN, CLASS_IMAGES_MIN = 2, 2
"""From so many classes, each of so many images, something can be learnt."""


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


@dataclass(frozen=True)
class LabelState:
    """The labels of a version's records, beside those of the version before."""

    labelled: int
    unlabelled: int
    classes: tuple[str, ...]
    """Labels of so many records that something can be learnt of them."""
    before: int | None = None
    """Number of the version before, if it had labels."""
    classes_before: tuple[str, ...] = ()
    """Its `classes`."""
    carried: int = 0
    """Records that took over their label from it just now."""
    moved: int = 0
    """Records without a label that had one in it, when they were of another patient."""

    @property
    def records(self) -> int:
        """All records of the version."""
        return self.labelled + self.unlabelled

    @property
    def lost(self) -> bool:
        """True if nothing can be learnt of this version, and something could of the one before."""
        return len(self.classes) < CLASSES_MIN <= len(self.classes_before)


def carry(records: Records, version: Version) -> LabelState:
    """Let records of an open version take over the labels that they had in the version before; a fixed one stays."""
    before = _before(records, version)
    carried = CarriedLabels(0, 0)
    if before is not None and not version.closed:
        carried = records.catalogue.carry_labels(version.dataset, version.number, before)
    return _state(records, version, before, carried)


def state(records: Records, version: Version) -> LabelState:
    """Say which records of a version are labelled."""
    return _state(records, version, _before(records, version), CarriedLabels(0, 0))


def _state(records: Records, version: Version, before: int | None, carried: CarriedLabels) -> LabelState:
    counts = records.catalogue.labels(version.dataset, version.number)
    former = {} if before is None else records.catalogue.labels(version.dataset, before)
    unlabelled, had_labels = counts.pop("", 0), any(former)
    return LabelState(
        sum(counts.values()), unlabelled, _classes(counts), before if had_labels else None, _classes(former),
        carried.records, carried.moved,
    )  # fmt: skip


def _classes(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(label for label, count in counts.items() if label and count >= CLASS_IMAGES_MIN)


def _before(records: Records, version: Version) -> int | None:
    numbers = [each.number for each in records.catalogue.versions(version.dataset) if each.number < version.number]
    return numbers[-1] if numbers else None


def apply(records: Records, version: Version, path: Path) -> LabelCounts:
    """Label the records of an open version from a CSV file with the columns `patient` or `object`, and `label`.

    Raises `LabelFileError` or `VersionFixedError`; the labels are then as before.
    """
    about = Deed(What.LABEL, dataset=version.dataset, version=version.number)
    with recorded(records.folder.activity, about) as deed:
        counts = _apply(records, version, path)
        deed.add(records=sum(counts.labels.values()))
    return counts


def _apply(records: Records, version: Version, path: Path) -> LabelCounts:
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
        if len(line) != 2 or not (name := line[0].strip()) or not is_label(label := line[1].strip()):
            raise LabelFileError(
                f"line {number} of {path} is no name and label", "write two values, with a comma between"
            )
        key = pseudonyms.subject(name) if column == PATIENT else pseudonyms.identifier("dicom", name)
        if labels.setdefault(key, label) != label:
            raise LabelFileError(f"line {number} of {path} contradicts an earlier one", "give each one label")
    if not labels:
        raise LabelFileError(f"{path} has no labels", f"write '{PATIENT},label', and a line for each patient")
    return column, labels


def is_label(text: str) -> bool:
    """Tell whether a text can be a label: short, and printable."""
    return 0 < len(text) <= LABEL_MAX and text.isprintable()
