"""Guides that tests follow word for word: what somebody types, writes and sends, by section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r'^```(?P<language>\w+) title="(?P<who>[^",]+)(?:, (?P<note>[^"]+))?"\n(?P<text>.*?)^```$', re.M | re.S
)
_SENT = re.compile(
    r"^\| (?P<sender>[\w' ]+) \| `(?P<file>[^`]+)` \| (?P<receiver>[\w' ]+) \| `(?P<name>[^`]+)` \|$", re.M
)


@dataclass(frozen=True)
class Block:
    """Something that is typed, written or seen."""

    language: str
    who: str
    note: str
    text: str


@dataclass(frozen=True)
class Sent:
    """A file that one sends to another."""

    sender: str
    file: str
    receiver: str
    name: str


@dataclass(frozen=True)
class Section:
    """A part of a guide under one heading."""

    title: str
    steps: tuple[Block | Sent, ...]
    untitled: int
    """Blocks that do not say who gives them."""


def sections(guide: Path) -> list[Section]:
    """The parts of a guide, in order."""
    _, *parts = re.split(r"^## ", guide.read_text("utf-8"), flags=re.M)
    return [_section(part) for part in parts]


def _section(part: str) -> Section:
    untitled = len(re.findall(r"^```\w+$", part, re.M)) - len(re.findall(r"^```ini$", part, re.M))
    return Section(part.splitlines()[0], tuple(_steps(part)), untitled)


def _steps(text: str) -> Iterator[Block | Sent]:
    found = [*_BLOCK.finditer(text), *_SENT.finditer(text)]
    for match in sorted(found, key=lambda each: each.start()):
        parts = match.groupdict(default="")
        if match.re is _BLOCK:
            yield Block(parts["language"], parts["who"], parts["note"], parts["text"])
        else:
            yield Sent(parts["sender"], parts["file"], parts["receiver"], parts["name"])
