"""No dead ends: every command that a text of the sources or the list of errors names is one that there is, whole.

Values stand in braces in the sources; what a person must fill in stands in capitals. Scenes run what is printed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hmchain
from hmchain.interfaces.cli import hints
from hmchain.interfaces.cli.hints import Takes
from support.command_tree import all_commands, arguments, options
from support.paths import REPOSITORY
from support.printed_commands import fault, loose, printed

SOURCE = Path(hmchain.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
NO_TEXTS = {"digest", "derive", "_combine", "example"}
"""Calls whose first argument is no text for people, or a whole command by itself."""


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings that people may see, with their lines; values as the word VALUE."""
    skipped = {id(part) for node in ast.walk(tree) for part in _not_shown(node)}
    for node in ast.walk(tree):
        if id(node) not in skipped and (text := _text(node)):
            yield getattr(node, "lineno", 0), text


def _not_shown(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.JoinedStr):
        yield from node.values
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in NO_TEXTS:
        yield from node.args
    elif isinstance(node, ast.Assign) and "LABEL" in ast.unparse(node.targets[0]):
        yield node.value  # of a digest
    elif isinstance(node, ast.Expr):  # what explains a module, a class, a function, or a value above it
        yield node.value


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def faults(text: str) -> Iterator[str]:
    if found := loose(text):
        yield f"{found!r} stands without backticks in {text!r}"
    for words in printed(text):
        if wrong := fault(words):
            yield f"`hmchain {words}`: {wrong}"


@pytest.mark.network
def test_a_command_that_a_text_names_is_one_that_there_is() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {wrong}"
        for path in FILES
        for line, text in texts(ast.parse(path.read_text("utf-8")))
        for wrong in faults(text)
    ]
    assert not found, found


def test_the_ways_out_in_the_list_of_errors_are_commands() -> None:
    document = (REPOSITORY / "docs" / "errors.md").read_text("utf-8")
    wrong = {
        words: why for words in printed(document) if (why := fault(words)).startswith(("there is no", "it takes no"))
    }
    assert not wrong


def test_the_example_of_every_command_is_one_of_it() -> None:
    for name, command in all_commands().items():
        found = re.search(r"hmchain (.+?)\[/bold\]", command.epilog or "")
        assert found, f"{name} has no example"
        words = found[1]
        assert not (wrong := fault(words)), f"{name}: {words}: {wrong}"
        assert words.startswith(name) or name in ("audit proof",), f"the example of {name} is one of another: {words}"


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_a_hint_repeats_the_folder_for_what_takes_it(name: str) -> None:
    folder = next((option for option in options(all_commands()[name]) if "--dir" in option.opts), None)
    of = {None: Takes.NOTHING, "Folder of a run, a node or a ledger.": Takes.RUN, "Folder of the node.": Takes.NODE}
    assert hints.takes(name) is of.get(folder and folder.help, Takes.HOSPITAL)
    if hints.takes(name) is Takes.RUN:
        own = [each for each in arguments(all_commands()[name]) if each.metavar != "DIR"]
        assert bool(own) == (name in hints.ABOUT_ONE)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("study stat", "there is no such command"),
        ("data", "there is no such command"),
        ("data show", "it takes 1 to 1 arguments"),
        ("study status --all", "it takes no --all"),
        ("data quarantine look 3f2a", "it needs --output"),
    ],
)
def test_a_dead_end_would_be_seen(words: str, wrong: str) -> None:
    assert fault(words) == wrong
    assert loose("look: hmchain study status") and not loose("look: `hmchain study status`")
