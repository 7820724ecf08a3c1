"""SQLite files: what fails is named by whoever the file belongs to, and a transaction is whole or not there."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from hmchain import files, sqlite
from hmchain.errors import StorageError
from hmchain.sqlite import Trouble


def named(trouble: Trouble) -> StorageError:
    return StorageError(trouble.name)


def opened(path: Path) -> sqlite3.Connection:
    database = sqlite.open_file(path, named, shreds=True, mode=files.PRIVATE)
    database.execute("CREATE TABLE IF NOT EXISTS words (word TEXT)")
    return database


def test_a_file_is_private_durable_and_shared_by_threads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.db"
    with closing(opened(path)) as database:
        found = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert found == ["wal", 2] and database.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert stat.S_IMODE(path.stat().st_mode) == files.PRIVATE


def test_a_transaction_is_whole_or_not_there(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "file.db")) as database:
        with sqlite.transaction(database):
            database.execute("INSERT INTO words VALUES ('kept')")
        with pytest.raises(StorageError, match="cut short"), sqlite.transaction(database):
            database.execute("INSERT INTO words VALUES ('lost')")
            raise StorageError("cut short")
        assert database.execute("SELECT word FROM words").fetchall() == [("kept",)]


def test_troubles_are_told_apart_and_say_nothing_of_values(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(opened(path)) as database, closing(opened(path)) as other:
        other.execute("PRAGMA busy_timeout = 0")
        with (
            sqlite.transaction(database),
            pytest.raises(StorageError, match="BUSY"),
            sqlite.failures(named),
            sqlite.transaction(other),
        ):
            pass
        database.execute("PRAGMA max_page_count = 3")
        with pytest.raises(StorageError, match="FULL"), sqlite.failures(named), sqlite.transaction(database):
            database.execute("INSERT INTO words VALUES (?)", ("secret" * 5000,))
        assert not database.in_transaction
        with pytest.raises(StorageError, match="BROKEN"), sqlite.failures(named):
            database.execute("SELECT 'secret' FROM nowhere")
    path.write_bytes(b"no database" * 100)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    for attempt in (sqlite.open_file, sqlite.open_read_only):
        with pytest.raises(StorageError, match="BROKEN"):
            attempt(path, named)
    with pytest.raises(StorageError, match="BROKEN"):
        sqlite.open_read_only(tmp_path / "none.db", named)
    with pytest.raises(StorageError, match="BROKEN"):
        sqlite.open_file(path / "below a file" / "x.db", named)


def test_a_log_is_emptied_unless_somebody_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    log = path.with_name("file.db-wal")
    with closing(opened(path)) as database, closing(sqlite.open_read_only(path, named)) as reader:
        database.execute("INSERT INTO words VALUES ('a secret word')")
        reader.execute("BEGIN")
        reader.execute("SELECT word FROM words").fetchall()
        database.execute("DELETE FROM words")
        database.execute("PRAGMA busy_timeout = 0")
        assert not sqlite.empty_log(database, seconds=0)
        assert b"a secret word" in log.read_bytes()
        reader.execute("COMMIT")
        assert sqlite.empty_log(database)
        assert b"a secret word" not in log.read_bytes() + path.read_bytes()


def test_a_database_names_what_fails_as_its_owner_does(tmp_path: Path) -> None:
    with closing(sqlite.Database(opened(tmp_path / "file.db"), named)) as database:
        with database.transaction() as connection:
            connection.execute("INSERT INTO words VALUES ('kept')")
        with pytest.raises(StorageError, match="BROKEN"), database.transaction() as connection:
            connection.execute("INSERT INTO words VALUES ('lost')")
            connection.execute("SELECT 1 FROM nothing")
        assert database.query("SELECT word FROM words WHERE word = ?", ("kept",)) == [("kept",)]
        assert database.query("SELECT count(*) FROM words") == [(1,)] and database.empty_log()
        with pytest.raises(StorageError, match="BROKEN"):
            database.query("SELECT 1 FROM nothing")
        database.copy_to(tmp_path / "copy.db")
        with pytest.raises(FileExistsError):
            database.copy_to(tmp_path / "copy.db")
