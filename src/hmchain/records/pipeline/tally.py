"""Counts of one run, and what its items became, each of their parts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hmchain.errors import DataError
from hmchain.records.catalogue import RecordEntry
from hmchain.records.catalogue.accounts import Became, Fate
from hmchain.records.deidentification.outcome import Held
from hmchain.records.deidentification.patients import PatientNote


class AccountError(DataError):
    """What became of a source's files does not add up to the files that it held."""

    code = "account"


@dataclass(frozen=True)
class ExtractionTally:
    """The counts of one run of an extraction."""

    items: int = 0
    records: int = 0
    size: int = 0
    """Bytes of the new records, before encryption."""
    duplicates: int = 0
    held: int = 0
    resumed: int = 0
    """Items that an earlier run had done."""
    updated: int = 0
    """Records that took the place of an earlier edition of themselves."""
    unavailable: int = 0
    """Items that the source has and could not give; the next run asks for them again."""
    opted_out: int = 0
    """Records and held items that were passed over: they or their patients opted out."""
    rejected: int = 0
    """Items that were passed over: a reviewer rejected the same content before."""
    released: int = 0
    """Items that passed since a reviewer released the same content before, held for the same reasons."""


@dataclass(frozen=True)
class Line:
    """What became of some parts of one file, by name: for a steward's eyes, since the name may tell who a patient is.

    One for each record that was written, and one for each other way that parts went.
    """

    file: str
    part: str
    """The name of the item within the file; nothing where it is the file."""
    became: str
    why: str
    parts: int
    record: str = ""
    """The id of the record that was written, where an item of this run was."""


_WRITTEN = (Fate.WRITTEN, Fate.UPDATED, Fate.RELEASED)


@dataclass
class Gathered:
    """The results of one item, while they come."""

    written_as: Fate = Fate.WRITTEN
    """What its records are that the version has not yet."""
    entries: dict[str, RecordEntry] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    """Records among `entries` of which the catalogue has an entry already."""
    labels: dict[str, str] = field(default_factory=dict)
    """Of records that the catalogue has without one."""
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: list[Held] = field(default_factory=list)
    patients: dict[bytes, PatientNote] = field(default_factory=dict)
    same: set[tuple[bytes, bytes]] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)
    """Pseudonyms of all whom it is about, with an empty one if there are others unknown."""
    duplicates: int = 0
    updated: int = 0
    opted_out: int = 0
    became: Counter[tuple[Fate, str]] = field(default_factory=Counter)
    """Parts that are accounted for; those that are held are not until it is known whether they wait."""
    written: dict[str, tuple[Fate, int]] = field(default_factory=dict)
    """Of each record how it was written, and the parts that went into it."""
    made: Counter[tuple[str, Fate, str]] = field(default_factory=Counter)
    """Parts by the record, or the item in quarantine, that they went into."""
    of: int | None = None
    """The parts in all, as its outcomes say."""

    @property
    def parts_held(self) -> int:
        """The parts that are held."""
        return sum(held.parts for held in self.held)

    def add(self, fate: Fate, why: str = "", parts: int = 1) -> None:
        """Account for some parts; a row without any is one way that a file can go too."""
        self.became[fate, why] += parts

    def into(self, record: str, fate: Fate, parts: int) -> None:
        """Account for parts that are in a record, this item's or the same one's of another."""
        self.add(fate, parts=parts)
        self.made[record, fate, ""] += parts

    def apart(self, held: Held) -> Gathered:
        """The same for parts that are decided about by themselves; records and patients are the item's."""
        whose = {*held.subjects, *(held.excerpt.subjects if held.excerpt else ())} or {""}
        return replace(
            self, held=[replace(held, excerpt=None)], subjects=whose, duplicates=0, updated=0, opted_out=0,
            became=Counter(), written={}, made=Counter(), of=held.parts,
        )  # fmt: skip

    def join(self, part: Gathered) -> None:
        """Add what became of such parts, once it is settled."""
        self.duplicates += part.duplicates
        self.updated += part.updated
        self.opted_out += part.opted_out
        self.became.update(part.became)
        self.made.update(part.made)
        self.written.update(part.written)

    def only_written(self) -> None:
        """Forget what is not written: the item is gone through once more."""
        kept = {key: parts for key, parts in self.became.items() if key[0] in _WRITTEN}
        self.became, self.duplicates, self.of = Counter(kept), 0, None
        self.made = Counter({key: parts for key, parts in self.made.items() if key[1] in _WRITTEN})

    def settle(self, waits: str) -> bool:
        """Account for what is held; `waits` is the id under which it waits, if it does not already. Returns whether all
        parts are accounted for.

        An item that broke off while it was read says too few of itself: the rest of it waits with what is held.
        """
        for held in self.held:
            self._hold(held.code, held.parts, waits)
        missing = (self.of or 0) - sum(self.became.values())
        if self.held and missing > 0:
            self._hold(self.held[0].code, missing, waits)
            missing = 0
        return missing == 0

    def _hold(self, code: str, parts: int, waits: str) -> None:
        if waits:
            self.add(Fate.HELD, code, parts)
            self.made[waits, Fate.HELD, code] += parts
        else:
            self.add(Fate.TWICE, parts=parts)

    def lines(self, file: str, part: str) -> list[Line]:
        """Say by name what became of the item."""
        each = [Line(file, part, fate, "", parts, record) for record, (fate, parts) in self.written.items()]
        return each + listed(file, part, {key: n for key, n in self.became.items() if key[0] not in _WRITTEN})


def known(file: str, part: str, became: Became, written: Sequence[tuple[Fate, int, str]]) -> list[Line]:
    """Say by name what became of an item, as it was written down."""
    each = [Line(file, part, fate, "", parts, record) for fate, parts, record in written]
    of = {fate for fate, _, _ in written}
    return each + listed(file, part, {key: parts for key, parts in became.items() if key[0] not in of})


def listed(file: str, part: str, became: Became | Mapping[tuple[Fate, str], int]) -> list[Line]:
    """Say by name what became of parts of which no record is known."""
    return [Line(file, part, fate, why, parts) for (fate, why), parts in became.items()]
