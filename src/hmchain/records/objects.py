"""Write-once objects under the SHA-256 of their ciphertext, in any store that obstore reaches.

An object's address is its digest, so a reader needs to trust nobody: what comes back is what was announced, or an error
says what is wrong. A digest is announced on the ledger, and ledgers survive power cuts: `put` returns only when a
directory store has the object on disk (obstore itself never syncs).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from obstore import exceptions
from obstore.store import LocalStore, MemoryStore
from obstore.store import ObjectStore as AnyStore

from hmchain.errors import StorageError

Buffer: TypeAlias = bytes | bytearray | memoryview

DIGEST_BYTES = 32
_SHARD_DIGITS = 2  # 256 folders: a million objects are 4000 files a folder
_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")
_OS_ERROR = re.compile(r"os error (\d+)")


class MissingObjectError(StorageError):
    """The store does not have an object."""

    code = "object_missing"


class TamperedObjectError(StorageError):
    """The store returns other bytes than those that were put."""

    code = "object_tampered"


class DiskFullError(StorageError):
    """There is no room to write."""

    code = "disk_full"


class StoreUnavailableError(StorageError):
    """The store cannot be reached, or refuses to read or write."""

    code = "store_unavailable"


class ObjectStore:
    """Objects by digest. Safe to use from several threads, and from several processes on one store."""

    def __init__(self, store: AnyStore, *, durable: bool = True) -> None:
        """Use any obstore store; `durable` syncs what a `LocalStore` writes before a write returns."""
        self._store = store
        self._folder = Path(store.prefix or "/") if durable and isinstance(store, LocalStore) else None

    @classmethod
    def directory(cls, path: Path, *, durable: bool = True) -> ObjectStore:
        """Objects in a directory, which is made if it is not there."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"{path} cannot be made", "check the path and its owner") from error
        return cls(LocalStore(path.resolve()), durable=durable)

    @classmethod
    def memory(cls) -> ObjectStore:
        """Objects that vanish with the process."""
        return cls(MemoryStore())

    def put(self, data: Buffer) -> bytes:
        """Write one object and return its digest, 32 bytes; one that is there already is left alone.

        Raises `DiskFullError` or `StoreUnavailableError`.
        """
        return self.put_many((data,))[0]

    def put_many(self, objects: Iterable[Buffer]) -> list[bytes]:
        """Write several objects; none is durable before all are. As `put`, with one sync a folder."""
        digests = []
        for data in objects:
            digest = sha256(data).digest()
            self._create(digest, data)
            digests.append(digest)
        if self._folder is not None:
            with _failures("an object"):
                self._sync(self._folder, digests)
        return digests

    def get(self, digest: bytes) -> bytes:
        """Read an object.

        Raises `MissingObjectError`, `TamperedObjectError` if its bytes are not those of the digest, or
        `StoreUnavailableError`.
        """
        data = self._read(digest)
        if sha256(data).digest() != digest:
            what = f"object {digest.hex()} was altered in the store"
            raise TamperedObjectError(what, "restore it from a copy; its digest tells a good one")
        return data

    def exists(self, digest: bytes) -> bool:
        """Whether the store has an object; its bytes are not read."""
        with _failures(f"object {digest.hex()}"):
            try:
                self._store.head(_name(digest))
            except FileNotFoundError:
                return False
        return True

    def delete(self, digest: bytes) -> None:
        """Remove an object, durably; one that is not there is no error."""
        with _failures(f"object {digest.hex()}"):
            try:
                self._store.delete(_name(digest))
            except FileNotFoundError:
                return
            if self._folder is not None:
                _sync_path((self._folder / _name(digest)).parent)

    def list(self) -> Iterator[bytes]:
        """The digests of all objects, in no particular order."""
        with _failures("the list of objects"):
            for page in self._store.list():
                for entry in page:
                    if match := _NAME.fullmatch(entry["path"]):
                        yield bytes.fromhex(match[1])

    def _read(self, digest: bytes) -> bytes:
        with _failures(f"object {digest.hex()}"):
            try:
                return bytes(self._store.get(_name(digest)).bytes())
            except FileNotFoundError as error:
                what = f"object {digest.hex()} is not in the store"
                raise MissingObjectError(what, "restore it, or ask a holder to put it again") from error

    def _create(self, digest: bytes, data: Buffer) -> None:
        with _failures("an object"):
            try:
                self._store.put(_name(digest), data, mode="create", use_multipart=False)
            except exceptions.AlreadyExistsError:
                if sha256(self._read(digest)).digest() != digest:
                    # Torn by a crash before its sync, or damaged since. The right bytes are in our hands.
                    self._store.delete(_name(digest))
                    self._store.put(_name(digest), data, mode="create", use_multipart=False)

    @staticmethod
    def _sync(folder: Path, digests: Sequence[bytes]) -> None:
        paths = [folder / _name(digest) for digest in digests]
        for path in paths:
            _sync_path(path)
        for parent in sorted({path.parent for path in paths}):
            _sync_path(parent)
        _sync_path(folder)


def _name(digest: bytes) -> str:
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    name = digest.hex()
    return f"{name[:_SHARD_DIGITS]}/{name}"


def _sync_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Name what went wrong in the store, without its diagnostics: they may hold paths and addresses."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        code = getattr(error, "errno", None)
        if code is None and (found := _OS_ERROR.search(str(error))):
            code = int(found[1])
        if code in (ENOSPC, EDQUOT, EFBIG):
            raise DiskFullError(f"there is no room to write {what}", "free some space, then run again") from error
        hint = "check that it is running and that you may read and write it"
        raise StoreUnavailableError(f"the object store fails at {what}", hint) from error
