"""Regular expressions that a text has to fit end with `\\Z`: Python's `$` lets a line break follow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hmchain import decoding
from hmchain.interfaces.api.app import ROUTES
from support.paths import REPOSITORY

SOURCE = REPOSITORY / "src" / "hmchain"
END = re.compile(r"(?<!\\)\$(?=[|)\"']|\Z)")


def forms(path: Path) -> Iterator[tuple[int, str]]:
    """What Python matches line breaks by, and msgspec with it; addresses are matched by another library."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = node.args[:1] if called.startswith("re.") and called != "re.escape" else []
        given += [each.value for each in node.keywords if each.arg == "pattern" and called.endswith("Meta")]
        if given and "MULTILINE" in ast.unparse(node):
            continue
        for each in given:
            for part in ast.walk(each):
                if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                    yield node.lineno, part.value if isinstance(part.value, str) else part.value.decode("latin-1")


def test_no_form_ends_before_a_line_break() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {form}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line, form in forms(path)
        if END.search(form) and "[$" not in form
    ]
    assert not found, found


@pytest.mark.parametrize(
    ("name", "field"),
    [("sign_in_by_key", "challenge"), ("sign_in_by_key", "signature"), ("invite_person", "person"),
     ("refuse_study", "reason")],
)  # fmt: skip
def test_a_body_with_a_line_break_behind_is_refused(name: str, field: str) -> None:
    route = next(each for each in ROUTES if each.name == name)
    assert route.takes is not None
    good = msgspec.to_builtins(route.example)
    with pytest.raises(msgspec.ValidationError):
        decoding.converted(good | {field: f"{good[field]}\n"}, route.takes)
