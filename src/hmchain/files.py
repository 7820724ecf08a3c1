"""Files: put in place in one step, on disk where that is asked for, held by one process at a time.

After a power cut there is of a file what was synced, and in a folder the names that it had when the folder was synced.
So a durable file is written under a passing name, synced, given its name, and its folder is synced: with one of these
left out there may be half a file afterwards, or none.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import count
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from hmchain import decoding
from hmchain.errors import HMChainError, InputError

T = TypeVar("T")

PARTIAL = ".part"
"""Ends the passing name of a file that is being written."""
PRIVATE = 0o600
"""Mode of a file that its owner alone reads."""

_ANYBODY = 0o666  # less the process's mask, as with any file
_NUMBER_LETTERS = 20
_READ_MAX = 64 << 20
"""More than any file that is read in one piece has."""
_LOOK_SECONDS = 0.2
"""For so long a lock may seem taken because somebody looks who holds it."""

Buffer = bytes | bytearray | memoryview


class NoRegularFileError(InputError):
    """A named pipe or a device stands where a file is read: whoever opens it may wait for ever, or never end."""

    code = "no_regular_file"


UNREADABLE = (OSError, NoRegularFileError)
"""What reading a file raises, for whom its place is as good as empty where it cannot be read."""


class TooLargeError(OSError):
    """A file has more bytes than one of its kind has; it was not read."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EFBIG, os.strerror(errno.EFBIG), str(path))


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to be read. Raises `OSError`, and `NoRegularFileError` where another open would hang."""
    try:
        return open(path, "rb", opener=_regular)
    except ValueError as error:  # a NUL in its name
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from error


def _regular(name: str, flags: int) -> int:
    handle = os.open(name, flags | os.O_NONBLOCK)  # of a regular file it changes nothing
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # a folder is refused by who asked for this handle
        return handle
    os.close(handle)
    raise NoRegularFileError(f"{name} is a named pipe or a device, not a file", "save what it gives into a file first")


def read(path: Path, *, limit: int = _READ_MAX) -> bytes:
    """The bytes of a regular file. Raises as `open_regular`, and `TooLargeError` if there are more than `limit`."""
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(path)
    return data


def write_whole(
    path: Path, data: Buffer | Iterable[Buffer], *, durable: bool, mode: int = _ANYBODY, new: bool = False
) -> None:
    """Write a file whole or not at all; on disk when this returns if `durable`.

    What is there gives way, unless `new`: then `FileExistsError`. Raises `OSError`, and what making the pieces raises.
    """
    pieces = (data,) if isinstance(data, Buffer) else data
    with replacing(path, durable=durable, mode=mode, new=new) as partial, partial.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def read_toml(path: Path, kind: type[T], wrong: Callable[[str], HMChainError]) -> T:
    """Read a TOML file into a type. Raises `OSError`, and what `wrong` makes of the reason why it is no such file."""
    try:
        return decoding.from_toml(read(path).removeprefix(codecs.BOM_UTF8), kind)  # some editors write that mark
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(decoding.in_words(error, kind)) from error


@contextmanager
def replacing(path: Path, *, durable: bool, mode: int = _ANYBODY, new: bool = False) -> Iterator[Path]:
    """As `write_whole`, for those who write themselves: gives an empty file, which takes its name in the end."""
    partial = path.with_name(path.name + PARTIAL)
    if durable:
        make_folder(path.parent)
    is_named, handle = False, _alone(partial, mode)
    try:
        yield partial
        if durable:
            sync(partial)
        if new:
            os.link(partial, path)  # unlike a rename it replaces nothing
        else:
            partial.replace(path)
            is_named = True
    finally:
        if not is_named:
            partial.unlink(missing_ok=True)
        os.close(handle)
    if durable:
        sync(path.parent)


def _alone(partial: Path, mode: int) -> int:
    """Make an empty file and hold it: who else writes the same is waited for, and what a dead process left goes."""
    while True:
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            _clear(partial)
            continue
        _wait_for(handle)
        if _is(handle, partial):
            return handle
        os.close(handle)


def _clear(partial: Path) -> None:
    try:
        handle = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError:  # a link, or what nobody may read
        partial.unlink(missing_ok=True)
        return
    try:
        _wait_for(handle)
        if _is(handle, partial):
            partial.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _wait_for(handle: int) -> None:
    with suppress(OSError):  # a file system without locks: the last one to write wins, or fails
        fcntl.flock(handle, fcntl.LOCK_EX)


def _is(handle: int, path: Path) -> bool:
    """Whether an open file still bears a name."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, replacing a file that has it; on disk when this returns."""
    source.replace(target)
    for folder in {source.parent, target.parent}:
        sync(folder)


def free_name(path: Path) -> Path:
    """The first of `PATH-1`, `PATH-2`... that is not there yet."""
    return next(found for number in count(1) if not (found := path.with_name(f"{path.name}-{number}")).exists())


@contextmanager
def entered(path: Path) -> Iterator[int]:
    """Hold a folder open, and never one that a link leads to. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, on disk when this returns; one that is there stays."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=mode, exist_ok=True)
        sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Bring a folder, all that is in it, and its own name to the disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)
    sync(folder.parent)


def sync(path: Path, *, forget: bool = False) -> None:
    """Bring a file's content to the disk, or the names in a folder; `forget` as `forget_open`."""
    handle = os.open(path, os.O_RDONLY)
    try:
        sync_open(handle)
        if forget:
            forget_open(handle)
    finally:
        os.close(handle)


def sync_open(handle: int) -> None:
    """As `sync`, of an open file."""
    whole = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: its fsync leaves the data in the disk's own cache
    if whole is None:
        os.fsync(handle)
    else:
        fcntl.fcntl(handle, whole)


def forget_open(handle: int) -> None:
    """Give back the memory in which the system keeps an open file's content: what is not on disk yet stays there."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def hold(path: Path, refused: Callable[[str], HMChainError]) -> IO[str]:
    """Hold the lock at `path` until the returned file is closed.

    Raises what `refused` makes of its holder (`process ID`) if another process has it, and `OSError` for a link.
    """
    file = os.fdopen(_open_no_link(path, os.O_RDWR | os.O_CREAT), "r+")
    if not _taken(file, fcntl.LOCK_EX, time.monotonic() + _LOOK_SECONDS):
        with file:
            raise refused(_named(file))
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(path: Path) -> str | None:
    """Who holds the lock at `path` (`process ID`); None if nobody does."""
    try:
        with os.fdopen(_open_no_link(path, os.O_RDONLY)) as file:
            return None if _taken(file, fcntl.LOCK_SH) else _named(file)
    except FileNotFoundError:
        return None


def _open_no_link(path: Path, flags: int) -> int:
    """Open a lock: who holds it writes into it, and never into what a link leads to."""
    return os.open(path, flags | os.O_NOFOLLOW, _ANYBODY)


def _taken(file: IO[str], kind: int, deadline: float = 0.0) -> bool:
    """Whether we have the lock now, until the file is closed."""
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
        time.sleep(0.01)


def _named(file: IO[str]) -> str:
    file.seek(0)
    number = file.read(_NUMBER_LETTERS).strip()
    return f"process {number}" if number.isdecimal() else "another process"
