"""The README keeps its promises: what it says first, and a quickstart that runs."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.application import registry
from hmchain.application.consortium import Consortium
from hmchain.application.hospital import TRAIN, VALIDATION, Images
from hmchain.application.learning.cnn import Architecture
from hmchain.application.learning.schedule import demo_plan
from hmchain.application.learning.study import study_spec
from hmchain.ledger.contracts.approvals import ApproveStudy
from hmchain.ledger.contracts.datasets import Schema
from hmchain.ledger.contracts.studies import DatasetUse, ProposeStudy

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CLASSES = ("dark", "bright")
SIDE = 16


def quickstart() -> str:
    """The block that is marked as the quickstart."""
    found = re.search(r"^```python quickstart\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found, "README.md has no block marked ```python quickstart"
    return found[1]


def images(count: int, seed: int) -> Images:
    """Noise around a dark or a bright grey: (count, SIDE, SIDE, 1)."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    grey = 60 + 120 * labels[:, None, None, None] + random.integers(-40, 40, (count, SIDE, SIDE, 1))
    return Images(grey.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it after a run: runs/latest with ledger and model, and an image to ask about."""
    folder = tmp_path_factory.mktemp("quickstart")
    run = folder / "runs" / "latest"
    schema = Schema("image", 1, SIDE, SIDE, CLASSES)
    names = ("elm", "fir", "oak", "yew")
    with Consortium.create(run, "quickstart", {name: name.capitalize() for name in names}) as consortium:
        for seed, hospital in enumerate(consortium.hospitals.values()):
            hospital.store_images("images", {TRAIN: images(24, seed), VALIDATION: images(8, 100 + seed)})
            consortium.require(hospital.register("images", schema))
            consortium.require(hospital.publish("images", 1))
        architecture = Architecture.for_images(SIDE, SIDE, 1, len(CLASSES))
        uses = tuple(DatasetUse(name, "images", 1) for name in names)
        spec = study_spec("grey", schema, uses, architecture, demo_plan(rounds=1, steps=1), seed=1)
        consortium.require(consortium.hospitals["elm"].as_scientist(ProposeStudy(spec)))
        until_ms = consortium.ledger.now_ms() + 3_600_000
        for hospital in consortium.hospitals.values():
            approval = ApproveStudy("grey", "images", 1, spec.purpose, spec.code, until_ms)
            consortium.require(hospital.as_steward(approval))
        consortium.run("grey")
        key = consortium.hospitals["elm"].agent.study_key("grey")
        assert key is not None
        origin = {"genesis": consortium.ledger.genesis.digest.hex()}
        registry.export(consortium.ledger.state, consortium.objects, key, "grey", run / "model.safetensors", origin)
    Image.fromarray(images(1, 7).images[0, :, :, 0]).save(folder / "scan.jpg")
    return folder


def test_the_quickstart_runs_on_a_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(quickstart(), "README.md", "exec"), {"__name__": "quickstart"})
    shown = printed.getvalue()
    assert "blocks" in shown
    assert all(name in shown for name in CLASSES)


def test_the_quickstart_fails_on_a_ledger_that_was_altered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hmchain.errors import AuditError

    monkeypatch.chdir(place)
    genesis = place / "runs" / "latest" / "ledger" / "genesis.json"
    whole = genesis.read_bytes()
    genesis.write_bytes(whole.replace(b'"Elm"', b'"Elf"'))
    try:
        with pytest.raises(AuditError):
            exec(compile(quickstart(), "README.md", "exec"), {"__name__": "quickstart"})
    finally:
        genesis.write_bytes(whole)


def test_the_quickstart_has_about_ten_lines() -> None:
    assert sum(bool(line.strip()) for line in quickstart().splitlines()) <= 12


def test_both_commands_come_within_the_first_thirty_lines() -> None:
    beginning = README.splitlines()[:30]
    assert any(line.startswith("make demo") for line in beginning)
    assert any(line.startswith("git clone") for line in beginning)


def test_linked_files_exist() -> None:
    root = Path(__file__).parents[2]
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", README) + re.findall(r'src="(?!https?://)([^"]+)"', README)
    missing = [link for link in links if not (root / link).exists()]
    assert links
    assert not missing
