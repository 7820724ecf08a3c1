"""Sources on disk: a folder, a file or an archive, of a kind that is said or recognised."""

from __future__ import annotations

from pathlib import Path

from hmchain.records.sources.addresses import FORMS, UnknownSourceError
from hmchain.records.sources.containers import open_container
from hmchain.records.sources.dicom.files import DicomFiles
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.hl7.files import Hl7Files
from hmchain.records.sources.item import ARRAYS, DICOM, FHIR, HL7, IMAGE, Source
from hmchain.records.sources.open_source import OpenSource
from hmchain.records.sources.pictures.arrays import ImageArrays
from hmchain.records.sources.pictures.files import ImageFiles
from hmchain.records.sources.pictures.patients import Patients, read_patient_table
from hmchain.records.sources.recognition import KINDS, recognised
from hmchain.records.sources.request import FOLDERS, SourceRequest


def open_path(request: SourceRequest, path: Path) -> OpenSource:
    """Open what lies at a path. Raises `UnknownSourceError`, `EmptySourceError`, or what the kind of source raises."""
    if not path.exists():
        raise UnknownSourceError(f"{path} does not exist", f"give {FORMS}")
    kind = request.kind or recognised(path)
    if kind not in KINDS:
        raise UnknownSourceError(f"{kind!r} is no kind of data", f"kinds are {', '.join(KINDS)}")
    if (request.labels_from or request.patients_from) and kind != IMAGE:
        what = f"labels and patients come from folders and tables for pictures alone, and this is {kind}"
        raise UnknownSourceError(what, "leave labels_from and patients_from out")
    # Without the path's name: hospitals call folders after patients, and this is kept and shown in cards.
    return OpenSource(
        _of_kind(request, path, kind),
        IMAGE if kind == ARRAYS else kind,
        f"{kind}: a {'folder' if path.is_dir() else 'file'}",
    )


def _of_kind(request: SourceRequest, path: Path, kind: str) -> Source:
    if kind == DICOM:
        return DicomFiles.at(path, request.selection())
    if kind == IMAGE:
        labelled, patients = request.labels_from == FOLDERS, _patients(request.patients_from)
        return ImageFiles(open_container(path), labelled=labelled, patients=patients)
    if kind == ARRAYS:
        if path.is_dir():
            raise UnknownSourceError(f"{path} is a folder of arrays", "give an .npz file itself")
        return ImageArrays(path)
    if kind == FHIR:
        return FhirFiles(path)
    if kind == HL7:
        return Hl7Files(path)
    from hmchain.records.sources.tables import TableFiles, load_schema  # polars takes time to load

    if not request.schema:
        hint = "name its schema with --schema: a .toml file, or omop"
        raise UnknownSourceError(f"it is not said what the columns of {path.name} are", hint)
    return TableFiles(path, load_schema(request.schema))


def _patients(said: str) -> Patients | None:
    if not said:
        return None
    return Patients() if said == FOLDERS else read_patient_table(Path(said))
