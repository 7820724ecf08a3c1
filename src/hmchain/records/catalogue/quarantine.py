"""Items that wait for a person, whom they are about, and what was decided.

A hundred thousand may wait: all that asks for some of them goes by an index, and answers a page at a time.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from hmchain import decoding
from hmchain.keys import SecretKey
from hmchain.records.catalogue import outcomes
from hmchain.records.catalogue.accounts import Fate
from hmchain.records.catalogue.database import Database
from hmchain.records.catalogue.decisions import Decision, Decisions, Vote
from hmchain.records.catalogue.entries import PENDING, REJECTED, Decided, HeldItem
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.sources.item import Rectangles

_NAMES = tuple(field.name for field in fields(HeldItem))
_COLUMNS = ", ".join(_NAMES)
_MARKS = ", ".join("?" * len(_NAMES))
_ONE = "dataset = ? AND version = ? AND item = ?"
_ORDER = "dataset, version, item"
_PAGE = 1000
GROUPED = ("code", "modality", "kind", "series", "device", "patient", "dataset")
"""What waiting items can be counted by."""
_NARROW = ("patient", "series", "device")
"""What leaves few of many: the first that is given says by which index items are found."""


class Quarantine:
    """The part of the catalogue's file that is about items in quarantine."""

    def __init__(self, file: Database, key: SecretKey) -> None:
        """`key` is the hospital's, for the digests of what was decided about."""
        self._file = file
        self.decisions = Decisions(file, key)

    def items(self, dataset: str | None = None) -> list[HeldItem]:
        """All items in quarantine, of one dataset or all."""
        return list(self.chosen(HeldFilter(dataset or "")))

    def chosen(self, wanted: HeldFilter) -> Iterator[HeldItem]:
        """The items that a filter leaves, in order of dataset, version and id; a page at a time."""
        after: HeldItem | None = None
        while found := self.page(wanted, _PAGE, after):
            yield from found
            after = found[-1]

    def page(
        self, wanted: HeldFilter, limit: int, after: HeldItem | None = None, *, backwards: bool = False
    ) -> list[HeldItem]:
        """The next `limit` items of those that a filter leaves, after one of them; or `backwards` from it."""
        where, values = wanted.where()
        last = after.place if after is not None else ("", 0, b"")
        sign, order = ("<", f"{_ORDER.replace(',', ' DESC,')} DESC") if backwards else (">", _ORDER)
        chosen = f"{_from(wanted)} WHERE {where} AND ({_ORDER}) {sign} (?, ?, ?) ORDER BY {order} LIMIT ?"
        return [_held(row) for row in self._file.query(f"SELECT {_COLUMNS} FROM {chosen}", (*values, *last, limit))]  # noqa: S608

    def count(self, wanted: HeldFilter) -> int:
        """Count the items that a filter leaves."""
        where, values = wanted.where()
        ((found,),) = self._file.query(f"SELECT count(*) FROM {_from(wanted)} WHERE {where}", values)  # noqa: S608
        return int(found)

    def counts(self, wanted: HeldFilter, limit: int = 100) -> dict[str, dict[str, int]]:
        """Count the items that a filter leaves by each of `GROUPED`, the most first."""
        where, values = wanted.where()
        if wanted.is_empty and wanted.state:  # each count is read from an index of its own
            sql = "SELECT {0}, count(*) FROM held WHERE state = ? GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"
            return {name: dict(self._file.query(sql.format(name), (wanted.state, limit))) for name in GROUPED}
        rows = self._file.query(f"SELECT {', '.join(GROUPED)} FROM {_from(wanted)} WHERE {where}", values)  # noqa: S608
        columns = zip(*rows, strict=True) if rows else [()] * len(GROUPED)
        return {name: _most(column, limit) for name, column in zip(GROUPED, columns, strict=True)}

    def waiting(self, prefix: str, limit: int = 2) -> list[HeldItem]:
        """The waiting items whose ids begin with some hexadecimal digits, at most `limit` of them."""
        low, high = _bounds(prefix)
        sql = f"SELECT {_COLUMNS} FROM held WHERE item >= ? AND item <= ? AND state = ? ORDER BY item LIMIT ?"  # noqa: S608
        return [_held(row) for row in self._file.query(sql, (low, high, PENDING, limit))]

    def decided(self, dataset: str, version: int) -> set[bytes]:
        """The ids of a version's items that somebody decided about."""
        sql = "SELECT item FROM held WHERE dataset = ? AND version = ? AND state <> ?"
        return {item for (item,) in self._file.query(sql, (dataset, version, PENDING))}

    def item(self, dataset: str, version: int, item: bytes) -> HeldItem | None:
        """One item in quarantine, whatever somebody decided about it; or None."""
        found = self._file.query(f"SELECT {_COLUMNS} FROM held WHERE {_ONE}", (dataset, version, item))  # noqa: S608
        return _held(found[0]) if found else None

    def of(self, subject: str) -> list[HeldItem]:
        """Items that wait and are about a patient; for an empty pseudonym, those whose patients cannot all be told."""
        columns = ", ".join(f"held.{name}" for name in _NAMES)
        sql = f"SELECT {columns} FROM held_subjects JOIN held USING (dataset, version, item) WHERE subject = ?"  # noqa: S608
        return [_held(row) for row in self._file.query(sql, (subject,))]

    def write(self, database: sqlite3.Connection, held: HeldItem, subjects: Iterable[str]) -> None:
        """Write down an item that waits, within a transaction, and the pseudonyms of all whom it is about."""
        row = {**vars(held), "regions": msgspec.json.encode(held.regions).decode()}
        database.execute(f"INSERT OR REPLACE INTO held ({_COLUMNS}) VALUES ({_MARKS})", tuple(row.values()))  # noqa: S608
        if held.state == PENDING:
            rows = [(*held.place, subject) for subject in subjects]
            database.executemany("INSERT OR IGNORE INTO held_subjects VALUES (?, ?, ?, ?)", rows)

    def decide(self, held: HeldItem, state: str, reviewer: str, now_ms: int) -> None:
        """Write down what a reviewer decided."""
        self.decide_all([(held, Decision(state, reviewer, 1, now_ms))])

    def decide_all(self, decided: Sequence[tuple[HeldItem, Decision]]) -> None:
        """Write down what was decided about some items, all or none, and for their content in other versions too."""
        with self._file.transaction() as database:
            for each in decided:
                self.decide_within(database, Decided(*each))

    def decide_within(self, database: sqlite3.Connection, decided: Decided) -> None:
        """Write down what was decided about an item, within a transaction."""
        held, decision = decided.held, decided.decision
        sql = f"""
            UPDATE held SET state = ?, reviewer = ?, reviewed_ms = ?, series = '', patient = '', content = ?
            WHERE {_ONE}"""  # noqa: S608
        said = (decision.state, decision.reviewer, decision.decided_ms, held.content)
        database.execute(sql, (*said, *held.place))
        _forget_subjects(database, held)
        if decision.state == REJECTED:
            outcomes.turn(database, held.dataset, held.version, held.item.hex(), Fate.REJECTED)
        if decided.lasting:
            self.decisions.write(database, held, decision)

    def vote(self, items: Iterable[tuple[HeldItem, Vote]]) -> None:
        """Write down what one person said of some items, which may take another to be decided; all or none."""
        with self._file.transaction() as database:
            for held, vote in items:
                self.decisions.vote(database, held, vote)

    def forget(self, held: HeldItem) -> None:
        """Delete what is written of an item."""
        with self._file.transaction() as database:
            database.execute(f"DELETE FROM held WHERE {_ONE}", held.place)  # noqa: S608
            database.execute(f"DELETE FROM votes WHERE {_ONE}", held.place)  # noqa: S608
            _forget_subjects(database, held)
            outcomes.turn(database, held.dataset, held.version, held.item.hex(), Fate.ERASED)


