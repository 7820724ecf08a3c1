"""What people give that cannot be: no traceback, nothing unexpected; each time a code, a way out and an exit status.

The first list is of those that were tried before this version, the second of new ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hmchain.application.site.run import point_latest
from hmchain.interfaces.cli.main import main
from support.finished_run import Captured
from support.finished_run import run_directory as run_directory

pytestmark = [pytest.mark.process, pytest.mark.network]

NO_TEXT = "\udcff\udcfe"
HEX = "00" * 32
TRIED = """
study status --dir nowhere
study status --dir empty-folder
data list --dir empty-folder
node status --dir nowhere
data inspect nowhere
data inspect fifo
data inspect /etc/passwd --as image
model predict /etc/passwd --dir RUN
model predict x.png --model /etc/passwd --unregistered
model predict x.png --model empty --unregistered
model predict x.png --model cut.safetensors --unregistered
demo --dataset nowhere --output new
demo --dataset /etc/passwd --output new
demo --dataset fifo --output new
demo --hospitals 2
demo --hospitals 33
demo --rounds 0
demo --rounds 100000000
demo --steps -1
demo --alpha nan
demo --alpha inf
demo --alpha 0
demo --alpha -3
demo --seed 99999999999999999999
demo --seed -1
demo --image-size 0
demo --image-size 99999999
demo --output RUN
demo --output empty
audit verify RUN --genesis HEX
audit verify RUN --genesis 00
audit verify RUN --block 7
audit verify RUN --block 0:HEX
audit trace RUN --study none
audit trace RUN --dataset west
audit trace RUN --dataset west/scans --study tiny
ledger tx HEX --dir RUN
ledger tx xyz --dir RUN
ledger blocks RUN --limit 0
ledger blocks RUN --from 99999999999999999999
study show none --dir RUN
network init empty empty --chain x
network join nowhere
data extrct x
study status --nothing
"""
NEW = """
study status --dir NUL
study list --dir NOTEXT
audit verify --dir garbage
ledger rebuild --dir garbage-ledger
ledger blocks --dir garbage-ledger
report --dir empty-folder
model show --dir garbage-ledger
model list --dir fifo
node recover --dir garbage-node --yes
node status --dir garbage-node
network status --dir folder-for-file
network ballots --dir empty-folder
study approve tiny --yes --dir RUN
network vote HEX --yes --dir empty-folder
network set round_trip_ms=x --yes --dir RUN
network set round_trip_ms --yes --dir RUN
node maintenance --minutes 99999999
node rotate-key nobody --yes --dir garbage-node
audit proof deep.json --genesis HEX
audit proof list.json --genesis HEX
audit proof garbage --genesis HEX
audit proof empty-folder --genesis HEX
audit proof huge.json --genesis NOTEXT
audit verify-record deep.json --root HEX
audit verify-record null.json --root HEX
network admit deep.json --yes
network init huge.json list.json --chain x
network join garbage --genesis HEX
study propose bad.toml --dir RUN
study propose latin.toml --dir RUN
node restore garbage --dir garbage-node
node init north --title N --address host:0 --dir new
node init north --title N --address host:65536 --dir new
node init north --title N --address host:٣ --dir new
node init north --title N --address LONG:1 --dir new
node init NORTH/.. --title N --address host:1 --dir new
node init north --title CONTROL --address host:1 --dir new
data inspect empty-folder --profile latin.toml
data inspect dimse://A@127.0.0.1:99999
data inspect fhir+https://[::1
data vault mirror fhir+https://[::1 --dir RUN/hospitals/west
data quarantine look ITEM --output o --dir RUN/hospitals/west
data label nothing nul.csv --dir RUN/hospitals/west
data show scans --version 99999999999999999999 --dir RUN/hospitals/west
data verify NUL --dir RUN/hospitals/west
ledger tx LONG --dir RUN
ledger tx ١١١١ --dir RUN
network upgrade propose 99999999999999999999999 --yes
completion powershell
network status one --dir another
audit proof fifo --genesis HEX
study propose fifo --dir RUN
network init fifo garbage --chain x
data label nothing fifo --dir RUN/hospitals/west
data inspect empty-folder --patients-from fifo
node restore fifo --dir new
model show --model fifo
"""


@pytest.fixture(scope="module")
def place(run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of things that are not what they seem."""
    place = tmp_path_factory.mktemp("bad")
    os.mkfifo(place / "fifo")
    for name in ("empty-folder", "garbage-ledger", "garbage-node", "folder-for-file/node.toml"):
        (place / name).mkdir(parents=True)
    garbage = bytes(range(256)) * 4
    files = {
        "empty": b"", "garbage": garbage, "deep.json": b"[" * 100_000, "list.json": b"[1, 2]", "null.json": b"null",
        "huge.json": b'{"a": 1e999, "b": ' + b"9" * 5000 + b"}", "bad.toml": b"name = = 1",
        "latin.toml": 'name = "é"'.encode("latin-1"), "nul.csv": b"patient,label\n\0,\0\n",
        "garbage-ledger/genesis.json": b"{}", "garbage-ledger/blocks.db": garbage,
        "garbage-node/node.toml": b"\xff\xfe",
        "cut.safetensors": (run_directory / "model.safetensors").read_bytes()[:-100],
    }  # fmt: skip
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def words(line: str, run: Path) -> list[str]:
    odd = {"NUL": "x\0y", "NOTEXT": NO_TEXT, "LONG": "a" * 5000, "CONTROL": "\x1b[31mred", "HEX": HEX}
    parts = line.replace("RUN", str(run)).replace("LONG:1", odd["LONG"] + ":1").replace("0:HEX", f"0:{HEX}").split(" ")
    return [odd.get(part, part) for part in parts]


