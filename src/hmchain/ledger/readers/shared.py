"""A state that several threads read while one executes blocks on it: nobody sees a block half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any, Generic, TypeVar

from hmchain.canonical import Record
from hmchain.ledger.state import State

T = TypeVar("T")
V = TypeVar("V", bound=Record)


class kept_property(Generic[T]):
    """A property that is found once, by a thread that waits for no other.

    Up to Python 3.11 `functools.cached_property` holds one lock for all instances while it finds. One who reads beside
    a shared state and asks it, and one who holds that state and needs the property of another reader, never go on.
    """

    def __init__(self, find: Callable[[Any], T]) -> None:
        self._find, self.__doc__ = find, find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> T:
        found: T = self._find(instance)
        instance.__dict__[self._name] = found
        return found


class SharedState(State):
    """Each question takes the lock; who executes a block has it until the block is committed.

    Whoever needs several answers of one height holds the lock meanwhile. It lies in a file without a name.
    """

    def __init__(self, lock: RLock) -> None:
        self._held = lock
        super().__init__(aside=True)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        with self._held:
            return super().get(key)

    def decoded(self, key: bytes, data: bytes, kind: type[V]) -> V:
        """The record that `key` holds as `data`."""
        with self._held:
            return super().decoded(key, data, kind)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key starts with `prefix`, in order of key, as they are now."""
        with self._held:
            return iter(list(super().scan(prefix)))

    def keys_below(self, prefix: bytes, bound: bytes) -> list[bytes]:
        """Committed keys with `prefix` below the key `bound`, in order."""
        with self._held:
            return super().keys_below(prefix, bound)

    def page(self, after: bytes, count: int) -> list[tuple[bytes, bytes]]:
        """The first `count` committed pairs whose keys come after `after`."""
        with self._held:
            return super().page(after, count)

    def commitment(self) -> bytes:
        """The 32-byte commitment to the state as it is now."""
        with self._held:
            return super().commitment()
