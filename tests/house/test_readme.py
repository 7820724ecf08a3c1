"""README and reference keep their promises: code in them runs, links lead somewhere, every command is described."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.model_origin import ModelDiffersError
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.models import registry
from hmchain.errors import AuditError
from hmchain.interfaces.cli.lazy import LazyCommand
from hmchain.interfaces.cli.main import app
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Status
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, Images
from support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CLASSES = ("dark", "bright")
SIDE = 16


def marked(text: str, mark: str) -> str:
    """The Python block that is marked with a word after the language."""
    found = re.search(rf'^```python (?:title=")?{mark}"?\n(.*?)^```$', text, re.DOTALL | re.MULTILINE)
    assert found, f"there is no block marked ```python {mark}"
    return found[1]


def quickstart() -> str:
    """The README's quickstart."""
    return marked(README, "quickstart")


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
        plan, salt = default_plan(rounds=1, steps=1), consortium.ledger.genesis.salt
        spec = study_spec("grey", schema, uses, architecture, plan, salt)
        elm, until_ms = consortium.hospitals["elm"], consortium.ledger.now_ms() + 3_600_000
        consortium.require(*elm.ask(spec, until_ms))
        for hospital in consortium.hospitals.values():
            consortium.require(*hospital.allow("grey", until_ms))
        consortium.require(elm.propose(spec))
        consortium.run("grey")
        key = consortium.hospitals["elm"].agent.study_key("grey")
        assert key is not None
        ledger, path = consortium.ledger, run / "model.safetensors"
        registry.export(ledger.state, consortium.objects, key, "grey", path, ledger.genesis)
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
    monkeypatch.chdir(place)
    genesis = place / "runs" / "latest" / "ledger" / "genesis.json"
    whole = genesis.read_bytes()
    genesis.write_bytes(whole.replace(b'"Elm"', b'"Elf"'))
    try:
        with pytest.raises(AuditError):
            exec(compile(quickstart(), "README.md", "exec"), {"__name__": "quickstart"})
    finally:
        genesis.write_bytes(whole)


def test_the_quickstart_refuses_a_model_with_one_flipped_weight(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    path = place / "runs" / "latest" / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    try:
        with pytest.raises(ModelDiffersError, match="the weights"):
            exec(compile(quickstart(), "README.md", "exec"), {"__name__": "quickstart"})
    finally:
        path.write_bytes(whole)


def test_the_quickstart_has_about_ten_lines() -> None:
    assert sum(bool(line.strip()) for line in quickstart().splitlines()) <= 12


def test_both_commands_come_within_the_first_thirty_lines() -> None:
    beginning = README.splitlines()[:30]
    assert any(line.startswith("make demo") for line in beginning)
    assert any(line.startswith("git clone") for line in beginning)


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", README) + re.findall(r'src="(?!https?://)([^"]+)"', README)
    missing = [link for link in links if not (REPOSITORY / link).exists()]
    assert links
    assert not missing


def test_the_consortium_in_the_reference_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reference = (REPOSITORY / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    code = compile(marked(reference, "consortium"), "python.md", "exec")
    names: dict[str, Any] = {"__name__": "reference"}
    exec(code, names)
    assert names["model"].origin.study == "brightness"
    with Consortium.open(tmp_path / "my-run") as consortium:
        entry = studies.study(consortium.ledger.state, "brightness")
    assert entry is not None
    assert entry.status == Status.FINISHED


def commands(command: Any, name: str = "hmchain") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    command = command.loaded if isinstance(command, LazyCommand) else command
    children = getattr(command, "commands", {})
    if not children:
        yield name, command
    for child, of in children.items():
        yield from commands(of, f"{name} {child}")


def test_every_command_and_option_is_in_the_reference() -> None:
    reference = (REPOSITORY / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 5
    missing = [name for name in found if name not in reference]
    options = {option for of in found.values() for each in of.params for option in each.opts if option.startswith("--")}
    missing += [option for option in sorted(options) if not re.search(rf"`{option}[` ]", reference)]
    assert not missing


def test_the_rules_of_the_specification_have_numbers_of_their_own_and_tests_that_exist() -> None:
    specification = (REPOSITORY / "docs" / "spec.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^\| ([A-Z]\d+) \|", specification, re.MULTILINE)
    assert len(numbers) == len(set(numbers)), "two rules have one number"
    files = list((REPOSITORY / "tests").rglob("test_*.py"))
    tests = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    tests |= {path.stem for path in files}
    named = set(re.findall(r"`(test_\w+)(?:\.\.\.)?`", specification))
    missing = [name for name in sorted(named) if not any(test.startswith(name) for test in tests)]
    assert not missing


def test_every_decision_is_in_the_index() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert re.findall(r"\]\((0\d+-[^)]+)\)", (folder / "index.md").read_text(encoding="utf-8")) == names
