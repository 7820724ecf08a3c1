"""Marks: what reviewers say of items that wait, and how all of them become decisions at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hmchain.application.data import quarantine
from hmchain.application.data.quarantine import Choice, ReviewOutcome
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.entries import PENDING, REJECTED
from hmchain.records.pipeline.review import Reviewer, is_conflict
from hmchain.records.sources.item import Rectangles


@dataclass(frozen=True)
class Mark:
    """What a reviewer says of an item, until it is applied."""

    state: str
    regions: Rectangles = ()
    replacing: bool = False
    """Of two contents with one identifier, this one is taken."""
    keep: frozenset[str] = frozenset()
    """Places of words that tell nobody who the patient is, whatever they look like."""
    told: str = ""
    """The reason that it was held for when this was said."""

    @property
    def word(self) -> str:
        """What it is called where marks are shown."""
        return "taken" if self.replacing else self.state

    def fits(self, held: HeldItem) -> bool:
        """Tell whether it can be said of an item: some can only be rejected, of some it takes a choice between two."""
        return self.state == REJECTED or (held.releasable and self.replacing == is_conflict(held))


def decided(
    records: Records, marks: Mapping[HeldItem, Mark], who: Sequence[Reviewer], progress: Progress
) -> Iterator[str]:
    """Make decisions of marks, and say what became of them, in sentences. Raises as `release` and `reject`."""
    waiting = {held: mark for held, mark in marks.items() if _waits(records, held, mark)}
    if gone := len(marks) - len(waiting):
        yield f"{gone} were decided meanwhile elsewhere, or wait for another reason now: look at those again."
    before = 0
    for some in _alike(waiting):

        def tell(done: int, of: int | None, before: int = before) -> None:
            progress(before + done, len(waiting))

        yield from _decide(records, some, who, tell)
        before += len(some)


def _decide(
    records: Records, marks: Mapping[HeldItem, Mark], who: Sequence[Reviewer], progress: Progress
) -> Iterator[str]:
    """Make decisions of marks that differ in their regions alone."""
    choice = Choice(tuple(held.item.hex() for held in marks))
    regions = {held.item: mark.regions for held, mark in marks.items()}
    mark = next(iter(marks.values()))
    if mark.state == REJECTED:
        found = quarantine.reject(records, choice, who, progress=progress)
        yield f"{found.items} rejected; their copies here are erased."
        return
    found = quarantine.release(
        records, choice, who, replacing=mark.replacing, keep=mark.keep, progress=progress,
        blank=lambda held: regions.get(held.item, ()),
    )  # fmt: skip
    yield from _released(found)


def _waits(records: Records, held: HeldItem, mark: Mark) -> bool:
    now = records.catalogue.quarantine.item(*held.place)
    return now is not None and now.state == PENDING and (mark.state == REJECTED or now.reason == mark.told)


def _alike(marks: Mapping[HeldItem, Mark]) -> list[dict[HeldItem, Mark]]:
    """Marks by what can be decided together: releases first, rejections last."""
    groups: dict[tuple[bool, bool, tuple[str, ...]], dict[HeldItem, Mark]] = {}
    for held, mark in marks.items():
        of = (mark.state == REJECTED, mark.replacing, tuple(sorted(mark.keep)))
        groups.setdefault(of, {})[held] = mark
    return [groups[of] for of in sorted(groups)]


def _released(found: ReviewOutcome) -> Iterator[str]:
    if found.items:
        yield f"{found.items} released: {found.records + found.updated} records."
    if found.seconded:
        yield f"{found.seconded} wait for another person, who must release them too."
    if found.held_again:
        yield f"{found.held_again} are held again, for another reason."
    for why, number in found.refused.items():
        yield f"{number} cannot be released ({why})."
