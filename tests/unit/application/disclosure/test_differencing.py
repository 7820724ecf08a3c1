"""The guard against differences: what several releases together tell of a few people is found, in any order."""

from __future__ import annotations

import random
from itertools import combinations, product

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


@pytest.mark.parametrize("parts", [3, 5, 8])
def test_many_parts_that_add_up_but_for_one_are_refused(parts: int) -> None:
    whole = cohort("whole", (0, parts * 50 + 1))
    each = [cohort(f"part{number}", (number * 50, number * 50 + 50)) for number in range(parts)]
    assert found(whole, *each) == [(tuple(part.release for part in each), 1)]
    assert not found(cohort("enough", (0, parts * 50 + LEAST)), *each)


def test_questions_of_their_own_do_not_block_each_other() -> None:
    """Ten that nobody made to fit: by sex, age and the like."""
    chance = random.Random(3)
    shares = [chance.uniform(0.1, 0.7) for _ in range(11)]
    cohorts = [
        Cohort(str(at), frozenset(number.to_bytes(4, "big") for number in range(600) if chance.random() < share))
        for at, share in enumerate(shares)
    ]
    assert not differences(cohorts[0], cohorts[1:], LEAST)


def test_hundreds_that_left_are_compared_in_moments() -> None:
    """Of so many two at a time are taken."""
    chance = random.Random(5)
    cohorts = [
        Cohort(str(at), frozenset(number.to_bytes(4, "big") for number in range(300) if chance.random() < 0.5))
        for at in range(201)
    ]
    assert not differences(cohorts[0], cohorts[1:], LEAST)


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
    for together in range(2, len(earlier) + 1):
        for chosen in combinations(earlier, together):
            for signs in product((-1, 1), repeat=together):
                if -1 in signs:
                    left = [
                        p
                        for p in everybody
                        if (p in new.persons)
                        + sum(sign * (p in each.persons) for sign, each in zip(signs, chosen, strict=True))
                    ]
                    said.append(Difference(tuple(each.release for each in chosen), len(left)))
    return [each for each in said if 0 < each.persons < LEAST]
