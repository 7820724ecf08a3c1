"""The demo as a user lives it: run, stop in the middle, resume, look at what is left; and every way to get it wrong."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest

from hmchain.interfaces.cli.main import main
from hmchain.interfaces.demo import decisions
from support.demo_run import DEMO_SECONDS, SEED, hmchain, summary_of, wait_for_blocks, write_images

pytestmark = pytest.mark.process

TINY = ["--hospitals", "3", "--rounds", "6", "--steps", "3", "--image-size", "16", "--seed", str(SEED)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "bars")


@pytest.fixture(scope="module")
def finished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole run and what it printed."""
    place = tmp_path_factory.mktemp("whole")
    result = hmchain("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=place)
    assert result.returncode == 0, result.stdout + result.stderr
    return place / "run", result.stdout


class Here(Protocol):
    """Runs a command in this process, in a folder."""

    def __call__(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(cwd)
        status = main(list(arguments))
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


def test_everything_is_left_behind(finished: tuple[Path, str]) -> None:
    run, _ = finished
    for name in (
        "model.safetensors",
        "released.safetensors",
        "ledger/genesis.json",
        "ledger/blocks.db",
        "objects",
        "report.html",
        "run.json",
    ):
        assert (run / name).exists(), name
    modes = {path.name: path.stat().st_mode & 0o777 for path in run.glob("hospitals/*/keys/*.key")}
    assert len(modes) == 6
    assert set(modes.values()) == {0o600}


def test_both_incidents_happened_and_were_answered_in_the_same_round(finished: tuple[Path, str]) -> None:
    run, printed = finished
    summary = summary_of(run)
    assert [incident.title for incident in summary.incidents] == ["Dishonest block proposer", "Dishonest master"]
    for incident in summary.incidents:
        assert incident.before is not None and incident.after is not None
        assert incident.after < incident.before
        assert f"{incident.before} → {incident.after}" in printed
    liar = summary.incidents[1]
    (round_,) = [entry for entry in summary.rounds if entry.number == liar.round]
    assert round_.outcome == "accepted"
    assert [failure.hospital for failure in round_.failed] == [liar.hospital]
    assert round_.master != liar.hospital
    later = [entry.master for entry in summary.rounds if entry.number >= round_.number]
    assert liar.hospital not in later


def test_what_is_told_is_what_happened(finished: tuple[Path, str]) -> None:
    run, printed = finished
    summary = summary_of(run)
    assert len(summary.rounds) == 6
    assert all(hospital.metadata_removed == len_of(hospital) for hospital in summary.hospitals)
    assert [entry.decision for entry in summary.approvals] == ["refused", "approved", "approved", "approved"]
    (denied, *allowed) = summary.approvals
    assert (denied.hospital, denied.persons, denied.reason) == (summary.hospitals[-1].name, (), "nothing_permits")
    assert all(entry.persons == (f"{entry.hospital}/steward",) and entry.until for entry in allowed)
    assert {entry.asked_by for entry in summary.approvals} == {f"{summary.hospitals[0].name}/scientist"}
    (returned,) = summary.returned
    assert (returned.by, returned.version) == (f"{summary.hospitals[1].name}/steward", 1)
    assert (returned.request, returned.reason) == (allowed[0].study, "documents")
    words = " ".join(printed.split())
    assert "own policy: nothing in the policy permits this purpose" in words and "not_permitted" in words
    assert "since an ethics letter was missing; version 2 has it, and is allowed by all 3 hospitals" in words
    assert all(departure.images == 0 and departure.update_bytes > 0 for departure in summary.departures)
    assert summary.audit is not None and summary.audit.passed
    assert summary.audit.tamper is not None and summary.audit.tamper.found
    flipped, named = (
        re.search(r"block (\d+)", text) for text in (summary.audit.tamper.where, summary.audit.tamper.finding)
    )
    assert flipped is not None and named is not None and flipped[1] == named[1]
    assert summary.identity.genesis_digest in printed
    assert "not a medical device" in printed
    assert "simulated in one process" in printed
    assert "No differential privacy" in printed
    assert summary.withdrawal is not None and summary.release is not None
    assert (summary.withdrawal.last_round, summary.withdrawal.images) == (2, 1), "it was withdrawn in round 3"
    assert (
        f"A patient of {summary.withdrawal.hospital} withdrew consent: the patient's image is in the rounds up to 2"
        in words
    )
    assert [word.decision for word in summary.release.words] == ["granted"] * 3
    assert all(word.evidence and word.auc is not None for word in summary.release.words)
    assert f"refused at first by {summary.release.refused_by} (disclosure)" in words
    assert {verdict.role for verdict in summary.verdicts} == {"steward", "scientist", "operator", "auditor"}
    assert summary.results is not None
    assert len(summary.results.hospitals) == 3


def len_of(hospital: object) -> int:
    return hospital.training + hospital.validation  # type: ignore[attr-defined, no-any-return]


def test_the_hospitals_take_the_road_of_every_hospital(finished: tuple[Path, str]) -> None:
    run, printed = finished
    summary = summary_of(run)
    (held,) = summary.quarantine
    first = summary.hospitals[0]
    assert (held.hospital, held.decision, held.reviewer) == (first.name, "rejected", "steward of alder (simulated)")
    words = " ".join(printed.split())
    assert "The demo planted it: half of a picture" in words and "The steward of alder (simulated) rejected it" in words
    for hospital in summary.hospitals:
        assert hospital.files - hospital.held - hospital.duplicates == hospital.images_encrypted == len_of(hospital)
    assert [hospital.held for hospital in summary.hospitals] == [1, 0, 0]
    page = (run / "report.html").read_text()
    assert "From files to records" in page and held.reviewer in page


def test_the_commands_of_a_steward_work_on_a_hospital_of_the_demo(finished: tuple[Path, str], here: Here) -> None:
    run, _ = finished
    hospital, told = run / "hospitals" / "alder", summary_of(run).hospitals[0]

    def data(*arguments: str) -> Any:
        result = here("data", *arguments, "--dir", str(hospital), "--json", cwd=run.parent)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    versions = {each["dataset"]: each for each in data("list")}
    assert {name: (each["state"], each["records"]) for name, each in versions.items()} == {
        name: ("registered", len_of(told)) for name in ("images", "scans")
    }
    shown = data("show", "scans", "--limit", "1")
    assert shown["actions"] == [{"element": "EXIF", "done": "removed", "count": told.metadata_removed}]
    (held,) = data("quarantine", "list", "--decided")
    assert (held["state"], held["reviewer"]) == ("rejected", "steward of alder (simulated)")
    for dataset in versions:
        assert data("verify", dataset)["records"] == len_of(told)
        assert Path(data("card", dataset)["card"]).read_text().startswith("<!doctype html>")
    (lineage,) = [each for each in summary_of(run).lineage.datasets if each.hospital == "alder"]  # type: ignore[union-attr]
    assert lineage.digest == versions["images"]["root"]


def test_no_name_from_the_files_survives_anywhere(finished: tuple[Path, str]) -> None:
    run, _ = finished
    for path in run.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"JANE DOE" not in path.read_bytes(), path


def test_the_report_needs_nothing_from_outside(finished: tuple[Path, str]) -> None:
    page = (finished[0] / "report.html").read_text()
    assert summary_of(finished[0]).identity.model_digest in page
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


def test_a_finished_run_is_shown_again_and_not_changed(finished: tuple[Path, str], images: Path, here: Here) -> None:
    run, _ = finished
    before = (run / "summary.json").read_bytes()
    result = here("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=run.parent)
    assert result.returncode == 0
    assert "This run is finished" in result.stdout
    assert re.search(r"Look at it: .*hmchain portal --dir \S*run ", result.stdout)
    assert (run / "summary.json").read_bytes() == before


def test_the_audit_command_that_is_printed_works(finished: tuple[Path, str], here: Here) -> None:
    run, _ = finished
    digest = summary_of(run).identity.genesis_digest
    sound = here("audit", "verify", "run", "--genesis", digest, "--json", cwd=run.parent)
    assert sound.returncode == 0, sound.stderr
    found = json.loads(sound.stdout)["files"]
    accounted = {name for part in found.values() for finding in part for name in finding["files"]}
    everything = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {name for name in everything - accounted if not name.endswith(("lock", "-wal", "-shm"))} == set()
    wrong = here("audit", "verify", "run", "--genesis", "00" * 32, cwd=run.parent)
    assert wrong.returncode == 7
    assert "genesis" in wrong.stderr


def test_the_released_file_proves_itself_offline(finished: tuple[Path, str], here: Here, tmp_path: Path) -> None:
    run, _ = finished
    genesis = summary_of(run).identity.genesis_digest
    (offered,) = (fact.name for fact in summary_of(run).next_commands if " release check " in fact.name)
    words = shlex.split(offered)
    checked = here(*words[words.index("release") :], cwd=run.parent)
    assert checked.returncode == 0, checked.stderr
    inside = here("release", "check", str(run / "model.safetensors"), "--genesis", genesis, cwd=tmp_path)
    assert inside.returncode != 0 and "carries no proof" in inside.stderr


def test_the_model_predicts_an_image(finished: tuple[Path, str], images: Path, here: Here) -> None:
    run, _ = finished
    model, image = str(run / "model.safetensors"), str(next((images / "high").iterdir()))
    result = here("model", "predict", image, "--model", model, "--dir", str(run), "--json", cwd=run.parent)
    assert result.returncode == 0, result.stderr
    assert b"high" in result.stdout.encode()
    probabilities = re.findall(r'"(?:high|low|middle)":\s*([0-9.e-]+)', result.stdout)
    assert sum(map(float, probabilities)) == pytest.approx(1, abs=1e-6)


def start(images: Path, place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hmchain", "demo", "--dataset", str(images), *TINY, "--output", "run"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.network
@pytest.mark.parametrize("height", [3, 22, 40, 52])
def test_killed_at_any_moment_and_run_again_it_gives_the_same_model(
    height: int, images: Path, finished: tuple[Path, str], tmp_path: Path
) -> None:
    process = start(images, tmp_path)
    wait_for_blocks(process, tmp_path / "run/ledger/blocks.db", height)
    process.kill()
    process.communicate()
    assert not (tmp_path / "run/summary.json").exists()
    result = hmchain("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    resumed, undisturbed = summary_of(tmp_path / "run"), summary_of(finished[0])
    assert resumed.identity.model_digest == undisturbed.identity.model_digest
    assert [incident.title for incident in resumed.incidents] == [i.title for i in undisturbed.incidents]
    assert resumed.withdrawal == undisturbed.withdrawal


class Interrupted(NamedTuple):
    """A run in the middle of which a second process was tried, and then Ctrl-C."""

    place: Path
    second: subprocess.CompletedProcess[str]
    status: int
    said: str


@pytest.fixture(scope="module")
def interrupted(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    place = tmp_path_factory.mktemp("interrupted")
    process = start(images, place)
    try:
        wait_for_blocks(process, place / "run/ledger/blocks.db", 15)
        process.send_signal(signal.SIGSTOP)  # or it might be finished before the second one looks
        second = hmchain("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=place)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        printed, complaint = process.communicate(timeout=DEMO_SECONDS)
    finally:
        process.kill()
        process.wait()
    return Interrupted(place, second, process.returncode, complaint + printed)


@pytest.mark.network
def test_ctrl_c_says_how_to_go_on(interrupted: Interrupted) -> None:
    assert interrupted.status == 130, interrupted.said
    assert "same command" in interrupted.said
    assert "Traceback" not in interrupted.said


@pytest.mark.network
def test_a_second_process_on_the_same_run_is_refused(interrupted: Interrupted) -> None:
    assert interrupted.second.returncode == 6
    assert re.search(r"process \d+ writes the ledger", interrupted.second.stderr)


@pytest.mark.network
def test_a_run_of_other_training_code_is_not_gone_on_with(
    images: Path, interrupted: Interrupted, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "code_digest", lambda: bytes(32))
    tried = here("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=interrupted.place)
    assert tried.returncode == 2 and "[run_in_use]" in tried.stderr, tried.stderr
    assert "other training code" in tried.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--dataset", "pneumoniamnst"], 2, "pneumoniamnist"),
        (["--dataset", "nowhere/images"], 2, "does not exist"),
        (["--hospitals", "2"], 2, "3"),
        (["--hospitals", "33"], 2, "32"),
        (["--hospitals", "32"], 3, "20"),
        (["--rounds", "0"], 2, "rounds"),
        (["--alpha", "0"], 2, "alpha"),
    ],
)
def test_bad_settings_name_the_thing(
    arguments: list[str], code: int, words: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--dataset", str(images), *TINY, "--output", str(tmp_path / "run")]
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        asked += [name, value]
    status = main(["demo", *asked])
    printed, complaint = capsys.readouterr()
    assert status == code, complaint
    assert words in complaint
    assert "Traceback" not in complaint + printed


@pytest.mark.network  # long
def test_bad_images_name_the_thing(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = hmchain("demo", "--dataset", "empty", "--output", "a", cwd=tmp_path)
    assert (result.returncode, "no images" in result.stderr) == (3, True), result.stderr

    one = write_images(tmp_path / "one", per_class=30)
    for label in ("low", "middle"):
        for path in (one / label).iterdir():
            path.unlink()
        (one / label).rmdir()
    result = hmchain("demo", "--dataset", "one", "--output", "b", cwd=tmp_path)
    assert (result.returncode, "class" in result.stderr) == (3, True), result.stderr

    broken = write_images(tmp_path / "broken", per_class=40)
    (broken / "high/000.png").write_bytes(b"not an image")
    (broken / "low/000.png").write_bytes((broken / "low/001.png").read_bytes()[:60])
    result = hmchain("demo", "--dataset", "broken", *TINY[:2], "--rounds", "1", "--output", "c", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    reasons = [held.reason for held in summary_of(tmp_path / "c").quarantine]
    assert len(reasons) == 3 and all("damaged" in reason for reason in reasons)  # one is the demo's own
    assert len(summary_of(tmp_path / "c").incidents) == 2  # in the shortest run there is, too


def test_a_folder_in_use_is_left_alone(images: Path, tmp_path: Path, here: Here) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    result = here("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=tmp_path)
    assert result.returncode == 2
    assert "choose another --output" in result.stderr
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]


def test_other_settings_do_not_resume_a_run(finished: tuple[Path, str], images: Path, here: Here) -> None:
    run, _ = finished
    result = here("demo", "--dataset", str(images), *TINY, "--seed", "6", "--output", "run", cwd=run.parent)
    assert result.returncode == 2
    assert "other settings" in result.stderr


@pytest.mark.network  # long
def test_keys_are_protected_by_a_passphrase(
    images: Path, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hmchain", "demo", "--dataset", str(images), *TINY, "--output", "run"],
        cwd=tmp_path,
        env={**os.environ, "HMCHAIN_PASSPHRASE": "correct horse"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_blocks(process, tmp_path / "run/ledger/blocks.db", 2)  # type: ignore[arg-type]
    finally:
        process.kill()
        process.wait()
    for path in tmp_path.glob("run/hospitals/*/keys/*.key"):
        assert msgspec.json.decode(path.read_bytes())["protection"] == "scrypt-aes256gcm"
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "battery staple")
    wrong = here("demo", "--dataset", str(images), *TINY, "--output", "run", cwd=tmp_path)
    assert wrong.returncode == 5
    assert "passphrase" in wrong.stderr
    assert "battery" not in wrong.stderr + wrong.stdout
