"""What people decided about items in quarantine, kept for the same content in later versions and other projects.

A content is known by a digest under the hospital's own key, which tells nothing to who lacks that key. A rejection
holds whatever the content is held for next time. A release holds for the reasons that the reviewer was told, and for
no other: a stronger detector or another profile that finds more has the content wait again.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.records.catalogue.database import Database
from hmchain.records.catalogue.entries import REJECTED, RELEASED, HeldItem
from hmchain.records.catalogue.entries import Decision as Decision
from hmchain.records.deidentification.profile import BlankedDevice
from hmchain.records.sources.item import Rectangles


@dataclass(frozen=True)
class LastingDecision:
    """A decision, and the held item that it was taken about."""

    content: bytes
    """Keyed digest of the content; its first letters name it to commands."""
    decision: Decision
    dataset: str = ""
    version: int = 0
    kind: str = ""
    code: str = ""
    """What it was held for."""
    modality: str = ""


@dataclass(frozen=True)
class Vote:
    """What one person said of an item that waits."""

    state: str
    reviewer: str
    at_ms: int
    regions: Rectangles = ()
    """What that person wants blanked."""
    public: bytes = b""
    """The person's public key (Ed25519), if one was given; `signature` is then by it."""
    signature: bytes = b""

    def message(self, held: HeldItem) -> bytes:
        """The bytes that the person signs: the item, what it is held for, and what is said of it."""
        about = (held.dataset, str(held.version), held.reason, self.state, self.reviewer, str(self.at_ms))
        regions = msgspec.json.encode(self.regions)
        return digest("hmchain review", held.item, *(part.encode() for part in about), regions)


@dataclass(frozen=True)
class DeviceVote:
    """The word of one person that images of a device be blanked from then on."""

    device: BlankedDevice
    reviewer: str
    at_ms: int
    public: bytes = b""
    """The person's public key (Ed25519), if one was given; `signature` is then by it."""
    signature: bytes = b""

    def message(self) -> bytes:
        """The bytes that the person signs."""
        return digest("hmchain device rule", _rule(self.device), self.reviewer.encode(), str(self.at_ms).encode())


