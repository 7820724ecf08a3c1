"""Queries as text: what is printed reads as the same, and what cannot be read is told where."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from hmchain.application.cohort.grammar import QueryError, parse, written
from hmchain.application.cohort.words import words
from hmchain.canonical import encode
from hmchain.ledger.contracts.data.queries import CountPlan, is_sound, normal, plan_of
from hmchain.ledger.transactions import Refusal
from support.cohort_queries import QUERIES

EXAMPLE = "female and age 50..79 and condition ICD10:C50 since 2015-01-01 and modality MR"


@settings(max_examples=150, deadline=None)
@given(QUERIES)
def test_what_is_printed_reads_as_the_same_query(query) -> None:
    """And what is read may stand on the ledger: both hold the same bounds."""
    query = normal(query)
    assert normal(query) == query
    if not is_sound(query):
        return
    text = written(query)
    assert parse(text, 1900) == query
    assert written(parse(text.upper().replace("G/DL", "g/dL").replace("MMOL/L", "mmol/L"), 1900)) == text
    plan = CountPlan(query, 500_000)
    if len(encode(plan)) <= 2048:
        assert plan_of(encode(plan)) == plan
    assert words(query).startswith("people ")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("age 50..79 and female", "female and age 50..79 in 2026"),
        ("female and (age 50..79 and male)", "female and male and age 50..79"),
        ("not not female", "female"),
        ("female and female", "female"),
        ("condition icd10:I10 since 2015", "CONDITION ICD10:I10 since 2015-01-01"),
        ("condition ICD10:I10 until 2020-02", "condition ICD10:I10 until 2020-02-29"),
        ("measurement LOINC:718-7 7.50..12 g/dL", "measurement LOINC:718-7 7.5..12.0 g/dL"),
    ],
)
def test_the_same_in_other_words_is_the_same_query(text: str, same: str) -> None:
    assert parse(text, 2026) == parse(same, 2026)


def test_it_is_printed_in_its_canonical_form_and_in_plain_words() -> None:
    query = parse(EXAMPLE, 2026)
    said = "female and age 50..79 in 2026 and modality MR and condition ICD10:C50 since 2015-01-01"
    assert written(query) == said
    assert words(query) == (
        "people of female sex and who were 50 to 79 years old in 2026 and with MR images and with a diagnosis of "
        "ICD10:C50 since 2015-01-01"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends at column 1 where a clause"),
        ("female and", "ends at column 11 where a clause"),
        ("female male", "at column 8 where and, or, or the end"),
        ("(female", "where a closing bracket"),
        ("blond", "at column 1 where female, male, sex"),
        ("sex blue", "at column 5 where female, male, other, unknown"),
        ("age 70..60", "the lower end of the range first"),
        ("age 1.5", "a range of years"),
        ("age 5..200", "an age of 150 years at most"),
        ("age 50 in 20", "a year such as 2020"),
        ("condition C50", "a code of ATC, ICD10"),
        ("condition ICD10:cancer", "a code as ICD10 has them"),
        ("condition ICD10:I10 since 2015-02-30", "a day that there is"),
        ("condition ICD10:I10 since yesterday", "a day such as 2015-03-31"),
        ("condition ICD10:I10 since 2016 until 2015", "ends before it begins"),
        ("condition ICD10:I10 since 2016 since 2015", "each of since, until and at age once"),
        ("measurement LOINC:718-7 1..2 Müller", "a unit of UCUM"),
        ("modality M1", "a modality such as MR or CT"),
        ("not " * 40 + "female", "nested more than"),
        ("(" * 40 + "female" + ")" * 40, "nested more than"),
        (" or ".join(["female"] * 20 + [f"age {age}" for age in range(40)]), "more than 32 clauses"),
    ],
)
def test_what_cannot_be_read_is_told_where(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said) as caught:
        parse(text, 2026)
    assert caught.value.hint


def test_a_plan_with_free_text_or_of_another_form_is_refused() -> None:
    query = parse(EXAMPLE, 2026)
    whole = encode(CountPlan(query, 500_000))
    for data in (
        b"",
        whole[:-1],
        whole + b"\0",
        whole.replace(b"C50", b"Ada"),
        encode(CountPlan(query, 5)),
        encode(CountPlan(query, 10**9)),
        whole * 40,
        b"\x92" + b"\x92\xa3not" * 300 + encode(query) + encode(500_000),
    ):
        with pytest.raises(Refusal, match="bad_query"):
            plan_of(data)
