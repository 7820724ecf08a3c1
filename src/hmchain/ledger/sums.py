"""Which sums may be revealed together: the one rule that ledger and agents apply (docs/sums.md).

Whoever knows several sums knows every combination of them. A sum's *key* names all that is public and that its vectors
depend on, so over one key a hospital's vector is the same in every sum, and two sums over different sets may differ by
one hospital's update. The rule keeps every combination of what is revealed over one key at two or more hospitals beyond
those that pool what they know.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from msgspec.structs import replace

from hmchain.canonical import Record, digest, encode

SETS_MAX = 2
"""Different sets over one key: of two, every combination touches all that is in one only; of three it may not."""
MISSED_MAX = 3
"""Sums over one key that are found impossible, or sets that may not be summed: then the study ends."""


class Summand(Record, frozen=True):
    """One organisation's part in a sum: whose vector, made of which data, taken how many times."""

    organisation: str
    dataset: str
    version: int
    weight: int


SummedSet = tuple[Summand, ...]
"""The summands of one sum, in order of organisation, one an organisation."""


def counts_key(study: str, initial_root: bytes) -> bytes:
    """The key of a study's sum of class counts: the study, since its zero base is that of every study."""
    return digest("hmchain sum of counts", study.encode(), initial_root)


def training_key(weights_root: bytes) -> bytes:
    """The key of a sum of updates: the float32 weights that the trainers start from, whatever else a model holds."""
    return digest("hmchain sum over weights", weights_root)


def admits(history: Sequence[SummedSet], candidate: SummedSet, colluders: int) -> bool:
    """Whether a sum over `candidate` may be revealed beside those of `history` over the same key.

    It needs `colluders` + 2 organisations, at most one different set before it, and of every different one to be
    `colluders` + 2 organisations apart. Equal sets repeat freely.
    """
    enough = colluders + 2
    if len(candidate) < enough:
        return False
    if any(is_equal(earlier, candidate) for earlier in history):
        return True
    different = distinct(history)
    return len(different) < SETS_MAX and all(apart(earlier, candidate) >= enough for earlier in different)


def reachable(history: Sequence[SummedSet], present: SummedSet, size_min: int, colluders: int) -> bool:
    """Whether some subset of `present`, of `size_min` summands or more, is admitted.

    Of the different sets the one furthest from the only earlier one is tried: all who were not in it, and of those who
    were as few as the size allows.
    """
    if any(len(earlier) >= size_min and set(earlier) <= set(present) for earlier in history):
        return True
    size = max(size_min, colluders + 2)
    if not history:
        return len(present) >= size
    known = {summand.organisation for summand in history[0]}
    outside = tuple(summand for summand in present if summand.organisation not in known)
    inside = tuple(summand for summand in present if summand.organisation in known)
    furthest = outside + inside[: max(0, size - len(outside))]
    return len(furthest) >= size and admits(history, furthest, colluders)


def distinct(history: Sequence[SummedSet]) -> list[SummedSet]:
    """The different sets of a history, in order."""
    found: list[SummedSet] = []
    for each in history:
        if not any(is_equal(each, earlier) for earlier in found):
            found.append(each)
    return found


def is_equal(one: SummedSet, other: SummedSet) -> bool:
    """Whether two sums are multiples of each other: the same vectors, with weights in the same proportion."""
    return _reduced(one) == _reduced(other)


def apart(one: SummedSet, other: SummedSet) -> int:
    """Organisations that are in one set only: no combination of both sums cancels them.

    Those in both count for nothing, with other weights or data neither: some combination may cancel them.
    """
    return len({each.organisation for each in one} ^ {each.organisation for each in other})


def fingerprint(summed: SummedSet, colluders: int) -> bytes:
    """What an agent remembers of a set and of what its study withstands: enough to know it again."""
    return digest("hmchain summed set", encode(_reduced(summed)), encode(colluders))


def _reduced(summed: SummedSet) -> SummedSet:
    unit = gcd(*(each.weight for each in summed))
    return tuple(replace(each, weight=each.weight // unit) for each in summed)
