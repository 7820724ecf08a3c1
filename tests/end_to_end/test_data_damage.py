"""Bad input, faults and attacks on a steward's commands: nothing is lost, nothing comes twice, no name comes out."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import MRImageStorage

from support.dicom_objects import ct, written
from support.pacs import TITLE, running_orthanc, study
from support.steward import NAME, NUMBER, Captured, Steward, contents
from support.steward import scans as scans
from support.steward import steward as steward


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def command(steward: Steward, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "hmchain", "data", *arguments, "--dir", str(steward.folder), "--json"]


def pictures(folder: Path, count: int, side: int = 96) -> Path:
    rng = np.random.Generator(np.random.PCG64(5))
    for number in range(count):
        path = folder / ("ill" if number % 2 else "well") / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (side, side), dtype=np.uint8)).save(path, compress_level=1)
    return folder


def no_name_in(data: bytes) -> None:
    assert NAME.lower().encode() not in data.lower() and NUMBER.encode() not in data


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
    done = steward.run("extract", str(folder), "--into", "head")
    held = steward.run("quarantine", "list")
    assert (done["records"], held) == (8, []), held
    steward.run("label", "head", str(labels))
    made = steward.run("prepare", "head", "--into", "head-32", "--size", "32")
    assert made["images"] == 8 and made["left_out"] == {}


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
    arguments = command(steward, "extract", str(path.parent), "--into", "large", "--workers", "1")[3:]
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


def test_a_file_of_zeros_is_held_and_not_read_for_ever(steward: Steward, tmp_path: Path) -> None:
    path = put(tmp_path / "export", "zeros.dcm", b"")
    with path.open("r+b") as file:
        file.truncate(1 << 30)  # each 8 bytes of it are an element: (0000,0000), empty
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


def test_a_zip_bomb_is_refused_and_a_path_that_climbs_is_only_a_name(steward: Steward, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("a.dcm", "b.dcm"):  # each goes well within a limit of its own
            archive.writestr(name, bytes(600 << 20), compresslevel=9)
    error = steward.run("extract", str(bomb), "--as", "dicom", "--into", "x", expect=3)["error"]
    assert error["code"] == "source" and "times its size" in error["what"]

    climbing = tmp_path / "climbing.zip"
    with zipfile.ZipFile(climbing, "w") as archive:
        for number, name in enumerate(("../../evil.dcm", "/tmp/evil.dcm", "a/../../evil.dcm")):
            archive.writestr(name, written(ct(SOPInstanceUID=f"1.2.3.{number}")))
    before = {path for path in tmp_path.rglob("*") if steward.folder not in path.parents}
    assert steward.run("extract", str(climbing), "--into", "head")["records"] == 3
    out = tmp_path / "clean"
    steward.run("deidentify", str(climbing), "--project", "p", "--output", str(out))
    after = {path for path in tmp_path.rglob("*") if steward.folder not in path.parents and out not in path.parents}
    assert after == before | {out} and not Path("/tmp/evil.dcm").exists()


# --- faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB."""
    folder, mount = tmp_path / "disk", shutil.which("mount")
    folder.mkdir()
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_really_full_disk_loses_nothing(small_disk: Path, tmp_path: Path, capsys: Captured, workers: str) -> None:
    source = pictures(tmp_path / "pictures", 260, 160)  # about 6.6 MB
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 << 20))
    steward = Steward(small_disk / "north", capsys)
    steward.run("init")
    extract = ("extract", str(source), "--into", "pictures", "--workers", workers)
    error = steward.run(*extract, expect=4)["error"]
    assert error["code"] == "disk_full" and error["hint"]
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    done = steward.run(*extract)
    assert done["resumed"] + done["items"] == 260
    shown = steward.run("show", "pictures")
    assert (shown["records"], shown["duplicates"]) == (260, 0)
    assert steward.run("register", "pictures")["version"]["records"] == 260
    assert steward.run("verify", "pictures")["records"] == 260


