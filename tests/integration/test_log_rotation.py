"""A log that never fills the disk, while several processes go on writing into it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hmchain.application.node import log_rotation
from hmchain.application.node.log_rotation import rotate

pytestmark = pytest.mark.process

WRITER = "import time\nfor n in range(2000):\n    print(f'line {n:04}', flush=True)\n    time.sleep(0.0005)"


def names(log: Path) -> list[str]:
    return sorted(path.name for path in log.parent.iterdir())


def test_old_words_move_on_and_the_oldest_go(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    assert not rotate(log)
    for number in range(6):
        log.write_text(f"run {number}")
        assert not rotate(log, bytes_max=100, kept=3)
        assert rotate(log, bytes_max=4, kept=3)
        assert log.read_text() == ""
    assert [(tmp_path / f"node.log.{n}").read_text() for n in (1, 2, 3)] == ["run 5", "run 4", "run 3"]
    assert names(log) == ["node.log", "node.log.1", "node.log.2", "node.log.3"]


def test_whoever_has_the_log_open_writes_on(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with log.open("ab") as file:
        writer = subprocess.Popen([sys.executable, "-S", "-c", WRITER], stdout=file)
    turns = 0
    while writer.poll() is None:
        turns += rotate(log, bytes_max=1000, kept=50)
    found = "".join((tmp_path / name).read_text() for name in names(log))
    lines = set(re.findall(r"^line (\d{4})$", found, re.MULTILINE))
    assert turns > 3 and len(lines) > 1000  # a few are lost between copying and emptying, more on a busy machine
    assert "\0" not in found


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "node.log"
    log.write_text("words")
    (tmp_path / "node.log.1").write_text("older")

    def full(source: Path, target: Path) -> None:
        target.write_text("wo")
        raise OSError(28, "no space left")

    monkeypatch.setattr(log_rotation.shutil, "copyfile", full)
    assert not rotate(log, bytes_max=1)
    assert (log.read_text(), (tmp_path / "node.log.1").read_text()) == ("words", "older")
    assert names(log) == ["node.log", "node.log.1"]
