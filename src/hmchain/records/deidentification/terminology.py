"""Codes and units that may stay: those of public systems, that match what such a code looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from hmchain.records.deidentification.check_digits import is_loinc, is_sctid

UCUM = "http://unitsofmeasure.org"

AGE_CODES = frozenset({
    "30525-0",  # LOINC: age
    "21611-9",  # age, estimated
    "21612-7",  # age, reported
    "29553-5",  # age, calculated
    "35659-2",  # age at collection of the specimen
    "39016-1",  # age at release
    "46251-5",  # age group
    "63900-5",  # current age, or age at death
    "397669002",  # SNOMED CT: age
    "424144002",  # current chronological age
    "445518008",  # age at onset
    "121033",  # DICOM: subject age
})  # fmt: skip
"""Codes of observations whose value is an age, be it said in years or in no unit at all."""

Check = Callable[[str], object]
"""Says of a code, by truth, whether it may stay."""

_CHECKS: Mapping[str, Check] = {"loinc": is_loinc, "sctid": is_sctid}

RULES = Path(__file__).parent / "rules"

# The Unified Code for Units of Measure: products and quotients of prefixed atoms with exponents. Atoms and annotations
# are those that medicine uses; a free annotation such as {word} could say anything.
_ATOM = (
    r"(?:10[*^]-?\d{1,2}|(?:da|[YZEPTGMkhdcmunpf])?(?:mol|osm|kat|cal|Cel|eq|bar|Ohm|Hz|Pa|Gy|Sv|Bq|Ci|Da|m\[Hg\]"
    r"|m\[H2O\]|\[[iI]U\]|U|g|m|L|l|s|K|J|N|V|W|A|F|R|S|T|B)|min|h|d|wk|mo|a|%|deg|\[(?:degF|lb_av|oz_av|in_i|ft_i"
    r"|pH|ppm|ppb|arb'U|drp|CFU|PFU)\]|\{(?:score|nominal|count|cells|RBC|INR|ratio|beats|breaths"
    r"|index|titer|copies|events|spermatozoa)\})"
)
_FACTOR = rf"{_ATOM}(?:-?[1-9])?"
_UCUM = re.compile(rf"/?{_FACTOR}(?:[./]{_FACTOR}){{0,4}}|1", re.ASCII)


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code system: how it is called, and which of its codes may stay."""

    uri: str
    hl7: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    pattern: str = ""
    check: Literal["", "loinc", "sctid"] = ""
    """Of codes with a check digit, how it is made."""

    @property
    def is_open(self) -> bool:
        """Tell whether a number or a word that is nobody's code may look like one of its codes."""
        return bool(self.pattern)


class _Systems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: tuple[System, ...]


def is_unit(text: str) -> bool:
    """Tell whether `text` is a unit of UCUM that medicine uses."""
    return _UCUM.fullmatch(text) is not None


@cache
def _shipped() -> tuple[System, ...]:
    return msgspec.toml.decode((RULES / "code_systems.toml").read_bytes(), type=_Systems).system


def fhir_systems(own: Mapping[str, str]) -> dict[str, Check]:
    """The check of each system by its URI; `own` adds patterns of a hospital's own systems."""
    found: dict[str, Check] = {system.uri: _check(system) for system in _shipped()}
    return found | {UCUM: is_unit} | _own(own.items())


def hl7_systems(own: Mapping[str, str]) -> dict[str, Check]:
    """The check of each system by its names in HL7 v2; `own` adds patterns of a hospital's own systems."""
    found: dict[str, Check] = {name: _check(system) for system in _shipped() for name in system.hl7}
    return found | {"UCUM": is_unit} | _own(own.items())


def closed_systems() -> frozenset[str]:
    """The shipped systems, by all their names, whose codes are listed or have a check digit."""
    return frozenset(name for system in _shipped() if not system.is_open for name in (system.uri, *system.hl7))


def _check(system: System) -> Check:
    if system.check:
        return _CHECKS[system.check]
    pattern = re.compile(system.pattern or "(?!)", re.ASCII)
    return lambda code: code in system.codes or pattern.fullmatch(code)


def _own(patterns: Iterable[tuple[str, str]]) -> dict[str, Check]:
    return {name: re.compile(pattern, re.ASCII).fullmatch for name, pattern in patterns}
