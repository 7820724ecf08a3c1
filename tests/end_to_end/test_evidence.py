"""Evidence on read-only media: every command that reads works on it, leaves nothing, and calls nothing damaged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hmchain.ledger import genesis as genesis_file
from support.finished_run import DATASET, STUDY, Captured, answer, text
from support.finished_run import run_directory as run_directory
from support.read_only import read_only

pytestmark = pytest.mark.process

READERS = (
    ("audit", "verify", "RUN"), ("audit", "trace", "RUN", "--study", STUDY),
    ("audit", "trace", "RUN", "--dataset", f"north/{DATASET}"), ("ledger", "blocks", "RUN"),
    ("study", "status", "RUN", "--study", STUDY), ("study", "list", "--dir", "RUN"), ("model", "list", "RUN"),
    ("model", "show", "RUN"), ("data", "list", "--dir", "RUN/hospitals/north"),
    ("data", "vault", "verify", "--dir", "RUN/hospitals/north"),
)  # fmt: skip


@pytest.fixture
def run(capsys: Captured, run_directory: Path, tmp_path: Path) -> Path:
    """A copy whose hospital has a catalogue."""
    run = Path(shutil.copytree(run_directory, tmp_path / "run"))
    answer(capsys, "data", "list", "--dir", str(run / "hospitals" / "north"))
    return run


def test_an_auditor_reads_a_run_that_he_cannot_write(capsys: Captured, run: Path) -> None:
    with read_only(run):
        for words in READERS:
            answer(capsys, *(word.replace("RUN", str(run)) for word in words))
        digest = answer(capsys, "ledger", "blocks", str(run), "--from", "2")[0]["transactions"][0]["digest"]
        assert answer(capsys, "ledger", "tx", digest[:16], "--dir", str(run))["digest"] == digest
        shown = text(capsys, "data", "init", "--dir", str(run / "hospitals" / "new"), status=4)
        assert "Read-only file system" in shown or "Permission denied" in shown


def test_an_auditor_leaves_a_copy_as_he_found_it(capsys: Captured, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for words in READERS:
        answer(capsys, *(word.replace("RUN", str(run)) for word in words))
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after == before


def test_blocks_that_are_still_in_the_writer_s_log_are_read_too(
    capsys: Captured, run_directory: Path, tmp_path: Path
) -> None:
    """A copy of a ledger that was being written: `blocks.db` lacks what `blocks.db-wal` has."""
    ledger = Path(shutil.copytree(run_directory / "ledger", tmp_path / "ledger"))
    shutil.rmtree(ledger / "validators")
    whole = answer(capsys, "audit", "verify", str(ledger))["height"]
    copy = tmp_path / "copy"
    copy.mkdir()
    genesis_file.save(genesis_file.load(ledger / "genesis.json"), copy / "genesis.json")
    with closing(sqlite3.connect(ledger / "blocks.db")) as writer:
        rows = writer.execute("SELECT * FROM blocks WHERE height = ?", (whole,)).fetchall()
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("DELETE FROM blocks WHERE height = ?", (whole,))
        writer.commit()
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", rows[0])
        writer.commit()
        for name in ("blocks.db", "blocks.db-wal"):
            shutil.copyfile(ledger / name, copy / name)
    with read_only(copy):
        assert answer(capsys, "audit", "verify", str(copy))["height"] == whole
