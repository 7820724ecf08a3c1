"""The files of hospitals, nodes and runs have their names in `application/site`, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hmchain
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import ROTATED_ROLES, key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import RunFolder
from hmchain.application.site.study_folder import StudyFolder

ROOT = Path(hmchain.__file__).parent
MODULES = [
    path
    for room in ("application", "interfaces")
    for path in sorted((ROOT / room).rglob("*.py"))
    if "site" not in path.relative_to(ROOT).parts
]
FOLDERS = (RunFolder(Path("/x")), NodeFolder(Path("/x")), HospitalFolder("north", Path("/x")), StudyFolder(Path("/x")))
TO_HAND_ON = {("interfaces/cli/network/members.py", "network.json")}
"""Files that commands make for others, under the name that they have in a folder."""


def names() -> set[str]:
    """Every file and folder that a property of the map leads to."""
    found = {key_file(Path(), role).name for role in (*ROTATED_ROLES, "local", "node")}
    for folder in FOLDERS:
        for name, member in vars(type(folder)).items():
            if isinstance(member, property) and isinstance(path := getattr(folder, name), Path):
                found |= set(path.relative_to("/x").parts)
    return found


def joined(tree: ast.AST) -> Iterator[ast.AST]:
    """What is joined to a path with `/`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield node.right


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What names a file or folder: a file's whole name anywhere, a folder's where it is joined to a path."""
    parts = set(joined(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ("." in node.value or node in parts):
            yield node.lineno, node.value


def test_the_map_has_names() -> None:
    assert {"vault", "catalogue.db", "node.toml", "hospitals", "summary.json", "agent.db", "keys"} <= names()


@pytest.mark.network
def test_folders_are_known_by_their_map_alone() -> None:
    known = names()
    found = [
        f"{own}:{line} names {text!r}"
        for path in MODULES
        if (own := path.relative_to(ROOT).as_posix())
        for line, text in strings(ast.parse(path.read_text()))
        if text in known and (own, text) not in TO_HAND_ON
    ]
    assert not found, (
        "take its path from RunFolder, NodeFolder or HospitalFolder in application/site, or give them a property "
        f"for it: {found}"
    )
