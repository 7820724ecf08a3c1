"""Objects in an S3 bucket, in memory, or in any other store that obstore reaches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from urllib.parse import urlsplit

from obstore import Bytes, exceptions
from obstore.store import ObjectStore as AnyStore
from obstore.store import S3Store

from hmchain.records.objects.backend import Buffer, Entry

_RANGE_BYTES = 4 << 20
_THREADS = 16  # requests under way at once for many small objects: each waits for the network, not for a core
_PART_BYTES = 8 << 20
_PARTS_MAX = 9_000  # S3 allows 10,000
_PARALLEL_PARTS = 4


LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": "80", "https": "443"}


def _server(endpoint: str) -> str:
    """The server that an endpoint names, however it is written; of two names that one server has nobody can tell."""
    found = urlsplit(endpoint)
    name = found.hostname or ""
    port = found.netloc.casefold().rpartition(name)[2].strip("]:") or _PORTS.get(found.scheme, "")
    return f"{LOOPBACK[0] if name in LOOPBACK else name}:{port}"


class Bucket:
    """A store of obstore."""

    at_once = _THREADS

    def __init__(self, store: AnyStore) -> None:
        self.store = store

    @property
    def place(self) -> str:
        """As `Backend.place`."""
        if not isinstance(self.store, S3Store):
            return f"here {id(self.store)}"
        config = self.store.config
        return f"{_server(str(config.get('endpoint', '')))} {config.get('bucket', '')} {self.store.prefix or ''}"

    def passing(self) -> AbstractContextManager[Bucket]:
        """As `Backend.passing`: nothing of them is kept here."""
        return nullcontext(self)

    def write_many(self, files: Sequence[tuple[str, Buffer]]) -> None:
        """As `Backend.write_many`: each file is made by a conditional write."""
        if len(files) == 1:
            self._create(files[0])
            return
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(self._create, files))

    def settle(self, names: Sequence[str]) -> None:
        """As `Backend.settle`: what a bucket shows is durable."""

    def stage(self) -> SpooledFile:
        """As `Backend.stage`."""
        return SpooledFile(self)

    def read(self, name: str, limit: int | None = None) -> bytes:
        """As `Backend.read`."""
        if limit is None:
            return bytes(self.store.get(name).bytes())
        return bytes(self.store.get_range(name, start=0, end=limit)) if limit else b""

    def stream(self, name: str) -> Iterator[Buffer]:
        """As `Backend.stream`: one range is read ahead."""
        size = self.store.head(name)["size"]
        if size <= _RANGE_BYTES:
            yield memoryview(self.store.get(name).bytes())
            return
        # Ranges, not one long response: a broken connection costs one range, which obstore asks for again.
        with ThreadPoolExecutor(1) as reader:

            def ask(start: int) -> Future[Bytes]:
                return reader.submit(self.store.get_range, name, start=start, end=min(start + _RANGE_BYTES, size))

            ahead = ask(0)
            for start in range(_RANGE_BYTES, size, _RANGE_BYTES):
                piece, ahead = ahead, ask(start)
                yield memoryview(piece.result())
            yield memoryview(ahead.result())

    def size(self, name: str) -> int:
        """As `Backend.size`."""
        return self.store.head(name)["size"]

    def exists(self, name: str) -> bool:
        """As `Backend.exists`."""
        try:
            self.store.head(name)
        except FileNotFoundError:
            return False
        return True

    def delete_many(self, names: Sequence[str]) -> None:
        """As `Backend.delete_many`."""
        if len(names) == 1:
            self._delete(names[0])
            return
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(self._delete, names))

    def list(self) -> Iterator[Entry]:
        """As `Backend.list`."""
        for page in self.store.list():
            for entry in page:
                yield Entry(entry["path"], entry["last_modified"].timestamp(), entry["size"])

    def check(self) -> None:
        """List one name."""
        next(iter(self.store.list(chunk_size=1)), None)

    def _delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self.store.delete(name)

    def _create(self, file: tuple[str, Buffer]) -> None:
        name, data = file
        try:
            self.store.put(name, data, mode="create", use_multipart=False)
        except exceptions.AlreadyExistsError:
            # Another writer was first, or an answer to us was lost; or it is damaged, and we hold the right bytes.
            if self.read(name) != data:
                self.store.put(name, data, mode="overwrite", use_multipart=False)


class SpooledFile:
    """An object that waits in a nameless local file, since its name is the digest of all of it.

    The file is ciphertext. It lies where `TMPDIR` says.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by publish and discard)
        self._size = 0

    def write(self, piece: Buffer) -> None:
        """Append to the local file."""
        self._size += len(memoryview(piece).cast("B"))
        self._file.write(piece)

    def publish(self, name: str) -> None:
        """Upload it under its name."""
        self._file.seek(0)
        if self._size <= _PART_BYTES:
            self._bucket.write_many([(name, self._file.read())])
        else:
            # In parts there is no conditional write. It needs none: a second writer of this name has these bytes.
            part = max(_PART_BYTES, -(-self._size // _PARTS_MAX))
            self._bucket.store.put(name, self._file, chunk_size=part, max_concurrency=_PARALLEL_PARTS)
        self._file.close()

    def discard(self) -> None:
        """Drop the local file."""
        self._file.close()
