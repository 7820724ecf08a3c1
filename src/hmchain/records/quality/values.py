"""Values: what is missing, and what cannot be; in attributes of records, tables, and observations of FHIR."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from hmchain.decoding import mapping, mappings
from hmchain.records.quality.findings import ERROR, WARNING, Finding, Tally

NAMES_MAX = 1000
_LOINC = "http://loinc.org"

Range = tuple[float, float]

VITAL_SIGNS: Mapping[str, tuple[str, Mapping[str, Range]]] = {
    "8867-4": ("heart rate", {"/min": (10, 350)}),
    "9279-1": ("respiratory rate", {"/min": (1, 120)}),
    "8310-5": ("body temperature", {"Cel": (20, 46), "[degF]": (68, 115)}),
    "8480-6": ("systolic blood pressure", {"mm[Hg]": (20, 350)}),
    "8462-4": ("diastolic blood pressure", {"mm[Hg]": (5, 250)}),
    "8302-2": ("body height", {"cm": (20, 275), "m": (0.2, 2.75), "[in_i]": (8, 108)}),
    "29463-7": ("body weight", {"kg": (0.2, 700), "g": (200, 700_000), "[lb_av]": (0.4, 1550)}),
    "39156-5": ("body mass index", {"kg/m2": (5, 210)}),
    "59408-5": ("oxygen saturation", {"%": (10, 100)}),
}
"""By LOINC code: a name, and by UCUM unit the range beyond which a value is almost surely a mistake."""


@dataclass(frozen=True)
class Rule:
    """The rule for the values of an attribute, or of a table's column."""

    name: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    allowed: frozenset[str] = frozenset()
    """All that it may be; nothing: anything."""

    @property
    def numeric(self) -> bool:
        """Tell whether values must be numbers."""
        return self.low is not None or self.high is not None

    def admits(self, number: float) -> bool:
        """Tell whether a number lies in the range."""
        low = -math.inf if self.low is None else self.low
        return low <= number <= (math.inf if self.high is None else self.high)


class ValueChecks:
    """Looks at values one record after another."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self._rules = rules
        self._records = 0
        self._present: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        self._broken: dict[tuple[str, str], Tally] = {}

    @property
    def missing(self) -> Mapping[str, tuple[int, int]]:
        """By attribute or column: how many records or rows lack it, and of how many."""
        found = {name: (self._records - count, self._records) for name, count in self._present.items()}
        found |= {rule.name: (self._records, self._records) for rule in self._rules if rule.name not in found}
        found |= {name: (self._empty[name], rows) for name, rows in self._rows.items()}
        return dict(sorted(item for item in found.items() if item[1][1]))

    def add_attributes(self, record: str, attributes: Mapping[str, str]) -> None:
        """Look at what the catalogue has of a record."""
        self._records += 1
        for name, value in attributes.items():
            if value and (name in self._present or len(self._present) < NAMES_MAX):
                self._present[name] += 1
        for rule in self._rules:
            if problem := _problem(rule, attributes.get(rule.name, "")):
                self._note(rule.name, problem, record)

    def add_table(self, record: str, file: BinaryIO) -> None:
        """Look at the columns of a table in Parquet, without holding its rows. Raises `ValueError` if it is none."""
        import polars as pl

        try:
            frame = pl.scan_parquet(file)
            kinds = dict(frame.collect_schema())
            counts = [pl.len().alias("\0rows"), *(pl.col(name).null_count().alias(name) for name in kinds)]
            found = frame.select(counts).collect(engine="streaming").row(0, named=True)
            rows = int(found.pop("\0rows"))
            broken = self._broken_columns(frame, kinds, found)
        except pl.exceptions.PolarsError as error:
            raise ValueError("no table") from error
        for name, empty in found.items():
            self._rows[name] += rows
            self._empty[name] += int(empty)
        for name, problem in broken:
            self._note(name, problem, record)

    def add_resource(self, record: str, data: bytes) -> None:
        """Look at a FHIR resource: the vital signs of an Observation. Raises `ValueError` if it is none."""
        resource = mapping(json.loads(data))
        if not resource:
            raise ValueError("no resource")
        if resource.get("resourceType") != "Observation":
            return
        for part in (resource, *mappings(resource.get("component"))):
            codings = mappings(mapping(part.get("code")).get("coding"))
            codes = [str(coding.get("code")) for coding in codings if coding.get("system") == _LOINC]
            for name, units in (VITAL_SIGNS[code] for code in codes if code in VITAL_SIGNS):
                if problem := _quantity_problem(mapping(part.get("valueQuantity")), units):
                    self._note(name, problem, record)

    def findings(self) -> list[Finding]:
        """List what stands out, by name."""
        found: list[Finding] = []
        for (name, problem), tally in sorted(self._broken.items()):
            severity, what, hint = _PROBLEMS[problem]
            found += tally.finding(severity, problem, f"{name}: {{}} records {what}", hint)
        return found

    def _broken_columns(self, frame: Any, kinds: Mapping[str, Any], empty: Mapping[str, int]) -> list[tuple[str, str]]:
        import polars as pl

        found = []
        for rule in self._rules:
            if rule.name not in kinds:
                continue
            column = pl.col(rule.name)
            if rule.required and empty[rule.name]:
                found.append((rule.name, "missing_value"))
            if rule.numeric and kinds[rule.name].is_numeric():
                outside = ~column.is_between(_or(rule.low, -math.inf), _or(rule.high, math.inf))
                if frame.select(outside.any()).collect(engine="streaming").item():
                    found.append((rule.name, "out_of_range"))
            if rule.allowed:
                other = ~column.cast(pl.String).is_in(sorted(rule.allowed))
                if frame.select(other.any()).collect(engine="streaming").item():
                    found.append((rule.name, "unknown_value"))
        return found

    def _note(self, name: str, problem: str, record: str) -> None:
        self._broken.setdefault((name, problem), Tally()).add(record)


_PROBLEMS = {
    "missing_value": (ERROR, "lack it", "it is required: complete it at its source, or leave them out"),
    "no_number": (ERROR, "have something else than a number", "correct it at its source"),
    "out_of_range": (WARNING, "have values out of range", "a slip of the unit or the decimal point, or a placeholder"),
    "unknown_value": (WARNING, "have values that are not listed", "correct them, or add them to what is allowed"),
    "unknown_unit": (
        WARNING,
        "have a unit that is not known for it",
        "bring it to a unit of UCUM that is usual for it",
    ),
}


def _problem(rule: Rule, value: str) -> str:
    """Say what is wrong with a value in text, if anything."""
    if not value:
        return "missing_value" if rule.required else ""
    if rule.numeric:
        try:
            number = float(value)
        except ValueError:
            return "no_number"
        return "" if rule.admits(number) else "out_of_range"
    return "unknown_value" if rule.allowed and value not in rule.allowed else ""


def _quantity_problem(quantity: Mapping[str, Any], units: Mapping[str, Range]) -> str:
    value = quantity.get("value")
    if value is None:
        return ""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "no_number"
    if (span := units.get(str(quantity.get("code") or quantity.get("unit")))) is None:
        return "unknown_unit"
    return "" if span[0] <= value <= span[1] else "out_of_range"


def _or(limit: float | None, otherwise: float) -> float:
    return otherwise if limit is None else limit
