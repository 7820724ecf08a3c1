"""What somebody can do to a state file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.ledger import lthash
from hmchain.ledger.contracts.members.membership import Membership


def retitle(path: Path, *, consistent: bool) -> None:
    """Change a member's title in a state; `consistent` makes the commitment that is kept beside the records fit."""
    with closing(sqlite3.connect(path)) as db:
        key, value = db.execute(
            "SELECT key, value FROM state WHERE key >= CAST('members' AS BLOB) ORDER BY key"
        ).fetchone()
        record = decode(value, Membership)
        changed = encode(replace(record, member=replace(record.member, title="Elsewhere")))
        db.execute("UPDATE state SET value = ? WHERE key = ?", (changed, key))
        if consistent:
            pairs = db.execute("SELECT key, value FROM state").fetchall()
            lanes = lthash.to_bytes(lthash.updated(lthash.empty(), (), pairs))
            db.execute("UPDATE meta SET value = ? WHERE name = 'lanes'", (lanes,))
        db.commit()
