"""Each record as a file of its own, as it lies in the vault, and an index of what they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hmchain.application.data.exports.job import ExportForm, ExportJob, Written
from hmchain.application.data.exports.objects import COLUMNS, MEDIA_TYPE, described
from hmchain.records.catalogue import RecordEntry
from hmchain.records.pipeline import clean_files

INDEX = "index.csv"


def write(job: ExportJob) -> Written:
    """Write the files that an earlier run did not, drop those of records that were erased since, and the index."""
    names = [clean_files.file_name(entry.record, entry.media_type) for entry in job.entries]
    clean_files.drop_others(job.folder, {*names, INDEX})
    for done, (entry, name) in enumerate(zip(job.entries, names, strict=True), 1):
        if not _is_written(job.folder / name, entry.size):
            job.write(name, job.stream(entry))
        job.tell(done)
    _write_index(job, names)
    return Written(INDEX)


FORM = ExportForm(write)


def _is_written(path: Path, size: int) -> bool:
    """Tell whether an earlier run wrote a record; what a power cut left of it is shorter."""
    return path.exists() and path.stat().st_size == size


def _write_index(job: ExportJob, names: Sequence[str]) -> None:
    columns = sorted({name for entry in job.entries for name in entry.attributes} - {"label"})
    has_objects = any(entry.media_type == MEDIA_TYPE for entry in job.entries)

    def row(entry: RecordEntry, name: str) -> Sequence[str]:
        is_object = entry.media_type == MEDIA_TYPE
        said = described(job.folder / name) if is_object else [""] * len(COLUMNS) if has_objects else []
        return [name, entry.subject, entry.label, *said, *(entry.attributes.get(column, "") for column in columns)]

    head = ["file", "subject", "label", *(COLUMNS if has_objects else ()), *columns]
    job.write_table(INDEX, head, map(row, job.entries, names))
