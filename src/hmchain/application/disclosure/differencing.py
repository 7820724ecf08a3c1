"""Differencing: whether what is to leave would, beside what left before, tell of a few people by what it lacks or adds.

Two counts of 500 and 501 people say of one person whatever both ask. So do three whose cohorts add up but for one, and
two models of which one was trained without somebody. Nobody sees that from a single release, and no other hospital can
see it for this one: each compares the cohorts of its own people, over all that it let leave.

A cohort is refused if, beside one that left before, those whom only one of the two has are some but fewer than the
threshold; the same of two that left before, added up or taken from each other (`_PAIRS`). The empty cohort counts as
one that left, so a cohort that is itself too small is refused too. Equal cohorts tell nothing more of anybody. More
than two that left before are not combined: what that leaves open is in the threat model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

_PAIRS = ((-1, -1), (1, -1), (-1, 1))
"""How two earlier cohorts may be taken together with a new one, so that what they have in common drops out."""

Members = npt.NDArray[np.int8]
"""Of everybody in any cohort, 1 who is in one; (n,)."""


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
    everybody = sorted(cohort.persons.union(*known))
    place = {person: at for at, person in enumerate(everybody)}
    new = _members(cohort.persons, place)
    others = [(name, _members(persons, place)) for persons, name in known.items()]
    found = (*_alone(new), *_beside_one(new, others), *_beside_two(new, others))
    return tuple(dict.fromkeys(each for each in found if 0 < each.persons < least))


def _alone(new: Members) -> Iterator[Difference]:
    yield Difference((), int(new.sum()))


def _beside_one(new: Members, others: Sequence[tuple[str, Members]]) -> Iterator[Difference]:
    for name, other in others:
        for less in (new - other, other - new):
            yield Difference((name,), int((less > 0).sum()))


def _beside_two(new: Members, others: Sequence[tuple[str, Members]]) -> Iterator[Difference]:
    for (first, one), (second, two) in combinations(others, 2):
        for sign_one, sign_two in _PAIRS:
            left = new + sign_one * one + sign_two * two
            yield Difference((first, second), int(np.count_nonzero(left)))


def _members(persons: frozenset[bytes], place: dict[bytes, int]) -> Members:
    found = np.zeros(len(place), np.int8)
    found[[place[person] for person in persons]] = 1
    return found
