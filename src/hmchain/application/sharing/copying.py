"""Ciphertext from one store to another under its own name: what is there already is not sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from hmchain.records.objects import Buffer, MissingObjectError, ObjectStore, TamperedObjectError

_TOGETHER_BYTES = 8 << 20
"""Small objects are read and written so many bytes together; this is what is held in memory."""
_TOGETHER = 64
"""And so many of them."""
_ALONE_BYTES = 4 << 20
"""A larger object goes in pieces."""
_AT_ONCE = 4
"""Of these groups, and of large objects."""
_THREADS = 8
"""That ask for sizes."""

Check = Callable[[bytes, Iterable[Buffer]], None]
"""Takes an object's address and its content in pieces."""


def sizes(store: ObjectStore, addresses: Sequence[bytes]) -> list[int | None]:
    """The size of each object; None of one that the store does not have."""

    def size(address: bytes) -> int | None:
        try:
            return store.size(address)
        except MissingObjectError:
            return None

    share = -(-len(addresses) // _THREADS) or 1  # a thread: to hand a question over costs more than a disk's answer
    parts = [addresses[start : start + share] for start in range(0, len(addresses), share)]
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(chain.from_iterable(threads.map(lambda part: list(map(size, part)), parts)))


def is_whole(store: ObjectStore, address: bytes) -> bool:
    """Whether a store has an object, every byte of it."""
    try:
        for _ in store.get_stream(address):
            pass
    except (MissingObjectError, TamperedObjectError):
        return False
    return True


def lacking(target: ObjectStore, wanted: Mapping[bytes, int]) -> dict[bytes, int]:
    """Those of objects, by address and size, that a store has not, or has cut short.

    One that has its name and size is there: who reads it holds it against its name.
    """
    there = sizes(target, list(wanted))
    return {address: size for (address, size), found in zip(wanted.items(), there, strict=True) if found != size}


def copy(source: ObjectStore, target: ObjectStore, wanted: Mapping[bytes, int], check: Check | None = None) -> int:
    """Copy objects, by address and size; all are durable when it returns. Returns their bytes.

    `check` is given each object's address and content, by several threads, before it has its name in the target or
    right after. Raises what that raises, `MissingObjectError`, `WrongSizeError` or `TamperedObjectError` of the
    source, or an error of either store.
    """
    with source.passing() as origin, target.passing() as place:
        threads = ThreadPoolExecutor(_AT_ONCE)  # some read and hash while others wait for the disk
        try:
            for _ in threads.map(lambda group: _copy_some(origin, place, group, check), list(_together(wanted))):
                pass
        finally:
            threads.shutdown(cancel_futures=True)
    return sum(wanted.values())


def _copy_some(source: ObjectStore, target: ObjectStore, group: dict[bytes, int], check: Check | None) -> None:
    if len(group) == 1 and next(iter(group.values())) > _ALONE_BYTES:
        ((address, size),) = group.items()
        _stream(source, target, address, size)
        if check is not None:
            check(address, target.get_stream(address, verify=False))
        return
    found = source.get_many(group)
    if check is not None:
        for address, data in found.items():
            check(address, (data,))
    target.put_many(found.values(), list(found))


def _together(objects: Mapping[bytes, int]) -> Iterator[dict[bytes, int]]:
    group, held = dict[bytes, int](), 0
    for address, size in objects.items():
        if size > _ALONE_BYTES:
            yield {address: size}
            continue
        group[address] = size
        held += size
        if held >= _TOGETHER_BYTES or len(group) >= _TOGETHER:
            yield group
            group, held = {}, 0
    if group:
        yield group


def _stream(source: ObjectStore, target: ObjectStore, address: bytes, size: int) -> None:
    """Copy one object in pieces, hashed once: as what it is written. More than its bytes are not taken."""

    def pieces() -> Iterator[bytes]:
        left = size
        for piece in source.get_stream(address, verify=False):
            left -= memoryview(piece).nbytes
            if left < 0:
                raise _altered(address)
            yield bytes(piece)

    written = target.put_stream(pieces())
    if written != address:
        target.delete(written)
        raise _altered(address)


def _altered(address: bytes) -> TamperedObjectError:
    what = f"object {address.hex()} was altered in the store"
    return TamperedObjectError(what, "restore it from a copy; its digest tells a good one")
