"""The patients of a hospital: who a number means, by who issued it, and which numbers mean one person.

A number alone is no patient: two issuers give the same one to two people (PS3.3 C.7.1.1 Issuer of Patient ID; HL7 v2
CX.4 assigning authority; FHIR Identifier.system). A number without an issuer is the hospital's own. So are the numbers
of the issuers that the hospital's rule calls its own, or, where it says nothing, of the authority that its HL7 messages
name: those always name one, while an object of DICOM that names an issuer may be another hospital's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.records.deidentification.profile import Section

RULE_FILE = "patients.toml"
_APART = "\0"
"""Stands in no number: so no number of the hospital's own reads like one of another issuer."""


class PatientRuleError(InputError):
    """The hospital's rule for patients' numbers cannot be read."""

    code = "patient_rule"


class PatientRule(Section, frozen=True):
    """The hospital's own rule, `patients.toml` in its folder. It holds from the next extraction on."""

    own: tuple[str, ...] = ()
    """Issuers whose numbers are the hospital's own: of DICOM, HL7 and FHIR, in any case, `urn:oid:` left out or not."""
    same: tuple[tuple[str, ...], ...] = ()
    """Groups of other issuers that are one under several names."""
    fold_case: bool = False
    """Whether numbers that differ in upper and lower case alone are one."""
    strip_zeros: bool = False
    """Whether zeros before a number say nothing."""
    fhir_ids: bool = True
    """Whether the ids of FHIR's Patient resources are numbers of the hospital's own. If not, the number of a patient
    is the identifier of its Patient resource whose system is one of `own`."""

    def __post_init__(self) -> None:
        named = Counter(issuer_name(issuer) for group in (self.own, *self.same) for issuer in set(group))
        if "" in named:
            raise ValueError("an issuer has no name: a number without an issuer is the hospital's own anyway")
        if twice := [name for name, count in named.items() if count > 1]:
            raise ValueError(f"issuer {twice[0]!r} stands in two groups: put them together")


@dataclass(frozen=True)
class Patient:
    """A patient's number, and whoever issued it; nothing if nobody says so."""

    number: str
    issuer: str = ""


@dataclass(frozen=True)
class PatientNote:
    """A patient's number for the hospital's own eyes: sealed, by the keyed digest that stands for the person."""

    person: bytes
    """32 bytes (`pseudonyms.person`)."""
    sealed: bytes = field(repr=False)
    others: tuple[bytes, ...] = ()
    """The same of the patient's other numbers in the item: who opts out by one of them opts out."""


@dataclass(frozen=True)
class People:
    """All that a hospital knows of whom a number means. Numbers go in and keyed digests; neither comes out."""

    rule: PatientRule = field(default_factory=PatientRule)
    home: Mapping[str, str] = field(default_factory=dict)
    """The issuers whose numbers are the hospital's own where the rule names none, by the kind of item that says so."""
    merged: frozenset[tuple[bytes, bytes]] = field(default=frozenset(), repr=False)
    """Digests of persons who turned out to be another: each with whom it is; one may be several others."""

    def name(self, patient: Patient) -> str:
        """The name of a patient among all others: the number, and the issuer's name if it is not the hospital's own."""
        number = patient.number.strip().replace(_APART, "")
        if self.rule.fold_case:
            number = number.casefold()
        if self.rule.strip_zeros:
            number = number.lstrip("0") or number[:1]
        issuer = self.issuer(patient.issuer)
        return f"{number}{_APART}{issuer}" if issuer else number

    def issuer(self, named: str) -> str:
        """The issuer that counts: nothing for the hospital's own, else the first of those that are one with it."""
        name = issuer_name(named)
        if not self.rule.own and name in self.home.values():
            return ""
        return self._issuers.get(name, name)

    def best(self, numbers: Sequence[Patient]) -> Patient:
        """Of a patient's numbers, the first that is the hospital's own; else the first."""
        return next((each for each in numbers if not self.issuer(each.issuer)), numbers[0])

    def lasting(self, person: bytes) -> bytes:
        """Whom a person was found to be, or the same.

        Of all who are one, it is one who is said to be nobody else; of several such, or of none, the least.
        """
        group = self._groups.get(person, (person,))
        return min(set(group) - self._priors or group)

    def all_of(self, person: bytes) -> list[bytes]:
        """All persons that are one with this one, itself first."""
        return [person, *sorted(set(self._groups.get(person, ())) - {person})]

    @cached_property
    def _issuers(self) -> Mapping[str, str]:
        """The issuer that counts for each that the rule names."""
        groups = [sorted(map(issuer_name, group)) for group in self.rule.same]
        return dict.fromkeys(map(issuer_name, self.rule.own), "") | {
            each: group[0] for group in groups for each in group
        }

    @cached_property
    def _priors(self) -> frozenset[bytes]:
        return frozenset(prior for prior, _ in self.merged)

    @cached_property
    def _groups(self) -> Mapping[bytes, tuple[bytes, ...]]:
        """Everybody who is one with somebody else, by each of them."""
        found: dict[bytes, set[bytes]] = {}
        for pair in sorted(self.merged):
            group = found.get(pair[0], {pair[0]}) | found.get(pair[1], {pair[1]})
            found |= dict.fromkeys(group, group)
        return {one: tuple(sorted(group)) for one, group in found.items()}


def issuer_name(issuer: str) -> str:
    """An issuer's name as it is compared: without case, padding and the prefix of OIDs."""
    return issuer.strip(" \0").casefold().removeprefix("urn:oid:")


def most_used(issuers: Iterable[str]) -> str:
    """The issuer that most of some items name, the first of several; nothing if none names one."""
    counted = Counter(name for name in map(issuer_name, issuers) if name)
    return max(counted, key=lambda name: counted[name]) if counted else ""


def read_rule(folder: Path) -> PatientRule:
    """Read the hospital's rule from its folder; the empty one if there is none. Raises `PatientRuleError`."""
    path = folder / RULE_FILE

    def wrong(reason: str) -> InputError:
        return PatientRuleError(f"{path} cannot be read: {reason}", "mend that entry")

    return read_toml(path, PatientRule, wrong) if path.exists() else PatientRule()