def _from(wanted: HeldFilter) -> str:
    """The table, and the index that leads to the items of a filter; SQLite cannot know which of them leaves few."""
    if not wanted.state:
        return "held"
    narrow = [name for name in _NARROW if getattr(wanted, name)]
    return f"held INDEXED BY held_by_{narrow[0] if narrow else 'state'}"


def _most(values: Iterable[str], limit: int) -> dict[str, int]:
    found = sorted(Counter(values).items(), key=lambda each: (-each[1], each[0]))
    return dict(found[:limit])


def _held(row: tuple[Any, ...]) -> HeldItem:
    named = dict(zip(_NAMES, row, strict=True))
    regions = decoding.from_json(named["regions"], Rectangles)
    return HeldItem(**{**named, "releasable": bool(named["releasable"]), "regions": regions})


def _bounds(prefix: str) -> tuple[bytes, bytes]:
    """The first and the last id that begin with some digits; of what is none, bounds that no id lies between."""
    try:
        return bytes.fromhex(prefix.ljust(64, "0")), bytes.fromhex(prefix.ljust(64, "f"))
    except ValueError:
        return b"\xff", b""


def _forget_subjects(database: sqlite3.Connection, held: HeldItem) -> None:
    database.execute(f"DELETE FROM held_subjects WHERE {_ONE}", held.place)  # noqa: S608
