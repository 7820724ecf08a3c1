"""Faces are thin: what each of them may import, and that a command asks once and shows one value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hmchain

ROOT = Path(hmchain.__file__).parent
FACES = ROOT / "interfaces"
THIN = ("cli", "api", "portal")
"""Faces that show what services and readers give; the demo drives a whole network."""
BELOW = ("hmchain.ledger.contracts", "hmchain.ledger.engines", "hmchain.ledger.state", "hmchain.records.vault")
LATE = {"output.py": {"rich"}, "hints.py": {"hmchain"}, "command.py": {"hmchain"}}
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


def test_a_face_knows_services_and_readers_alone() -> None:
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in files_of(*THIN)
        for line, imported in imports(ast.parse(path.read_text()))
        if f"{imported}.".startswith(tuple(f"{room}." for room in BELOW))
    ]
    assert not found, f"let a service or a reader say it: {found}"


def test_the_command_line_alone_knows_typer() -> None:
    found = [
        f"{name_of(path)}:{line} imports typer"
        for path in sorted(set(ROOT.rglob("*.py")) - set(files_of("cli")))
        if "typer" in path.read_text()
        for line, imported in imports(ast.parse(path.read_text()))
        if imported.split(".")[0] == "typer"
    ]
    assert not found, found


def test_a_command_imports_at_the_top() -> None:
    found = [
        f"{name_of(path)}:{line} imports {imported} inside a function"
        for path in files_of("cli")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for line, imported in imports(function)
        if imported.split(".")[0] not in LATE.get(path.name, set())
    ]
    assert not found, f"a group is imported when it is called, and what is heavy waits inside a service: {found}"


def test_a_command_does_not_ask_how_it_is_shown() -> None:
    """`output.show` knows."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in files_of("cli")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.FunctionDef) and _takes_how(node))
        or (isinstance(node, ast.If) and path.name not in ASKING and _asks_how(node))
    ]
    assert not found, found


def _takes_how(node: ast.FunctionDef) -> bool:
    names = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
    return "as_json" in names and node.name not in ("show", "_command")


def _asks_how(node: ast.If) -> bool:
    text = ast.unparse(node.test)
    return "as_json" in text or "in_json" in text
