"""A source that is open, and what is known of it before and after its items are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import EmptySourceError, Item, Source
from hmchain.records.sources.pictures.files import ImageFiles


@dataclass(frozen=True)
class OpenSource:
    """A source, and what the catalogue says of it."""

    source: Source
    kind: str
    """Of its items."""
    described: str
    live: bool = False
    """Whether a sender waits for each item to be durable."""
    stop: Callable[[], None] | None = None
    """Ends a source that has no end of its own."""
    warning: str = ""
    """What should be known before it begins."""

    def filled(self) -> Source:
        """The source, once, with at least one item, so that nothing is made where there is nothing to extract.

        Raises `EmptySourceError`, or what the source raises before its first item. A sender is not waited for.
        """
        if self.live:
            return self.source
        begun = _Begun(self.source)
        if begun.is_empty:
            reasons = self.passed_over()
            passed = ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
            hint = f"passed over were {passed}" if passed else "check the place, and what it is taken for (--as)"
            raise EmptySourceError(f"there is nothing to extract ({self.described})", hint)
        return begun

    def unlabelled_folders(self) -> int:
        """In how many folders pictures lie whose labels nobody asked for."""
        if not isinstance(self.source, ImageFiles) or self.source.labelled or self.source.patients is not None:
            return 0
        return self.source.folders

    def passed_over(self) -> Mapping[str, int]:
        """Count the things that the last run found and that are no data of this kind, by reason."""
        finds = getattr(self.source, "finds", None)
        return finds.reasons if isinstance(finds, Finds) else {}


class _Begun:
    """A source whose first item was asked for: what it costs to ask is not paid twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._done: Callable[[str], bool] = lambda mark: False
        self._items = source.items(lambda mark: self._done(mark))
        self._first = next(self._items, None)
        self.finds = getattr(source, "finds", None)

    @property
    def is_empty(self) -> bool:
        return self._first is None

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The items, once."""
        self._done = done
        if self._first is not None and not done(self._first.known_by):
            yield self._first
        yield from self._items

    def count(self) -> int | None:
        """As the source says."""
        return self._source.count()
