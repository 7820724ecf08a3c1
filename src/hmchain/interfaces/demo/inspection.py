"""The audit of a finished run: verified, then tried against a copy with one flipped bit."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path

from hmchain import sqlite
from hmchain.errors import AuditError
from hmchain.interfaces.report.parts import Audit, Check, TamperTest
from hmchain.ledger import genesis
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.engines.cometbft import archive
from hmchain.ledger.readers import audit
from hmchain.plain import Progress

_PIECE_BYTES = 64


def inspect(ledger: Path, anchor: bytes, command: str, progress: Progress) -> Audit:
    """Replay the ledger against its anchor, and show that a flipped bit is found."""
    started = time.perf_counter()
    report = audit.verify(ledger, anchor, progress=progress)
    seconds = time.perf_counter() - started
    checks = (
        Check(name="blocks", count=report.height),
        Check(name="transaction signatures", count=report.transaction_signatures),
        Check(name="votes", count=report.vote_signatures),
        Check(name="validator offences proven", count=report.evidence),
    )
    return Audit(
        passed=True,
        anchor=anchor.hex(),
        checks=checks,
        not_proven=report.not_proven,
        seconds=seconds,
        tamper=flip_one_bit(ledger, anchor),
        command=command,
    )


def flip_one_bit(ledger: Path, anchor: bytes) -> TamperTest:
    """Copy the ledger, flip the lowest bit of one byte in a transaction of a block half way, and audit the copy."""
    with tempfile.TemporaryDirectory(prefix="hmchain-tamper-") as scratch:
        copy = Path(scratch)
        for path in (ledger / genesis.FILE, ledger / archive.FILE):
            if path.exists():
                shutil.copy(path, copy)
        height = _flip(ledger / BLOCKS, copy / BLOCKS)
        where = f"in a transaction of block {height}"
        try:
            audit.verify(copy, anchor)
        except AuditError as error:
            return TamperTest(where=where, found=True, finding=error.what)
        return TamperTest(where=where, found=False, finding="the audit noticed nothing")


def _flip(source: Path, target: Path) -> int:
    """Copy a block store to `target` with one bit changed in the file's own bytes; returns the block's height."""
    with closing(sqlite.open_read_only(source, lambda trouble: AuditError(f"{source}: {trouble.value}"))) as original:
        sqlite.copy_to(original, target)
    data = bytearray(target.read_bytes())
    with closing(BlockStore(target, read_only=True)) as store:
        for stored in store.blocks(store.height // 2):  # a node logs hardly any empty blocks
            if stored.block.transactions and (place := _place(data, stored.block_bytes, stored.block.transactions[0])):
                data[place] ^= 1
                break
        else:
            raise AuditError("there is no block to flip a bit in", "run a study first")
    target.write_bytes(data)
    return stored.height


def _place(file: bytearray, block: bytes, transaction: bytes) -> int:
    """Where in the file a byte of the block's first transaction lies; 0 if that cannot be told.

    A block may be spread over several pages, and transactions of one sender begin alike: a piece counts only if it is
    nowhere else.
    """
    start = block.index(transaction)
    for offset in range(start, start + len(transaction), _PIECE_BYTES):
        piece = block[offset : offset + _PIECE_BYTES]
        place = file.find(piece)
        if place >= 0 and file.find(piece, place + 1) < 0:
            return place
    return 0
