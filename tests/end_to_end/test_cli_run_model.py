"""A finished run's model at the command line: listed, exported, asked; and the report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hmchain import study_scores, verify
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.model_file import load_model, save_model
from hmchain.application.models.leaving import Leaver
from hmchain.application.models.scores import ScoresFileError
from hmchain.application.node import study_here as status
from hmchain.application.node.questions import open_ledger
from hmchain.errors import StorageError
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.report import at_node, render
from hmchain.ledger.engines.block_store import BlockStore
from support.cli_run import copy as copy
from support.cli_run import this_run as this_run
from support.finished_run import (
    NAMES,
    SCHEMA,
    STUDY,
    Captured,
    answer,
    text,
)
from support.finished_run import run_directory as run_directory

pytestmark = pytest.mark.process


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """An image file, of a size and mode that the model doesn't have."""
    path = tmp_path / "scan.png"
    Image.fromarray(np.full((40, 30, 3), 200, np.uint8)).save(path)
    return path


# -- hmchain model ---------------------------------------------------------------------------------------------------


def test_the_model_is_listed_and_known_to_the_ledger(capsys: Captured, run_directory: Path) -> None:
    (listed,) = answer(capsys, "model", "list")
    assert listed["study"] == STUDY and listed["classes"] == list(SCHEMA.classes)
    shown = answer(capsys, "model", "show")
    assert shown["ledger"] == "matches" and shown["origin"]["model_root"] == listed["root"]
    alone = answer(capsys, "model", "show", "--model", str(run_directory / "model.safetensors"))
    assert alone["sha256"] == shown["sha256"]
    assert "Research use only, not a medical device." in text(capsys, "model", "show")


def test_the_lines_of_python_that_show_a_model_s_use_run(capsys: Captured, run_directory: Path, scan: Path) -> None:
    _, _, lines = text(capsys, "model", "show").partition("From Python\n")
    code = lines.partition("\n\n")[0].replace("LEDGER", str(run_directory)).replace("IMAGE", str(scan))
    names: dict[str, Any] = {}
    exec(code.replace("predict(model", "answer = predict(model"), names)
    assert set(names["answer"]) == set(SCHEMA.classes)


def test_a_model_that_was_not_agreed_on_is_exit_7(
    capsys: Captured, run_directory: Path, tmp_path: Path, scan: Path
) -> None:
    model, path = load_model(run_directory / "model.safetensors", unregistered=True), tmp_path / "other.safetensors"
    model.vector.view(np.uint32)[5] ^= 1
    save_model(path, model)
    shown = answer(capsys, "model", "show", "--model", str(path), status=7)
    assert shown["ledger"] == "differs" and "the weights" in shown["difference"]
    assert "HAS ANOTHER MODEL: the weights" in text(capsys, "model", "show", "--model", str(path), status=7)
    error = answer(capsys, "model", "predict", str(scan), "--model", str(path), status=7)["error"]
    assert error["code"] == "model_differs"
    found = answer(capsys, "model", "predict", str(scan), "--model", str(path), "--unregistered")
    assert found["model"]["ledger"] == "unknown"


