"""Objects as files of a directory.

obstore reaches directories too, but it never syncs, and streams at a fifth of what the disk gives. A file is written
under a passing name, synced, and only then renamed: under a digest's name there is never half an object. All members
may write there: what lies under a name is not read beyond what is looked for, what is no file is damaged, and nothing
is deleted where a link leads.
"""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from itertools import groupby
from pathlib import Path

from hmchain.files import NoRegularFileError, entered, forget_open, make_folder, open_regular, sync, sync_open
from hmchain.records.objects.backend import Buffer, Entry

_READ_BYTES = 1 << 20
_INCOMING = "incoming"
_STALE_SECONDS = 24 * 3600.0  # a passing name this old was left by a process that died
_SYNC_THREADS = 8  # syncs that wait together share one commit of the file system's journal
_WRITEBACK_BYTES = 16 << 20


class Folder:
    """A directory; `durable` syncs what is written before a write returns."""

    at_once = 1

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self.durable = durable
        self._passed: set[str] | None = None
        self._incoming = path / _INCOMING
        make_folder(self._incoming)
        self._drop_stale()

    @property
    def place(self) -> str:
        """As `Backend.place`."""
        return str(self.path.resolve())

    @contextmanager
    def passing(self) -> Iterator[Folder]:
        """As `Backend.passing`: names are synced once at the end, a folder of them each time."""
        made = copy(self)
        made._passed = set()
        yield made
        self.sync_names(made._passed)

    @property
    def is_passing(self) -> bool:
        """Whether what is read and written is not kept in the system's memory."""
        return self._passed is not None

    def write_many(self, files: Sequence[tuple[str, Buffer]]) -> None:
        """As `Backend.write_many`, with one sync a file and folder."""
        staged: list[tuple[str, StagedFile]] = []
        held: list[Path] = []
        try:
            for name, data in files:
                if self._holds(name, data):
                    held.append(self.path / name)  # who wrote it may not have synced it
                else:
                    file = self.stage()
                    staged.append((name, file))
                    file.write(data)
                    file.close()
            self._sync([*held, *(file.path for _, file in staged)], forget=self.is_passing)
            for name, file in staged:
                file.rename(self.path / name)
        finally:
            for _, file in staged:
                file.discard()
        self.sync_names([name for name, _ in files])

    def settle(self, names: Sequence[str]) -> None:
        """As `Backend.settle`."""
        self._sync([self.path / name for name in names])
        self.sync_names(names)

    def stage(self) -> StagedFile:
        """As `Backend.stage`."""
        return StagedFile(self, self._incoming / secrets.token_hex(16))

    def read(self, name: str, limit: int | None = None) -> bytes:
        """As `Backend.read`."""
        with self._opened(name) as file:
            return file.read() if limit is None else file.read(limit)

    def stream(self, name: str) -> Iterator[Buffer]:
        """As `Backend.stream`: all pieces are views of one buffer."""
        buffer = bytearray(_READ_BYTES)
        with self._opened(name) as file, memoryview(buffer) as view:
            while count := file.readinto(buffer):
                yield view[:count]

    def size(self, name: str) -> int:
        """As `Backend.size`."""
        return (self.path / name).stat().st_size

    def exists(self, name: str) -> bool:
        """As `Backend.exists`."""
        return (self.path / name).is_file()

    def delete_many(self, names: Sequence[str]) -> None:
        """As `Backend.delete_many`."""
        touched = set()
        for shard, inside in groupby(sorted(names), lambda name: (self.path / name).parent):
            with suppress(FileNotFoundError), entered(shard) as handle:
                for name in inside:
                    with suppress(FileNotFoundError, IsADirectoryError):  # a folder is no object, and stops nothing
                        os.unlink(Path(name).name, dir_fd=handle)
                        touched.add(shard)
        self._sync(sorted(touched))

    def list(self) -> Iterator[Entry]:
        """As `Backend.list`."""
        for shard in os.scandir(self.path):
            if shard.is_dir() and shard.name != _INCOMING:
                for entry in os.scandir(shard.path):
                    with suppress(FileNotFoundError):  # deleted while we look
                        known = entry.stat()
                        yield Entry(f"{shard.name}/{entry.name}", known.st_mtime, known.st_size)

    def check(self) -> None:
        """Make a file and remove it."""
        self.stage().discard()

    def sync_names(self, names: Collection[str]) -> None:
        """Make names durable: the folders that hold them."""
        if self._passed is not None:
            self._passed.update(names)
        elif names:
            folders = sorted({name.rpartition("/")[0] for name in names})
            self._sync([*(self.path / folder for folder in folders), self.path])

    @contextmanager
    def _opened(self, name: str) -> Iterator[io.BufferedIOBase]:
        """A file to be read; empty where another thing lies there: whoever opens a pipe may wait for ever."""
        try:
            file = open_regular(self.path / name)
        except NoRegularFileError:
            yield io.BytesIO()
            return
        with file:
            yield file
            if self.is_passing:
                forget_open(file.fileno())

    def _sync(self, paths: Iterable[Path], *, forget: bool = False) -> None:
        if not self.durable:
            return
        several, one = list(paths), partial(sync, forget=forget)
        if len(several) < _SYNC_THREADS:
            for path in several:
                one(path)
        else:
            with ThreadPoolExecutor(_SYNC_THREADS) as threads:
                list(threads.map(one, several))

    def _holds(self, name: str, data: Buffer) -> bool:
        size = memoryview(data).nbytes
        try:
            return self.size(name) == size and self.read(name, size) == data
        except FileNotFoundError:
            return False

    def _drop_stale(self) -> None:
        oldest = time.time() - _STALE_SECONDS
        with entered(self._incoming) as handle:
            for entry in os.scandir(handle):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.name, dir_fd=handle)


class StagedFile:
    """A file under a passing name."""

    def __init__(self, folder: Folder, path: Path) -> None:
        self.path = path
        self._folder = folder
        self._file = path.open("xb", buffering=0)
        self._handed = 0
        self._written = 0
        self._named = False

    def write(self, piece: Buffer) -> None:
        """Append."""
        with memoryview(piece).cast("B") as view:
            written = 0
            while written < len(view):
                written += self._file.write(view[written:]) or 0
        self._written += written
        if self._folder.durable and self._written - self._handed >= _WRITEBACK_BYTES:
            self._start_writeback()

    def publish(self, name: str) -> None:
        """Sync the file, name it, and sync the folders."""
        if self._folder.durable:
            sync_open(self._file.fileno())
        if self._folder.is_passing:
            forget_open(self._file.fileno())
        self.close()
        self.rename(self._folder.path / name)
        self._folder.sync_names([name])

    def close(self) -> None:
        """Finish writing."""
        self._file.close()

    def rename(self, path: Path) -> None:
        """Take the final name. What had it gives way: the same bytes, or damaged ones."""
        try:
            self.path.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            self.path.replace(path)
        self._named = True

    def discard(self) -> None:
        """Remove it, unless it has its name by now."""
        self.close()
        if not self._named:
            self.path.unlink(missing_ok=True)

    def _start_writeback(self) -> None:
        # Lets the disk begin while the next pieces are sealed, and keeps a large object from filling the page cache.
        if hasattr(os, "posix_fadvise"):
            length = self._written - self._handed
            os.posix_fadvise(self._file.fileno(), self._handed, length, os.POSIX_FADV_DONTNEED)
        self._handed = self._written
