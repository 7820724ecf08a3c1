"""A folder that nobody can write, root neither: closed by its modes, or mounted once more to be read only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_WRITE = 0o222


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing in `folder` be written meanwhile, and see that nothing came or went."""
    before = _names(folder)
    with _mounted(folder) if os.geteuid() == 0 else _closed(folder):
        yield
    assert _names(folder) == before


@contextmanager
def _closed(folder: Path) -> Iterator[None]:
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & ~_WRITE)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    for options in (["--bind", str(folder)], ["-o", "remount,ro,bind"]):
        if subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)
            pytest.skip("this system mounts nothing")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
