"""Editions of the resources that records were made of, sealed: when one was changed last is a date of its patient."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.records.catalogue.entries import RecordEntry
from hmchain.records.deidentification.outcome import Edition

SCHEMA = """
CREATE TABLE editions (
    dataset TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (dataset, version, record)) WITHOUT ROWID;
CREATE TRIGGER editions_go_with_records AFTER DELETE ON records BEGIN
    DELETE FROM editions WHERE dataset = old.dataset AND version = old.version AND record = old.record;
END;
"""
_NONCE_BYTES = 12


class Editions:
    """Seals and opens them."""

    def __init__(self, local: SecretKey) -> None:
        self._cipher = AESGCM(local.derive("hmchain catalogue editions").raw)

    def write(self, database: sqlite3.Connection, dataset: str, version: int, entries: Iterable[RecordEntry]) -> None:
        """Write down the editions of records that have one."""
        database.executemany(
            "INSERT OR REPLACE INTO editions VALUES (?, ?, ?, ?)",
            [
                (dataset, version, entry.record, self._sealed(dataset, version, entry.record, entry.edition))
                for entry in entries
                if entry.edition is not None
            ],
        )

    def open(self, dataset: str, version: int, record: str, sealed: bytes) -> Edition:
        """Open what `write` wrote."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return decoding.from_json(self._cipher.decrypt(nonce, rest, _context(dataset, version, record)), Edition)

    def _sealed(self, dataset: str, version: int, record: str, edition: Edition) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.json.encode(edition), _context(dataset, version, record))


def _context(dataset: str, version: int, record: str) -> bytes:
    return digest("hmchain edition", dataset.encode(), str(version).encode(), record.encode())
