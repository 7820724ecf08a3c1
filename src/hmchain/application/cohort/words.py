"""Queries in plain words, for who is asked to agree to one."""

from __future__ import annotations

from hmchain.application.cohort.grammar import code_text, day_text, number_text
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data.queries import AgeIn, All, Any, Clause, Had, Kind, Not, SexIs, Span

_EVENTS = {
    Kind.CONDITION: "with a diagnosis of",
    Kind.PROCEDURE: "who had the procedure",
    Kind.DRUG: "who were given",
    Kind.MEASUREMENT: "with a measurement of",
}


def words(clause: Clause) -> str:
    """Whom a query counts."""
    return f"people {_said(clause)}"


def _said(clause: Clause) -> str:
    match clause:
        case All(parts):
            return " and ".join(map(_grouped, parts))
        case Any(parts):
            return " or ".join(map(_grouped, parts))
        case Not(part):
            return f"not {_grouped(part)}"
        case SexIs(sex):
            return f"of {sex} sex"
        case AgeIn(span, year):
            return f"who were {_ages(span)} in {year}"
        case Had():
            return _event(clause)


def _grouped(clause: Clause) -> str:
    return f"({_said(clause)})" if isinstance(clause, All | Any) else _said(clause)


def _event(had: Had) -> str:
    if had.kind is Kind.MODALITY:
        said = f"with {had.modality} images" + (f" of {code_text(had.code)}" if had.code else "")
    else:
        said = f"{_EVENTS[had.kind]} {code_text(had.code)}"
    if had.value is not None:
        said += f" {_between(had.value, MILLION)}" + (f" {had.unit}" if had.unit else "")
    if had.days is not None:
        said += "".join(
            f" {word} {day_text(day)}"
            for word, day in (("since", had.days.least), ("until", had.days.most))
            if day is not None
        )
    return said + (f" when they were {_ages(had.age)}" if had.age else "")


def _ages(span: Span) -> str:
    return f"{_between(span, 1)} years old"


def _between(span: Span, one: int) -> str:
    least, most = (None if end is None else number_text(end, one) for end in (span.least, span.most))
    if least is None:
        return f"{most} or less"
    if most is None:
        return f"{least} or more"
    return least if least == most else f"{least} to {most}"
