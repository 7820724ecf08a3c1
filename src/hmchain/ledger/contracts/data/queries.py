"""Questions of how many people: typed, bounded, and of one normal form, which a count's statement is made of.

A query says what is to be true of a person; sexes, ages, codes of public systems, numbers and days are all that it can
name. So nothing that people write stands on the ledger with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from hmchain.canonical import Record, decode, digest, encode
from hmchain.errors import HMChainError
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.context import require, require_digest
from hmchain.ledger.transactions import Refusal

DEPTH_MAX = 6
"""How deep `and`, `or` and `not` may stand in each other."""
CLAUSES_MAX = 32
QUERY_BYTES_MAX = 2048
VALUE_MAX = 10**15
AGE_MAX = 150
DAY_FIRST, DAY_LAST = 1850_01_01, 2199_12_31
EPSILON_MIN_MILLIONTHS, EPSILON_MAX_MILLIONTHS = MILLION // 100, MILLION
"""Of one count: 0.01 to 1 for one person."""
PEOPLE = "people"
"""The unit that is counted: a person once a hospital."""

CODES = {
    "ATC": r"[A-Z](\d\d([A-Z]([A-Z](\d\d)?)?)?)?",
    "ICD10": r"[A-Z]\d\d(\.?[0-9A-Z]{1,4})?",
    "ICD11": r"[0-9A-Z]{4}(\.[0-9A-Z]{1,2})?",
    "ICDO3": r"C\d\d(\.\d)?|\d{4}/\d",
    "LOINC": r"\d{1,7}-\d",
    "OMOP": r"\d{1,10}",
    "OPS": r"\d-[0-9a-z]{2,3}(\.[0-9a-z]{1,2})?",
    "ORPHA": r"\d{1,7}",
    "PZN": r"\d{8}",
    "RXNORM": r"\d{1,8}",
    "SNOMED": r"\d{6,18}",
}
"""Systems of codes by the words for them, and what their codes look like."""

_NESTING = tuple(encode(tag) for tag in ("all", "any", "not"))
_NESTED_MAX = 3 * CLAUSES_MAX
"""More of them stand in no sound query; bytes that nest deeper are not decoded, since how deep a decoder can go depends
on where it is called."""
_MODALITY = re.compile(r"[A-Z]{2,6}", re.ASCII)
_UNIT = re.compile(r"[A-Za-z0-9%/\[\].*^{}_'-]{1,24}", re.ASCII)


class Sex(StrEnum):
    """Administrative sex, as FHIR has it."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What may have happened to a person."""

    CONDITION = "condition"
    PROCEDURE = "procedure"
    DRUG = "drug"
    MEASUREMENT = "measurement"
    MODALITY = "modality"


class Code(Record, frozen=True):
    """A code of a public system; of ICD-10, ATC and OPS it stands for those below it too."""

    system: str
    code: str


class Span(Record, frozen=True):
    """From a number to another, both of them in it; an end that is None is open."""

    least: int | None
    most: int | None


class SexIs(Record, frozen=True, tag="sex"):
    """Of this sex."""

    sex: Sex


class AgeIn(Record, frozen=True, tag="age"):
    """As many years old, on the birthday in a year."""

    span: Span
    year: int


class Had(Record, frozen=True, tag="had"):
    """At least one event like this."""

    kind: Kind
    modality: str
    """Of images, such as MR; else empty."""
    code: Code | None
    """What it was; of images the part of the body, None for any."""
    value: Span | None
    """Of a measurement, in millionths."""
    unit: str
    """Of the value: a code of UCUM; empty for any."""
    days: Span | None
    """When: days as numbers such as 20150131."""
    age: Span | None
    """How old the person was in that year."""


class All(Record, frozen=True, tag="all"):
    """All of these are true."""

    parts: tuple[Clause, ...]


class Any(Record, frozen=True, tag="any"):
    """At least one of these is true."""

    parts: tuple[Clause, ...]


class Not(Record, frozen=True, tag="not"):
    """This is not true, or not known."""

    part: Clause


Clause = SexIs | AgeIn | Had | All | Any | Not


class CountPlan(Record, frozen=True):
    """What is asked of hospitals: a query, and how much may be learned of one person from its answer."""

    query: Clause
    epsilon_millionths: int


def plan_of(data: bytes) -> CountPlan:
    """The plan that bytes are. Refuses (`bad_query`) what is none, is too large, or is not in its normal form."""
    require(len(data) <= QUERY_BYTES_MAX and sum(map(data.count, _NESTING)) <= _NESTED_MAX, "bad_query")
    try:
        plan = decode(data, CountPlan)
    except HMChainError:
        raise Refusal("bad_query") from None
    require(EPSILON_MIN_MILLIONTHS <= plan.epsilon_millionths <= EPSILON_MAX_MILLIONTHS, "bad_query")
    require(is_sound(plan.query) and normal(plan.query) == plan.query, "bad_query")
    return plan


