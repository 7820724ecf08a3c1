"""The records of one organisation: the only place that keeps patient data, always encrypted.

Every content is sealed under a random key of its own, and its ciphertext lies in the object store. One SQLite file
says which record has which content, and holds a copy of the content's key for every record, wrapped by the vault's
key-encryption key (KEK), which a provider wraps in turn: the organisation's hybrid key, a passphrase, or a token.
Ciphertext is written before its key and outlives it, so that a crash leaves at most ciphertext that nobody can open.

Records with the same content share one ciphertext. An envelope is therefore bound to a random id of its own rather than
to a record; it is the wrapped key that is bound to dataset, version, record, patient and salt. Erasing a record
destroys its wrapped key, and the ciphertext with the last record that needs it.

A version of a dataset is committed to by a root that goes on the ledger. The root is keyed, and the key lives here: to
others it says nothing about the records, and with the key destroyed nothing is left to test a guess against. The leaves
beneath it are salted, so that records which share a ciphertext cannot be told by their leaves.
"""

from hmchain.records.vault.commitment import Commitment, RecordProof, verify_record_proof
from hmchain.records.vault.erasure import Erasure
from hmchain.records.vault.errors import (
    MissingRecordError,
    RecordExistsError,
    VaultError,
    VaultKeyError,
    VersionClosedError,
)
from hmchain.records.vault.handing import HandedRecord, Handing, RootKey, Seat
from hmchain.records.vault.intake import StoredRecord
from hmchain.records.vault.migration import Conversion
from hmchain.records.vault.providers import HybridProvider, KeyProvider, PassphraseProvider, SecretKeyProvider
from hmchain.records.vault.scrub import Damage, Mirror, Repair, Scrub
from hmchain.records.vault.sealing import SealedContent, Sealer
from hmchain.records.vault.vault import Vault
from hmchain.records.vault.writer import Writer

__all__ = [
    "Commitment",
    "Conversion",
    "Damage",
    "Erasure",
    "HandedRecord",
    "Handing",
    "HybridProvider",
    "KeyProvider",
    "Mirror",
    "MissingRecordError",
    "PassphraseProvider",
    "RecordExistsError",
    "RecordProof",
    "Repair",
    "RootKey",
    "Scrub",
    "SealedContent",
    "Sealer",
    "Seat",
    "SecretKeyProvider",
    "StoredRecord",
    "Vault",
    "VaultError",
    "VaultKeyError",
    "VersionClosedError",
    "Writer",
    "verify_record_proof",
]
