"""The commitment of a dataset version on the ledger, and the proof that one record belongs to it.

A version's leaves bind its records, in order of record id: the digests of each one's ciphertext and of what is said of
it (patient, label, kind, attributes), with a random salt of its own. Two records with one ciphertext have unrelated
leaves, and a leaf says nothing about its record to who has not been given the salt. The tree over them is that of RFC
6962. Its root, the number of records and what is said of the version go on the ledger under a key (HMAC-SHA256) that
never leaves the vault but in a proof. What is said is bound by digests under a key that does not leave it even there.

A proof is handed to an auditor with the organisation's consent. It reveals the record's id and the digest of its
ciphertext, the version's exact number of records, and the key of the root; of the other records only hashes that their
salts hide. Who keeps a proof can show later that the version held this record, also after it was erased here.

Versions that were committed to before all this was bound keep their roots: no description, salt or number in them.
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
    """The commitment of a dataset version."""

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
    """BLAKE3 digest of the record's ciphertext, under which the object store has it; SHA-256 in a version of before."""
    salt: bytes
    """16 bytes; none in a version that was committed to before leaves were salted."""
    description: bytes
    """Keyed digest of what is said of the record, 32 bytes; none in a version of before that was bound."""
    index: int
    size: int
    """How many records the version has."""
    path: tuple[bytes, ...]
    """RFC 6962 inclusion path."""
    merkle_root: bytes
    about: bytes
    """Keyed digest of what is said of the version, 32 bytes; none of before that was bound, nor was `size` then."""
    root_key: bytes
    """32 bytes: the key of the version's root."""


def leaf(record: str, ciphertext: bytes, salt: bytes, description: bytes | None) -> bytes:
    """The leaf of a record, 32 bytes."""
    if description:
        return digest("hmchain described record leaf", salt, record.encode(), ciphertext, description)
    return digest("hmchain record leaf", salt, record.encode(), ciphertext) if salt else ciphertext


def commit(dataset: str, version: int, leaves: Sequence[bytes], about: bytes, root_key: bytes) -> Commitment:
    """Bind a version to its leaves, and to the digest of what is said of it."""
    merkle_root = merkle.root(leaves)
    root = keyed_root(dataset, version, merkle_root, len(leaves), about, root_key)
    return Commitment(root, merkle_root, tuple(leaves))


def verify_record_proof(proof: RecordProof, root: bytes) -> bool:
    """Tell whether `root`, as it stands on the ledger, is that of a version with this record and ciphertext.

    Never raises: whatever a stranger sends is a proof or is not. To go on from here to the content, compare
    `ciphertext` with the digest of the object, and open that with a key that the organisation grants.
    """
    if not (0 <= proof.version < 1 << 64 and 0 <= proof.size < 1 << 64):
        return False
    keyed = keyed_root(proof.dataset, proof.version, proof.merkle_root, proof.size, proof.about, proof.root_key)
    if not hmac.compare_digest(keyed, root):
        return False
    own = leaf(proof.record, proof.ciphertext, proof.salt, proof.description)
    return merkle.verify(own, proof.index, proof.size, proof.path, proof.merkle_root)


def keyed_root(dataset: str, version: int, merkle_root: bytes, size: int, about: bytes, root_key: bytes) -> bytes:
    """The root of a version for the ledger, of the root over its leaves and what is said of it."""
    place = (dataset.encode(), version.to_bytes(8, "big"), merkle_root)
    if about:
        bound = digest("hmchain described dataset root", *place, size.to_bytes(8, "big"), about)
    else:
        bound = digest("hmchain dataset root", *place)
    return hmac.digest(root_key, bound, "sha256")
