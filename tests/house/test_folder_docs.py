"""The reference of folders says of each file what it is, and names no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import pytest

from hmchain.application.site.contents import Kind, kind_of
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import RunFolder
from hmchain.application.site.study_folder import StudyFolder
from support.paths import REPOSITORY

PAGES = REPOSITORY / "docs" / "reference"
NODE, RECORDS = (PAGES / "hospital-folder.md").read_text().split("\n## Records\n")
RUN = (PAGES / "run-folder.md").read_text().split("\n## Settings")[0]
Folder: TypeAlias = RunFolder | NodeFolder | HospitalFolder | StudyFolder
IN_A_RUN = "hospitals/NAME/"
EXAMPLES = {
    "NAME": "north",
    "DATASET": "head",
    "STUDY": "first",
    "ROLE": "agent",
    "-N": "-1",
    "RELEASE": "people",
    "DIGEST": 16 * "a",
}


def rows(text: str) -> list[list[str]]:
    """The paths in the first cell of each row of the tables."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell) for cell in cells]


def documented(text: str) -> set[str]:
    """Those paths, and the folders that they are in."""
    found = {Path(path.rstrip("/")) for paths in rows(text) for path in paths}
    return {path.as_posix() for each in found for path in (each, *each.parents)}


def mapped(folder: Folder) -> set[str]:
    """What the properties of the map lead to."""
    members = [name for name, member in vars(type(folder)).items() if isinstance(member, property)]
    paths = [path for name in members if isinstance(path := getattr(folder, name), Path)]
    return {path.relative_to(folder.path).as_posix() for path in paths}


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        (NodeFolder(Path("/x")), NODE.replace("-N/", "/")),
        (HospitalFolder("north", Path("/x")), NODE + RECORDS),
        (RunFolder(Path("/x")), RUN),
        (StudyFolder(Path("/x")), NODE.replace("studies/STUDY/", "").replace("tables/RELEASE/", "")),
    ],
    ids=["node", "hospital", "run", "study"],
)
def test_every_file_of_the_map_is_documented(folder: Folder, text: str) -> None:
    missing = mapped(folder) - documented(text)
    assert not missing, f"say in docs/reference what {sorted(missing)} hold"


@pytest.mark.parametrize(
    "path",
    [
        *(path for each in rows(NODE) + rows(RUN) for path in each if "/" in path or path == each[0]),
        *(IN_A_RUN + each[0] for each in rows(RECORDS)),
    ],
)
def test_no_file_is_documented_that_an_audit_does_not_know(path: str) -> None:
    for name, example in EXAMPLES.items():
        path = path.replace(name, example)
    if path.endswith(".sock") or path in ("hospitals/north/", "nodes/north/", "keys/", "ledger/"):
        return  # no file, or a folder whose files stand in rows of their own
    assert kind_of(path + "x" * path.endswith("/")) is not Kind.UNKNOWN, f"application/site/contents.py has no {path}"


def test_every_file_of_a_hospital_says_who_sees_it_and_whether_to_back_it_up() -> None:
    for row in re.findall(r"^\| `.*\|$", NODE + RECORDS, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5, row
        if cells[0] != f"`{IN_A_RUN}`":
            assert cells[3] in ("secret", "sealed", "internal", "public"), row
            assert cells[4].startswith(("yes", "rebuilt", "never", "as you like", "while a study runs")), row
