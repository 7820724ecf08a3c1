"""Which record, or place in quarantine, parts of an item went into: so that the account says what is, not what was.

What becomes of it later (a person releases or rejects it, it is erased) becomes of those parts. Names are keyed digests
and pseudonyms; of what is erased no row is left.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from hmchain.records.catalogue.accounts import Became, Fate, decode, encode

SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, name BLOB NOT NULL, target TEXT NOT NULL, fate TEXT NOT NULL,
    why TEXT NOT NULL, parts INTEGER NOT NULL, PRIMARY KEY (dataset, version, name, target, fate, why)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcomes_by_target ON outcomes (target, dataset, version);
"""

Outcomes = Mapping[tuple[str, Fate, str], int]
"""Parts of an item by the id of the record, or of the item in quarantine, by what became of them, and why."""

_THOSE = "dataset = ? AND version = ? AND target = ?"


def write(database: sqlite3.Connection, dataset: str, version: int, name: bytes, made: Outcomes) -> None:
    """Write down where the parts of an item went, within a transaction."""
    sql = "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET parts = parts + excluded.parts"
    rows = [(dataset, version, name, target, fate, why, parts) for (target, fate, why), parts in made.items()]
    database.executemany(sql, rows)


def turn(database: sqlite3.Connection, dataset: str, version: int, target: str, fate: Fate) -> None:
    """Write down that all that went into a record, or into quarantine under an id, is `fate` now."""
    for name, rows in _taken_out(database, dataset, version, target).items():
        became = _without(_became(database, dataset, version, name), rows)
        became[fate, ""] += rows.total()
        _rewrite(database, dataset, version, name, became)


def release(
    database: sqlite3.Connection, dataset: str, version: int, target: str, became: Became, made: Outcomes
) -> None:
    """Write down what came of what waited under an id, and was gone through again: `became` and `made` of all parts.

    Those that were written before come again as given twice, and are not counted again.
    """
    for name, rows in _taken_out(database, dataset, version, target).items():
        left, now = rows.total(), _without(_became(database, dataset, version, name), rows)
        for key, parts in _in_order(became):
            taken = min(parts, left)
            left -= taken
            if taken:
                now[key] += taken
        if left:
            now[Fate.TWICE, ""] += left
        _rewrite(database, dataset, version, name, now)
        fresh = {key: parts for key, parts in made.items() if key[1] in (Fate.RELEASED, Fate.HELD)}
        write(database, dataset, version, name, fresh)


def _in_order(became: Became) -> list[tuple[tuple[Fate, str], int]]:
    """What is new before what may have been counted before."""
    order = (Fate.RELEASED, Fate.HELD, Fate.PASSED, Fate.OLDER)
    known = [(key, parts) for key, parts in became.items() if key[0] in order]
    return sorted(known, key=lambda each: (order.index(each[0][0]), each[0][1]))


def _taken_out(
    database: sqlite3.Connection, dataset: str, version: int, target: str
) -> dict[bytes, Counter[tuple[Fate, str]]]:
    """The parts of each item that went into a target, which is forgotten."""
    sql = f"DELETE FROM outcomes WHERE {_THOSE} RETURNING name, fate, why, parts"  # noqa: S608 - ours
    found: dict[bytes, Counter[tuple[Fate, str]]] = {}
    for name, fate, why, parts in database.execute(sql, (dataset, version, target)).fetchall():
        found.setdefault(name, Counter())[Fate(fate), why] += parts
    return found


def _without(became: Counter[tuple[Fate, str]], rows: Counter[tuple[Fate, str]]) -> Counter[tuple[Fate, str]]:
    """All but some parts; what has no part left is gone."""
    return Counter({key: parts - rows[key] for key, parts in became.items() if key not in rows or parts > rows[key]})


def _became(database: sqlite3.Connection, dataset: str, version: int, name: bytes) -> Counter[tuple[Fate, str]]:
    sql = "SELECT became FROM items WHERE dataset = ? AND version = ? AND name = ? AND became <> ''"
    found = database.execute(sql, (dataset, version, name)).fetchone()
    return Counter(decode(found[0]) if found else {})


def _rewrite(
    database: sqlite3.Connection, dataset: str, version: int, name: bytes, became: Counter[tuple[Fate, str]]
) -> None:
    sql = "UPDATE items SET became = ? WHERE dataset = ? AND version = ? AND name = ?"
    database.execute(sql, (encode(became), dataset, version, name))