class Decisions:
    """The part of the catalogue's file that outlives versions."""

    def __init__(self, file: Database, key: SecretKey) -> None:
        self._file, self._key = file, key

    def content(self, kind: str, sha256: bytes) -> bytes:
        """Digest a content of a kind under the hospital's key; `sha256` is never kept by itself."""
        return hmac.digest(self._key.raw, digest("hmchain held content", kind.encode(), sha256), "sha256")

    def of(self, content: bytes, reason: str) -> Decision | None:
        """Find what holds for a content that is held for `reason`; None if a person is to be asked."""
        sql = """
            SELECT state, reviewer, persons, decided_ms, regions FROM decisions
            WHERE content = ? AND (state = ? OR told = ?) ORDER BY state = ? DESC LIMIT 1"""
        found = self._file.query(sql, (content, REJECTED, _told(reason), REJECTED))
        if not found:
            return None
        return _decision(found[0])

    def count(self) -> int:
        """Count what was decided."""
        ((found,),) = self._file.query("SELECT count(*) FROM decisions")
        return int(found)

    def latest(self, limit: int) -> tuple[LastingDecision, ...]:
        """The last decisions, the latest first."""
        sql = """
            SELECT content, state, reviewer, persons, decided_ms, regions FROM decisions
            ORDER BY decided_ms DESC, content LIMIT ?"""
        rows = self._file.query(sql, (limit,))
        wanted = msgspec.json.encode([content.hex() for content, *_ in rows]).decode()
        about = """
            SELECT content, dataset, version, kind, code, modality FROM held
            WHERE hex(content) IN (SELECT upper(value) FROM json_each(?)) ORDER BY version DESC"""
        known = {content: told for content, *told in self._file.query(about, (wanted,))}
        return tuple(LastingDecision(content, _decision(rest), *known.get(content, ())) for content, *rest in rows)

    def beginning(self, prefix: str, limit: int = 2) -> list[bytes]:
        """The contents whose digests begin with some hexadecimal digits, at most `limit` of them."""
        sql = "SELECT DISTINCT content FROM decisions WHERE substr(hex(content), 1, ?) = ? LIMIT ?"
        return [content for (content,) in self._file.query(sql, (len(prefix), prefix.upper(), limit))] if prefix else []

    def write(self, database: sqlite3.Connection, held: HeldItem, decision: Decision) -> None:
        """Write a decision down within a transaction, if it is one that holds for later versions."""
        if not held.content or decision.state not in (RELEASED, REJECTED):
            return
        told = _told(held.reason) if decision.state == RELEASED else b""
        regions = _encoded(decision.regions)
        values = (held.content, told, decision.state, decision.reviewer, decision.persons, decision.decided_ms, regions)
        database.execute("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def vote(self, database: sqlite3.Connection, held: HeldItem, vote: Vote) -> None:
        """Write down within a transaction what one person said; what the same key said before gives way."""
        if vote.public:
            again = "dataset = ? AND version = ? AND item = ? AND state = ? AND key = ?"
            database.execute(f"DELETE FROM votes WHERE {again}", (*held.place, vote.state, vote.public))  # noqa: S608
        said = (vote.state, vote.reviewer, vote.public, vote.signature, _encoded(vote.regions), vote.at_ms)
        database.execute("INSERT OR REPLACE INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*held.place, *said))

    def votes(self, held: HeldItem) -> list[Vote]:
        """What people said of an item, in the order in which they did."""
        sql = """
            SELECT state, reviewer, at_ms, regions, key, signature FROM votes
            WHERE dataset = ? AND version = ? AND item = ? ORDER BY at_ms, reviewer"""
        return [
            Vote(state, reviewer, at_ms, decoding.from_json(regions, Rectangles), key, signature)
            for state, reviewer, at_ms, regions, key, signature in self._file.query(sql, held.place)
        ]

    def blank_from_now_on(self, votes: Iterable[DeviceVote]) -> None:
        """Write down what people said about devices whose images are to be blanked."""
        rows = [(_rule(vote.device).decode(), vote.reviewer, vote.at_ms, vote.public, vote.signature) for vote in votes]
        with self._file.transaction() as database:
            database.executemany("INSERT OR REPLACE INTO blanked_devices VALUES (?, ?, ?, ?, ?)", rows)

    def device_votes(self) -> tuple[DeviceVote, ...]:
        """What people said about devices, the oldest first."""
        rows = self._file.query("SELECT rule, reviewer, since_ms, key, signature FROM blanked_devices ORDER BY 3, 1, 2")
        return tuple(DeviceVote(decoding.from_json(rule, BlankedDevice), *rest) for rule, *rest in rows)

    def drop_votes(self, votes: Iterable[DeviceVote]) -> None:
        """Take back what people said about devices: their images are held again."""
        rows = [(_rule(vote.device).decode(), vote.reviewer, vote.public) for vote in votes]
        with self._file.transaction() as database:
            sql = "DELETE FROM blanked_devices WHERE rule = ? AND reviewer = ? AND key = ?"
            database.executemany(sql, rows)

    def forget(self, contents: Iterable[bytes]) -> int:
        """Have these contents wait for a person when they come again; returns how many decisions that undoes."""
        with self._file.transaction() as database:
            sql = "DELETE FROM decisions WHERE content = ?"
            return sum(database.execute(sql, (content,)).rowcount for content in contents)


def _decision(row: Sequence[Any]) -> Decision:
    state, reviewer, persons, decided_ms, regions = row
    return Decision(state, reviewer, persons, decided_ms, decoding.from_json(regions, Rectangles))


def _rule(device: BlankedDevice) -> bytes:
    return msgspec.json.encode(device)


def _encoded(regions: Rectangles) -> str:
    return msgspec.json.encode(regions).decode()


def _told(reason: str) -> bytes:
    return digest("hmchain held for", reason.encode())
