"""DICOM records on their way to where people work: a file set, NIfTI in the layout of BIDS, a PACS, an archive."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet

from hmchain.records.destinations.destination import DestinationError
from hmchain.records.destinations.opening import open_destination
from hmchain.records.sources.http import Patience
from hmchain.records.sources.request import SourceRequest
from support.dicom_objects import ct, written
from support.pacs import HOST, TITLE, Orthanc, running_orthanc
from support.ports import free_ports
from support.steward import Steward
from support.steward import steward as steward

pytestmark = pytest.mark.network

MR = Path(os.environ.get("HMCHAIN_DATA_DIR", "data")) / "mr"
COMPRESSED = ("MR_small_RLE.dcm", "JPEG2000.dcm")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Six slices of two patients in two series each, and two compressed objects."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(6):
        image = ct(PatientID=f"P{number % 2}", SOPInstanceUID=f"1.2.3.{number}", InstanceNumber=str(number + 1))
        image.SeriesInstanceUID, image.StudyInstanceUID = f"1.2.4.{number % 4}", f"1.2.5.{number % 2}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        (folder / f"{number}.dcm").write_bytes(written(image))
    for name in COMPRESSED:
        shutil.copy(str(get_testdata_file(name)), folder / name)
    return folder


def extracted(steward: Steward, source: Path, profile: str = "published") -> int:
    done = steward.run("extract", str(source), "--into", "set", "--profile", profile)
    for waiting in steward.run("quarantine", "list"):
        steward.run("quarantine", "release", waiting["item"], "--reviewer", "Ada")
    assert done["records"]
    return int(steward.run("show", "set")["records"])


def test_a_file_set_is_one_that_others_import(steward: Steward, scans: Path, tmp_path: Path) -> None:
    count, target = extracted(steward, scans), tmp_path / "disc"
    assert steward.run("export", "set", "--output", str(target), "--as", "dicomdir")["listing"] == "DICOMDIR"
    files = FileSet(target / "DICOMDIR")
    assert len(files) == count and len(files.find_values("PatientID")) >= 3
    rows = list(csv.DictReader((target / "index.csv").open()))
    assert len(rows) == count
    for row in rows:
        read = pydicom.dcmread(target / row["file"])
        assert (read.PatientID, read.StudyInstanceUID) == (row["subject"], row["study"])
        assert (read.SeriesInstanceUID, read.SOPInstanceUID) == (row["series"], row["instance"])
        assert len(read.PixelData) > 0
    assert sorted(path.name for path in target.iterdir() if not path.name.startswith("PT")) == ["DICOMDIR", "index.csv"]


def test_files_have_an_index_of_study_series_and_pseudonym(steward: Steward, scans: Path, tmp_path: Path) -> None:
    count, target = extracted(steward, scans), tmp_path / "files"
    steward.run("export", "set", "--output", str(target))
    rows = list(csv.DictReader((target / "index.csv").open()))
    assert len(rows) == count and all(row["subject"] and row["study"] and row["series"] for row in rows)
    read = pydicom.dcmread(target / rows[0]["file"])
    assert (read.StudyInstanceUID, read.SeriesInstanceUID) == (rows[0]["study"], rows[0]["series"])


@pytest.mark.skipif(not MR.is_dir(), reason=f"no MR series in {MR}; HMCHAIN_DATA_DIR says where they are")
def test_mr_becomes_nifti_where_bids_looks_for_it(steward: Steward, tmp_path: Path) -> None:
    source = tmp_path / "mr"
    shutil.copytree(MR / "uih-dti", source / "dti")
    shutil.copytree(MR / "philips-fmri", source / "fmri")
    extracted(steward, source, "research-mr")
    target = tmp_path / "bids"
    steward.run("export", "set", "--output", str(target), "--as", "bids")
    assert json.loads((target / "dataset_description.json").read_text())["BIDSVersion"]
    people = list(csv.DictReader((target / "participants.tsv").open(), delimiter="\t"))
    scans = list(csv.DictReader((target / "scans.tsv").open(), delimiter="\t"))
    assert {row["subject"] for row in scans} == {row["subject"] for row in people}
    assert all((target / row["file"]).exists() and row["study"] and row["series"] for row in scans)
    (diffusion,) = target.glob("sub-*/ses-1/dwi/*_dwi.nii.gz")
    assert all(
        diffusion.with_name(diffusion.name.replace(".nii.gz", end)).exists() for end in (".bval", ".bvec", ".json")
    )
    left = list(target.glob("sourcedata/unclassified/sub-*/ses-1/*_image.nii.gz"))
    assert len(left) == 1, "one volume of an EPI is no functional run"
    assert not list(target.rglob("*.dcm"))


def test_what_is_no_image_is_said_and_nothing_is_left_half_done(steward: Steward, tmp_path: Path) -> None:
    (tmp_path / "hl7").mkdir()
    text = "MSH|^~\\&|A|B|||20240305||ORU^R01|1|P|2.5.1\rPID|||7||||||F\rOBX|1|NM|2345-7^x^LN||5|mmol/L"
    (tmp_path / "hl7" / "1.hl7").write_text(text)
    steward.run("extract", str(tmp_path / "hl7"), "--into", "set")
    for form in ("dicomdir", "bids"):
        refused = steward.run("export", "set", "--output", str(tmp_path / form), "--as", form, expect=2)["error"]
        assert refused["code"] == "export_form" and not (tmp_path / form).exists()
    refused = steward.run("send", "set", "dimse://X@127.0.0.1:104", expect=2)["error"]
    assert refused["code"] == "export_form"


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("archive")) as server:
        yield server


@pytest.mark.process
@pytest.mark.parametrize("way", ["dimse", "dicomweb"])
def test_a_pacs_has_the_objects_that_the_vault_has(steward: Steward, scans: Path, orthanc: Orthanc, way: str) -> None:
    count = extracted(steward, scans)
    to = f"dimse://{TITLE}@{HOST}:{orthanc.dicom_port}" if way == "dimse" else f"dicomweb+{orthanc.url}"
    for _ in range(2):  # the same again is the same
        assert steward.run("send", "set", to)["sent"] == count
    sent = {entry["record"] for entry in steward.run("show", "set")["entries"]}
    steward.run("extract", f"dicomweb+{orthanc.url}", "--into", "back", "--profile", "published")
    assert len(sent) == count <= steward.run("show", "back")["records"] + len(steward.run("quarantine", "list"))
    (*_, line) = steward.run("log", "--what", "send")["entries"]
    assert (line["records"], line["where"], line["leaves"]) == (count, "server", True)


@pytest.mark.parametrize("address", ["dimse://NOBODY@127.0.0.1:{}", "dicomweb+http://127.0.0.1:{}/dicom-web"])
def test_a_place_that_does_not_answer_is_named(address: str) -> None:
    (port,) = free_ports(1)
    to = SourceRequest(place=address.format(port))
    with open_destination(to, Patience((0.01,))) as place, pytest.raises(DestinationError, match=str(port)):
        place.send(written(ct()))


@pytest.mark.parametrize("address", ["/mnt/folder", "fhir+https://x.example/r4", "mllp://127.0.0.1:1", "dimse://"])
def test_an_address_that_takes_no_objects_is_refused_before_anything_is_sent(steward: Steward, address: str) -> None:
    assert steward.run("send", "set", address, expect=2)["error"]["code"] == "unknown_source"
