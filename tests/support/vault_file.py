"""A vault's own file, read and altered behind its back: what someone with the disk in hand can do."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from hmchain.records.vault.database import FILE, Database
from hmchain.records.vault.hierarchy import Hierarchy, Kek
from hmchain.records.vault.providers import KeyProvider
from hmchain.sqlite import Values


def rows(folder: Path, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
    """SQLite's answer about the vault in a folder, which may be open; or what it changes there."""
    with closing(Database(folder / FILE)) as database:
        return database.query(statement, values)


def newest_kek(folder: Path, provider: KeyProvider) -> Kek:
    """The key-encryption key of the vault in a folder."""
    with closing(Database(folder / FILE)) as database, database.transaction() as connection:
        return Hierarchy(database, provider).newest(connection)
