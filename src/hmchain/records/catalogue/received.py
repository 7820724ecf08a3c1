"""Datasets that another hospital gave: from where, for what, and until when."""

from __future__ import annotations

import sqlite3

import msgspec

from hmchain import decoding
from hmchain.records.catalogue.database import Database


class Received(msgspec.Struct, frozen=True):
    """The grant that a dataset came by."""

    transfer: str
    chain_id: str
    giver: str
    dataset: str
    """As the giver calls it."""
    version: int
    purpose: str
    """The use by DUO's code."""
    until_ms: int
    emergency: bool
    """Given for the treatment of one patient, and never for research."""
    received_ms: int


class ReceivedDatasets:
    """What was given, in the catalogue's file."""

    def __init__(self, file: Database) -> None:
        self._file = file

    def write(self, database: sqlite3.Connection, dataset: str, received: Received) -> None:
        """Mark a dataset, in the transaction that makes it."""
        body = msgspec.json.encode(received).decode()
        database.execute("INSERT INTO received VALUES (?, ?, NULL)", (dataset, body))

    def get(self, dataset: str) -> Received | None:
        """How a dataset came here; None of one's own."""
        found = self._file.query("SELECT body FROM received WHERE dataset = ?", (dataset,))
        return decoding.from_json(found[0][0], Received) if found else None

    def all(self) -> dict[str, Received]:
        """All that was given, by dataset, erased ones too."""
        rows = self._file.query("SELECT dataset, body FROM received ORDER BY dataset")
        return {dataset: decoding.from_json(body, Received) for dataset, body in rows}

    def erased_ms(self, dataset: str) -> int | None:
        """When its records were erased; None if they are here."""
        found = self._file.query("SELECT erased_ms FROM received WHERE dataset = ?", (dataset,))
        return found[0][0] if found else None
