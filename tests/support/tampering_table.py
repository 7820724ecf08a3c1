"""The tables of the auditor's guide that say which command notices which change."""

from __future__ import annotations

import re

from support.paths import REPOSITORY

GUIDE = REPOSITORY / "docs" / "how-to" / "auditor.md"


def tables() -> list[dict[str, str]]:
    """Of each table what was changed, and what the guide says of who notices."""
    _, text = GUIDE.read_text("utf-8").split("## What was changed, and who notices\n")
    found = re.findall(r"(?:^\|.*\n)+", text.split("\n## ")[0], re.M)
    return [dict(_row(line) for line in table.splitlines()[2:]) for table in found]


def commands(said: str) -> set[tuple[str, ...]]:
    """The commands that a cell names."""
    return {tuple(named.split()) for named in re.findall(r"`([^`]+)`", said)}


def _row(line: str) -> tuple[str, str]:
    changed, said = (cell.strip() for cell in line.strip("|").split(" |", 1))
    return changed, said.strip()
