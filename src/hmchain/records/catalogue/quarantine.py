"""Items that wait for a person, whom they are about, and what was decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from hmchain.records.catalogue.database import Database
from hmchain.records.catalogue.entries import HeldItem
from hmchain.records.sources.item import Rectangles

_COLUMNS = "item, dataset, version, kind, label, code, reason, releasable, state, reviewer, reviewed_ms, regions"
_ONE = "dataset = ? AND version = ? AND item = ?"


class Quarantine:
    """The part of the catalogue's file that is about items in quarantine."""

    def __init__(self, file: Database) -> None:
        self._file = file

    def items(self, dataset: str | None = None) -> list[HeldItem]:
        """Items in quarantine, of one dataset or all."""
        sql = f"SELECT {_COLUMNS} FROM held WHERE ? IN ('', dataset) ORDER BY dataset, version, item"  # noqa: S608
        return [_held(row) for row in self._file.query(sql, (dataset or "",))]

    def item(self, dataset: str, version: int, item: bytes) -> HeldItem | None:
        """One item in quarantine, whatever somebody decided about it; or None."""
        found = self._file.query(f"SELECT {_COLUMNS} FROM held WHERE {_ONE}", (dataset, version, item))  # noqa: S608
        return _held(found[0]) if found else None

    def of(self, subject: str) -> list[HeldItem]:
        """Items that wait and are about a patient; for an empty pseudonym, those whose patients cannot all be told."""
        sql = "SELECT dataset, version, item FROM held_subjects WHERE subject = ?"
        wanted = set(self._file.query(sql, (subject,)))
        return [held for held in self.items() if _key(held) in wanted]

    def write(self, database: sqlite3.Connection, held: HeldItem, subjects: Iterable[str]) -> None:
        """Write down an item that waits, within a transaction, and the pseudonyms of all whom it is about."""
        database.execute(
            f"INSERT OR REPLACE INTO held ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (held.item, held.dataset, held.version, held.kind, held.label, held.code, held.reason, held.releasable,
             held.state, held.reviewer, held.reviewed_ms, msgspec.json.encode(held.regions).decode()),
        )  # fmt: skip
        database.executemany(
            "INSERT OR IGNORE INTO held_subjects VALUES (?, ?, ?, ?)", [(*_key(held), subject) for subject in subjects]
        )

    def decide(self, held: HeldItem, state: str, reviewer: str, now_ms: int) -> None:
        """Write down what a reviewer decided."""
        with self._file.transaction() as database:
            database.execute(
                f"UPDATE held SET state = ?, reviewer = ?, reviewed_ms = ? WHERE {_ONE}",  # noqa: S608
                (state, reviewer, now_ms, *_key(held)),
            )
            _forget_subjects(database, held)

    def forget(self, held: HeldItem) -> None:
        """Delete what is written of an item."""
        with self._file.transaction() as database:
            database.execute(f"DELETE FROM held WHERE {_ONE}", _key(held))  # noqa: S608
            _forget_subjects(database, held)


def _key(held: HeldItem) -> tuple[str, int, bytes]:
    return held.dataset, held.version, held.item


def _held(row: tuple[Any, ...]) -> HeldItem:
    return replace(HeldItem(*row), releasable=bool(row[7]), regions=msgspec.json.decode(row[11], type=Rectangles))


def _forget_subjects(database: sqlite3.Connection, held: HeldItem) -> None:
    database.execute(f"DELETE FROM held_subjects WHERE {_ONE}", _key(held))  # noqa: S608
