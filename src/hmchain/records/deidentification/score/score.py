"""The counts of a score: which of the required actions were done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hmchain.records.deidentification.score.answers import LEAKS, Action


@dataclass
class Score:
    """The score of one collection."""

    passed: Counter[Action] = field(default_factory=Counter)
    required: Counter[Action] = field(default_factory=Counter)
    failures: Counter[tuple[Action, str]] = field(default_factory=Counter)
    """By action and path of the element."""
    objects: int = 0
    """Objects that came out."""
    reviewed: int = 0
    """Those among them that a person had to let through: the score lets them pass, with what was found blanked."""
    missing: Counter[str] = field(default_factory=Counter)
    """Objects that did not, by the code of the reason."""
    unknown: int = 0
    """Objects of which the key says nothing."""
    ambiguous: int = 0
    """Identifiers of which two became one, or one became two."""

    def add(self, action: Action, path: str, *, done: bool) -> None:
        """Count one required action."""
        self.required[action] += 1
        self.passed[action] += done
        if not done:
            self.failures[action, path] += 1

    @property
    def leaks(self) -> int:
        """Required actions that protect and were not done."""
        return sum(self.required[action] - self.passed[action] for action in LEAKS)

    @property
    def share(self) -> float:
        """The share of all required actions that was done, between 0 and 1."""
        return self.passed.total() / self.required.total() if self.required else 0.0


def as_table(score: Score) -> Mapping[str, tuple[int, int]]:
    """The actions that were done and required, by name, in the order of `Action`."""
    return {action.value: (score.passed[action], score.required[action]) for action in Action}
