"""ACRO's rules, each at its limit, and exemptions, which are kept with a name and a reason."""

from __future__ import annotations

import pytest

from hmchain.application.disclosure.evidence import Disclosure, Exemption, Found
from hmchain.application.disclosure.thresholds import (
    Cell,
    Check,
    ExemptionError,
    Rules,
    check_count,
    check_fit,
    check_survival,
    check_table,
    let_pass,
    rounded,
    stricter,
)


def broken(found: Disclosure) -> list[tuple[str, str]]:
    return [(each.cell, each.check) for each in found.broken]


@pytest.mark.parametrize(
    ("persons", "of", "checks"),
    [
        (10, 20, []),
        (9, 20, [Check.THRESHOLD]),
        (0, 20, [Check.ZERO]),
        (11, 20, [Check.COMPLEMENT]),
        (20, 20, [Check.COMPLEMENT]),
        (3, 5, [Check.THRESHOLD, Check.COMPLEMENT]),
        (500, None, []),
    ],
)
def test_a_count_is_of_ten_persons_and_leaves_ten(persons: int, of: int | None, checks: list[Check]) -> None:
    found = check_count(persons, of)
    assert broken(found) == [("count", check) for check in checks]
    assert found.found is (Found.SEEN if checks else Found.NOTHING_SEEN)


def test_zeros_are_no_finding_where_the_rules_say_so() -> None:
    assert broken(check_count(0, None, Rules(zeros_are_disclosive=False))) == []


@pytest.mark.parametrize(
    ("values", "checks"),
    [
        ([1.0] * 10, []),
        ([45, 45, *[1.25] * 8], []),  # the two largest are 90 %, the others 22 % of the largest
        ([45.1, 45, *[1.23] * 8], [Check.DOMINANCE]),
        ([100, 20, *[1.25] * 8], [Check.DOMINANCE]),  # 92 %, and the others are 10 %
        ([100, 20, *[1.2] * 8], [Check.DOMINANCE, Check.P_RATIO]),
        ([50, 1, *[0.6] * 8], [Check.DOMINANCE, Check.P_RATIO]),
        ([0.0] * 10, [Check.P_RATIO]),
        ([-1.0, *[5.0] * 9], [Check.NEGATIVE]),
    ],
)
def test_no_person_stands_out_of_a_sum(values: list[float], checks: list[Check]) -> None:
    assert broken(check_table([Cell("mean age", len(values), values)])) == [("mean age", check) for check in checks]


@pytest.mark.parametrize(("persons", "parameters", "holds"), [(20, 10, True), (20, 11, False), (5, 9, False)])
def test_a_fit_leaves_ten_degrees_of_freedom(persons: int, parameters: int, holds: bool) -> None:
    assert (broken(check_fit("age on grade", persons, parameters)) == []) is holds


def test_steps_of_a_survival_curve_are_of_ten_persons() -> None:
    assert broken(check_survival([100, 90, 90, 60, 10])) == []
    assert broken(check_survival([100, 91, 60, 9])) == [("step 1", Check.SURVIVAL), ("step 3", Check.SURVIVAL)]


def test_what_passes_stays_with_its_name_and_reason() -> None:
    cells = [Cell("north", 4), Cell("east", 40)]
    exemption = Exemption(cell="north", check="threshold", by="north/steward", reason="published before")
    found = let_pass(check_table(cells), [exemption])
    assert found.found is Found.NOTHING_SEEN
    assert [each.exemption for each in found.broken] == [exemption]
    assert check_table(cells).found is Found.SEEN


@pytest.mark.parametrize(
    "exemption",
    [
        Exemption(cell="east", check="threshold", by="north/steward", reason="published before"),
        Exemption(cell="north", check="zero", by="north/steward", reason="published before"),
        Exemption(cell="north", check="threshold", by="north/steward", reason=" "),
        Exemption(cell="north", check="threshold", by="", reason="published before"),
    ],
)
def test_an_exemption_is_of_a_finding_and_has_a_reason(exemption: Exemption) -> None:
    found = check_table([Cell("north", 4), Cell("east", 40)])
    with pytest.raises(ExemptionError):
        let_pass(found, [exemption])


def test_an_empty_table_is_not_said_to_be_fine() -> None:
    assert check_table([]).found is Found.NOT_SAID


def test_the_evidence_names_the_limits_that_were_asked() -> None:
    rules = check_table([Cell("sum", 50, [1.0] * 50, of=90)], stricter(Rules(), 20)).rules
    assert "at least 20 persons in a cell" in rules
    assert "the 2 largest are at most 90% of a sum" in rules
    assert not any("survival" in each or "freedom" in each for each in rules)
    assert stricter(Rules(), 3).persons_min == 10, "a policy cannot ask for fewer"


@pytest.mark.parametrize(("value", "to"), [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (12, 10), (13, 15)])
def test_numbers_are_rounded_to_five(value: int, to: int) -> None:
    assert rounded(value) == to
