"""Tests stand alone: none imports another, and none takes hold of what the package keeps to itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.paths import REPOSITORY

FILES = sorted((REPOSITORY / "tests").rglob("*.py"))
ALLOWED = {
    "_exit": "os: a process that was forked ends without the clean-up of the one that it came from",
    "_replace": "a named tuple's, and public",
    "_repr_html_": "what a notebook asks of a value",
}
"""Attributes with an underscore that tests may touch, each with its reason."""
BY_NAME = {"setattr", "delattr", "getattr", "setitem", "object"}
"""Calls that name an attribute: those of Python, of pytest's `monkeypatch` and of `mock.patch`."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign_imports(tree: ast.AST) -> Iterator[str]:
    """Other tests, the folders of tests, and private names."""
    for node in ast.walk(tree):
        for name in imported(node):
            parts = name.split(".")
            if parts[0] in ("tests", "unit") or any(part.startswith("test_") or is_private(part) for part in parts):
                yield f"line {getattr(node, 'lineno', 0)}: import of {name}"


def private_attributes(tree: ast.AST) -> Iterator[str]:
    """Attributes of others that begin with an underscore, also where a call names them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own and node.attr not in ALLOWED:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and called(node.func) in BY_NAME:
            named = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if any(is_private(part) for name in named for part in name.split(".")):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def called(function: ast.AST) -> str:
    """The last name of what is called."""
    return str(getattr(function, "attr", getattr(function, "id", "")))


@pytest.mark.network
def test_no_test_imports_another_or_touches_a_private_name() -> None:
    wrong: dict[str, list[str]] = {}
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        if found := [*foreign_imports(tree), *private_attributes(tree)]:
            wrong[str(path.relative_to(REPOSITORY / "tests"))] = found
    assert not wrong, f"go by a public road, or make this one public: {wrong}"


@pytest.mark.parametrize(
    "line",
    [
        "from tests.unit.test_x import y",
        "import unit.ground",
        "from support.test_x import y",
        "from hmchain.keys import _secret",
        "from hmchain._inner import y",
        "vault._store.put(b'')",
        "monkeypatch.setattr(module, '_LIMIT', 3)",
        "monkeypatch.setattr('hmchain.keys._LIMIT', 3)",
    ],
)
def test_what_is_not_to_be_would_be_found(line: str) -> None:
    tree = ast.parse(line)
    assert [*foreign_imports(tree), *private_attributes(tree)]


@pytest.mark.parametrize(
    "line", ["from hmchain import __main__", "self._made = made", "os._exit(1)", "from unittest import mock"]
)
def test_what_may_be_is_let_be(line: str) -> None:
    tree = ast.parse(line)
    assert not [*foreign_imports(tree), *private_attributes(tree)]


def test_folders_of_unit_tests_are_those_of_the_package() -> None:
    """The files that lie loose in `hmchain` and `hmchain.ledger` are tested in `ground` and `ledger/core`."""
    unit, package = REPOSITORY / "tests" / "unit", REPOSITORY / "src" / "hmchain"
    loose = {"ground", "ledger/core"}
    rooms = {str(path.parent.relative_to(unit)) for path in unit.rglob("test_*.py")}
    assert not [room for room in sorted(rooms - loose) if not (package / room).is_dir()]
