"""A finished run, and commands on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.finished_run import run_directory as run_directory


@pytest.fixture
def copy(run_directory: Path, tmp_path: Path) -> Path:
    """The ledger of the run alone, to be altered."""
    return Path(shutil.copytree(run_directory / "ledger", tmp_path / "ledger"))


@pytest.fixture(autouse=True)
def this_run(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HMCHAIN_RUN", str(run_directory))
