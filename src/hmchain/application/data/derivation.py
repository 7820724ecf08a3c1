"""Datasets that were made of others: images and rows to learn from say in the origin of each version of what."""

from __future__ import annotations

from hmchain.application.site.hospital import Records
from hmchain.records.catalogue import Version
from hmchain.records.prepared_rows import MEDIA_TYPE as ROWS


def made_of(version: Version) -> str | None:
    """The dataset that a version was made of; None for what was extracted."""
    return version.made_of and version.made_of[0]


def way_on(version: Version) -> str:
    """The command that puts into the next version what is left of this one."""
    if version.made_of is None:
        return f"`hmchain data extract SOURCE --into {version.dataset}`"
    return (
        f"`hmchain data prepare {version.made_of[0]} --into {version.dataset}`, with the options that it was made with"
    )


def copies(records: Records, dataset: str, record: str) -> list[tuple[str, str]]:
    """A record of a dataset and all that was made of it: datasets and ids of records, what was made last first.

    Images have the id of their record. Rows are made of all records of a patient and have the id of one: all rows of
    the patient are among them.
    """
    catalogue, reached = records.catalogue, [dataset]
    entries = [entry for entry in catalogue.datasets() if entry.form]
    for name in reached:  # grows
        made = (each.name for each in entries if any(made_of(v) == name for v in catalogue.versions(each.name)))
        reached += [each for each in made if each not in reached]
    found = (catalogue.record(dataset, each.number, record) for each in catalogue.versions(dataset))
    subjects = {entry.subject for entry in found if entry is not None and entry.subject}
    rows = [(name, each) for name in reached[1:] for each in sorted(_rows_of(records, name, subjects) - {record})]
    return [*rows, *((name, record) for name in reversed(reached))]


def _rows_of(records: Records, dataset: str, subjects: set[str]) -> set[str]:
    catalogue = records.catalogue
    return {
        entry.record
        for version in catalogue.versions(dataset)
        for entry in catalogue.records(dataset, version.number)
        if entry.media_type == ROWS and entry.subject in subjects
    }
