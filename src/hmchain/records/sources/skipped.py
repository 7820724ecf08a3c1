"""Things that a source passed over, and why: counted in full, named as far as a person would read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

NAMED_MAX = 20


class SkippedItems:
    """Counts by reason, and the first names: these may tell who a patient is, so they are for a screen, not a log."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._named: list[tuple[str, str]] = []

    def add(self, name: str, reason: str) -> None:
        """Count `name`, passed over for `reason`."""
        self._counts[reason] += 1
        if len(self._named) < NAMED_MAX:
            self._named.append((name, reason))

    def clear(self) -> None:
        """Begin a new run."""
        self._counts.clear()
        self._named.clear()

    @property
    def counts(self) -> Mapping[str, int]:
        """The number passed over, by reason, in the order of the reasons' names."""
        return dict(sorted(self._counts.items()))

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """(name, reason) of the first of them."""
        return tuple(self._named)

    def __len__(self) -> int:
        return self._counts.total()

    def __repr__(self) -> str:
        return f"Skipped({dict(self.counts)})"
