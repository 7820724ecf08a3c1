"""The base of all parts of a summary, and the small ones that others are made of."""

from __future__ import annotations

import msgspec

from hmchain.errors import InputError


class SummaryError(InputError):
    """A run's summary cannot be read, or contradicts itself."""

    code = "summary"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every part of a summary: immutable, named fields, a misspelt one is refused."""


class Fact(Part, frozen=True, kw_only=True):
    """One line of a list: a short name and what it is."""

    name: str
    text: str


class Count(Part, frozen=True, kw_only=True):
    """A number of something."""

    name: str
    count: int


class Estimate(Part, frozen=True, kw_only=True):
    """A measured fraction with its interval; `value` is None where it is undefined (AUC of a single class)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def sign(self) -> int:
        """Sign of a difference whose whole interval lies on one side of 0: 1 or -1; 0 where it might be either."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > 0) - (self.high < 0)


class Metrics(Part, frozen=True, kw_only=True):
    """AUC and accuracy as MedMNIST computes them."""

    auc: Estimate
    acc: Estimate
