"""What fails around a hospital's data: full disks, kills, servers that go down, damaged keys and files."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.pacs import TITLE, running_orthanc, study
from support.steward import NAME, NUMBER, Captured, Steward, contents
from support.steward import scans as scans
from support.steward import steward as steward
from support.steward_files import command, no_name_in, pictures

pytestmark = [pytest.mark.process, pytest.mark.network]

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


@pytest.mark.network
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_really_full_disk_loses_nothing(small_disk: Path, tmp_path: Path, capsys: Captured, workers: str) -> None:
    source = pictures(tmp_path / "pictures", 260, 160)  # about 6.6 MB
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 << 20))
    steward = Steward(small_disk / "north", capsys)
    steward.run("init")
    extract = ("extract", str(source), "--into", "pictures", "--workers", workers, *NOISE)
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


NOISE = ("--profile", "published")
"""Pictures made by chance hold what could be letters: nobody looks for writing in these."""


@pytest.mark.network  # long
def test_a_killed_extraction_leaves_no_process_and_goes_on(steward: Steward, tmp_path: Path) -> None:
    source = pictures(tmp_path / "pictures", 300, 160)
    spool = tmp_path / "spool"
    spool.mkdir()
    run = command(steward, "extract", str(source), "--into", "pictures", "--workers", "2", *NOISE)
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
    done = steward.run("extract", str(source), "--into", "pictures", "--workers", "2", *NOISE)
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


@pytest.mark.network  # long
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
