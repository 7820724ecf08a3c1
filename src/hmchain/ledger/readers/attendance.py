"""Votes that validators gave for the last blocks, as the blocks after them say: who was there, and when not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.ledger.blocks import ABSENT
from hmchain.ledger.engines.block_store import StoredBlock


@dataclass(frozen=True)
class Part:
    """Some blocks in a row."""

    given: int
    """So many votes of a validator the block after them has..."""
    of: int
    """... of so many that it could have given."""

    @property
    def share(self) -> float | None:
        """None where it was no validator."""
        return self.given / self.of if self.of else None


@dataclass(frozen=True)
class Attended:
    """How often one validator voted in time."""

    organisation: str
    whole: Part
    parts: tuple[Part, ...]
    """The same in parts, from the oldest to the newest."""


@dataclass(frozen=True)
class Attendance:
    """Who voted for the last blocks that are not empty."""

    first: int
    last: int
    blocks: int
    members: tuple[Attended, ...]
    """In order of name."""


def attendance(blocks: Sequence[StoredBlock], parts: int) -> Attendance:
    """The votes on the blocks before these, which are in order of height; `parts` at most."""
    size = max(1, -(-len(blocks) // parts))
    counted = [_counted(blocks[start : start + size]) for start in range(0, len(blocks), size)]
    names = sorted({name for _, asked in counted for name in asked})
    members = []
    for name in names:
        found = tuple(Part(given[name], asked[name]) for given, asked in counted)
        members.append(Attended(name, Part(sum(each.given for each in found), sum(each.of for each in found)), found))
    heights = [each.height for each in blocks] or [0]
    return Attendance(heights[0], heights[-1], len(blocks), tuple(members))


def _counted(blocks: Sequence[StoredBlock]) -> tuple[Counter[str], Counter[str]]:
    """Votes given, and votes that could have been, by validator."""
    given, asked = Counter[str](), Counter[str]()
    for stored in blocks:
        for vote in stored.block.last_votes:
            asked[vote.validator] += 1
            given[vote.validator] += vote.flag != ABSENT
    return given, asked
