"""Write the records of a version into a folder, for use elsewhere in the hospital."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hmchain.application.consent.usable import UseKind, usable_now
from hmchain.application.data.exports import bids, dicomdir, ndjson, omop, one_file_each
from hmchain.application.data.exports.job import ExportForm, ExportJob
from hmchain.application.data.received import Act, require_allowed
from hmchain.application.data.registered import NothingUsableError, require_as_registered, require_still_usable
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress
from hmchain.records.catalogue import Version
from hmchain.records.pipeline import clean_files

Form = Literal["files", "dicomdir", "bids", "ndjson", "omop"]
"""How records are written: one file each with an index, DICOM as a file set or (MR) as NIfTI in the layout of BIDS,
FHIR resources as a bulk export has them, or OMOP's tables."""

FORMS: Mapping[Form, ExportForm] = {
    "files": one_file_each.FORM,
    "dicomdir": dicomdir.FORM,
    "bids": bids.FORM,
    "ndjson": ndjson.FORM,
    "omop": omop.FORM,
}


@dataclass(frozen=True)
class ExportedRecords:
    """Records that lie decrypted in a folder."""

    folder: Path
    records: int
    form: Form
    listing: str
    """The file in the folder that says what the others are."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever uses the files."""


def export(
    records: Records, version: Version, folder: Path, progress: Progress | None = None, form: Form = "files"
) -> ExportedRecords:
    """Write the records of a version into a folder, decrypted, with a list of what they are.

    The same call goes on where one was cut short. Raises `FolderInUseError` unless the folder is empty or new,
    `SharedPlaceError` in the members' store, `ExportFormError` if records have another form, `DiskFullError`,
    `ChangedDatasetError` if it is not what it was registered as, `ConsentsChangedError` if fewer may be exported when
    it is done, or an error of the vault.
    """
    require_allowed(records, version.dataset, Act.EXPORT)
    records.folder.require_apart(folder)
    require_as_registered(records, version)
    what = f"export of {records.folder.organisation}/{version.dataset} version {version.number}"
    what += "" if form == "files" else f" as {form}"
    of = usable_now(records, version.dataset, version.number, UseKind.EXPORT)
    found = list(records.catalogue.records(version.dataset, version.number))
    entries = tuple(entry for entry in found if entry.record in of.records)
    if found and not entries:
        raise NothingUsableError.of(version, of)
    what += f", of the records with the mark {of.stamp.hex()[:8]}" if of.left_out else ""
    FORMS[form].require(form, version, entries)
    about = Deed(What.EXPORT, dataset=version.dataset, version=version.number, where="folder")
    with recorded(records.folder.activity, about) as deed, clean_files.filled(folder, what):
        written = FORMS[form].write(ExportJob(records, version, entries, folder, progress))
        deed.add(records=len(entries), bytes=sum(entry.size for entry in entries))
        hint = f"delete {folder}: it holds records of who withdrew; then export into a new folder"
        require_still_usable(records, of, UseKind.EXPORT, hint)
    notes = written.notes + tuple(of.sentences)
    if version.held:
        waiting = "item waits" if version.held == 1 else "items wait"
        notes += (f"Not among them: {version.held:,} {waiting} in quarantine: `hmchain data quarantine list`",)
    return ExportedRecords(folder, len(entries), form, written.listing, notes)
