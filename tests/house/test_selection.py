"""`make test` and `make test-network` run every test between them, and in CI none is skipped."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.paths import REPOSITORY

FILES = sorted((REPOSITORY / "tests").rglob("test_*.py"))
# Whoever imports one of these starts nodes of a network.
NODES = {"support.cometbft_network", "support.hosted_network", "support.namespaces", "support.sites"}

# Whoever imports one of these starts processes, or servers that run as processes of their own.
PROCESSES = {"multiprocessing", "subprocess", "support.pacs", "support.power_cut", "support.s3_server"}

SKIPPING = """
import pytest

@pytest.mark.parametrize("missing", [True, False])
def test_of_a_tool(missing):
    if missing:
        pytest.skip("there is no such tool")
"""


@cache
def imported(path: Path) -> set[str]:
    text = path.read_text("utf-8")
    if not any(name.rpartition(".")[2] in text for name in NODES | PROCESSES):
        return set()
    nodes = list(ast.walk(ast.parse(text)))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_each_test_is_run_by_one_of_the_two_targets() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    selections = re.findall(r"^\t\$\(PYTEST\) -m (.+) \$\(ARGS\)$", makefile, re.MULTILINE)
    assert selections == ['"not network"', "network"]
    ci = (REPOSITORY / ".ci" / "run").read_text("utf-8").splitlines()
    assert [line.split()[1] for line in ci if line.startswith("make test")] == ["test", "test-network"]


def test_whoever_starts_nodes_is_marked() -> None:
    starting = [path for path in FILES if imported(path) & NODES]
    assert starting
    found = [path.name for path in starting if "pytest.mark.network" not in mark_of_all(path)]
    assert not found, f"these start nodes: set pytestmark = pytest.mark.network in {found}"


def mark_of_all(path: Path) -> str:
    return "".join(line for line in path.read_text("utf-8").splitlines() if line.startswith("pytestmark"))


def test_whoever_starts_processes_is_marked() -> None:
    starting = [path for path in FILES if path.parent.name != "house" and imported(path) & PROCESSES]
    assert starting
    marks = {path.name: set(re.findall(r"pytest\.mark\.(\w+)", path.read_text("utf-8"))) for path in starting}
    found = [name for name, of in marks.items() if not {"process", "network"} & of]
    assert not found, f"these start processes: mark them, or their test, `process`: {found}"


def test_all_of_integration_starts_processes() -> None:
    files = sorted((REPOSITORY / "tests" / "integration").glob("test_*.py"))
    assert files
    assert not [
        path.name
        for path in files
        if not re.search(r"\npytestmark = .*pytest\.mark\.process\b", path.read_text("utf-8"))
    ]


@pytest.mark.network
@pytest.mark.parametrize(("ci", "failed"), [("true", 1), ("", 0)], ids=["CI", "elsewhere"])
def test_what_is_missing_is_a_failure_in_ci_and_a_skip_with_its_reason_elsewhere(
    ci: str, failed: int, tmp_path: Path
) -> None:
    (tmp_path / "test_tool.py").write_text(SKIPPING)
    (tmp_path / "conftest.py").write_text((REPOSITORY / "tests" / "conftest.py").read_text("utf-8"))
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(REPOSITORY / "tests")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == failed, done.stdout
    assert "there is no such tool" in done.stdout
