"""Differencing: whether what is to leave would, beside what left before, tell of a few people by what it lacks or adds.

Two counts of 500 and 501 people say of one person whatever both ask. So do three whose cohorts add up but for one, and
two models of which one was trained without somebody. Nobody sees that from a single release, and no other hospital can
see it for this one: each compares the cohorts of its own people, over all that it let leave.

A cohort is refused if, beside one that left before, those whom only one of the two has are some but fewer than the
threshold; the same of several that left before, added up or taken from each other so that all but a few people drop
out. The empty cohort counts as one that left, so a cohort that is itself too small is refused too. Equal cohorts tell
nothing more of anybody. So many are taken together as give at most `COMBINATIONS_MAX` ways, and two in any case: all of
twelve, four of thirty. What that leaves open is in the threat model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np
import numpy.typing as npt

COMBINATIONS_MAX = 1_000_000
_LOOKED_AT_FIRST = 32

Patterns = npt.NDArray[np.int8]
"""In which cohorts people are, the new one first: a row for all who are in the same, 1 who is in one; (rows, n + 1)."""
Sizes = npt.NDArray[np.int64]
"""How many people each row is of."""


@dataclass(frozen=True)
class Cohort:
    """The people of one hospital whose records are in something that leaves."""

    release: str
    persons: frozenset[bytes]
    """Keyed digests, which say nothing to others."""


@dataclass(frozen=True)
class Difference:
    """So few people tell a cohort from earlier ones. It stays at the hospital."""

    earlier: tuple[str, ...]
    """The releases that it is compared with; none where the cohort by itself is too small."""
    persons: int

    def __str__(self) -> str:
        beside = f"beside {' and '.join(self.earlier)}" if self.earlier else "by itself"
        return f"{beside} it tells of {self.persons} {'person' if self.persons == 1 else 'people'}"


def differences(cohort: Cohort, earlier: Sequence[Cohort], least: int) -> tuple[Difference, ...]:
    """All that tells of fewer than `least` people once a cohort leaves too; nothing is what lets it leave."""
    known = {each.persons: each.release for each in earlier}
    known.pop(frozenset(), None)
    names = list(known.values())
    patterns, sizes = _patterns([cohort.persons, *known])
    found = (
        *_alone(patterns, sizes),
        *_beside_one(patterns, sizes, names),
        *_beside_several(patterns, sizes, names, least),
    )
    return tuple(dict.fromkeys(each for each in found if 0 < each.persons < least))


def _alone(patterns: Patterns, sizes: Sizes) -> Iterator[Difference]:
    yield Difference((), int(sizes[patterns[:, 0] > 0].sum()))


def _beside_one(patterns: Patterns, sizes: Sizes, names: Sequence[str]) -> Iterator[Difference]:
    new = patterns[:, 0]
    for at, name in enumerate(names, 1):
        for less in (new - patterns[:, at], patterns[:, at] - new):
            yield Difference((name,), int(sizes[less > 0].sum()))


def _beside_several(patterns: Patterns, sizes: Sizes, names: Sequence[str], least: int) -> Iterator[Difference]:
    """What is left of a cohort when earlier ones are added to it or taken from it, each once."""
    first = np.argsort(sizes)[::-1][:_LOOKED_AT_FIRST]  # mostly enough people of these alone are left
    largest, many = patterns[first], sizes[first]
    for together in range(2, _together(len(names)) + 1):
        signs = np.array(list(product((-1, 1), repeat=together)), np.int8)[:-1]  # added all together they hide nobody
        for chosen in combinations(range(1, len(names) + 1), together):
            at = list(chosen)
            left = largest[:, :1] + largest[:, at] @ signs.T
            for way in np.flatnonzero(many @ (left != 0) < least):
                rest = patterns[:, 0] + patterns[:, at] @ signs[way]
                yield Difference(tuple(names[each - 1] for each in at), int(sizes[rest != 0].sum()))


def _together(earlier: int) -> int:
    """How many earlier cohorts are taken together."""
    ways, most = 0, 0
    for most in range(1, earlier + 1):
        ways += comb(earlier, most) << most
        if ways > COMBINATIONS_MAX and most > 2:
            return most - 1
    return most


def _patterns(cohorts: Sequence[frozenset[bytes]]) -> tuple[Patterns, Sizes]:
    everybody = sorted(frozenset[bytes]().union(*cohorts))
    place = {person: at for at, person in enumerate(everybody)}
    members = np.zeros((len(everybody), len(cohorts)), np.int8)
    for at, persons in enumerate(cohorts):
        members[[place[person] for person in persons], at] = 1
    rows, sizes = np.unique(np.packbits(members, axis=1), axis=0, return_counts=True)
    return np.unpackbits(rows, axis=1, count=len(cohorts)).astype(np.int8), sizes