def test_the_model_is_exported_at_any_hospital_that_took_part_and_stays_inside_it(
    capsys: Captured, run_directory: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_directory, tmp_path / "run"))
    whole = (run / "model.safetensors").read_bytes()
    for hospital in sorted((run / "hospitals").iterdir())[:2]:
        shown = answer(capsys, "model", "export", STUDY, "--dir", str(hospital))
        assert (shown["ledger"], shown["releases"]) == ("matches", [])
        assert Path(shown["path"]).read_bytes() == whole
        assert "stays inside" in text(capsys, "model", "export", STUDY, "--dir", str(hospital)).replace("\n", " ")
        named = str(hospital / "again.safetensors")
        assert answer(capsys, "model", "export", STUDY, "--dir", str(hospital), "--output", named)["path"] == named
    hospital = sorted((run / "hospitals").iterdir())[0]
    for outside in (tmp_path / "m.safetensors", hospital / ".." / "m.safetensors", Path("/dev/full")):
        refused = answer(capsys, "model", "export", STUDY, "--dir", str(hospital), "--output", str(outside), status=8)
        assert refused["error"]["code"] == "inside" and "hmchain release ask tiny" in refused["error"]["hint"]
    assert not (tmp_path / "m.safetensors").exists()
    for taken in (hospital / "keys", hospital / "agent.db"):
        before = taken.stat().st_mtime_ns
        refused = answer(capsys, "model", "export", STUDY, "--dir", str(hospital), "--output", str(taken), status=2)
        assert refused["error"]["code"] == "model_there" and str(taken) in refused["error"]["what"]
        assert taken.stat().st_mtime_ns == before
    unknown = answer(capsys, "model", "export", "no-such-study", "--dir", str(hospital), status=8)["error"]
    assert unknown["code"] == "no_study_key" and "no-such-study" in unknown["what"]
    nowhere = answer(capsys, "model", "export", STUDY, "--dir", str(tmp_path), status=2)["error"]
    assert nowhere["code"] == "no_hospital"


def test_a_model_that_the_store_lost_is_exported_from_a_hospitals_own_disk(
    capsys: Captured, run_directory: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_directory, tmp_path / "run"))
    shutil.rmtree(run / "objects")
    status = {}
    for hospital in sorted((run / "hospitals").iterdir()):
        arguments = ["model", "export", STUDY, "--dir", str(hospital)]
        status[hospital.name] = main([*arguments, "--json"])
        capsys.readouterr()
    held = [name for name, code in status.items() if code == 0]
    assert held and set(status.values()) <= {0, StorageError.exit_code}
    left = (run / "hospitals" / name / "studies" / STUDY / "model.safetensors" for name in held)
    assert all(each.read_bytes() == (run / "model.safetensors").read_bytes() for each in left)