@pytest.mark.parametrize("line", (TRIED + NEW).strip().replace("\n\n", "\n").split("\n"))
def test_whoever_gives_what_cannot_be_is_told_a_way_out(
    line: str, place: Path, run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(place)
    for name in ("HMCHAIN_RUN", "HMCHAIN_NODE"):
        monkeypatch.delenv(name, raising=False)
    status = main([*words(line, run_directory), "--json"])
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert 1 <= status <= 8 and status == error["exit_code"]
    assert error["what"] and error["hint"] and error["code"] != "unexpected"
    assert not printed.err.strip()  # the demo tells what it does


def test_a_hundred_and_two_are_tried() -> None:
    assert [len(each.strip().split("\n")) for each in (TRIED, NEW)] == [45, 57]


@pytest.mark.parametrize("name", ["HMCHAIN_RUN", "HMCHAIN_NODE", "HMCHAIN_DATA_DIR", "HMCHAIN_PASSPHRASE", "COLUMNS"])
@pytest.mark.parametrize("value", ["", " ", "garbage", "/proc/self/mem", NO_TEXT, "\x1b[31m", "9" * 5000])
def test_whatever_the_environment_says_is_taken_or_refused(
    name: str, value: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv(name, value)
    for command in (["study", "status"], ["node", "status"], ["data", "list"], ["demo", "--dataset", "none"]):
        assert 2 <= main(command) <= 6
        printed = capsys.readouterr()
        assert "unexpected" not in printed.err and "[" in printed.err.splitlines()[0]


def run(script: str, run: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell in which HM is the program, on a run."""
    env = {**os.environ, "HMCHAIN_RUN": str(run), "HM": f"{sys.executable} -m hmchain", **environment}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=60, check=False, text=True)


@pytest.mark.network  # a process each
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("$HM ledger blocks >/dev/full", 4),
        ("$HM ledger blocks --json >/dev/full", 4),
        ("$HM ledger blocks >&-", 4),
        ("$HM ledger blocks --json >&-", 4),
        ("$HM ledger tx zz --json >&-", 2),
        ("$HM ledger tx zz 2>&-", 2),
        ("$HM ledger tx zz 2>/dev/full", 2),
        ("$HM data erase --patient - --dir $HMCHAIN_RUN/hospitals/west <&-", 2),
        ("env -i $HM study list --dir $HMCHAIN_RUN", 0),
        ("TERM=dumb COLUMNS=1 $HM study status --help", 0),
    ],
)
def test_streams_full_or_closed_and_an_empty_environment(script: str, status: int, run_directory: Path) -> None:
    done = run(script, run_directory)
    assert done.returncode == status
    assert done.stderr.count("error ") == (status != 0 and "2>" not in script)
    assert "Traceback" not in done.stderr + done.stdout and "unexpected" not in done.stderr + done.stdout


@pytest.mark.network
def test_a_terminal_without_unicode_gets_what_it_can_show(run_directory: Path) -> None:
    done = run("$HM ledger blocks --limit 1", run_directory, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "height" in done.stdout and "\\u2500" in done.stdout


def test_a_demo_with_other_settings_says_which_before_it_loads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HMCHAIN_DATA_DIR", raising=False)
    settings = {"dataset": "br35h", "rounds": 2, "steps": 1, "hospitals": 3}
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "run.json").write_text(json.dumps(settings))
    command = ["demo", "--rounds", "4", "--steps", "1", "--hospitals", "3", "--output", "used"]
    monkeypatch.setattr("hmchain.interfaces.demo.tune_allocator", lambda: pytest.fail("it has begun to load"))
    assert main(command) == 2
    assert "used holds a run with other settings: rounds 2, not 4 [run_in_use]" in capsys.readouterr().err


def test_the_latest_run_of_a_folder_is_one_of_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = tmp_path / "mine" / "runs", tmp_path / "others" / "runs"
    for folder in (mine / "a", others / "b", tmp_path / "mine" / "elsewhere"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine")
    point_latest(Path("runs/a"))
    point_latest(others / "b")
    point_latest(Path("elsewhere"))
    assert (mine / "latest").resolve() == mine / "a" and (others / "latest").resolve() == others / "b"
    assert not (tmp_path / "mine" / "latest").exists()
    shutil.move(tmp_path / "mine", tmp_path / "moved")
    assert (tmp_path / "moved" / "runs" / "latest").resolve() == tmp_path / "moved" / "runs" / "a"
