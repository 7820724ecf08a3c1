"""The page of where things go, taken at its word: each example is followed in a copy of the sources, and holds."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY

pytestmark = pytest.mark.network  # long: each example is checked as a whole tree is

PAGE = (REPOSITORY / "docs" / "where-things-go.md").read_text("utf-8")
BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
EXAMPLES = {title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## ")[1:])}
COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md", "Makefile", ".ci")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_followed(example: str, tmp_path: Path) -> None:
    for name in COPIED:
        whole = REPOSITORY / name
        copy = shutil.copytree if whole.is_dir() else shutil.copyfile
        copy(whole, tmp_path / name)
    runs = [block for block in BLOCK.findall(EXAMPLES[example]) if not _followed(*block, tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}
    commands = [line for _, _, text in runs for line in text.splitlines()]
    assert commands, "the example says nothing that could be run"
    for line in ["lint-imports", "ruff check --no-cache .", "ruff format --check --no-cache .", *commands]:
        program, *arguments = shlex.split(line)
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        quiet = {"pytest": ["-q", "-n", "0", "-p", "no:cacheprovider"], "lint-imports": ["--no-cache"]}.get(program, [])
        done = subprocess.run([*command, *quiet], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-1000:]}"


def _followed(language: str, title: str, text: str, copy: Path) -> bool:
    """Write the file or make the change that a block shows; False for one that is to be run."""
    if language == "sh":
        return False
    path = copy / title
    if language == "python":
        assert not path.exists(), f"{title} is there already"
        path.write_text(text)
        return True
    assert language == "diff"
    lines = text.splitlines()
    before, after = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    whole = path.read_text("utf-8")
    assert whole.count(before) == 1, f"{title} has not, or not once:\n{before}"
    path.write_text(whole.replace(before, after))
    return True
