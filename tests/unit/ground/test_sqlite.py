"""SQLite files: what fails is named by whoever the file belongs to, and a transaction is whole or not there."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from hmchain import files, sqlite
from hmchain.errors import StorageError
from hmchain.sqlite import Trouble
from support.read_only import read_only


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
    with pytest.raises(StorageError, match="CLOSED"):
        sqlite.open_read_only(tmp_path / "none.db", named)
    with pytest.raises(StorageError, match="CLOSED"):
        sqlite.open_file(path / "below a file" / "x.db", named)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def words(database: sqlite3.Connection) -> list[tuple[str]]:
    return database.execute("SELECT word FROM words").fetchall()


def test_a_damaged_name_that_sqlite_s_own_message_cannot_say_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    opened(path).close()
    path.write_bytes(path.read_bytes().replace(b"tablewords", b"tableword\xf3"))
    with pytest.raises(StorageError, match="BROKEN"):
        sqlite.open_read_only(path, named)


def test_who_only_reads_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(opened(path)) as database:
        database.execute("INSERT INTO words VALUES ('kept')")
    before = path.read_bytes()
    with closing(sqlite.open_read_only(path, named)) as reader:
        assert words(reader) == [("kept",)]
        with pytest.raises(StorageError, match="READ_ONLY"), sqlite.failures(named):
            reader.execute("INSERT INTO words VALUES ('more')")
    assert (names(tmp_path), path.read_bytes()) == (["file.db"], before)


def test_what_may_not_be_written_is_read_and_each_change_of_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(opened(path)) as database:
        database.execute("INSERT INTO words VALUES ('kept')")
    with read_only(tmp_path):
        for attempt in (opened, lambda place: sqlite.open_read_only(place, named)):
            with closing(attempt(path)) as reader:
                assert words(reader) == [("kept",)]
                with pytest.raises(StorageError, match="READ_ONLY"), sqlite.failures(named):
                    reader.execute("DELETE FROM words")


@pytest.mark.parametrize("taken", [("",), ("", "-wal"), ("", "-wal", "-shm")])
def test_a_copy_taken_while_somebody_wrote_is_read_with_its_log(taken: tuple[str, ...], tmp_path: Path) -> None:
    path, copy = tmp_path / "file.db", tmp_path / "copy"
    copy.mkdir()
    with closing(opened(path)) as database:
        database.execute("PRAGMA wal_checkpoint")
        database.execute("INSERT INTO words VALUES ('last')")
        for suffix in taken:
            shutil.copyfile(f"{path}{suffix}", copy / f"file.db{suffix}")
    for place in (copy, None):  # one that may be written, then one that may not
        with read_only(copy) if place is None else nullcontext():
            with closing(sqlite.open_read_only(copy / "file.db", named)) as reader:
                assert words(reader) == ([("last",)] if "-wal" in taken else [])
            assert names(copy) == [f"file.db{suffix}" for suffix in sorted(taken)]


def test_a_change_that_was_cut_short_is_named_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal beside a file undoes it as soon as SQLite opens it to write: what an auditor holds would change."""
    monkeypatch.setattr(sqlite, "CHANGE_SECONDS", 0)
    path, journal = tmp_path / "file.db", tmp_path / "file.db-journal"
    with closing(opened(path)) as database:
        database.execute("INSERT INTO words VALUES ('undone')")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("BEGIN")
        database.execute("DELETE FROM words")
        undoes = journal.read_bytes()
        database.execute("COMMIT")
    journal.write_bytes(undoes)
    before = path.read_bytes()
    for place in (path, None):  # one that may be written, then one that may not
        held = read_only(tmp_path) if place is None else nullcontext()
        with held, pytest.raises(StorageError, match="CUT_SHORT"):
            sqlite.open_read_only(path, named)
        assert (path.read_bytes(), journal.read_bytes()) == (before, undoes)


def test_a_link_is_read_with_the_log_beside_the_file_itself(tmp_path: Path) -> None:
    path, link = tmp_path / "place" / "file.db", tmp_path / "link.db"
    copy = tmp_path / "copy"
    with closing(opened(path)) as database:
        database.execute("PRAGMA wal_checkpoint")
        database.execute("INSERT INTO words VALUES ('last')")
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", copy / f"file.db{suffix}")
    link.symlink_to(copy / "file.db")
    with read_only(tmp_path), closing(sqlite.open_read_only(link, named)) as reader:
        assert words(reader) == [("last",)]


def test_a_writer_that_comes_while_somebody_reads_is_heeded(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    opened(path).close()
    with closing(sqlite.open_read_only(path, named)) as reader, closing(opened(path)) as writer:
        writer.execute("INSERT INTO words VALUES ('new')")
        assert words(reader) == [("new",)]
    assert names(tmp_path) == ["file.db"]


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