def statement(plan: CountPlan, organisation: str, root: bytes) -> bytes:
    """Digest of all public inputs that a hospital's count depends on: one statement, one noise, one charge.

    `root` is that of the dataset's version, so that a version under another name is the same statement.
    """
    require_digest(root)
    return digest("hmchain count statement", encode(plan), organisation.encode(), root, PEOPLE.encode())


def normal(clause: Clause) -> Clause:
    """The one form of a query: parts in order, each once, none within its like, and no double negation."""
    match clause:
        case Not(Not(inner)):
            return normal(inner)
        case Not(inner):
            found = normal(inner)
            return found.part if isinstance(found, Not) else Not(found)
        case All(parts):
            return _joined(All, parts)
        case Any(parts):
            return _joined(Any, parts)
        case _:
            return clause


def _joined(kind: type[All] | type[Any], parts: tuple[Clause, ...]) -> Clause:
    flat: dict[bytes, Clause] = {}
    for part in map(normal, parts):
        inside = part.parts if isinstance(part, All | Any) and type(part) is kind else (part,)
        flat |= {encode(each): each for each in inside}
    ordered = tuple(flat[key] for key in sorted(flat))
    return ordered[0] if len(ordered) == 1 else kind(ordered)


def leaves(clause: Clause) -> Iterator[SexIs | AgeIn | Had]:
    """The clauses of a query that say something by themselves, from left to right."""
    match clause:
        case All(parts) | Any(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield clause


def is_too_deep(clause: Clause) -> bool:
    """Whether clauses stand deeper in each other than they may; level by level, so that no depth exhausts a stack."""
    level = [clause]
    for _ in range(DEPTH_MAX):
        level = [part for each in level for part in _parts(each)]
    return bool(level)


def _parts(clause: Clause) -> tuple[Clause, ...]:
    match clause:
        case All(parts) | Any(parts):
            return parts
        case Not(part):
            return (part,)
        case _:
            return ()


def is_sound(clause: Clause) -> bool:
    """Whether a query is within its bounds, and every clause of it says something that it may."""
    if is_too_deep(clause) or _has_empty(clause):
        return False
    said = list(leaves(clause))
    return len(said) <= CLAUSES_MAX and all(_is_sound_leaf(each) for each in said)


def is_code(code: Code) -> bool:
    """Whether a code looks like one of its system."""
    pattern = CODES.get(code.system)
    return pattern is not None and re.fullmatch(pattern, code.code, re.ASCII) is not None


def is_unit(unit: str) -> bool:
    """Whether a word looks like a unit of UCUM."""
    return _UNIT.fullmatch(unit) is not None


def is_modality(word: str) -> bool:
    """Whether a word looks like a DICOM modality."""
    return _MODALITY.fullmatch(word) is not None


def is_day(day: int) -> bool:
    """Whether a number such as 20150131 is a day."""
    month, of_month = day // 100 % 100, day % 100
    return DAY_FIRST <= day <= DAY_LAST and 1 <= month <= 12 and 1 <= of_month <= _days(day // 10_000, month)


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _has_empty(clause: Clause) -> bool:
    match clause:
        case All(parts) | Any(parts):
            return not parts or any(map(_has_empty, parts))
        case Not(part):
            return _has_empty(part)
        case _:
            return False


def _is_sound_leaf(leaf: SexIs | AgeIn | Had) -> bool:
    match leaf:
        case SexIs():
            return True
        case AgeIn(span, year):
            return _is_span(span, _is_age) and DAY_FIRST <= year * 10_000 + 101 <= DAY_LAST
        case Had(kind, modality, code, value, unit, days, age):
            is_image, is_measured = kind is Kind.MODALITY, kind is Kind.MEASUREMENT
            return (
                (is_modality(modality) if is_image else not modality and code is not None)
                and (code is None or is_code(code))
                and (value is None or (is_measured and _is_span(value, _is_value)))
                and (not unit or (value is not None and is_unit(unit)))
                and (days is None or _is_span(days, is_day))
                and (age is None or _is_span(age, _is_age))
            )


def _is_span(span: Span, is_end: Callable[[int], bool]) -> bool:
    ends = [end for end in (span.least, span.most) if end is not None]
    return bool(ends) and all(map(is_end, ends)) and ends == sorted(ends)


def _is_age(age: int) -> bool:
    return 0 <= age <= AGE_MAX


def _is_value(value: int) -> bool:
    return -VALUE_MAX <= value <= VALUE_MAX
