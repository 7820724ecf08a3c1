"""The public names: what `hmchain` promises is there, and what people copy from the guides needs nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hmchain
from hmchain import client
from support.paths import REPOSITORY

PUBLIC = {"hmchain": hmchain.__all__, "hmchain.client": client.__all__}
INSIDE = {"where-things-go"}
"""Pages for those who change the package."""
GUIDES = (page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if page.stem not in INSIDE)
PAGES = [REPOSITORY / "README.md", *GUIDES]
EXAMPLES = [
    pytest.param(path, code, id=f"{path.stem}-{number}")
    for path in PAGES
    for number, code in enumerate(re.findall(r"```python[^\n]*\n(.*?)```", path.read_text("utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("name", hmchain.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(hmchain, name)
    assert (found.__doc__ or "").strip(), f"hmchain.{name} has no docstring"
    assert name in dir(hmchain)


def test_types_and_names_are_of_the_same_homes() -> None:
    """Type checkers read the imports, programs the table."""
    tree = ast.parse(Path(hmchain.__file__).read_text("utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (node.module, alias.name) for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    (homes,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["_HOMES"]
    )
    assert imported == {(home, name) for home, names in homes.items() for name in names}
    assert {name for _, name in imported} == set(hmchain.__all__)
    assert len(hmchain.__all__) == len(set(hmchain.__all__))


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hmchain.nothing  # noqa: B018


@pytest.mark.parametrize(("path", "code"), EXAMPLES)
def test_examples_import_public_names_alone(path: Path, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hmchain"):
            names = {alias.name for alias in node.names}
            assert node.module in PUBLIC, f"{path.name} imports from {node.module}: give {names} to hmchain.__all__"
            assert names <= set(PUBLIC[node.module])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hmchain":
            assert node.attr in hmchain.__all__, f"{path.name} uses hmchain.{node.attr}, which is not public"


def test_the_package_alone_imports_no_library() -> None:
    code = "import sys; before = set(sys.modules); import hmchain; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert ours == ["hmchain"]
