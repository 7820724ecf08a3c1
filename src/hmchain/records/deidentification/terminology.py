"""Codes and units that may stay: those of public systems, that match what such a code looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from hmchain import decoding
from hmchain.records.deidentification.check_digits import is_cas, is_loinc, is_pzn, is_sctid, is_unii
from hmchain.records.deidentification.code_lists import code_lists
from hmchain.records.deidentification.profile import CodedRules

UCUM = "http://unitsofmeasure.org"
_UNITS = frozenset({"http://standardterms.edqm.eu", "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_BMP_DOSIEREINHEIT"})

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

_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "loinc": is_loinc, "sctid": is_sctid, "pzn": is_pzn, "unii": is_unii, "cas": is_cas,
}  # fmt: skip

RULES = Path(__file__).parent / "rules"

# The Unified Code for Units of Measure: products and quotients of prefixed atoms with exponents. Atoms and annotations
# are those that medicine uses; a free annotation such as {word} could say anything.
_ATOM = (
    r"(?:10[*^]-?\d{1,2}|(?:da|[YZEPTGMkhdcmunpf])?(?:mol|osm|kat|cal|Cel|eq|bar|Ohm|Hz|Pa|Gy|Sv|Bq|Ci|Da|m\[Hg\]"
    r"|m\[H2O\]|\[[iI]U\]|U|g|m|L|l|s|K|J|N|V|W|A|F|R|S|T|B|H|P|St|lm|lx|cd|rad|sr|eV|u|dyn)|min|h|d|wk|mo|a|t|%|deg|gon"
    r"|\[(?:degF|lb_av|oz_av|in_i|ft_i|mi_i|gr|foz_us|cup_us|tsp_us|tbs_us|pt_us|gal_us|Btu|ppth|diop|Ch|HPF|LPF|MET"
    r"|pH|ppm|ppb|arb'U|drp|CFU|PFU|FFU|EID_50|TCID_50|CCID_50|Lf|PNU|AU|BAU|ELU|EU|IR|USP'U|(?:GPL|MPL|APL|beth|todd"
    r"|knk|bdsk|anti'Xa|D'ag)'U)\]"
    r"|\{(?:#|T|M|score|nominal|presence|counts?|cells|RBCs?|WBCs?|INR|ratio|beats|breaths|index|titer|copies|events|reads"
    r"|spermatozoa|steps|times|doses?|tablets?|tbl|capsules?|drops|puffs?|sprays?|units?|pack[-_]years|bases?|Base"
    r"|ehrlich'U|HPF|LPF|log|Log_copies|STDV|EIA_index|ISR)\})"
)
_FACTOR = rf"{_ATOM}(?:-?[1-9])?"
_UCUM = re.compile(rf"/?{_FACTOR}(?:[./]{_FACTOR}){{0,4}}|1(?:/10{{1,6}}\{{(?:Base|bases?|cells)\}})?", re.ASCII)


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code system: how it is called, and which of its codes may stay."""

    uri: str
    title: str = ""
    """For people."""
    also: tuple[str, ...] = ()
    """OIDs, and other URIs that are used for it."""
    hl7: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    pattern: str = ""
    check: Literal["", "loinc", "sctid", "pzn", "unii", "cas"] = ""
    """Of codes with a check digit, how it is made."""
    terms: str = ""
    """Whose it is, and why its codes are or are not listed."""

    @property
    def is_open(self) -> bool:
        """Tell whether a number or a word that is nobody's code may look like one of its codes."""
        return bool(self.pattern)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called."""
        return self.uri, *self.also, *self.hl7


class _Systems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system: tuple[System, ...]


def is_unit_of(system: str, code: str) -> bool:
    """Tell whether a code is a unit of a system of units: UCUM, EDQM's units of presentation, or KBV's of doses."""
    return is_unit(code) if system == UCUM else system in _UNITS and bool(_shipped()[system](code))


def is_unit(text: str) -> bool:
    """Tell whether `text` is a unit of UCUM that medicine uses."""
    return _UCUM.fullmatch(text) is not None


@cache
def shipped_systems() -> tuple[System, ...]:
    """The systems of `rules/code_systems.toml`; those of which all is a list of codes are in `code_lists` alone."""
    return decoding.from_toml((RULES / "code_systems.toml").read_bytes(), _Systems).system


def fhir_systems(rules: CodedRules) -> dict[str, Check]:
    """The check of each system by its URIs, with the patterns and lists of a hospital's own."""
    return _shipped() | {UCUM: is_unit} | _own(rules)


def hl7_systems(rules: CodedRules) -> dict[str, Check]:
    """The check of each system by its names in HL7 v2, with the patterns and lists of a hospital's own."""
    found = {name.removeprefix("urn:oid:"): check for name, check in _shipped().items()}
    return found | {"UCUM": is_unit} | _own(rules)


def first_name(system: str) -> str:
    """The first of the names that a system has in FHIR: two codes are one whichever of them each source gave."""
    return _first_names().get(system, system)


@cache
def _first_names() -> dict[str, str]:
    return {name: system.uri for system in shipped_systems() for name in system.names}


def text_of(system: str, code: str) -> str:
    """The terminology's own text for a code, where it is known; else nothing."""
    return _texts().get(system, {}).get(code, "")


@cache
def closed_systems() -> frozenset[str]:
    """The shipped systems, by all their names, whose codes are listed or have a check digit."""
    open_names = {name for system in shipped_systems() if system.is_open for name in system.names}
    return frozenset(name.removeprefix("urn:oid:") for name in _shipped() if name not in open_names) | (
        frozenset(_shipped()) - open_names
    )


@cache
def _shipped() -> dict[str, Check]:
    """The check of each system by all its names: a code passes that is on the list, or as the rules say."""
    found: dict[str, Check] = {}
    for each in code_lists():
        found.update(dict.fromkeys(each.names, each.__contains__))
    for system in shipped_systems():
        check = _check(system)
        for name in system.names:
            found[name] = _either(found[name], check) if name in found else check
    return found


@cache
def _texts() -> dict[str, dict[str, str]]:
    return {name: each.texts for each in code_lists() if each.texts for name in each.names}


def _either(one: Check, other: Check) -> Check:
    return lambda code: one(code) or other(code)


def _check(system: System) -> Check:
    pattern = re.compile(system.pattern or ".*", re.ASCII)
    if system.check:
        checked = _CHECKS[system.check]
        return lambda code: pattern.fullmatch(code) and checked(code)
    if not system.pattern:
        return system.codes.__contains__
    return lambda code: code in system.codes or pattern.fullmatch(code)


def _own(rules: CodedRules) -> dict[str, Check]:
    patterns = {name: re.compile(pattern, re.ASCII).fullmatch for name, pattern in rules.systems.items()}
    return patterns | {name: codes.__contains__ for name, codes in rules.listed.items()}
