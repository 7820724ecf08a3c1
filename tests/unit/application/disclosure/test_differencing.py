"""The guard against differences: what two or three releases together tell of a few people is found, in any order."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from hmchain.application.disclosure.differencing import Cohort, Difference, differences

LEAST = 10


def cohort(name: str, *ranges: tuple[int, int]) -> Cohort:
    return Cohort(name, frozenset(f"{person:04}".encode() for start, end in ranges for person in range(start, end)))


def found(new: Cohort, *earlier: Cohort) -> list[tuple[tuple[str, ...], int]]:
    return [(each.earlier, each.persons) for each in differences(new, earlier, LEAST)]


@pytest.mark.parametrize("gone", range(1, LEAST))
def test_a_few_people_less_or_more_are_refused(gone: int) -> None:
    all_, fewer = cohort("all", (0, 500)), cohort("fewer", (gone, 500))
    assert found(fewer, all_) == [(("all",), gone)]
    assert found(all_, fewer) == [(("fewer",), gone)]


def test_as_many_as_the_threshold_and_equal_cohorts_may_leave() -> None:
    all_ = cohort("all", (0, 500))
    assert not found(cohort("fewer", (LEAST, 500)), all_)
    assert not found(cohort("again", (0, 500)), all_)
    assert not found(cohort("others", (500, 900)), all_)
    assert not found(cohort("nobody"), all_)


def test_one_person_exchanged_for_many_is_one_person() -> None:
    assert found(cohort("new", (1, 600)), cohort("old", (0, 500))) == [(("old",), 1)]


def test_a_cohort_that_is_too_small_is_refused_by_itself() -> None:
    assert found(cohort("few", (0, 9))) == [((), 9)]
    assert not found(cohort("enough", (0, 10)))


def test_parts_that_add_up_but_for_one_are_refused() -> None:
    whole, one, two = cohort("whole", (0, 500)), cohort("one", (0, 200)), cohort("two", (200, 499))
    assert found(whole, one, two) == [(("one", "two"), 1)]
    assert found(two, whole, one) == [(("whole", "one"), 1)]


def test_what_two_have_in_common_is_found_where_their_union_left() -> None:
    either, one, two = cohort("either", (0, 500)), cohort("one", (0, 252)), cohort("two", (249, 500))
    assert found(either, one, two) == [(("one", "two"), 3)]
    assert not found(two, one)


def test_it_agrees_with_a_twin_that_looks_at_every_person() -> None:
    chance = random.Random(7)
    for _ in range(60):
        cohorts = [
            Cohort(str(number), frozenset(bytes([each]) for each in range(40) if chance.random() < chance.random()))
            for number in range(4)
        ]
        new, earlier = cohorts[0], list({each.persons: each for each in cohorts[1:] if each.persons}.values())
        assert set(differences(new, earlier, LEAST)) == set(twin(new, earlier))


def twin(new: Cohort, earlier: list[Cohort]) -> list[Difference]:
    """The definition, person by person."""
    said = [Difference((), len(new.persons))]
    for each in earlier:
        said += [Difference((each.release,), len(more)) for more in (new.persons - each.persons,
                                                                     each.persons - new.persons)]  # fmt: skip
    everybody = new.persons.union(*(each.persons for each in earlier))
    for one, two in combinations(earlier, 2):
        for signs in ((-1, -1), (1, -1), (-1, 1)):
            left = [
                p
                for p in everybody
                if (p in new.persons) + signs[0] * (p in one.persons) + signs[1] * (p in two.persons)
            ]
            said.append(Difference((one.release, two.release), len(left)))
    return [each for each in said if 0 < each.persons < LEAST]
