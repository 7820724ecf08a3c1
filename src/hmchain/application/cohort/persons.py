"""A person as a hospital's records tell, and whether a query is true of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data.queries import (
    AgeIn,
    All,
    Any,
    Clause,
    Code,
    Had,
    Kind,
    Not,
    SexIs,
    Span,
)

BELOW = frozenset({"ATC", "ICD10", "OPS"})
"""Systems whose codes stand for those that begin with them, too."""

Days = tuple[int, int]
"""The first and the last day, as 20150131, that a date may mean: de-identification may leave its year alone."""


@dataclass(frozen=True)
class Fact:
    """Something that happened to a person."""

    kind: Kind
    codes: tuple[Code, ...]
    days: Days | None = None
    """None if it is not known when."""
    modality: str = ""
    value: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True)
class About:
    """What a record says of a person, apart from what happened."""

    sex: str = ""
    birth_year: int | None = None


@dataclass
class Person:
    """One person of a hospital, all records taken together."""

    sexes: set[str] = field(default_factory=set)
    birth_years: set[int] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)

    def learn(self, said: Iterable[About | Fact]) -> None:
        """Take in what a record says."""
        for each in said:
            if isinstance(each, Fact):
                self.facts.append(each)
                continue
            if each.sex:
                self.sexes.add(each.sex)
            if each.birth_year is not None:
                self.birth_years.add(each.birth_year)


def is_true(clause: Clause, person: Person) -> bool:
    """Whether a query is true of a person. What is not known is not true, and its opposite then is."""
    match clause:
        case All(parts):
            return all(is_true(part, person) for part in parts)
        case Any(parts):
            return any(is_true(part, person) for part in parts)
        case Not(part):
            return not is_true(part, person)
        case SexIs(sex):
            return sex.value in person.sexes
        case AgeIn(span, year):
            return any(_within(year - born, span) for born in person.birth_years)
        case Had():
            return any(_fits(clause, fact, person) for fact in person.facts)


def _fits(had: Had, fact: Fact, person: Person) -> bool:
    return (
        fact.kind is had.kind
        and fact.modality == had.modality
        and (had.code is None or any(_is_of(code, had.code) for code in fact.codes))
        and (had.value is None or _is_measured(fact, had.value, had.unit))
        and (had.days is None or _may_lie(fact.days, had.days))
        and (had.age is None or _may_be_aged(fact.days, had.age, person))
    )


def _is_of(code: Code, wanted: Code) -> bool:
    if code.system != wanted.system:
        return False
    if code.system not in BELOW:
        return code.code == wanted.code
    return code.code.replace(".", "").startswith(wanted.code.replace(".", ""))


def _is_measured(fact: Fact, span: Span, unit: str) -> bool:
    return fact.value is not None and (not unit or fact.unit == unit) and _within(fact.value, span, MILLION)


def _may_lie(days: Days | None, span: Span) -> bool:
    """Whether a date that is known so far may lie within a window."""
    if days is None:
        return False
    return (span.least is None or days[1] >= span.least) and (span.most is None or days[0] <= span.most)


def _may_be_aged(days: Days | None, span: Span, person: Person) -> bool:
    if days is None:
        return False
    years = range(days[0] // 10_000, days[1] // 10_000 + 1)
    return any(_within(year - born, span) for born in person.birth_years for year in years)


def _within(number: int | Decimal, span: Span, one: int = 1) -> bool:
    """Whether a number lies in a range, in which `one` stands for 1. It is compared as it is, however large."""
    least, most = (None if end is None else Decimal(end) / one for end in (span.least, span.most))
    return (least is None or number >= least) and (most is None or number <= most)
