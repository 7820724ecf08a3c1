"""DICOM objects as a file set: folders of patients, studies and series, and a DICOMDIR that lists them (PS3.10 8)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.data.exports.job import ExportForm, ExportJob, Written, only
from hmchain.application.data.exports.objects import COLUMNS, MEDIA_TYPE, described
from hmchain.records.pipeline import clean_files

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DICOMDIR, INDEX = "DICOMDIR", "index.csv"
_STAGED = ".objects"
_REQUIRED = {"StudyDate": "19000101", "StudyTime": "000000", "StudyID": "1", "SeriesNumber": "1", "InstanceNumber": "1"}
"""What a record of a DICOMDIR must have (PS3.3 F.5), and what stands there if the object has it no longer."""


def write(job: ExportJob) -> Written:
    """Write the objects, then the DICOMDIR: viewers and PACS import the folder, or a disc of it."""
    from pydicom.fileset import FileSet

    staged = job.folder / _STAGED
    with clean_files.writing(staged):
        staged.mkdir(exist_ok=True)
    files, records = FileSet(), {}
    for done, entry in enumerate(job.entries, 1):
        path = staged / f"{entry.record}.dcm"
        clean_files.write(path, job.stream(entry))
        header = _header(path)
        files.add(header)
        records[str(header.SOPInstanceUID)] = entry.record
        job.tell(done)
    with clean_files.writing(job.folder):
        for pattern in ("PT*", DICOMDIR):  # of an earlier run
            for old in job.folder.glob(pattern):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        files.write(job.folder)
        top = job.folder.resolve()
        paths = {records[str(each.SOPInstanceUID)]: Path(each.path).resolve() for each in files}
        names = {record: path.relative_to(top).as_posix() for record, path in paths.items()}
        for record, name in names.items():  # the object itself for its header
            (staged / f"{record}.dcm").replace(job.folder / name)
        shutil.rmtree(staged)
    rows = [
        [name, entry.subject, entry.label, *described(job.folder / name)]
        for entry in job.entries
        for name in [names[entry.record]]
    ]
    job.write_table(INDEX, ["file", "subject", "label", *COLUMNS], rows)
    return Written(DICOMDIR)


FORM = ExportForm(write, only(MEDIA_TYPE, "DICOM objects"))


def _header(path: Path) -> Dataset:
    """The header of an object, with all that its record in the DICOMDIR needs."""
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True)
    for keyword, value in _REQUIRED.items():
        if not header.get(keyword):
            setattr(header, keyword, value)
    return header