def test_a_killed_extraction_leaves_no_process_and_goes_on(steward: Steward, tmp_path: Path) -> None:
    source = pictures(tmp_path / "pictures", 300, 160)
    spool = tmp_path / "spool"
    spool.mkdir()
    run = command(steward, "extract", str(source), "--into", "pictures", "--workers", "2")
    for wait_s in (1.5, 2.5):
        process = subprocess.Popen(
            run, env={**os.environ, "TMPDIR": str(spool)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(wait_s)
        children = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 15
        while any(alive(child) for child in children):
            assert time.monotonic() < end, "a worker outlives the command that started it"
            time.sleep(0.05)
    assert contents(spool) == b""
    done = steward.run("extract", str(source), "--into", "pictures", "--workers", "2")
    assert done["resumed"] + done["items"] == 300 and done["duplicates"] == 0
    assert steward.run("register", "pictures")["version"]["records"] == 300


def children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if int(text.rsplit(")", 1)[1].split()[1]) == pid:
            found.append(int(status.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_pacs_that_goes_down_in_the_middle_loses_nothing(steward: Steward, tmp_path: Path) -> None:
    with running_orthanc(tmp_path / "pacs") as pacs:
        pacs.store(study("alpha", 1, objects=60, modality="MR"))
        place = f"dimse://{TITLE}@127.0.0.1:{pacs.dicom_port}"
        run = subprocess.Popen(
            command(steward, "extract", place, "--into", "get", "--as", "dicom"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while run.poll() is None and not (steward.folder / "vault").exists():
            time.sleep(0.01)
        time.sleep(0.5)
        pacs.kill()
        time.sleep(0.5)
        pacs.start()
        out, _ = run.communicate(timeout=120)
        if run.returncode:  # it may have been faster, or asked long enough
            assert json.loads(out)["error"]["code"].startswith("source")
        done = steward.run("extract", place, "--into", "get")
    shown = steward.run("show", "get")
    assert shown["records"] + shown["held"] == 60 and shown["duplicates"] == 0
    assert done["resumed"] + done["items"] == 60


@contextmanager
def served(answer: Callable[[str], dict[str, object]]) -> Iterator[str]:
    """A FHIR server on this machine that answers as it likes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_fhir_server_whose_pages_go_round_is_an_error_and_keeps_what_came(steward: Steward) -> None:
    where, asked = [""], list[str]()

    def answer(path: str) -> dict[str, object]:
        asked.append(path)
        patient = {"resourceType": "Patient", "id": f"{NUMBER}", "gender": "female", "name": [{"family": NAME}]}
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient}]}
        return {**bundle, "link": [{"relation": "next", "url": f"{where[0]}/Patient?page=2"}]}

    with served(answer) as place:
        where[0] = place
        error = steward.run("extract", f"fhir+{place}", "--into", "outcomes", expect=3)["error"]
    assert error["code"].startswith("source") and "loop" in (error["what"] + error["hint"]), error
    shown = steward.run("show", "outcomes")
    assert (shown["records"], shown["held"]) == (1, 0), (error, steward.run("quarantine", "list"), asked)
    no_name_in(contents(steward.folder))


# --- keys and files


def test_what_does_not_open_is_named(steward: Steward, scans: Path, tmp_path: Path, capsys: Captured,
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    steward.run("extract", str(scans), "--into", "head")
    other = Steward(tmp_path / "south", capsys)
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "right")
    other.run("init")
    assert other.run("list") == []
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "wrong")
    wrong = other.run("list", expect=5)["error"]
    assert wrong["hint"] and "wrong" not in wrong["hint"] and "right" not in json.dumps(wrong)
    monkeypatch.delenv("HMCHAIN_PASSPHRASE")
    missing = other.run("list", expect=5)["error"]
    assert "HMCHAIN_PASSPHRASE" in missing["what"] + missing["hint"]

    third = Steward(tmp_path / "west", capsys)
    third.run("init")
    shutil.copy(third.folder / "keys" / "wrapping.key", steward.folder / "keys" / "wrapping.key")
    foreign = steward.run("show", "head", expect=5)["error"]
    assert foreign["code"] == "vault_key" and foreign["hint"]


@pytest.mark.parametrize("damage", ["noise", "cut", "page", "other"])
def test_a_damaged_catalogue_is_named_and_nothing_is_made_in_its_place(
    steward: Steward, scans: Path, damage: str
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    path = steward.folder / "catalogue.db"
    data = bytearray(path.read_bytes())
    if damage == "noise":
        data = bytearray(os.urandom(len(data)))
    elif damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "page":
        for page in range(4096, len(data), 4096):
            data[page : page + 64] = os.urandom(64)
    else:
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    for arguments in (["show", "head"], ["register", "head", "--leave-waiting"]):
        error = steward.run(*arguments, expect=4)["error"]
        assert error["code"] == "catalogue" and str(path) in error["what"] and error["hint"]
    assert len(path.read_bytes()) == len(data)


# --- erasure, registration, versions


def test_two_hospitals_give_one_patient_pseudonyms_that_cannot_be_linked(
    steward: Steward, scans: Path, tmp_path: Path, capsys: Captured
) -> None:
    other = Steward(tmp_path / "south", capsys)
    other.run("init")
    ids: list[set[str]] = []
    for hospital in (steward, other):
        hospital.run("extract", str(scans), "--into", "head", "--project", "joint", "--profile", "longitudinal")
        ids.append({
            value for entry in hospital.run("show", "head")["entries"] for value in (entry["record"], entry["subject"])
        })  # fmt: skip
        out = tmp_path / f"out-{len(ids)}"
        hospital.run("export", "head", "--output", str(out))
        for file in out.glob("*.dcm"):
            made = pydicom.dcmread(file)
            ids[-1] |= {made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID}
    assert not ids[0] & ids[1]


def wrapped_keys(folder: Path, subject: str) -> list[bytes]:
    with sqlite3.connect(f"file:{folder / 'vault' / 'vault.sqlite'}?mode=ro", uri=True) as database:
        found = [row[0] for row in database.execute("SELECT wrapped FROM records WHERE subject = ?", (subject,))]
    database.close()
    return found


def test_erasing_a_patient_leaves_no_key_on_disk_and_the_dataset_goes_on(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    subject = steward.run("show", "head")["entries"][0]["subject"]
    keys = wrapped_keys(steward.folder, subject)
    assert len(keys) == 3
    erased = steward.run("erase", "head", "--subject", subject)
    assert erased["records"] == 3 and erased["waiting"] == 1
    left = contents(steward.folder)
    assert not any(key in left for key in keys) and subject.encode() not in left

    put(scans, "later.dcm", written(ct(SOPInstanceUID="1.2.9", PatientID=f"{NUMBER}-9")))
    done = steward.run("extract", str(scans), "--into", "head")
    assert (done["resumed"], done["records"]) == (14, 1)  # what was erased does not come back
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 10
    assert steward.run("verify", "head")["records"] == 10


def test_what_is_erased_from_a_registered_version_is_said_and_the_next_one_is_whole(
    steward: Steward, scans: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    steward.run("register", "head", "--leave-waiting")
    record = steward.run("show", "head")["entries"][0]["record"]
    assert steward.run("erase", "head", "--record", record)["versions"] == [["head", 1]]
    error = steward.run("verify", "head", expect=2)["error"]
    assert error["code"] == "version_erased" and "were erased on" in error["what"]
    again = steward.run("extract", str(scans), "--into", "head")
    assert (again["version"], again["opted_out"]) == (2, 1)  # what was erased does not come back
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 11
    assert steward.run("verify", "head")["records"] == 11


def test_registering_twice_changes_nothing(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    first = steward.run("register", "head", "--leave-waiting")
    again = steward.run("register", "head", "--leave-waiting")
    assert first["version"] == again["version"]


def test_a_second_version_of_the_same_records_takes_no_room(steward: Steward, tmp_path: Path) -> None:
    source = pictures(tmp_path / "pictures", 12, 200)
    steward.run("extract", str(source), "--into", "head")
    steward.run("register", "head")
    objects = steward.folder / "records"
    before = sorted(path for path in objects.rglob("*") if path.is_file())
    second = steward.run("extract", str(source), "--into", "head")
    assert (second["version"], second["records"], second["resumed"]) == (2, 12, 0)
    assert sorted(path for path in objects.rglob("*") if path.is_file()) == before
    one, two = (steward.run("register", "head", "--version", number)["version"] for number in "12")
    assert one["root"] != two["root"]
    assert steward.run("verify", "head", "--version", "1")["records"] == 12


def test_every_held_item_can_be_decided_about_in_whatever_versions_and_datasets_it_waits(
    steward: Steward, scans: Path
) -> None:
    for name in ("head", "neck"):
        for _ in range(2):
            steward.run("extract", str(scans), "--into", name, "--project", "joint")
            steward.run("register", name, "--leave-waiting")
        steward.run("extract", str(scans), "--into", name)
    waiting = steward.run("quarantine", "list")
    assert len(waiting) == 12
    for held in waiting:
        current = held["version"] == 3 and held["releasable"]
        action, done = ("release", "released") if current else ("reject", "rejected")
        assert steward.run("quarantine", action, held["item"][:12], "--reviewer", "Curie")[done]
    assert steward.run("quarantine", "list") == []
    assert {steward.run("show", name)["records"] for name in ("head", "neck")} == {13}


def test_after_a_rejection_further_items_can_be_held(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    for held in steward.run("quarantine", "list"):
        steward.run("quarantine", "reject", held["item"], "--reviewer", "Curie")
    put(scans, "another.dcm", written(ct(SOPInstanceUID="1.2.4.7", BurnedInAnnotation="YES")))
    assert steward.run("extract", str(scans), "--into", "head")["held"] == 1


def test_what_is_half_kept_is_not_registered(steward: Steward, scans: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    with sqlite3.connect(steward.folder / "catalogue.db") as database:  # as if the last write never came
        (record,) = database.execute("SELECT record FROM records ORDER BY record LIMIT 1").fetchone()
        database.execute("DELETE FROM records WHERE record = ?", (record,))
    database.close()
    error = steward.run("register", "head", "--leave-waiting", expect=2)["error"]
    assert error["code"] == "unfinished" and record in error["hint"]
    assert steward.run("erase", "head", "--record", record)["records"] == 1
    assert steward.run("register", "head", "--leave-waiting")["version"]["records"] == 11


def test_images_of_a_patient_do_not_change_sides_when_more_are_prepared(
    steward: Steward, scans: Path, tmp_path: Path
) -> None:
    steward.run("extract", str(scans), "--into", "head")
    table = tmp_path / "labels.csv"
    table.write_text("patient,label\n" + "".join(f"{NUMBER}-{i},{'ill' if i % 2 else 'well'}\n" for i in range(4)))
    steward.run("label", "head", str(table))
    prepare = ("prepare", "head", "--into", "head-16", "--size", "16")
    steward.run(*prepare)
    assert steward.run(*prepare)["version"]["records"] == 12  # the same again is no harm
    put(scans, "later.dcm", written(ct(SOPInstanceUID="1.2.9", PatientID=f"{NUMBER}-1", PixelData=bytes(range(128)))))
    steward.run("extract", str(scans), "--into", "head")
    steward.run("label", "head", str(table))
    assert steward.run(*prepare, expect=2)["error"]["code"] == "other_form"
    steward.run("register", "head-16")
    assert steward.run(*prepare)["version"]["number"] == 2


# --- leaks


def test_no_name_comes_out_anywhere(steward: Steward, scans: Path, tmp_path: Path) -> None:
    """Names of folders, files and patients, in all that commands print and write, with debugging on."""
    source = tmp_path / f"{NAME}^Archibald {NUMBER}"
    shutil.copytree(scans, source)
    spool = tmp_path / "spool"
    spool.mkdir()
    out, exported = tmp_path / "clean", tmp_path / "exported"
    environment = {**os.environ, "TMPDIR": str(spool), "HMCHAIN_DEBUG": "1"}
    said = b""
    for arguments in (
        ["inspect", str(source)],
        ["deidentify", str(source), "--project", "p", "--output", str(out), "--workers", "2"],
        ["extract", str(source), "--into", "head"],
        ["list"],
        ["list", "--search", NAME],
        ["show", "head"],
        ["quarantine", "list"],
        ["register", "head", "--leave-waiting"],
        ["export", "head", "--output", str(exported)],
    ):
        for form in ([], ["--json"]) if arguments[0] in ("list", "show", "inspect", "quarantine") else ([],):
            run = [sys.executable, "-m", "hmchain", "data", *arguments, *form, "--dir", str(steward.folder)]
            done = subprocess.run(run, capture_output=True, env=environment, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            said += done.stdout + done.stderr
    no_name_in(said)
    for folder in (steward.folder, out, exported, spool):
        no_name_in(contents(folder))
        assert not [path for path in folder.rglob("*") if NAME in path.name or NUMBER in path.name]
    for folder in (out, exported):
        assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.rglob("*")))


def test_a_release_that_is_killed_leaves_no_file_of_the_patient(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    spool = tmp_path / "spool"
    spool.mkdir()
    killed = (
        "import os, signal, sys; from hmchain.records.pipeline.extraction import Extraction;"
        "Extraction._keep = lambda self, writer, name, item, *_, **__:"
        " (item.open(), os.kill(os.getpid(), signal.SIGKILL));"
        "from hmchain.interfaces.cli.main import main; main(sys.argv[1:])"
    )
    item = next(held["item"] for held in steward.run("quarantine", "list") if held["releasable"])
    arguments = command(steward, "quarantine", "release", item, "--reviewer", "Curie")[3:]
    done = subprocess.run([sys.executable, "-c", killed, *arguments], env={**os.environ, "TMPDIR": str(spool)})
    assert done.returncode == -signal.SIGKILL
    assert not list(spool.rglob("*"))
    assert steward.run("quarantine", "release", item, "--reviewer", "Curie")["records"] == 1
