"""MR as NIfTI in the layout of BIDS 1.10: dcm2niix converts each series, its words and numbers say what it is.

What cannot be told (a localizer, a derived map) lies under `sourcedata/unclassified`, where BIDS lets anything lie.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hmchain.application.data.exports.job import ExportForm, ExportFormError, ExportJob, Written, only
from hmchain.application.data.exports.objects import MEDIA_TYPE, described
from hmchain.files import write_whole
from hmchain.records.pipeline import clean_files

DESCRIPTION, PARTICIPANTS, SCANS = "dataset_description.json", "participants.tsv", "scans.tsv"
_WORK = ".series"
_LABEL_LETTERS, _ACQUISITION_LETTERS = 12, 24
_SECONDS = 1800
_FUNCTIONAL = re.compile(r"bold|fmri|rest|task|ep2d_(?!diff)|fe_epi", re.IGNORECASE)
_ANATOMY = (
    ("FLAIR", re.compile(r"flair|tirm.*dark|darkfluid", re.IGNORECASE)),
    ("T2star", re.compile(r"t2\s*\*|t2star|swi|hemo", re.IGNORECASE)),
    ("T1w", re.compile(r"\bt1|_t1|t1_|mprage|bravo|fspgr|tfl3d", re.IGNORECASE)),
    ("T2w", re.compile(r"\bt2|_t2|t2_", re.IGNORECASE)),
    ("PDw", re.compile(r"\bpd\b|pd_|proton", re.IGNORECASE)),
)


@dataclass(frozen=True)
class _Image:
    """One image that dcm2niix made, and what it is."""

    nifti: Path
    folder: str = ""
    suffix: str = ""
    """Nothing if that cannot be told."""
    task: str = ""


def write(job: ExportJob) -> Written:
    """Convert series by series, then write who the participants are."""
    work = job.folder / _WORK
    with clean_files.writing(work):
        for earlier in (work, *job.folder.glob("sub-*"), job.folder / "sourcedata"):
            shutil.rmtree(earlier, ignore_errors=True)
        work.mkdir()
    series: defaultdict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for done, entry in enumerate(job.entries, 1):
        path = work / f"{entry.record}.dcm"
        clean_files.write(path, job.stream(entry))
        study, uid, *_ = described(path)
        series[entry.subject, study, uid].append(path)
        job.tell(done)
    visits = _visits(series)
    scans = [row for key, paths in sorted(series.items()) for row in _convert(job.folder, key, sorted(paths), visits)]
    with clean_files.writing(work):
        shutil.rmtree(work)
    if not scans:
        raise ExportFormError("dcm2niix makes no image of these objects", "export them as DICOM: --as dicomdir")
    subjects = sorted({key[0] for key in series})
    job.write(DESCRIPTION, [_json({"Name": job.version.dataset, "BIDSVersion": "1.10.0", "DatasetType": "raw",
                                   "GeneratedBy": [{"Name": "FL-HMChain"}, {"Name": "dcm2niix"}]})])  # fmt: skip
    people = [[f"sub-{_label(each)}", each] for each in subjects]
    job.write_table(PARTICIPANTS, ["participant_id", "subject"], people)
    job.write_table(SCANS, ["file", "subject", "study", "series"], scans)
    left = sum("unclassified" in row[0] for row in scans)
    note = (f"{left} of {len(scans)} images lie under sourcedata/unclassified: what they are cannot be told",)
    return Written(DESCRIPTION, note if left else ())


FORM = ExportForm(write, only(MEDIA_TYPE, "DICOM objects"))


def _visits(series: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], int]:
    """The number of each study among those of its subject."""
    studies: defaultdict[str, list[str]] = defaultdict(list)
    for subject, study in sorted({key[:2] for key in series}):
        studies[subject].append(study)
    return {(subject, study): at for subject, known in studies.items() for at, study in enumerate(known, 1)}


def _convert(
    folder: Path, key: tuple[str, str, str], paths: list[Path], visits: Mapping[tuple[str, str], int]
) -> Iterator[list[str]]:
    """The images of one series, each in its place; a row for each."""
    subject, study, uid = key
    work = paths[0].parent / "one"
    shutil.rmtree(work, ignore_errors=True)
    (work / "in").mkdir(parents=True)
    for path in paths:
        path.rename(work / "in" / path.name)
    words = described(next((work / "in").iterdir()))[3:]
    for made in _images(work, " ".join(words)):
        place = _place(folder, subject, visits[subject, study], words[-1], made)
        stem = made.nifti.name.removesuffix(".nii.gz")
        for file in sorted(made.nifti.parent.glob(f"{stem}.*")):
            ending = file.name.removeprefix(stem)
            with clean_files.writing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                file.rename(place.with_name(place.name + ending))
        yield [str(place.relative_to(folder)) + ".nii.gz", subject, study, uid]
    shutil.rmtree(work)


def _images(work: Path, text: str) -> Iterator[_Image]:
    """Run dcm2niix on one series, and tell what each image is."""
    (work / "out").mkdir()
    command = [_program(), "-b", "y", "-ba", "y", "-z", "y", "-f", "%s_%d", "-o", str(work / "out"), str(work / "in")]
    # What it prints has descriptions of series: it is not shown. An image that it does not make is counted as missing.
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=False)
    for nifti in sorted((work / "out").glob("*.nii.gz")):
        name = nifti.name.removesuffix(".nii.gz")
        sidecar = nifti.with_name(f"{name}.json")
        told: dict[str, Any] = json.loads(sidecar.read_bytes()) if sidecar.exists() else {}
        words = f"{text} {told.get('SeriesDescription', '')} {told.get('ProtocolName', '')}"
        derived = "DERIVED" in told.get("ImageType", [])
        if (nifti.with_name(f"{name}.bval")).exists():
            yield _Image(nifti, "dwi", "dwi")
        elif derived or told.get("Modality", "MR") != "MR":
            yield _Image(nifti)
        elif _volumes(nifti) > 1 and (_FUNCTIONAL.search(words) or "EP" in str(told.get("ScanningSequence", ""))):
            _add_task(sidecar, told)
            yield _Image(nifti, "func", "bold", "task-unknown")
        else:
            suffix = next((suffix for suffix, pattern in _ANATOMY if pattern.search(words)), "")
            yield _Image(nifti, "anat" if suffix else "", suffix)


def _place(folder: Path, subject: str, session: int, series: str, made: _Image) -> Path:
    """Where an image goes, without an ending; several of one kind and series description are runs."""
    person, visit = f"sub-{_label(subject)}", f"ses-{session}"
    base = folder if made.folder else folder / "sourcedata" / "unclassified"
    at = base / person / visit / made.folder
    acquisition = "".join(letter for letter in series if letter.isascii() and letter.isalnum())[:_ACQUISITION_LETTERS]
    parts = [person, visit, made.task, f"acq-{acquisition}" if acquisition else ""]
    head, tail = "_".join(filter(None, parts)), made.suffix or "image"
    run = 1
    while (at / f"{head}_run-{run}_{tail}.nii.gz").exists():
        run += 1
    return at / f"{head}_run-{run}_{tail}"


def _volumes(nifti: Path) -> int:
    """The fourth dimension of an image, from its header (NIfTI-1: eight 16-bit numbers from byte 40)."""
    import gzip

    with gzip.open(nifti) as file:
        header = file.read(56)
    return int.from_bytes(header[48:50], "little") if len(header) == 56 else 1


def _add_task(sidecar: Path, told: dict[str, Any]) -> None:
    """BIDS wants the task's name, which no header has."""
    write_whole(sidecar, [_json(told | {"TaskName": "unknown"})], durable=False)


def _program() -> str:
    import dcm2niix

    return str(dcm2niix.bin)


def _label(subject: str) -> str:
    return subject[:_LABEL_LETTERS]


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