def test_a_model_file_can_be_shown_by_itself(
    capsys: Captured, run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HMCHAIN_RUN")
    monkeypatch.chdir(tmp_path)
    shown = answer(capsys, "model", "show", "--model", str(run_directory / "model.safetensors"))
    assert shown["ledger"] == "unknown" and shown["difference"]
    path = str(run_directory / "model.safetensors")
    assert answer(capsys, "model", "predict", "x.png", "--model", path, status=2)["error"]["code"] == "no_ledger"
    assert answer(capsys, "model", "show", "--model", "x", "--dir", "none", status=2)["error"]["code"] == "no_run"


def test_predict_gives_probabilities_and_says_what_it_is(capsys: Captured, scan: Path) -> None:
    found = answer(capsys, "model", "predict", str(scan))
    (prediction,) = found["predictions"]
    assert set(prediction["probabilities"]) == set(SCHEMA.classes)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert found["notice"] == "Research use only, not a medical device."
    shown = text(capsys, "model", "predict", str(scan))
    assert found["model"]["sha256"] in shown and "16 x 16" in shown and found["notice"] in shown


def test_predict_takes_a_folder_and_goes_on_after_a_bad_file(capsys: Captured, scan: Path) -> None:
    (scan.parent / "broken.jpg").write_bytes(b"not an image")
    (scan.parent / "notes.txt").write_text("not meant")
    found = answer(capsys, "model", "predict", str(scan.parent), status=3)
    assert [Path(each["image"]).name for each in found["predictions"]] == ["broken.jpg", "scan.png"]
    assert [bool(each["error"]) for each in found["predictions"]] == [True, False]


@pytest.mark.parametrize(
    ("name", "status", "code"), [("notes.txt", 3, "unreadable_images"), ("no.png", 2, "no_images")]
)
def test_what_is_no_image_is_named(capsys: Captured, tmp_path: Path, name: str, status: int, code: str) -> None:
    (tmp_path / "notes.txt").write_text("words")
    error = answer(capsys, "model", "predict", str(tmp_path / name), status=status)["error"]
    assert error["code"] == code and name in error["what"]


def test_what_is_no_model_is_named(capsys: Captured, scan: Path, copy: Path) -> None:
    error = answer(capsys, "model", "predict", str(scan), "--model", str(scan), status=2)["error"]
    assert error["code"] == "model_file"
    error = answer(capsys, "model", "predict", str(scan), "--dir", str(copy), status=2)["error"]
    assert error["code"] == "unfinished_run"


# -- hmchain report, and all of it as a process ----------------------------------------------------------------------


def test_the_report_is_drawn_once_and_again_on_demand(capsys: Captured, run_directory: Path) -> None:
    assert answer(capsys, "report")["rendered"] is True
    again = answer(capsys, "report")
    assert again["rendered"] is False
    Path(again["report"]).write_text("old")
    assert text(capsys, "report", "--render").strip() == again["report"]
    assert Path(again["report"]).read_text().startswith("<!doctype html>")


def test_reading_leaves_the_ledger_as_it_was(capsys: Captured, copy: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.rglob("*.db")}
    text(capsys, "study", "status", str(copy))
    text(capsys, "ledger", "blocks", str(copy))
    assert {path.name: path.read_bytes() for path in copy.rglob("*.db")} == before


@pytest.mark.network
def test_the_installed_command_works_on_the_latest_run(run_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(run_directory, target_is_directory=True)
    code = "from hmchain.interfaces.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", "verify", "--json"],
        capture_output=True, text=True, cwd=tmp_path, env={"PATH": ""}, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    store = BlockStore(run_directory / "ledger" / "blocks.db", read_only=True)
    assert json.loads(done.stdout)["height"] == store.height
    store.close()


def test_a_hospital_s_page_shows_its_own_scores_and_nobody_else_s(run_directory: Path, tmp_path: Path) -> None:
    """What `hmchain report` draws at a node, of the hospital of a run: the same ledger, the same files."""
    run = tmp_path / "run"
    shutil.copytree(run_directory, run)
    with Consortium.open(run) as consortium:
        for name in ("north", "south"):
            hospital = consortium.hospitals[name]
            ledger = consortium.ledger
            Leaver(hospital.folder, hospital.agent, ledger.genesis, lambda line: None).leave(ledger.state)
            assert load_model(hospital.folder.study(STUDY).model, verify(run)).origin is not None
        folder = consortium.hospitals["north"].folder
    scores_of_south = (run / "hospitals/south/studies" / STUDY / "scores.json").read_text()
    with open_ledger(run) as ledger:
        summary = at_node.summarise(folder, run / "ledger", ledger, STUDY, "hmchain {} --dir there".format)
    assert summary.own is not None and [each.number for each in summary.own.rounds] == [1, 2]
    assert "south" not in str(summary.own) and '"south"' in scores_of_south
    assert [each.hospital for each in summary.departures] == ["north"] and summary.departures[0].images == 0
    assert [each.hospital for each in summary.participants] == list(NAMES)
    assert [turn.outcome for turn in summary.rounds] == ["accepted"] * 2 and summary.results is None
    page = render(summary)
    assert (
        "This hospital&#39;s own scores" in page and "as north knows it" in page and "seed" not in page.split("nav")[0]
    )
    assert all(step.name.endswith(" --dir there") for step in summary.next_commands)
    assert study_scores(folder.path, STUDY).rounds[-1].auc == summary.own.rounds[-1].auc
    folder.study(STUDY).scores.write_text(scores_of_south)  # whoever puts other scores there is noticed
    with open_ledger(run) as ledger:
        with pytest.raises(ScoresFileError, match="its organisation is 'south', not 'north'"):
            at_node.summarise(folder, run / "ledger", ledger, STUDY, "hmchain {} --dir there".format)
        here = status.study_here(ledger.study(STUDY), ledger, folder, is_run=False)
        assert here.own is None and "'south'" in here.own_lost and here.status.status == "finished"
    with pytest.raises(ScoresFileError, match="is not what its agent wrote"):
        study_scores(folder.path, STUDY)
