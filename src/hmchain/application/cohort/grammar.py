"""Queries as people write them, read by hand with errors that say where; and written back in one canonical text.

    query   = either
    either  = every { "or" every }
    every   = single { "and" single }
    single  = "not" single | "(" either ")" | person | event
    person  = "female" | "male" | "sex" WORD | "age" RANGE [ "in" YEAR ]
    event   = ( "condition" | "procedure" | "drug" ) CODE limits
            | "measurement" CODE [ RANGE [ UNIT ] ] limits
            | "modality" WORD [ "of" CODE ] limits
    limits  = { "since" DAY | "until" DAY | "at" "age" RANGE }

CODE is SYSTEM:CODE; RANGE is 50..79, 50.., ..79 or 50; DAY is 2015, 2015-03 or 2015-03-31.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from hmchain.errors import InputError
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.data.queries import (
    CLAUSES_MAX,
    CODES,
    DEPTH_MAX,
    AgeIn,
    All,
    Any,
    Clause,
    Code,
    Had,
    Kind,
    Not,
    Sex,
    SexIs,
    Span,
    normal,
)
from hmchain.records.deidentification.terminology import is_unit

_TOKEN = re.compile(r"\s*(?:([()])|([^\s()]+))")
_RANGE = re.compile(r"(-?\d{1,12}(?:\.\d{1,6})?)?(\.\.)?(-?\d{1,12}(?:\.\d{1,6})?)?", re.ASCII)
_DAY = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)
_LIMITS = ("since", "until", "at")
_JOINS = ("and", "or", ")")
_EXAMPLE = "for example: female and age 50..79 and condition ICD10:C50 since 2015-01-01"


class QueryError(InputError):
    """A query that cannot be read."""

    code = "bad_query"


@dataclass(frozen=True)
class _Token:
    text: str
    column: int

    @property
    def word(self) -> str:
        """In lower case, as words of the language are read."""
        return self.text.lower()


def parse(text: str, year: int) -> Clause:
    """Read a query into its normal form; an age without a year is that of `year`. Raises `QueryError`."""
    reader = _Reader(text, year)
    clause = normal(reader.either())
    reader.end()
    if queries.is_too_deep(clause):
        raise QueryError(f"the query is nested more than {DEPTH_MAX} deep", "say it with fewer brackets")
    if len(list(queries.leaves(clause))) > CLAUSES_MAX:
        raise QueryError(f"the query has more than {CLAUSES_MAX} clauses", "ask in parts")
    return clause


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str, year: int) -> None:
        self._year = year
        self._end = len(text.rstrip())
        self._tokens = [
            _Token(found[1] or found[2], found.start(1 if found[1] else 2) + 1)
            for found in _TOKEN.finditer(text.rstrip())
        ]
        self._at = self._nested = 0

    def either(self) -> Clause:
        """Alternatives."""
        parts = [self._every()]
        while self._take("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def end(self) -> None:
        """Require that nothing is left."""
        if (token := self._peek()) is not None:
            raise self._wrong(token, "and, or, or the end")

    def _every(self) -> Clause:
        parts = [self._single()]
        while self._take("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _single(self) -> Clause:
        self._nested += 1
        if self._nested > 2 * DEPTH_MAX:
            raise QueryError(f"the query is nested more than {DEPTH_MAX} deep", "say it with fewer brackets")
        try:
            if self._take("not"):
                return Not(self._single())
            if self._take("("):
                inner = self.either()
                if not self._take(")"):
                    raise self._wrong(self._peek(), "a closing bracket")
                return inner
            return self._leaf()
        finally:
            self._nested -= 1

    def _leaf(self) -> Clause:
        token = self._next("a clause")
        match token.word:
            case "female" | "male":
                return SexIs(Sex(token.word))
            case "sex":
                return self._sex()
            case "age":
                span = self._span("years", whole=True)
                return AgeIn(span, self._said_year() if self._take("in") else self._year)
            case "condition" | "procedure" | "drug":
                return self._had(Kind(token.word), code=self._code())
            case "measurement":
                code, value = self._code(), self._span("a value", whole=False) if self._is_range() else None
                return self._had(Kind.MEASUREMENT, code=code, value=value, unit=self._unit() if value else "")
            case "modality":
                modality = self._next("a modality such as MR")
                if not queries.is_modality(modality.text.upper()):
                    raise self._wrong(modality, "a modality such as MR or CT")
                part = self._code() if self._take("of") else None
                return self._had(Kind.MODALITY, modality=modality.text.upper(), code=part)
            case _:
                raise self._wrong(token, "female, male, sex, age, condition, procedure, drug, measurement or modality")

    def _sex(self) -> SexIs:
        token = self._next("a sex")
        if token.word not in list(Sex):
            raise self._wrong(token, ", ".join(Sex))
        return SexIs(Sex(token.word))

    def _had(
        self, kind: Kind, *, code: Code | None, modality: str = "", value: Span | None = None, unit: str = ""
    ) -> Had:
        since = until = age = None
        while (limit := self._take(*_LIMITS)) is not None:
            if limit.word == "since" and since is None:
                since = self._day(first=True)
            elif limit.word == "until" and until is None:
                until = self._day(first=False)
            elif limit.word == "at" and age is None and self._take("age"):
                age = self._span("years", whole=True)
            else:
                raise self._wrong(limit, "each of since, until and at age once")
        if since is not None and until is not None and since > until:
            raise QueryError("a window ends before it begins", "put the earlier day after since")
        days = None if since is None and until is None else Span(since, until)
        return Had(kind, modality, code, value, unit, days, age)

    def _code(self) -> Code:
        token = self._next("a code such as ICD10:C50")
        system, _, code = token.text.partition(":")
        found = Code(system.upper(), code)
        if found.system not in CODES:
            raise self._wrong(token, f"a code of {', '.join(CODES)}, such as ICD10:C50")
        if not queries.is_code(found):
            raise self._wrong(token, f"a code as {found.system} has them")
        return found

    def _is_range(self) -> bool:
        token = self._peek()
        return token is not None and _RANGE.fullmatch(token.text) is not None

    def _unit(self) -> str:
        token = self._peek()
        if token is None or token.word in (*_LIMITS, *_JOINS):
            return ""
        if not (is_unit(token.text) or (token.text.isdecimal() and queries.is_unit(token.text))):
            raise self._wrong(token, "a unit of UCUM such as g/dL (of OMOP tables its concept's number)")
        self._at += 1
        return token.text

    def _span(self, of: str, *, whole: bool) -> Span:
        token = self._next(f"a range of {of} such as 50..79")
        found = _RANGE.fullmatch(token.text)
        ends = [found[1], found[3]] if found else [None, None]
        if found is None or not any(ends) or (whole and any(end and not end.isdigit() for end in ends)):
            raise self._wrong(token, f"a range of {of} such as 50..79, 50.. or ..79")
        if found[2] is None:
            ends = [found[1], found[1]]
        least, most = (None if end is None else int(Decimal(end) * (1 if whole else MILLION)) for end in ends)
        if least is not None and most is not None and least > most:
            raise self._wrong(token, "the lower end of the range first")
        if whole and max(least or 0, most or 0) > queries.AGE_MAX:
            raise self._wrong(token, f"an age of {queries.AGE_MAX} years at most")
        return Span(least, most)

    def _said_year(self) -> int:
        token = self._next("a year")
        if not re.fullmatch(r"\d{4}", token.text, re.ASCII) or not queries.is_day(int(token.text) * 10_000 + 101):
            raise self._wrong(token, "a year such as 2020")
        return int(token.text)

    def _day(self, *, first: bool) -> int:
        """The first or the last day of a year, a month, or the day itself."""
        token = self._next("a day")
        found = _DAY.fullmatch(token.text)
        if found is None:
            raise self._wrong(token, "a day such as 2015-03-31, 2015-03 or 2015")
        month = int(found[2] or (1 if first else 12)) * 100
        year = int(found[1]) * 10_000
        of_month = [int(found[3])] if found[3] else [1] if first else [31, 30, 29, 28]
        day = next((each for days in of_month if queries.is_day(each := year + month + days)), None)
        if day is None:
            raise self._wrong(token, "a day that there is")
        return day

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *words: str) -> _Token | None:
        token = self._peek()
        if token is None or token.word not in words:
            return None
        self._at += 1
        return token

    def _next(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None or token.word in _JOINS:
            raise self._wrong(token, wanted)
        self._at += 1
        return token

    def _wrong(self, token: _Token | None, wanted: str) -> QueryError:
        there = f"the query ends at column {self._end + 1}" if token is None else f"at column {token.column}"
        found = "" if token is None else f", and there is {token.text[:40]!r}"
        return QueryError(f"{there} where {wanted} should stand{found}", _EXAMPLE)


def written(clause: Clause) -> str:
    """The canonical text of a query in its normal form; `parse` reads the same from it."""
    match clause:
        case All(parts):
            return " and ".join(_bracketed(part) for part in parts)
        case Any(parts):
            return " or ".join(_bracketed(part) for part in parts)
        case Not(part):
            return f"not {_bracketed(part)}"
        case SexIs(sex):
            return sex if sex in (Sex.FEMALE, Sex.MALE) else f"sex {sex}"
        case AgeIn(span, year):
            return f"age {span_text(span)} in {year}"
        case Had():
            return " ".join([*_what(clause), *_limits(clause)])


def _bracketed(clause: Clause) -> str:
    return f"({written(clause)})" if isinstance(clause, All | Any) else written(clause)


def _what(had: Had) -> list[str]:
    if had.kind is Kind.MODALITY:
        return ["modality", had.modality, *([f"of {code_text(had.code)}"] if had.code else [])]
    said = [had.kind.value, code_text(had.code)]
    if had.value is not None:
        said += [span_text(had.value, MILLION), *([had.unit] if had.unit else [])]
    return said


def _limits(had: Had) -> list[str]:
    said = []
    if had.days is not None and had.days.least is not None:
        said.append(f"since {day_text(had.days.least)}")
    if had.days is not None and had.days.most is not None:
        said.append(f"until {day_text(had.days.most)}")
    if had.age is not None:
        said.append(f"at age {span_text(had.age)}")
    return said


def code_text(code: Code | None) -> str:
    """A code with its system."""
    return f"{code.system}:{code.code}" if code else ""


def span_text(span: Span, one: int = 1) -> str:
    """A range, as it is read; `one` is the number that stands for 1."""
    ends = ["" if end is None else number_text(end, one) for end in (span.least, span.most)]
    return ends[0] if ends[0] == ends[1] else "..".join(ends)


def number_text(number: int, one: int = 1) -> str:
    """A number, with no more decimals than it has."""
    return format((Decimal(number) / one).normalize(), "f")


def day_text(day: int) -> str:
    """A day as ISO 8601 has it."""
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"
