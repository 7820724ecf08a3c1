"""Write the records of a version into a folder, for use elsewhere in the hospital."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data.registered import require_as_registered
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.pipeline import clean_files

INDEX = "index.csv"


@dataclass(frozen=True)
class ExportedRecords:
    """Records that lie decrypted in a folder."""

    folder: Path
    records: int


def export(records: Records, version: Version, folder: Path, progress: Progress | None = None) -> ExportedRecords:
    """Write the records of a version into a folder, decrypted, with an index of what they are.

    The same call goes on where one was cut short. Raises `FolderInUseError` unless the folder is empty or new,
    `DiskFullError`, `ChangedDatasetError` if it is not what it was registered as, or an error of the vault.
    """
    require_as_registered(records, version)
    what = f"export of {records.folder.organisation}/{version.dataset} version {version.number}"
    about = Deed(What.EXPORT, dataset=version.dataset, version=version.number, where="folder")
    with recorded(records.folder.activity, about) as deed, clean_files.filled(folder, what):
        entries = list(records.catalogue.records(version.dataset, version.number))
        names = [clean_files.file_name(entry.record, entry.media_type) for entry in entries]
        clean_files.drop_others(folder, {*names, INDEX})
        for done, (entry, name) in enumerate(zip(entries, names, strict=True), 1):
            if not _is_written(folder / name, entry.size):
                clean_files.write(
                    folder / name, records.vault.get_stream(version.dataset, version.number, entry.record)
                )
            tell(progress, done, len(entries))
        clean_files.write(folder / INDEX, [_index(entries, names).encode()])
        deed.add(records=len(entries), bytes=version.size)
    return ExportedRecords(folder, len(entries))


def _is_written(path: Path, size: int) -> bool:
    """Tell whether an earlier run wrote a record; what a power cut left of it is shorter."""
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
