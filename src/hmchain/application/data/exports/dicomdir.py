"""DICOM objects as a file set: folders of patients, studies and series, and a DICOMDIR that lists them (PS3.10 8)."""

from __future__ import annotations

import csv
import io
import shutil

from hmchain.application.data.exports.job import ExportForm, ExportJob, Written
from hmchain.application.data.exports.objects import COLUMNS, described
from hmchain.records.deidentification.dicom.deidentifier import MEDIA_TYPE
from hmchain.records.pipeline import clean_files

DICOMDIR, INDEX = "DICOMDIR", "index.csv"
_SOURCES = ".objects"


def write(job: ExportJob) -> Written:
    """Write the objects, then the DICOMDIR: viewers and PACS import the folder, or a disc of it."""
    from pydicom.fileset import FileSet

    staged = job.folder / _SOURCES  # pydicom copies from here, and names the copies
    files = FileSet()
    places = {}
    for done, entry in enumerate(job.entries, 1):
        path = staged / f"{entry.record}.dcm"
        with clean_files.writing(path):
            staged.mkdir(exist_ok=True)
        clean_files.write(path, job.stream(entry))
        places[entry.record] = files.add(path)
        job.tell(done)
    with clean_files.writing(job.folder):
        for left in ("PT*", DICOMDIR):  # of an earlier run
            for path in job.folder.glob(left):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        files.write(job.folder)
    rows = []
    for entry in job.entries:
        name = str(places[entry.record].FileID).replace("\\", "/")
        rows.append([name, entry.subject, entry.label, *described(job.folder / name)])
    with clean_files.writing(staged):
        shutil.rmtree(staged, ignore_errors=True)
    job.write(INDEX, [_table(rows)])
    return Written(DICOMDIR)


FORM = ExportForm(write, MEDIA_TYPE, "DICOM objects")


def _table(rows: list[list[str]]) -> bytes:
    with io.StringIO(newline="") as text:
        table = csv.writer(text)
        table.writerow(["file", "subject", "label", *COLUMNS])
        table.writerows(rows)
        return text.getvalue().encode()
