"""A hospital says which code of others its agent may run: by digest, in `node.toml`, after a look at it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import py_compile
import sys
import zipfile
from pathlib import Path

import pytest

from hmchain.application.governance import trainers
from hmchain.application.learning.trainers.source import TrainerCodeError, parse_accepted, read_source
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.interfaces.cli.main import main
from support.own_trainers import altered, logistic


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "north")
    folder.path.mkdir()
    folder.write_settings(NodeSettings(organisation="north", title="North", address="north:1"))
    return folder


def test_a_steward_reads_a_trainer_and_accepts_it(
    folder: NodeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logistic(tmp_path)
    text = folder.toml.read_text() + "# our own remark\n"
    folder.toml.write_text(text)
    at = ("--dir", str(folder.path))
    assert main(["node", "trainers", *at]) == 0
    assert "no trainer but the CNN" in capsys.readouterr().out
    assert main(["node", "trainers", "logistic.py:Logistic", *at]) == 0
    shown = capsys.readouterr().out
    assert read_source("logistic.py:Logistic").digest.hex() in shown and "all rights of the agent" in shown
    assert main(["node", "trainers", "logistic.py:Logistic", "--accept", *at]) == 2, "it asks, and nobody is there"
    assert folder.settings().trainers == ()
    assert main(["node", "trainers", "logistic.py:Logistic", "--accept", "--yes", *at]) == 0
    assert "Stay in such a study from beginning to end, or out." in " ".join(capsys.readouterr().out.split())
    assert "# our own remark" in folder.toml.read_text()
    (held,) = trainers.accepted(folder)
    assert held.source == f"{tmp_path}/logistic.py:Logistic" and held.digest == read_source(held.source).digest
    assert trainers.view(folder, "logistic.py:Logistic").accepted


def test_what_lies_there_is_compared_with_what_was_accepted(folder: NodeFolder, tmp_path: Path) -> None:
    path = logistic(tmp_path)
    first = trainers.accept(folder, trainers.view(folder, f"{path}:Logistic"))
    path.write_text(path.read_text() + "\n")
    (other,) = trainers.views(folder)
    assert not other.accepted and other.instead == first.digest != other.digest
    path.unlink()
    (gone,) = trainers.views(folder)
    assert gone.trouble.endswith("cannot be read") and gone.instead == first.digest
    logistic(tmp_path)
    assert trainers.views(folder)[0].accepted
    path.write_text(path.read_text() + "# better\n")
    trainers.accept(folder, trainers.view(folder, f"{path}:Logistic"))
    (kept,) = trainers.accepted(folder)
    assert kept.digest != first.digest, "the newer one is in the place of the older"


def test_a_digest_is_of_the_code_and_the_class_wherever_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    here, there = logistic(tmp_path), altered(tmp_path / "elsewhere", "other.py")
    assert read_source(f"{here}:Logistic").digest == read_source(f"{there}:Logistic").digest
    assert read_source(f"{here}:Another").digest != read_source(f"{here}:Logistic").digest


def test_of_a_module_the_digest_is_of_its_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ours"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/__init__.py", "deep/helper.py"):
        (package / name).write_text("raise RuntimeError('imported')\n")
    logistic(package / "deep")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = read_source("ours.deep.logistic:Logistic")
    assert {name for name, _ in before.files} == {
        "__init__.py",
        "deep/__init__.py",
        "deep/helper.py",
        "deep/logistic.py",
    }
    (package / "deep" / "helper.py").write_text("# another\n")
    assert read_source("ours.deep.logistic:Logistic").digest != before.digest
    with pytest.raises(TrainerCodeError, match=r"RuntimeError at __init__\.py:1"):
        before.load()


def test_a_trainer_deep_in_a_package_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "of_depth" / "deep"
    deep.mkdir(parents=True)
    for folder in (deep.parent, deep):
        (folder / "__init__.py").write_text("")
    logistic(deep)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_source("of_depth.deep.logistic:Logistic").load().__name__ == "Logistic"


def test_bytecode_beside_a_package_is_not_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache can be marked never to be compared with its source; it is in no digest, and must not be loaded."""
    package = tmp_path / "cached"
    package.mkdir()
    logistic(package)
    (package / "__init__.py").write_text("")
    evil = tmp_path / "evil.py"
    evil.write_text("raise RuntimeError('the cache ran')")
    target = importlib.util.cache_from_source(str(package / "logistic.py"))
    py_compile.compile(str(evil), target, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_source("cached.logistic:Logistic").load().__name__ == "Logistic"


def test_a_module_in_an_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No digest covers what lies in it: the digest of no files would be accepted."""
    archive = tmp_path / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(logistic(tmp_path), "zipped/__init__.py")
    (tmp_path / "nameless").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(archive))
    for module in ("zipped", "nameless"):
        with pytest.raises(TrainerCodeError, match="is no folder of Python files"):
            read_source(f"{module}:Logistic")


def test_only_the_bytes_that_were_looked_at_are_ever_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "looked_at"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "helper.py").write_text("told = 'in no digest'\n")
    (package / "late.py").write_text("told = 'looked at'\n")
    logistic(package).rename(package / "__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    source = read_source("looked_at:Logistic")
    for name in ("__init__.py", "late.py", "new.py"):
        (package / name).write_text("told = 'changed since'\n")
    loaded = source.load()
    assert loaded.__name__ == "Logistic" and pkgutil.get_data("looked_at", "late.py") == b"told = 'looked at'\n"
    assert importlib.import_module("looked_at.late").told == "looked at", "also what it imports late"
    for name in ("new", "__pycache__.helper"):
        with pytest.raises(ModuleNotFoundError, match="in what was accepted"):
            importlib.import_module(f"looked_at.{name}")
    assert source.load() is loaded
    with pytest.raises(TrainerCodeError, match="another looked_at than the accepted one is loaded"):
        read_source("looked_at:Logistic").load()


def test_a_link_in_a_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "linked"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "more").symlink_to(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TrainerCodeError, match="is a link"):
        read_source("linked:Logistic")


def test_a_pipe_is_no_trainer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(TrainerCodeError, match="is no file"):
        read_source(f"{tmp_path}/pipe.py:Logistic")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("logistic.py", "names no class"),
        ("none.py:Logistic", "cannot be read"),
        ("no_such_module_here:Logistic", "there is no module"),
        (":Logistic", "names no class"),
        ("..:Logistic", "names no module"),
        ("a\0.py:Logistic", "cannot be read"),
    ],
)
def test_what_names_no_code_is_explained(text: str, told: str) -> None:
    with pytest.raises(TrainerCodeError, match=told):
        read_source(text)


@pytest.mark.parametrize("text", ["logistic.py:Logistic", "logistic.py:Logistic@ab", "@" + "00" * 32])
def test_a_trainer_without_its_digest_is_accepted_by_nobody(text: str) -> None:
    with pytest.raises(TrainerCodeError, match="names no trainer that somebody accepted"):
        parse_accepted(text)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("class Logistic(hmchain.Trainer)", "class Logistic"), "is no trainer"),
        (("def score", "def scores"), "is no trainer"),
        (("import hmchain\n", "import hmchain\nimport nothing_of_the_kind\n"), r"ModuleNotFoundError at bad\.py:6"),
        (("import hmchain\n", "import hmchain\nthis is no Python\n"), r"SyntaxError at bad\.py:6"),
    ],
)
def test_a_file_that_is_no_trainer_says_what_is_wrong(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(TrainerCodeError, match=told):
        read_source(f"{altered(tmp_path, 'bad.py', change)}:Logistic").load()
