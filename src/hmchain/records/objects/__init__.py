"""Write-once objects under the BLAKE3 digest of their ciphertext, in a directory, in an S3 bucket or in memory.

An object's address is its digest, so a reader needs to trust nobody: what comes back is what was announced, or an error
says what is wrong. A digest is announced on the ledger, and ledgers survive power cuts: a put returns only when the
object is on disk. Two writers cannot harm each other, because one name has one content.
"""

from hmchain.records.objects.backend import Buffer
from hmchain.records.objects.errors import (
    DiskFullError,
    LocationError,
    MissingObjectError,
    StoreCredentialsError,
    StoreUnavailableError,
    TamperedObjectError,
    WrongSizeError,
)
from hmchain.records.objects.store import DIGEST_BYTES, ObjectStore, address_of, address_of_file, address_of_pieces

__all__ = [
    "DIGEST_BYTES",
    "Buffer",
    "DiskFullError",
    "LocationError",
    "MissingObjectError",
    "ObjectStore",
    "StoreCredentialsError",
    "StoreUnavailableError",
    "TamperedObjectError",
    "WrongSizeError",
    "address_of",
    "address_of_file",
    "address_of_pieces",
]
