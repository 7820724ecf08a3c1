"""Files and functions stay short enough to be read at one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.paths import REPOSITORY

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 60
GENERATED = {"abci_pb2.py"}
FILES = [
    path
    for part in ("src", "tests")
    for path in sorted((REPOSITORY / part).rglob("*.py"))
    if path.name not in GENERATED
]


@pytest.mark.parametrize("part", ["src", "tests"])
def test_no_file_is_too_long(part: str) -> None:
    lines = {
        path: len(path.read_text("utf-8").splitlines()) for path in FILES if path.is_relative_to(REPOSITORY / part)
    }
    found = {str(path.relative_to(REPOSITORY)): count for path, count in lines.items() if count > FILE_LINES_MAX}
    assert not found, f"make two of each, by subject: {found}"


def too_long(path: Path) -> list[str]:
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    spans = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    return [f"{path.name}: {name} has {span}" for name, span in spans.items() if span > FUNCTION_LINES_MAX]


@pytest.mark.network
def test_no_function_of_the_package_is_too_long() -> None:
    found = [each for path in FILES if path.is_relative_to(REPOSITORY / "src") for each in too_long(path)]
    assert not found, f"more than {FUNCTION_LINES_MAX} lines: {found}"
