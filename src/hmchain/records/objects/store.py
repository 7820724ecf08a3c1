"""The object store: names are digests, and every byte that comes back is checked against its name."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from blake3 import blake3
from obstore.store import LocalStore
from obstore.store import ObjectStore as AnyStore

from hmchain.records.objects.backend import Backend, Buffer
from hmchain.records.objects.bucket import Bucket
from hmchain.records.objects.errors import (
    MissingObjectError,
    TamperedObjectError,
    WrongSizeError,
    failures,
    missing,
)
from hmchain.records.objects.folder import Folder
from hmchain.records.objects.location import open_backend, open_folder
from hmchain.records.objects.pipeline import Worker, grouped

DIGEST_BYTES = 32
_SHARD_DIGITS = 2  # 256 folders: a million objects are 4000 files a folder
_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")


class ObjectStore:
    """Objects by digest. Safe to use from several threads, and from several processes on one store."""

    def __init__(self, store: AnyStore | Folder | Bucket, *, durable: bool = True) -> None:
        """Use any store of obstore; `durable` syncs what goes into a `LocalStore` before a write returns."""
        self.backend = _backend(store, durable=durable)
        """Where the objects lie, whatever holds them."""

    @classmethod
    def open(
        cls, location: str, *, durable: bool = True, credentials: Path | None = None, endpoint: str = ""
    ) -> ObjectStore:
        """Objects at a path, `file:///path`, `memory://` or `s3://bucket/prefix`.

        An S3 server and its keys come from `credentials`, a TOML file of mode 0600, or else from the environment as
        other S3 clients find them (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`).
        `endpoint` names the server in place of both; it may be http, since all that is secret is encrypted already.
        Nothing is asked of the server yet; see `check`. Raises `LocationError`, `StoreCredentialsError`, or
        `StoreUnavailableError` if a directory cannot be made.
        """
        return cls(open_backend(location, durable=durable, credentials=credentials, endpoint=endpoint))

    @classmethod
    def directory(cls, path: Path, *, durable: bool = True) -> ObjectStore:
        """Objects in a directory, which is made if it is not there."""
        return cls(open_folder(path, durable=durable))

    @classmethod
    def memory(cls) -> ObjectStore:
        """Objects that vanish with the process."""
        return cls.open("memory://")

    def is_place_of(self, other: ObjectStore) -> bool:
        """Whether the objects of another store lie in the same place, so that one object is there once for both."""
        return self.backend.place == other.backend.place

    @contextmanager
    def passing(self) -> Iterator[ObjectStore]:
        """The same objects, for gigabytes that are read or written once: the system's memory is left to what is used.

        What is put is durable once the block has ended, not before.
        """
        made = copy(self)
        with self.backend.passing() as made.backend:
            yield made

    def check(self) -> None:
        """Ask the store for something small. Raises `StoreUnavailableError` that says what is wrong with it."""
        with failures("the first question"):
            self.backend.check()

    def put(self, data: Buffer, *, address: bytes | None = None) -> bytes:
        """Write one object and return its digest, 32 bytes; one that is there already is left alone.

        Who has computed the digest a moment ago gives it as `address`. Raises `DiskFullError` or
        `StoreUnavailableError`.
        """
        digest = address or address_of(data)
        with failures("an object"):
            self.backend.write_many([(_name(digest), data)])
        return digest

    def put_many(self, objects: Iterable[Buffer], addresses: Sequence[bytes] | None = None) -> list[bytes]:
        """Write several objects, all durable when it returns, with one sync a folder. As `put`.

        Who has computed their digests a moment ago gives them as `addresses`.
        """
        held = list(objects)
        digests = list(addresses) if addresses is not None else [address_of(data) for data in held]
        with failures("an object"):
            self.backend.write_many([(_name(digest), data) for digest, data in zip(digests, held, strict=True)])
        return digests

    def settle(self, digests: Iterable[bytes]) -> None:
        """Make objects durable that lie there: who put them may have been killed before it could. As `put`."""
        names = [_name(digest) for digest in digests]
        if names:
            with missing("an object"):
                self.backend.settle(names)

    def put_stream(self, pieces: Iterable[Buffer]) -> bytes:
        """Write one object from pieces, in constant memory. As `put`.

        Pieces are hashed and written on a thread of their own while the next is made, so they must not change once
        handed over. What making them raises is passed on, and nothing is left of the object.
        """
        state = blake3()
        with failures("an object"):
            staged = self.backend.stage()

        def keep(piece: Buffer) -> None:
            state.update(piece)
            with failures("an object"):
                staged.write(piece)

        try:
            with Worker(keep) as keeping:
                for group in grouped(pieces):
                    keeping.hand(group)
            digest = state.digest()
            with failures("an object"):
                staged.publish(_name(digest))
        finally:
            staged.discard()
        return digest

    def get(self, digest: bytes, *, size: int | None = None) -> bytes:
        """Read an object; one that does not have `size` bytes, where that is known, is not read at all.

        Raises `MissingObjectError`, `WrongSizeError`, `TamperedObjectError` if its bytes are not those of the digest,
        or `StoreUnavailableError`.
        """
        if size is not None and (found := self.size(digest)) != size:
            what = f"object {digest.hex()} has {found} bytes in place of {size}"
            raise WrongSizeError(what, "it is not what it should be; take it from another holder")
        with missing(f"object {digest.hex()}"):
            data = self.backend.read(_name(digest), size)
        if address_of(data) != digest:
            raise _tampered(digest)
        return data

    def get_many(self, wanted: Mapping[bytes, int]) -> dict[bytes, bytes]:
        """Read several objects, by address and size, as `get`; side by side where a network answers."""
        if self.backend.at_once == 1 or len(wanted) == 1:
            return {digest: self.get(digest, size=size) for digest, size in wanted.items()}
        with ThreadPoolExecutor(self.backend.at_once) as threads:
            found = threads.map(lambda each: self.get(each[0], size=each[1]), wanted.items())
            return dict(zip(wanted, found, strict=True))

    def get_stream(self, digest: bytes, *, verify: bool = True) -> Iterator[Buffer]:
        """Read an object in pieces, in constant memory; a piece is valid until the next is asked for.

        Only the end of the iteration proves the pieces, unless the caller has other means (an envelope does) and turns
        `verify` off. Raises as `get`.
        """
        state = blake3()
        with missing(f"object {digest.hex()}"):
            for piece in self.backend.stream(_name(digest)):
                if verify:
                    state.update(piece)
                yield piece
        if verify and state.digest() != digest:
            raise _tampered(digest)

    def holds(self, digest: bytes, data: Buffer) -> bool:
        """Tell whether the store has these very bytes under their digest: compared, not hashed again.

        Raises `StoreUnavailableError`.
        """
        size = memoryview(data).nbytes
        try:
            with missing(f"object {digest.hex()}"):
                return self.backend.size(_name(digest)) == size and self.backend.read(_name(digest), size) == data
        except MissingObjectError:
            return False

    def size(self, digest: bytes) -> int:
        """Return an object's size in bytes, unread. Raises `MissingObjectError`, `StoreUnavailableError`."""
        with missing(f"object {digest.hex()}"):
            return self.backend.size(_name(digest))

    def exists(self, digest: bytes) -> bool:
        """Tell whether the store has an object; its bytes are not read."""
        with failures(f"object {digest.hex()}"):
            return self.backend.exists(_name(digest))

    def delete(self, digest: bytes) -> None:
        """Remove an object, durably; one that is not there is no error."""
        self.delete_many((digest,))

    def delete_many(self, digests: Iterable[bytes]) -> None:
        """Remove several objects, with one sync a folder. As `delete`."""
        names = [_name(digest) for digest in digests]
        if names:
            with failures("the deletion of objects"):
                self.backend.delete_many(names)

    def list(self, *, older_than_s: float = 0.0) -> Iterator[bytes]:
        """The digests of all objects, or of those written so many seconds ago, in no particular order."""
        latest = time.time() - older_than_s if older_than_s else float("inf")
        with failures("the list of objects"):
            for entry in self.backend.list():
                if (match := _NAME.fullmatch(entry.name)) and entry.written_s <= latest:
                    yield bytes.fromhex(match[1])

    def sizes(self) -> dict[bytes, int]:
        """Return the size of each object in bytes, as the store lists them; none of them is read."""
        with failures("the list of objects"):
            found = ((_NAME.fullmatch(entry.name), entry.size) for entry in self.backend.list())
            return {bytes.fromhex(match[1]): size for match, size in found if match}


def address_of(data: Buffer) -> bytes:
    """The name of an object: BLAKE3 of its bytes, 32 bytes. Decision 0024 says why this and not SHA-256."""
    return blake3(data).digest()


def address_of_pieces(pieces: Iterable[Buffer]) -> bytes:
    """As `address_of`, of what comes in pieces."""
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def address_of_file(path: Path) -> bytes:
    """As `address_of`, of a file that may be larger than memory. Raises `OSError`."""
    return blake3().update_mmap(path).digest()


def _backend(store: AnyStore | Folder | Bucket, *, durable: bool) -> Backend:
    if isinstance(store, LocalStore):
        return open_folder(Path(store.prefix or "/"), durable=durable)
    return store if isinstance(store, (Folder, Bucket)) else Bucket(store)


def _name(digest: bytes) -> str:
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
    name = digest.hex()
    return f"{name[:_SHARD_DIGITS]}/{name}"


def _tampered(digest: bytes) -> TamperedObjectError:
    what = f"object {digest.hex()} was altered in the store"
    return TamperedObjectError(what, "restore it from a copy; its digest tells a good one")
