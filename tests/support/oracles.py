"""Programs that tests compare with or talk to and that don't belong into the project's own environment.

Each lies in a virtual environment of its own below `.tools`, which the first test that needs it makes with uv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from support.paths import REPOSITORY

TOOLS = REPOSITORY / ".tools"


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of the environment `name`, with `requirements` in it.

    Where it can't be made the test is skipped.
    """
    folder = TOOLS / f"{name}-venv"
    python = folder / "bin" / "python"
    if not python.exists():
        try:
            _make(folder, requirements)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{name} could not be installed into {folder}: {error}")
    return python


def _make(folder: Path, requirements: tuple[str, ...]) -> None:
    """Make it beside its place and move it there, so that of several test processes none sees half of it."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise OSError("there is no uv")
    TOOLS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as beside:
        made = Path(beside) / "venv"
        install = [uv, "pip", "install", "--quiet", "--python", str(made / "bin" / "python"), *requirements]
        for command in ([uv, "venv", "--quiet", "--python", sys.executable, str(made)], install):
            subprocess.run(command, check=True, timeout=240, capture_output=True)
        with suppress(OSError):  # another process was faster
            made.rename(folder)
