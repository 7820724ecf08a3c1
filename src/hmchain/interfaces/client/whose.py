"""Whose portal it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hmchain.interfaces.client.flows import Flow, read

T = TypeVar("T")


@dataclass(frozen=True)
class Here(Generic[T]):
    """A view, and the hospital whose portal gave it."""

    organisation: str
    view: T


def organisation() -> Flow[str]:
    """The hospital whose portal it is."""
    ways = yield from read("/sign-in", dict[str, Any])
    return str(ways["organisation"])


def here(flow: Flow[T]) -> Flow[Here[T]]:
    """A view with the hospital that it is seen from."""
    whose = yield from organisation()
    found = yield from flow
    return Here(whose, found)


def of_member(named: str, flow: Callable[[str], Flow[T]]) -> Flow[T]:
    """A view of a member's, or of the hospital's own where none is named."""
    whose = named or (yield from organisation())
    found = yield from flow(whose)
    return found
