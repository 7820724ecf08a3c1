"""Quarantine: list what was held back, look at it, and decide about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data.extraction import rules_of
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.records.catalogue import Dataset, HeldItem
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import Extraction, ExtractionTally
from hmchain.records.vault import VersionClosedError


class NoReviewerError(InputError):
    """Nobody is named who decides."""

    code = "no_reviewer"


@dataclass(frozen=True)
class QuarantineEntry:
    """An item that was held back."""

    item: HeldItem
    name: str | None = None
    """As its source calls it, which may tell who it is; None if nobody asked."""

    @property
    def decided(self) -> bool:
        """True once somebody decided about it."""
        return self.item.state != PENDING


@dataclass(frozen=True)
class ReleaseOutcome:
    """An item that was let through, and what became of it."""

    item: HeldItem
    tally: ExtractionTally

    @property
    def released(self) -> bool:
        """True if it is a record now; it may be held again for another reason."""
        return self.tally.held == 0


def waiting(
    records: Records, dataset: str | None = None, *, decided: bool = False, names: bool = False
) -> tuple[QuarantineEntry, ...]:
    """The items that wait, of one dataset or all; also those that somebody `decided` about, and with `names`."""
    held = [item for item in records.catalogue.quarantine.items(dataset) if decided or item.state == PENDING]
    return tuple(
        QuarantineEntry(item, review.original_name(records.vault, item) if names and item.state == PENDING else None)
        for item in held
    )


def release(records: Records, prefix: str, reviewer: str, *, replacing: bool = False) -> ReleaseOutcome:
    """Let an item through that waits in quarantine, `replacing` what has its identifier.

    Raises `NoReviewerError`, `NotHeldError`, `NotReleasableError`, or `VersionClosedError` if its version was
    registered without it.
    """
    _require_reviewer(reviewer)
    held = review.find_held(records.catalogue, prefix)
    dataset = _dataset(records, held)
    if records.catalogue.version(held.dataset, held.version).closed:
        hint = "extract the next version and decide about it there, before that one is registered; reject this one"
        raise VersionClosedError(f"version {held.version} of {held.dataset} was registered without this item", hint)
    run = Extraction(records.catalogue, records.vault, dataset, held.version, rules_of(records, dataset, held.kind))
    with recorded(records.folder.activity, _deed(What.RELEASE, held, reviewer)) as deed:
        tally = review.release(run, records.catalogue, records.vault, held, reviewer, now_ms(), replacing=replacing)
        deed.add(records=tally.records + tally.updated, held=tally.held)
    return ReleaseOutcome(held, tally)


def to_reject(records: Records, prefix: str, reviewer: str) -> HeldItem:
    """The item that `reject` would keep out. Raises as it does."""
    _require_reviewer(reviewer)
    return review.find_held(records.catalogue, prefix)


def reject(records: Records, prefix: str, reviewer: str) -> HeldItem:
    """Keep an item out for good. Raises `NoReviewerError` or `NotHeldError`."""
    held = to_reject(records, prefix, reviewer)
    with recorded(records.folder.activity, _deed(What.REJECT, held, reviewer)):
        review.reject(records.catalogue, records.vault, held, reviewer, now_ms())
    return held


def _require_reviewer(name: str) -> None:
    """Raise `NoReviewerError` unless somebody is named: the name is all that tells later who looked."""
    if not name.strip() or not name.isprintable():
        raise NoReviewerError("nobody is named who decides", "--reviewer NAME, in printable letters")


def look(records: Records, prefix: str, output: Path) -> HeldItem:
    """Write a held item as it came to `output`, mode 0600, for a reviewer's eyes. Raises `NotHeldError`."""
    held = review.find_held(records.catalogue, prefix)
    with recorded(records.folder.activity, _deed(What.LOOK, held, where="file")) as deed:
        review.write_content(records.vault, held, output)
        deed.add(bytes=output.stat().st_size)
    return held


def _deed(what: What, held: HeldItem, person: str = "", where: str = "") -> Deed:
    return Deed(what, person=person, dataset=held.dataset, version=held.version, kind=held.kind, where=where)


def _dataset(records: Records, held: HeldItem) -> Dataset:
    found = records.catalogue.dataset(held.dataset)
    assert found is not None, "items are held for datasets of the catalogue"
    return found
