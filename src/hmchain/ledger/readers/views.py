"""Long lists of views, of which people look at a part: each view is made when somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

V = TypeVar("V")


class Views(Sequence[V], Generic[V]):
    """Views of what was listed, in its order, made of a state that stays open; a slice of them is as lazy."""

    def __init__(self, listed: Sequence[Any], view: Callable[[Any], V]) -> None:
        """`view` makes one of an entry of the list."""
        self._listed, self._view = listed, view

    def __len__(self) -> int:
        return len(self._listed)

    @overload
    def __getitem__(self, index: int) -> V: ...

    @overload
    def __getitem__(self, index: slice) -> Views[V]: ...

    def __getitem__(self, index: int | slice) -> V | Views[V]:
        if isinstance(index, slice):
            return Views(self._listed[index], self._view)
        return self._view(self._listed[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))
