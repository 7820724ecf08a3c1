"""The durable log of blocks: one SQLite file that one process writes and any number read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from hmchain import files, merkle, sqlite
from hmchain.canonical import NotCanonicalError, Record, decode_trusted, encode
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import Block, BlockResult, Commit, Header, evidence_root, votes_root
from hmchain.ledger.transactions import transaction_digest
from hmchain.ledger.unreadable import UnreadableError

_R = TypeVar("_R", bound=Record)
_HEIGHT_MAX = (1 << 63) - 1

BLOCKS = "blocks.db"
"""What the file is called in a ledger's directory, on every engine."""

_TABLES = (
    "CREATE TABLE blocks (height INTEGER PRIMARY KEY, block BLOB NOT NULL, decided BLOB NOT NULL, "
    "result BLOB NOT NULL)",
    "CREATE TABLE transactions (digest BLOB PRIMARY KEY, height INTEGER NOT NULL, position INTEGER NOT NULL) "
    "WITHOUT ROWID",
)
_SCHEMA = ";".join(table.replace("TABLE", "TABLE IF NOT EXISTS", 1) for table in _TABLES)

_WAY_OUT = "restore it from a copy; a node of a network executes its blocks again when it starts"


class BlockStoreError(LedgerError):
    """The log of blocks cannot be opened, read or written."""

    code = "block_store"


class UnreadableLogError(BlockStoreError, UnreadableError):
    """The log of blocks is not there, may not be opened, or is in use."""

    code = "unreadable"


class LedgerFullError(LedgerError):
    """The disk is full; nothing was lost, and nothing more is decided until there is room."""

    code = "ledger_full"


class SecondWriterError(LedgerError):
    """Another process writes this ledger."""

    code = "second_writer"


def hold(directory: Path) -> IO[str]:
    """Be the one process that writes the ledger in a directory, until the returned file is closed.

    Raises `LedgerError` if there is no such directory, `SecondWriterError` if another process holds it.
    """
    if not directory.is_dir():
        raise LedgerError(f"there is no ledger at {directory}", "give the directory of a ledger")

    def refused(holder: str) -> SecondWriterError:
        what = f"{holder} writes the ledger in {directory}"
        return SecondWriterError(what, "wait for it, or stop it; reading is always possible")

    return files.hold(directory / "lock", refused)


class NoSuchTransactionError(LedgerError):
    """The ledger holds no transaction of this digest."""

    code = "no_such_transaction"


