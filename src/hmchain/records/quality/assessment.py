"""All checks over a version of a dataset, in one pass; memory grows by some bytes a record, whatever is in them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from hmchain.plain import Progress, tell
from hmchain.records.pictures.decode import NotAnImageError
from hmchain.records.pictures.duplicates import THRESHOLD, Duplicates, Group
from hmchain.records.pictures.pixels import DICOM_TYPE, to_pixels
from hmchain.records.prepared_rows import MEDIA_TYPE as ROWS
from hmchain.records.quality.findings import ERROR, INFO, WARNING, Finding, Tally
from hmchain.records.quality.images import ImageChecks, Size
from hmchain.records.quality.labels import LabelChecks
from hmchain.records.quality.values import Rule, ValueChecks

INSPECTED_BYTES_MAX = 256 << 20
"""Larger records are counted, not looked into: their pixels would not fit into memory."""

_SIDE = 128  # pixels: what images are looked at in
_TABLE, _FHIR = "application/vnd.apache.parquet", "application/fhir+json"
_SEVERITIES = (ERROR, WARNING, INFO)


@dataclass(frozen=True)
class Sample:
    """One record to look at."""

    record: str
    media_type: str
    size: int
    """Bytes."""
    read: Callable[[], bytes] = field(repr=False)
    label: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Assessment:
    """The quality of a dataset's records."""

    records: int = 0
    images: int = 0
    """Records whose image could be read."""
    labels: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[Size, int] = field(default_factory=dict)
    """Images by rows and columns."""
    intensities: tuple[int, ...] = ()
    """Pixels in equal ranges from black to white, of images brought to 128 x 128."""
    missing: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By attribute or column: how many records or rows lack it, and of how many."""
    copies: tuple[Group, ...] = ()
    """Groups of records of the same content."""
    near_copies: tuple[Group, ...] = ()
    """Groups of images that are nearly the same: a split must not part them."""
    findings: tuple[Finding, ...] = ()
    """The gravest first."""


def assess(
    samples: Iterable[Sample],
    *,
    rules: tuple[Rule, ...] = (),
    threshold: float = THRESHOLD,
    count: int | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Look at all records, so many in `count` if that is known."""
    images, labels, values = ImageChecks(), LabelChecks(), ValueChecks(rules)
    damaged, large = Tally(), Tally()
    done = 0
    with Duplicates(threshold) as duplicates:
        for done, sample in enumerate(samples, start=1):
            labels.add(sample.record, sample.label)
            if sample.media_type != _TABLE:  # of tables the rules are for the columns
                values.add_attributes(sample.record, sample.attributes)
            if sample.size > INSPECTED_BYTES_MAX:
                large.add(sample.record)
            else:
                _look_into(sample, images, values, duplicates, damaged)
            tell(progress, done, count)
        copies, near, mixed = duplicates.exact(), duplicates.near(), duplicates.near_with_two_labels()
    findings = [
        *damaged.finding(ERROR, "damaged_record", "{} records cannot be read", "extract them again, or leave them out"),
        *images.findings(),
        *labels.findings(),
        *values.findings(),
        *_of_duplicates(copies, near, mixed),
        *large.finding(
            INFO,
            "not_inspected",
            f"{{}} records of more than {INSPECTED_BYTES_MAX >> 20} MiB were not looked into",
            "look at some of them by hand",
        ),
    ]
    findings.sort(key=lambda finding: _SEVERITIES.index(finding.severity))
    return Assessment(
        done,
        images.count,
        labels.labels,
        images.sizes,
        images.intensities if images.count else (),
        values.missing,
        tuple(copies),
        tuple(near),
        tuple(findings),
    )


def _look_into(
    sample: Sample, images: ImageChecks, values: ValueChecks, duplicates: Duplicates, damaged: Tally
) -> None:
    data = sample.read()
    grey = None
    try:
        if sample.media_type == _TABLE:
            values.add_table(sample.record, io.BytesIO(data))
        elif sample.media_type == _FHIR:
            values.add_resource(sample.record, data)
    except (ValueError, RecursionError):
        damaged.add(sample.record)
    if sample.media_type == DICOM_TYPE or sample.media_type.startswith("image/"):
        try:
            grey = to_pixels(data, sample.media_type, _SIDE, 1)[..., 0]
            images.add(sample.record, grey, _size(sample.attributes))
        except NotAnImageError:
            if sample.attributes.get("rows") or sample.media_type != DICOM_TYPE:  # structured reports have no pixels
                images.add_damaged(sample.record)
    if sample.media_type != ROWS:  # the rows of two patients may well be the same
        duplicates.add(sample.record, sample.label, sha256(data).digest(), grey)


def _size(attributes: Mapping[str, str]) -> Size | None:
    rows, columns = attributes.get("rows", ""), attributes.get("columns", "")
    return (int(rows), int(columns)) if rows.isdecimal() and columns.isdecimal() else None


def _of_duplicates(copies: list[Group], near: list[Group], mixed: list[Group]) -> list[Finding]:
    return [
        *_grouped(copies, WARNING, "copies", "have the same content as another", "leave all but one of each group out"),
        *_grouped(near, INFO, "near_copies", "look nearly the same as another", "splits keep each group on one side"),
        *_grouped(
            mixed,
            WARNING,
            "contradicting_labels",
            "look nearly the same and are labelled differently",
            "see which is right",
        ),
    ]


def _grouped(groups: list[Group], severity: str, code: str, what: str, hint: str) -> list[Finding]:
    tally = Tally()
    for group in groups:
        for record in group:
            tally.add(record)
    plural = "group" if len(groups) == 1 else "groups"
    return tally.finding(severity, code, f"{{}} records in {len(groups)} {plural} {what}", hint)
