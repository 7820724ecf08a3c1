"""Bad input, faults and attacks on a steward's commands: nothing is lost, nothing comes twice, no name comes out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import MRImageStorage

from hmchain.records.deidentification.dicom import reading
from hmchain.records.sources.containers import archive
from support.dicom_objects import ct, written
from support.steward import NAME, NUMBER, Steward, contents
from support.steward import scans as scans
from support.steward import steward as steward
from support.steward_files import command, put

pytestmark = pytest.mark.network

# --- objects


def test_one_uid_with_two_contents_is_held_and_the_first_stays(steward: Steward, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    put(folder, "a.dcm", written(ct(SOPInstanceUID="1.2.3")))
    put(folder, "b.dcm", written(ct(SOPInstanceUID="1.2.3")))
    put(folder, "c.dcm", written(ct(SOPInstanceUID="1.2.3", PixelData=bytes(128))))
    done = steward.run("extract", str(folder), "--into", "head")
    assert (done["records"], done["duplicates"], done["held"]) == (1, 1, 1)
    (held,) = steward.run("quarantine", "list")
    assert (held["code"], held["releasable"]) == ("conflicting_identifier", True)
    again = steward.run("extract", str(folder), "--into", "head")
    assert (again["resumed"], again["records"], again["held"]) == (3, 0, 0)
    release = ("quarantine", "release", held["item"], "--reviewer", "Curie")
    assert "--replace" in steward.run(*release, expect=2)["error"]["hint"]
    taken = steward.run(*release, "--replace")
    assert (taken["released"], taken["records"], taken["updated"]) == (True, 0, 1)
    assert steward.run("quarantine", "list") == [] and steward.run("show", "head")["records"] == 1


@pytest.mark.parametrize(
    ("character_set", "name", "raw"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "太郎".encode("iso2022_jp")[3:-3]),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "길동".encode("euc_kr")),
        (["ISO_IR 144"], "Люкceмбypг", "Люк".encode("iso8859_5")),
        (["GB18030"], "Wang^XiaoDong=王^小东", "小东".encode("gb18030")),
    ],
)
def test_a_name_in_another_character_set_does_not_survive(
    steward: Steward, tmp_path: Path, character_set: list[str], name: str, raw: bytes
) -> None:
    made = ct(SpecificCharacterSet=character_set)
    made.PatientName = made.InstitutionName = made.StudyDescription = name
    data = written(made)
    assert raw in data
    folder = tmp_path / "export"
    put(folder, "a.dcm", data)
    out = tmp_path / "clean"
    steward.run("deidentify", str(folder), "--output", str(out), "--project", "head")
    steward.run("extract", str(folder), "--into", "head")
    for part in (out, steward.folder):
        assert raw not in contents(part)
        for form in ("utf-8", "utf-16-le"):
            assert name.split("=")[-1].encode(form) not in contents(part)


def test_every_compressed_syntax_passes_and_gives_images_to_learn_from(steward: Steward, tmp_path: Path) -> None:
    """JPEG, JPEG-LS, JPEG 2000 and RLE, eight objects each, through extract, label and prepare."""
    from pydicom.data import get_testdata_file

    names = {"JPEG": "SC_rgb_jpeg_dcmtk.dcm", "JPEG-LS": "MR_small_jpeg_ls_lossless.dcm", "RLE": "MR_small_RLE.dcm",
             "JPEG 2000": "MR_small_jp2klossless.dcm"}  # fmt: skip
    folder, lines = tmp_path / "export", ["patient,label"]
    for number, (syntax, name) in enumerate(names.items()):
        path = get_testdata_file(name, download=False)
        assert isinstance(path, str)
        for copy in range(2):
            made = pydicom.dcmread(path)
            made.PatientID = f"{NUMBER}-{number}-{copy}"
            made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number + 1}.{copy + 1}"
            made.PatientName, made.Modality, made.ImageType = f"{NAME}^{syntax}", "MR", ["ORIGINAL", "PRIMARY"]
            made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = MRImageStorage
            folder.mkdir(exist_ok=True)
            made.save_as(folder / f"{number}-{copy}.dcm")
            lines.append(f"{made.PatientID},{'ill' if copy else 'well'}")
    labels = put(tmp_path, "labels.csv", "\n".join(lines).encode())
    done = steward.run("extract", str(folder), "--into", "head", "--profile", "published")
    held = steward.run("quarantine", "list")
    assert (done["records"], len(held)) == (6, 2), "MR in colour is a screenshot, perhaps"
    for waiting in held:
        steward.run("quarantine", "release", waiting["item"], "--reviewer", "Curie")
    steward.run("label", "head", str(labels))
    made = steward.run("prepare", "head", "--into", "head-32", "--size", "32")
    assert made["images"] == 8 and made["left_out"] == {}


@pytest.mark.network
def test_an_object_of_300_mib_passes_in_little_memory(steward: Steward, tmp_path: Path) -> None:
    side, frames = 1024, 150
    made = ct(Rows=side, Columns=side, NumberOfFrames=frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.PixelData = b""
    head = written(made)
    at = head.rindex(b"\xe0\x7f\x10\x00OW")
    size = side * side * frames * 2
    path = put(tmp_path / "export", "large.dcm", head[:at] + b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
    noise = np.random.Generator(np.random.PCG64(7)).integers(0, 1 << 12, side * side, np.uint16).tobytes()
    with path.open("ab") as file:
        for number in range(frames):  # no two alike; `benchmarks/dicom_pipeline.py` does the same with 2 GiB
            file.write(number.to_bytes(4, "little") + noise[4:])
    limited = (
        "import sys; from hmchain.interfaces.cli.main import main; status = main(sys.argv[1:]);"
        "print(*(line for line in open('/proc/self/status') if 'VmHWM' in line), file=sys.stderr); sys.exit(status)"
    )
    arguments = command(
        steward, "extract", str(path.parent), "--into", "large", "--workers", "1", "--profile", "published"
    )[3:]
    done = subprocess.run([sys.executable, "-c", limited, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["records"] == 1, done.stdout
    assert int(done.stderr.split()[-2]) < 220 << 10, done.stderr  # KiB, libraries included
    (record,) = steward.run("show", "large")["entries"]
    steward.run("export", "large", "--output", str(tmp_path / "out"))
    with (tmp_path / "out" / f"{record['record']}.dcm").open("rb") as clean, path.open("rb") as raw:
        for file in (clean, raw):
            file.seek(-size, os.SEEK_END)
        assert hashlib.file_digest(clean, "sha256").digest() == hashlib.file_digest(raw, "sha256").digest()


def test_a_file_of_zeros_is_held_and_not_read_for_ever(
    steward: Steward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reading.READS_MAX <= 1 << 21, "seconds"
    monkeypatch.setattr(reading, "READS_MAX", 1 << 16)
    path = put(tmp_path / "export", "zeros.dcm", b"")
    with path.open("r+b") as file:
        file.truncate(1 << 26)  # each 8 bytes of it are an element: (0000,0000), empty
    assert steward.run("extract", str(path.parent), "--into", "x")["held"] == 1
    (held,) = steward.run("quarantine", "list")
    assert held["code"] == "too_large"


def test_what_is_no_data_is_counted_and_an_item_of_a_registered_version_is_not_released(
    steward: Steward, scans: Path
) -> None:
    put(scans, "readme.txt", b"no DICOM here")
    put(scans, ".hidden.dcm", b"x")
    assert steward.run("inspect", str(scans))["passed_over"] == {"a hidden file": 1, "not DICOM": 1}
    assert sum(steward.run("extract", str(scans), "--into", "head")["passed_over"].values()) == 2
    steward.run("register", "head", "--leave-waiting")
    item = next(held["item"] for held in steward.run("quarantine", "list") if held["releasable"])
    error = steward.run("quarantine", "release", item, "--reviewer", "Curie", expect=2)["error"]
    assert error["code"] == "version_closed" and "next version" in error["hint"]


# --- archives


def test_a_zip_bomb_is_refused_and_a_path_that_climbs_is_only_a_name(
    steward: Steward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "RATIO_FREE_BYTES", 1 << 20)  # a thousandth
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("a.dcm", "b.dcm"):  # each goes well within a limit of its own
            packed.writestr(name, bytes(600 << 10))
    error = steward.run("extract", str(bomb), "--as", "dicom", "--into", "x", expect=3)["error"]
    assert error["code"] == "source" and "times its size" in error["what"]

    climbing = tmp_path / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as packed:
        for number, name in enumerate(("../../evil.dcm", "/tmp/evil.dcm", "a/../../evil.dcm")):
            packed.writestr(name, written(ct(SOPInstanceUID=f"1.2.3.{number}")))
    before = {path for path in tmp_path.rglob("*") if steward.folder not in path.parents}
    assert steward.run("extract", str(climbing), "--into", "head")["records"] == 3
    out = tmp_path / "clean"
    steward.run("deidentify", str(climbing), "--project", "p", "--output", str(out))
    after = {path for path in tmp_path.rglob("*") if steward.folder not in path.parents and out not in path.parents}
    assert after == before | {out} and not Path("/tmp/evil.dcm").exists()
