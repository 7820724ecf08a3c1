"""Roots of versions: fixing a version by its root, looking whether it still is what was fixed, proofs."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from hmchain import merkle
from hmchain.keys import SecretKey
from hmchain.records.vault import commitment
from hmchain.records.vault.commitment import Commitment, RecordProof
from hmchain.records.vault.database import Database
from hmchain.records.vault.errors import MissingRecordError, VersionClosedError
from hmchain.records.vault.hierarchy import Hierarchy, root_context
from hmchain.records.vault.intake import DEDUPLICATION

_DESCRIBE = "UPDATE records SET description = ? WHERE dataset = ? AND version = ? AND record = ?"


class Roots:
    """The roots of an open vault's versions."""

    def __init__(self, database: Database, hierarchy: Hierarchy) -> None:
        self._database = database
        self._hierarchy = hierarchy
        self._descriptions = SecretKey(hierarchy.secret(DEDUPLICATION)).derive("hmchain record descriptions")

    def commit(self, dataset: str, version: int, descriptions: Mapping[str, bytes], about: bytes) -> Commitment:
        """Fix a version by its records, what is said of each, and what is said of it; as it was fixed if it is."""
        with self._database.transaction() as connection:  # nobody adds a record between its leaves and its key
            if self.is_fixed(dataset, version):
                return self.commitment(dataset, version)
            said = ((self._digest(descriptions.get(record, b"")), dataset, version, record)
                    for record, *_ in self._rows(dataset, version))  # fmt: skip
            connection.executemany(_DESCRIBE, list(said))
            rows = self._rows(dataset, version)
            if not rows:
                raise MissingRecordError(f"{dataset} version {version} has no records", "put them first")
            key, kek, bound = SecretKey.generate(), self._hierarchy.newest(connection), self._digest(about)
            made = commitment.commit(dataset, version, _leaves(rows), bound, key.raw)
            wrapped = kek.wrap(key.raw, root_context(dataset, version))
            connection.execute(
                "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)",
                (dataset, version, kek.id, wrapped, bound, made.root),
            )
        return made

    def commitment(self, dataset: str, version: int) -> Commitment:
        """Compute what binds a fixed version, computed from what the vault holds of it now."""
        key, about = self.root_key(dataset, version)
        return commitment.commit(dataset, version, _leaves(self._rows(dataset, version)), about, key.raw)

    def leaves(self, dataset: str, version: int) -> tuple[bytes, ...]:
        """The leaves of a version's records, in order of record id; of what is left where some were erased."""
        return _leaves(self._rows(dataset, version))

    def unlike(self, dataset: str, version: int, descriptions: Mapping[str, bytes], about: bytes) -> list[str]:
        """Records of a fixed version of which something else was said when it was fixed, or that only one side has.

        The version itself is an empty name. Of versions that were fixed before descriptions were, nothing is known. Of
        those that lost records what is left is compared.
        """
        rows = self._database.query("SELECT about FROM versions WHERE dataset = ? AND version = ?", (dataset, version))
        if not rows:
            raise _not_fixed(dataset, version)
        ((bound,),) = rows
        found = [""] if bound and not self._is_digest(about, bound) else []
        fixed = {record: description for record, _, _, description in self._rows(dataset, version)}
        for record in sorted(fixed.keys() | descriptions.keys()):
            description = fixed.get(record, b"")
            if description is None and not bound:
                continue
            if record not in descriptions or not self._is_digest(descriptions[record], description or b""):
                found.append(record)
        return found

    def changed(self) -> list[tuple[str, int]]:
        """Fixed versions, none of whose records was erased, that are not what they were fixed as."""
        stored = "SELECT dataset, version, root FROM versions WHERE wrapped IS NOT NULL ORDER BY dataset, version"
        return [
            (dataset, version)
            for dataset, version, root in self._database.query(stored)
            if not hmac.compare_digest(self.commitment(dataset, version).root, root)
        ]

    def prove(self, dataset: str, version: int, record: str) -> RecordProof:
        """A proof that a fixed version has a record."""
        key, about = self.root_key(dataset, version)
        rows = self._rows(dataset, version)
        index = next((index for index, row in enumerate(rows) if row[0] == record), None)
        if index is None:
            raise MissingRecordError(f"{dataset} version {version} does not have this record")
        tree = merkle.Tree(_leaves(rows))
        _, ciphertext, salt, description = rows[index]
        return RecordProof(
            dataset, version, record, ciphertext, salt, description or b"", index, len(tree), tuple(tree.path(index)),
            tree.root, about, key.raw,
        )  # fmt: skip

    def _digest(self, said: bytes) -> bytes:
        """Digest a description into what is kept of it: 32 bytes that say nothing to who lacks the vault's key."""
        return hmac.digest(self._descriptions.raw, said, "sha256")

    def _is_digest(self, said: bytes, kept: bytes) -> bool:
        return hmac.compare_digest(self._digest(said), kept)

    def _rows(self, dataset: str, version: int) -> list[tuple[str, bytes, bytes, bytes | None]]:
        """Record, digest of its ciphertext, salt and digest of its description, in order of record id."""
        rows: list[tuple[Any, ...]] = self._database.query(
            """SELECT r.record, CASE WHEN r.description IS NULL THEN coalesce(b.former, b.digest) ELSE b.digest END,
                r.salt, r.description
            FROM records r JOIN blobs b ON b.id = r.blob WHERE r.dataset = ? AND r.version = ? ORDER BY r.record""",
            (dataset, version),
        )
        return [(record, ciphertext, salt, description) for record, ciphertext, salt, description in rows]

    def is_fixed(self, dataset: str, version: int) -> bool:
        """Tell whether a version was fixed, with or without records that were erased since."""
        return bool(
            self._database.query("SELECT 1 FROM versions WHERE dataset = ? AND version = ?", (dataset, version))
        )

    def root_key(self, dataset: str, version: int) -> tuple[SecretKey, bytes]:
        """The key of a fixed version's root, and the digest of what was said of it.

        Raises `MissingRecordError` if it is not fixed, `VersionClosedError` if a record of it was erased.
        """
        chosen = "SELECT kek, wrapped, about FROM versions WHERE dataset = ? AND version = ?"
        rows = self._database.query(chosen, (dataset, version))
        if not rows:
            raise _not_fixed(dataset, version)
        kek, wrapped, about = rows[0]
        if wrapped is None:
            what = f"a record was erased from {dataset} version {version}"
            raise VersionClosedError(what, "publish a new version")
        return SecretKey(self._hierarchy.unwrap(kek, wrapped, root_context(dataset, version))), about or b""


def _not_fixed(dataset: str, version: int) -> MissingRecordError:
    return MissingRecordError(f"{dataset} version {version} is not committed to", "commit to it first")


def _leaves(rows: list[tuple[str, bytes, bytes, bytes | None]]) -> tuple[bytes, ...]:
    return tuple(commitment.leaf(*row) for row in rows)
