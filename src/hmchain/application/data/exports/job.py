"""A job that every form of an export is given: the records of one version, and the folder that takes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.site.hospital import Records
from hmchain.errors import InputError
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline import clean_files


class ExportFormError(InputError):
    """The records of a version cannot be written in the form that is asked for."""

    code = "export_form"


@dataclass(frozen=True)
class Written:
    """The result of writing records in one form."""

    listing: str
    """The file in the folder that says what the others are."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever uses the files."""


@dataclass(frozen=True)
class ExportJob:
    """Records to write into a folder."""

    records: Records
    version: Version
    entries: tuple[RecordEntry, ...]
    folder: Path
    progress: Progress | None = None

    def stream(self, entry: RecordEntry) -> Iterator[bytes]:
        """Decrypt one record in pieces."""
        return self.records.vault.get_stream(self.version.dataset, self.version.number, entry.record)

    def content(self, entry: RecordEntry) -> bytes:
        """Decrypt one record."""
        return b"".join(self.stream(entry))

    def write(self, name: str, pieces: Iterable[Buffer]) -> None:
        """Write a file of the folder, whole or not at all; one that is there gives way."""
        clean_files.write(self.folder / name, pieces)

    def write_table(self, name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table of the folder: of tabs as BIDS has them if it is called .tsv, else CSV."""
        with io.StringIO(newline="") as text:
            table = csv.writer(text, "excel-tab", lineterminator="\n") if name.endswith(".tsv") else csv.writer(text)
            table.writerow(head)
            table.writerows(rows)
            self.write(name, [text.getvalue().encode()])

    def tell(self, done: int) -> None:
        """Say how many records are written."""
        tell(self.progress, done, len(self.entries))


Refusal = Callable[[Sequence[RecordEntry]], str]
"""Says why records cannot be written in a form; nothing if they can."""


def only(media_type: str, called: str) -> Refusal:
    """Refuse whatever is not of one type; `called` names that for people."""

    def refuses(entries: Sequence[RecordEntry]) -> str:
        found = {entry.media_type for entry in entries}
        return "" if found == {media_type} else f"it is for {called}, and there is {', '.join(sorted(found)) or 'none'}"

    return refuses


def anything(entries: Sequence[RecordEntry]) -> str:
    """Refuse nothing."""
    return ""


@dataclass(frozen=True)
class ExportForm:
    """One form that records can be written in."""

    write: Callable[[ExportJob], Written]
    refuses: Refusal = anything

    def require(self, name: str, version: Version, entries: Sequence[RecordEntry]) -> None:
        """Raise `ExportFormError` unless the form, called `name`, is for all of these records."""
        if reason := self.refuses(entries):
            what = f"dataset {version.dataset} cannot be written as {name}: {reason}"
            raise ExportFormError(what, f"leave --as out: `hmchain data export {version.dataset} --output DIR`")
