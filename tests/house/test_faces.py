"""Faces are thin: what each of them may import, and that a command asks once and shows one value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hmchain

ROOT = Path(hmchain.__file__).parent
FACES = ROOT / "interfaces"
THIN = ("cli", "api", "portal")
"""Faces that show what services and readers give; the demo drives a whole network."""
BELOW = ("hmchain.ledger.contracts", "hmchain.ledger.engines", "hmchain.ledger.state", "hmchain.records.vault")
LATE = {"output.py": {"rich"}, "hints.py": {"hmchain"}}
"""What a file of the command line imports when it is needed, and not before."""
ASKING = ("output.py", "failures.py", "demo.py", "decide.py")
"""What shows itself; the demo writes as it goes, and who decides on a study is asked for a yes where a person reads."""


def files_of(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (FACES / room).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", files_of(*THIN), ids=name_of)
def test_a_face_knows_services_and_readers_alone(path: Path) -> None:
    for line, imported in imports(ast.parse(path.read_text())):
        assert not f"{imported}.".startswith(tuple(f"{room}." for room in BELOW)), (
            f"{name_of(path)}:{line} imports {imported}: let a service or a reader say it"
        )


@pytest.mark.parametrize("path", sorted(set(ROOT.rglob("*.py")) - set(files_of("cli"))), ids=name_of)
def test_the_command_line_alone_knows_typer(path: Path) -> None:
    for line, imported in imports(ast.parse(path.read_text())):
        assert imported.split(".")[0] != "typer", f"{name_of(path)}:{line} imports typer"


@pytest.mark.parametrize("path", files_of("cli"), ids=name_of)
def test_a_command_imports_at_the_top(path: Path) -> None:
    allowed = LATE.get(path.name, set())
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    for line, imported in (found for function in functions for found in imports(function)):
        assert imported.split(".")[0] in allowed, (
            f"{name_of(path)}:{line} imports {imported} inside a function; a group is imported when it is called, and "
            "what is heavy waits inside a service"
        )


@pytest.mark.parametrize("path", files_of("cli"), ids=name_of)
def test_a_command_does_not_ask_how_it_is_shown(path: Path) -> None:
    """`output.show` knows."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            assert "as_json" not in names or node.name in ("show", "_command"), f"{name_of(path)}:{node.lineno}"
        if isinstance(node, ast.If) and path.name not in ASKING:
            text = ast.unparse(node.test)
            assert "as_json" not in text and "in_json" not in text, f"{name_of(path)}:{node.lineno}: if {text}"