def no_such_transaction(digest: bytes) -> NoSuchTransactionError:
    """The error for a transaction that is in no block, or in none yet."""
    return NoSuchTransactionError(
        f"there is no transaction {digest.hex()} in a block", "check the digest, or wait for its block"
    )


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block, the commit that decided it, and what executing it gave; as bytes and decoded on demand."""

    height: int
    block_bytes: bytes
    commit_bytes: bytes
    result_bytes: bytes

    @property
    def block(self) -> Block:
        """The block. Raises `BlockStoreError` for damaged bytes."""
        return self._decoded(self.block_bytes, Block)

    @property
    def commit(self) -> Commit:
        """The signatures that decided it."""
        return self._decoded(self.commit_bytes, Commit)

    @property
    def result(self) -> BlockResult:
        """Receipts and events."""
        return self._decoded(self.result_bytes, BlockResult)

    def check(self, path: Path) -> tuple[Header, BlockResult]:
        """See that block, commit and result are those of the header. Raises `BlockStoreError` that names `path`."""
        try:
            block, result = self.block, self.result
            header = block.header
            whole = (
                header.height == self.height
                and header.hash == self.commit.block_hash
                and merkle.root(block.transactions) == header.transactions_root
                and votes_root(block.last_round, block.last_votes) == header.votes_root
                and evidence_root(block.evidence) == header.evidence_root
                and result.root == header.receipts_root
            )
        except BlockStoreError as error:
            raise BlockStoreError(f"block {self.height} in {path} is damaged", _WAY_OUT) from error
        if not whole:
            raise BlockStoreError(f"block {self.height} in {path} is damaged", _WAY_OUT)
        return header, result

    def _decoded(self, data: bytes, kind: type[_R]) -> _R:
        try:
            return decode_trusted(data, kind)
        except (NotCanonicalError, TypeError):  # SQLite takes text for bytes
            raise BlockStoreError(f"block {self.height} is damaged", _WAY_OUT) from None


class BlockStore:
    """Blocks by height, transactions by digest."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.exists():
            raise UnreadableLogError(f"there is no ledger at {path.parent}", "give the directory of a run or a ledger")
        # Agents read from their own threads.
        self._db = (sqlite.open_read_only if read_only else sqlite.open_file)(path, self._named)
        try:
            if not read_only:
                with sqlite.failures(self._named):
                    self._db.executescript(_SCHEMA)
            self._require_tables()
        except BaseException:
            self._db.close()
            raise

    @property
    def height(self) -> int:
        """The last height, 0 if there is none."""
        row = self._query("SELECT max(height) FROM blocks").fetchone()
        return row[0] or 0

    @property
    def holds_votes(self) -> bool:
        """Whether there are blocks, and with the votes for them; those of a node on CometBFT come without."""
        first = next(self.blocks(), None)
        try:
            return first is not None and bool(first.commit.votes)
        except BlockStoreError:
            return True  # an audit finds the block

    def append(self, block: Block, commit: Commit, result: BlockResult) -> None:
        """Make a decided block durable: it is on disk when this returns.

        Raises `LedgerFullError` or `BlockStoreError`; the store is then as before.
        """
        height = block.header.height
        index = [(receipt.transaction, height, position) for position, receipt in enumerate(result.receipts)]
        with sqlite.failures(self._named), sqlite.transaction(self._db):
            row = (height, encode(block), encode(commit), encode(result))
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", row)
            self._db.executemany("INSERT OR IGNORE INTO transactions VALUES (?, ?, ?)", index)

    def get(self, height: int) -> StoredBlock | None:
        """One block, or None."""
        row = self._query("SELECT * FROM blocks WHERE height = ?", height).fetchone()
        return StoredBlock(*row) if row else None

    def last(self, height: int) -> StoredBlock | None:
        """The last block up to a height, or None."""
        row = self._query("SELECT * FROM blocks WHERE height <= ? ORDER BY height DESC LIMIT 1", height).fetchone()
        return StoredBlock(*row) if row else None

    def blocks(self, first: int = 1, last: int | None = None) -> Iterator[StoredBlock]:
        """Blocks in order of height, one in memory at a time."""
        bound = self.height if last is None else last
        cursor = self._query("SELECT * FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height", first, bound)
        while True:
            with sqlite.failures(self._named):
                row = cursor.fetchone()
            if row is None:
                return
            yield StoredBlock(*row)

    def newest(self, count: int, last: int = _HEIGHT_MAX) -> list[StoredBlock]:
        """The `count` blocks at most that end with height `last`, the last one first."""
        rows = self._query("SELECT * FROM blocks WHERE height <= ? ORDER BY height DESC LIMIT ?", last, count)
        return [StoredBlock(*row) for row in rows.fetchall()]

    def find(self, digest: bytes) -> tuple[int, int] | None:
        """Height and position of a transaction, or None."""
        row = self._query("SELECT height, position FROM transactions WHERE digest = ?", digest).fetchone()
        if row and not all(isinstance(number, int) for number in row):  # SQLite takes text for integers
            raise BlockStoreError(f"the index in {self.path} is damaged", _WAY_OUT)
        return (row[0], row[1]) if row else None

    def located(self, digest: bytes) -> tuple[StoredBlock, int] | None:
        """The block of a transaction and its position there, or None.

        The index is a cache: raises `BlockStoreError` if what it points to is another transaction, or none.
        """
        place = self.find(digest)
        if place is None:
            return None
        stored, position = self.get(place[0]), place[1]
        wires = stored.block.transactions if stored is not None else ()
        if stored is None or not 0 <= position < len(wires) or transaction_digest(wires[position]) != digest:
            raise BlockStoreError(f"the index in {self.path} shows another transaction than {digest.hex()}", _WAY_OUT)
        return stored, position

    def require(self, digest: bytes) -> tuple[StoredBlock, int]:
        """As `located`. Raises `NoSuchTransactionError` if there is none."""
        found = self.located(digest)
        if found is None:
            raise no_such_transaction(digest)
        return found

    def find_prefix(self, prefix: bytes) -> list[bytes]:
        """Digests that start with `prefix`, at most a few: for people who type the first letters."""
        upper = prefix + b"\xff" * (32 - len(prefix))
        rows = self._query(
            "SELECT digest FROM transactions WHERE digest BETWEEN ? AND ? ORDER BY digest LIMIT 5", prefix, upper
        )
        return [row[0] for row in rows]

    def check(self) -> None:
        """See that every block is whole, follows the one before it, and has its transactions in the index.

        Reads the whole log once. Raises `BlockStoreError` for the first thing that is wrong.
        """
        previous, index = b"", IndexCheck(self)
        for stored in self.blocks():
            header, result = stored.check(self.path)
            if previous and header.previous != previous:
                raise BlockStoreError(f"block {stored.height} in {self.path} does not follow the last", _WAY_OUT)
            previous = header.hash
            index.follow(stored.height, result)
        index.finish()

    def freeze(self) -> None:
        """Read from now on what the log holds now, whatever another process adds."""
        self._query("BEGIN")

    def _require_tables(self) -> None:
        """See that nothing but the tables themselves answers, one row a height: no view, no other columns."""
        found = self._query("SELECT type, sql FROM sqlite_master ORDER BY name").fetchall()
        if [(kind, " ".join(str(sql).split())) for kind, sql in found] != [("table", table) for table in _TABLES]:
            raise BlockStoreError(f"{self.path} holds other tables than a log of blocks", _WAY_OUT)

    def copy_to(self, path: Path, last: int) -> int:
        """Copy the log up to block `last` into a new file, which may be read alone; returns how many are left out.

        Raises `BlockStoreError`, or `OSError` if there is such a file.
        """
        left_out: int = self._query("SELECT count(*) FROM blocks WHERE height > ?", last).fetchone()[0]
        cuts = (f"DELETE FROM {table} WHERE height > {last}" for table in ("blocks", "transactions"))  # noqa: S608
        with sqlite.failures(self._named):
            sqlite.copy_to(self._db, path, *cuts, "VACUUM")
        return left_out

    def count_blocks(self) -> int:
        """How many blocks the log holds, under whatever heights."""
        count: int = self._query("SELECT count(*) FROM blocks").fetchone()[0]
        return count

    def count_indexed(self) -> int:
        """How many transactions the index holds."""
        count: int = self._query("SELECT count(*) FROM transactions").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _query(self, sql: str, *values: bytes | int) -> sqlite3.Cursor:
        with sqlite.failures(self._named):
            return self._db.execute(sql, values)

    def _named(self, trouble: sqlite.Trouble) -> LedgerError:
        if trouble is sqlite.Trouble.FULL:
            what = f"{self.path} cannot be written: the disk is full"
            return LedgerFullError(what, "free space, then run the same again")
        if trouble is sqlite.Trouble.BUSY:
            return UnreadableLogError(f"{self.path} is in use by another process", "wait for it, or stop it")
        if trouble is sqlite.Trouble.CLOSED:
            return UnreadableLogError(f"{self.path} cannot be opened", "check its owner and its mode")
        if trouble is sqlite.Trouble.CUT_SHORT:
            what = f"{self.path.name}-journal lies beside {self.path}: a change of it was cut short"
            return UnreadableLogError(what, "take another copy; where it belongs, who writes it next finishes it")
        if trouble is sqlite.Trouble.READ_ONLY:
            return UnreadableLogError(f"{self.path} may not be written", "take a copy that may be")
        return BlockStoreError(f"{self.path} is damaged", _WAY_OUT)


class IndexCheck:
    """Holds the index of transactions against blocks that pass in order, and sees that none is passed over."""

    def __init__(self, store: BlockStore) -> None:
        self._store, self._blocks, self._count = store, 0, 0

    def follow(self, height: int, result: BlockResult) -> None:
        """See that a block's transactions are found in it. Raises `BlockStoreError`."""
        self._blocks += 1
        for position, receipt in enumerate(result.receipts):
            place, found = (height, position), self._store.find(receipt.transaction)
            if found is None or found > place:  # one that came twice is found where it came first
                raise BlockStoreError(f"the index in {self._store.path} lacks transactions", _WAY_OUT)
            self._count += found == place

    def finish(self) -> None:
        """See that log and index hold nothing else; each row was met once. Raises `BlockStoreError`."""
        if self._store.count_blocks() != self._blocks:
            raise BlockStoreError(f"{self._store.path} holds blocks under heights that no block has", _WAY_OUT)
        if self._store.count_indexed() != self._count:
            raise BlockStoreError(f"the index in {self._store.path} holds transactions of no block", _WAY_OUT)
