"""What a dataset version is bound to on the ledger, and how one record is later shown to belong to it.

A version's leaves are the records' digests, in order of record id, each with a random salt of its own: two records with
one ciphertext have unrelated leaves, and a leaf says nothing about its record to who has not been given the salt. The
tree over them is that of RFC 6962. Its root goes on the ledger under a key (HMAC-SHA256) that never leaves the vault
but in a proof.

A proof is handed to an auditor with the organisation's consent. It reveals the record's id and the digest of its
ciphertext, the version's exact number of records, and the key of the root; of the other records only hashes that their
salts hide. Who keeps a proof can show later that the version held this record, also after it was erased here.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from hmchain import merkle
from hmchain.canonical import Record, digest
from hmchain.keys import Redacted

SALT_BYTES = 16


@dataclass(frozen=True)
class Commitment:
    """What a dataset version is bound to."""

    root: bytes
    """32 bytes for the ledger: HMAC-SHA256 of `merkle_root` under a key that never leaves the vault."""
    merkle_root: bytes
    """RFC 6962 root over the leaves. Not for publication."""
    leaves: tuple[bytes, ...]
    """One for each record, 32 bytes, in order of record id."""


class RecordProof(Redacted, Record, frozen=True):
    """That one record belongs to a version. For an auditor, not for publication."""

    dataset: str
    version: int
    record: str
    ciphertext: bytes
    """SHA-256 of the record's ciphertext, under which the object store has it."""
    salt: bytes
    """16 bytes; none in a version that was committed to before leaves were salted."""
    index: int
    size: int
    """How many records the version has, as the organisation says: the root binds records, not how many there are."""
    path: tuple[bytes, ...]
    """RFC 6962 inclusion path."""
    merkle_root: bytes
    root_key: bytes
    """32 bytes: the key of the version's root."""


def leaf(record: str, ciphertext: bytes, salt: bytes) -> bytes:
    """The leaf of a record, 32 bytes."""
    return digest("hmchain record leaf", salt, record.encode(), ciphertext) if salt else ciphertext


def commit(dataset: str, version: int, leaves: Sequence[bytes], root_key: bytes) -> Commitment:
    """Bind a version to its leaves."""
    merkle_root = merkle.root(leaves)
    return Commitment(_keyed(dataset, version, merkle_root, root_key), merkle_root, tuple(leaves))


def verify_record_proof(proof: RecordProof, root: bytes) -> bool:
    """Whether `root`, as it stands on the ledger, is that of a version with this record and ciphertext.

    Never raises: whatever a stranger sends is a proof or is not. To go on from here to the content, compare
    `ciphertext` with the SHA-256 of the object, and open that with a key that the organisation grants.
    """
    if not 0 <= proof.version < 1 << 64:
        return False
    if not hmac.compare_digest(_keyed(proof.dataset, proof.version, proof.merkle_root, proof.root_key), root):
        return False
    own = leaf(proof.record, proof.ciphertext, proof.salt)
    return merkle.verify(own, proof.index, proof.size, proof.path, proof.merkle_root)


def _keyed(dataset: str, version: int, merkle_root: bytes, root_key: bytes) -> bytes:
    bound = digest("hmchain dataset root", dataset.encode(), version.to_bytes(8, "big"), merkle_root)
    return hmac.digest(root_key, bound, "sha256")
