"""The demo on real CometBFT nodes as a user lives it: stopped with Ctrl-C, killed, gone on with, read and audited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hmchain.interfaces.report import RunSummary
from support.cometbft_network import eventually, needs_cometbft
from support.demo_run import DEMO_SECONDS, hmchain, summary_of, wait_for_blocks, write_images

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

SETTINGS = ["--engine", "cometbft", "--rounds", "5", "--steps", "3", "--image-size", "16", "--seed", "5"]


@dataclass(frozen=True)
class Finished:
    """A run that was interrupted twice, and what its three processes said."""

    run: Path
    stopped: str
    printed: str

    @property
    def summary(self) -> RunSummary:
        return summary_of(self.run)

    @property
    def genesis(self) -> str:
        return self.summary.identity.genesis_digest


def processes_of(run: Path) -> list[bytes]:
    """Command lines of all processes that belong to the nodes of a run, which was started in the folder above it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, place = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
        except OSError:
            continue  # it has just ended
        if place == run.parent and b"run/nodes/" in line:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    needs_cometbft()
    images = write_images(tmp_path_factory.mktemp("data") / "bars")
    place = tmp_path_factory.mktemp("nodes-run")
    run, demo = place / "run", ["demo", "--dataset", str(images), *SETTINGS, "--output", "run"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "hmchain", *demo],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start()
    wait_for_blocks(process, run / "nodes/alder/blocks.db", 12)
    assert processes_of(run)
    process.send_signal(signal.SIGINT)
    printed, stopped = process.communicate(timeout=DEMO_SECONDS)
    assert process.returncode == 130, printed + stopped
    assert not processes_of(run)

    process = start()
    wait_for_blocks(process, run / "nodes/alder/blocks.db", 40)
    process.kill()
    process.communicate()
    eventually(lambda: not processes_of(run), "all nodes end with the process that started them", 60)

    result = hmchain(*demo, cwd=place)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not processes_of(run)
    return Finished(run, stopped, result.stdout)


def test_what_it_takes_is_said_first(finished: Finished) -> None:
    needs = finished.printed.index("make cometbft")
    time = finished.printed.index("about four minutes")
    assert max(needs, time) < finished.printed.index("simulated hospitals learn")


def test_ctrl_c_says_how_to_go_on(finished: Finished) -> None:
    assert "same command" in finished.stopped
    assert "Traceback" not in finished.stopped


def test_a_killed_validator_and_a_dishonest_master_are_answered(finished: Finished) -> None:
    summary = finished.summary
    killed, liar = sorted(summary.incidents, key=lambda incident: incident.title, reverse=True)
    assert (killed.title, liar.title) == ("Killed validator", "Dishonest master")
    assert liar.before is not None and liar.after is not None
    assert liar.after < liar.before
    assert killed.before is not None
    # A short run may be over before an epoch closes after the return: then no score is told.
    assert killed.after is None or killed.after < killed.before
    at = [hospital.name for hospital in summary.hospitals].index(killed.hospital)
    powers = [point.power[at] for point in summary.reputation]
    assert 1 in powers or "→ 1 from block" in killed.consequence
    assert powers[-1] > 1
    (round_,) = [entry for entry in summary.rounds if entry.number == liar.round]
    assert [failure.hospital for failure in round_.failed if failure.fault == "fraud"] == [liar.hospital]
    assert [entry.outcome for entry in summary.rounds] == ["accepted"] * 5
    assert next(one for one in summary.proposers if one.hospital == killed.hospital).failed > 0


def test_the_report_tells_it(finished: Finished) -> None:
    page = (finished.run / "report.html").read_text()
    assert "Killed validator" in page
    assert "CometBFT" in page
    assert finished.summary.identity.model_digest in page


def test_the_ledger_is_audited_without_any_node(finished: Finished) -> None:
    assert finished.summary.audit is not None and finished.summary.audit.passed
    tamper = finished.summary.audit.tamper
    assert tamper is not None and tamper.found and "block" in tamper.finding
    place, genesis = finished.run.parent, finished.genesis
    sound = hmchain("audit", "verify", "run", "--genesis", genesis, "--json", cwd=place)
    assert sound.returncode == 0, sound.stderr
    found = json.loads(sound.stdout)
    assert found["vote_signatures"] >= 3 * found["height"]
    assert [model["root"] for model in found["models"]] == [finished.summary.identity.model_digest]
    last = f"{found['height']}:{found['head']}"
    assert hmchain("audit", "verify", "run", "--block", last, cwd=place).returncode == 0
    other = f"{found['height']}:{'00' * 32}"
    assert hmchain("audit", "verify", "run", "--block", other, cwd=place).returncode == 7
    assert hmchain("audit", "verify", "run", "--genesis", "00" * 32, cwd=place).returncode == 7


def test_the_other_commands_read_it(finished: Finished) -> None:
    place = finished.run.parent
    status = json.loads(hmchain("study", "status", "run", "--json", cwd=place).stdout)
    assert (status["status"], status["accepted"]) == ("finished", 5)
    blocks = json.loads(hmchain("ledger", "blocks", "run", "--limit", "1000", "--json", cwd=place).stdout)
    assert {len(block["signed"]) for block in blocks} <= {3, 4}
    assert any(block["round"] > 0 for block in blocks)
    transaction = next(line["digest"] for line in blocks[-2]["transactions"] if line["code"] == "ok")
    assert hmchain("ledger", "tx", transaction, "--dir", "run", cwd=place).returncode == 0
    proven = hmchain("ledger", "proof", transaction, "--dir", "run", "--out", "proof.json", cwd=place)
    assert proven.returncode == 0, proven.stderr
    check = ["ledger", "check-proof", "proof.json", "--genesis", finished.genesis]
    assert hmchain(*check, cwd=place).returncode == 0
    proof = (place / "proof.json").read_text()
    (place / "proof.json").write_text(proof.replace('"ok"', '"expired"'))
    assert hmchain(*check, cwd=place).returncode == 7
    trace = json.loads(hmchain("audit", "trace", "run", "--json", cwd=place).stdout)
    assert trace["model_root"] == finished.summary.identity.model_digest


def test_a_missing_program_is_named_with_the_way_out(tmp_path: Path) -> None:
    asked = ["demo", *SETTINGS, "--output", "run"]
    result = hmchain(*asked, cwd=tmp_path, HMCHAIN_COMETBFT=str(tmp_path / "nothing"))
    assert result.returncode == 6
    assert "make cometbft" in result.stderr
    assert "memory" in result.stdout
    assert not (tmp_path / "run").exists()


def test_a_missing_library_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "httpx.py").write_text("raise ModuleNotFoundError(\"No module named 'httpx'\", name='httpx')\n")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    result = hmchain("demo", *SETTINGS, "--output", "run", cwd=tmp_path, PYTHONPATH=path)
    assert result.returncode == 1
    assert "hmchain[cometbft]" in result.stderr
    assert "setup.sh network" in result.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("hospitals", ["3", "11"])
def test_a_number_of_hospitals_that_cannot_do_is_refused(hospitals: str, tmp_path: Path) -> None:
    result = hmchain("demo", *SETTINGS, "--hospitals", hospitals, "--output", "run", cwd=tmp_path)
    assert result.returncode == 2
    assert "4 to 10" in result.stderr
