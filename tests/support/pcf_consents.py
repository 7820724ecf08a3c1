"""Consents like those that IHE's Privacy Consent on FHIR (PCF) 1.1 gives as examples, and how each is to be decided.

What each of them says was read in IHE/ITI.PCF at commit 3fefea1 (`input/fsh/consent.fsh`, `ex-sensitive.fsh` and the
notes in `input/pagecontent`); the JSON is made here. `Consent-ID-notes.md` is where an answer comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hmchain.records.consents.consent import Coding, Span
from hmchain.records.consents.deciding import RESOURCE_TYPES, Answer, Facts
from hmchain.records.consents.purposes import ACT_REASON
from hmchain.records.consents.reading import moment

PATIENT, CLINIC, RESEARCHERS = "Patient/ex-patient", "clinic", "researchers"
ORGANISATIONS = {
    "Practitioner/ex-practitioner": CLINIC, "Group/ex-privilegedUsers": CLINIC,
    "Organization/ex-org-researcher": RESEARCHERS,
}  # fmt: skip
"""Whom the actors of the examples stand for."""
OTHERS = "others"
OBSERVATIONS = {"class": [{"system": RESOURCE_TYPES, "code": "Observation"}]}
CARE = ("TREAT", "HPAYMT", "HOPERAT")
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_FOO_BAR = "http://example.org/policies/purposeOfUse"
_ROLE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}

Json = dict[str, Any]


def consent(name: str, provision: Json, *, day: str = "2022-06-13", policy: str = "base", **more: Any) -> Json:
    """A Consent as PCF's profiles ask for it; `more` are its elements, in place of those here."""
    return {
        "resourceType": "Consent", "id": name, "status": "active",
        "scope": {"coding": [_code("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")]},
        "category": [{"coding": [_code("http://loinc.org", "59284-0")]}],
        "patient": {"reference": PATIENT}, "dateTime": day, "performer": [{"reference": PATIENT}],
        "organization": [{"reference": "Organization/ex-organization"}],
        "sourceReference": {"reference": "DocumentReference/ex-documentreference"},
        "policy": [{"uri": f"http://example.org/policies/{policy}"}], "provision": provision,
    } | more  # fmt: skip


def _code(system: str, code: str) -> Json:
    return {"system": system, "code": code}


def rule(
    kind: str, *exceptions: Json, purposes: tuple[str, ...] = (), labels: tuple[str, ...] = (), **more: Any
) -> Json:
    """One rule; purposes are of ActReason, labels of confidentiality (one letter) or sensitivity."""
    found: Json = {"type": kind}
    if purposes:
        found["purpose"] = [_code(ACT_REASON, code) for code in purposes]
    if labels:
        found["securityLabel"] = [_code(_CONFIDENTIALITY if len(code) == 1 else _ACT_CODE, code) for code in labels]
    if exceptions:
        found["provision"] = list(exceptions)
    return found | more


def _to(reference: str) -> Json:
    return {"actor": [{"role": _ROLE, "reference": {"reference": reference}}]}


def _data(meaning: str, *references: str) -> Json:
    return {"data": [{"meaning": meaning, "reference": {"reference": each}} for each in references]}


_YEAR = {"dataPeriod": {"start": "2022-01-01", "end": "2022-12-31"}}
_PRACTITIONER, _ENCOUNTER = "Practitioner/ex-practitioner", "Encounter/ex-encounter"
_NAMED = [
    _ENCOUNTER,
    *(f"Observation/ex-{each}" for each in ("weight-2", "weight", "bloodPressure", "bloodSugar", "alcoholUse")),
]
_PERMIT_NORMAL = {"purposes": CARE, "labels": ("N",)}


def examples() -> dict[str, Json]:
    """The examples by their ids."""
    treat, advanced = rule("permit", purposes=CARE), "consent-advanced-normal"
    provisions: dict[str, Json] = {
        "consent-basic-treat": treat,
        "consent-basic-ink": treat,
        "consent-expired-treat": treat | {"period": {"end": "2022-12-31"}},
        "consent-basic-reject": rule("deny", purposes=CARE),
        "consent-intermediate-timeframe": treat | _YEAR,
        "consent-intermediate-not-timeframe": rule("permit", rule("deny", **_YEAR), purposes=CARE),
        "consent-intermediate-authoredby": treat | _data("authoredby", _PRACTITIONER),
        "consent-intermediate-not-authoredby": rule(
            "permit", rule("deny", **_data("authoredby", _PRACTITIONER)), purposes=CARE
        ),
        "consent-intermediate-encounter": treat | _data("related", _ENCOUNTER),
        "consent-intermediate-not-encounter": rule(
            "permit", rule("deny", **_data("related", _ENCOUNTER)), purposes=CARE
        ),
        "consent-intermediate-data": treat | _data("instance", *_NAMED),
        "consent-intermediate-not-data": rule(
            "permit", rule("deny", **_data("instance", "Observation/ex-alcoholUse")), purposes=CARE
        ),
        "consent-intermediate-purpose": rule(
            "permit", purpose=[_code(_FOO_BAR, "FooBar")], **_to("Organization/ex-org-researcher")
        ),
        "dissent-intermediate-break-glass": rule(
            "deny", rule("permit", purposes=("BTG",), **_to("Group/ex-privilegedUsers"))
        ),
        advanced: rule("permit", **_PERMIT_NORMAL),
        f"{advanced}-restricted": rule("permit", purposes=CARE, labels=("N", "R")),
        f"{advanced}-not-restricted": rule("permit", rule("deny", labels=("R",)), **_PERMIT_NORMAL),
        f"{advanced}-focused-restricted": rule(
            "permit", rule("permit", labels=("R",), **_to(_PRACTITIONER)), **_PERMIT_NORMAL
        ),
        f"{advanced}-focused-psy": rule(
            "permit", rule("permit", labels=("PSY",), **_to(_PRACTITIONER)), **_PERMIT_NORMAL
        ),
        f"{advanced}-focused-psy-or-sdv": rule(
            "permit", rule("permit", labels=("PSY", "SDV"), **_to(_PRACTITIONER)), **_PERMIT_NORMAL
        ),
        f"{advanced}-break-glass-restricted": rule(
            "permit",
            rule("permit", purposes=("BTG",), labels=("R",), **_to("Group/ex-privilegedUsers")),
            **_PERMIT_NORMAL,
        ),
    }  # fmt: skip
    found = {f"ex-{name}": consent(f"ex-{name}", provision) for name, provision in provisions.items()}
    infant = consent("ex-consent-basic-treat-infant", treat, performer=[{"reference": "Patient/ex-mother"}])
    research = rule("permit", purposes=("HRESCH",))
    return found | {
        "ex-consent-basic-treat-infant": infant,
        "ex-consent-basic-research": consent(
            "ex-consent-basic-research", research, day="2023-06-24", policy="research"
        ),
    }


def _facts(name: str, day: str, labels: tuple[str, ...], author: str = "Practitioner/ex-author") -> Facts:
    span = moment(day)
    assert isinstance(span, Span)
    return Facts(
        classes=frozenset({Coding(RESOURCE_TYPES, name.partition("/")[0])}),
        codes=frozenset(),
        labels=frozenset(Coding(_CONFIDENTIALITY if len(each) == 1 else _ACT_CODE, each) for each in labels),
        span=span,
        name=name,
        related=frozenset({_ENCOUNTER}) if "encounter-less" not in name else frozenset(),
        authors=frozenset({author}),
    )


RECORDS: Mapping[str, Facts] = {
    "alcohol use": _facts("Observation/ex-alcoholUse", "2022-06-13", ("R", "ETHUD")),
    "blood sugar": _facts("Observation/ex-bloodSugar", "2020-12-04T23:50:50-05:00", ("N",)),
    "weight": _facts("Observation/ex-weight", "2004-12-25T23:50:50-05:00", ("N",)),
    "psychiatry": _facts("Observation/ex-psychiatry", "2022-03-01", ("R", "PSY")),
    "by the practitioner": _facts("Observation/ex-other", "2021-03-01", ("N",), _PRACTITIONER),
    "of no encounter": _facts("Observation/encounter-less", "2021-03-01", ("N",)),
}
"""The observations beside the examples, and three more."""


@dataclass(frozen=True)
class Decided:
    """One use of one record, and how an example decides it."""

    example: str
    answer: Answer
    record: str = "blood sugar"
    purpose: str = "TREAT"
    recipient: str = OTHERS
    day: str = "2022-07-01"


def _rows() -> list[Decided]:
    yes, no, silent = Answer.PERMIT, Answer.DENY, Answer.SILENT
    table: dict[str, list[tuple[Any, ...]]] = {
        "consent-basic-treat": [(yes,), (yes, "alcohol use"), (yes, "weight", "BTG"), (silent, "weight", "HRESCH")],
        "consent-basic-treat-infant": [(yes,)],
        "consent-basic-ink": [(yes,)],
        "consent-expired-treat": [(yes,), (silent, "weight", "TREAT", OTHERS, "2023-01-01")],
        "consent-basic-reject": [(no,), (silent, "weight", "HRESCH")],
        "consent-basic-research": [
            (yes, "weight", "HRESCH", OTHERS, "2023-07-01"), (yes, "weight", "CLINTRCH", OTHERS, "2023-07-01"),
            (silent, "weight", "TREAT", OTHERS, "2023-07-01"), (silent, "weight", "HRESCH"),
        ],
        "consent-intermediate-timeframe": [(yes, "alcohol use"), (no, "weight"), (silent, "weight", "HRESCH")],
        "consent-intermediate-not-timeframe": [(no, "alcohol use"), (yes, "weight")],
        "consent-intermediate-authoredby": [(yes, "by the practitioner"), (no, "weight")],
        "consent-intermediate-not-authoredby": [(no, "by the practitioner"), (yes, "weight")],
        "consent-intermediate-encounter": [(yes, "weight"), (no, "of no encounter")],
        "consent-intermediate-not-encounter": [(no, "weight"), (yes, "of no encounter")],
        "consent-intermediate-data": [(yes, "weight"), (no, "by the practitioner")],
        "consent-intermediate-not-data": [(no, "alcohol use"), (yes, "weight")],
        "consent-intermediate-purpose": [
            (yes, "weight", f"{_FOO_BAR}|FooBar", RESEARCHERS), (silent, "weight", f"{_FOO_BAR}|FooBar", CLINIC),
            (silent, "weight", "HRESCH", RESEARCHERS),
        ],
        "dissent-intermediate-break-glass": [
            (no,), (no, "weight", "BTG"), (yes, "weight", "BTG", CLINIC), (no, "weight", "TREAT", CLINIC),
            (no, "weight", "HRESCH"),
        ],
        "consent-advanced-normal": [(yes,), (no, "alcohol use")],
        "consent-advanced-normal-restricted": [(yes,), (yes, "alcohol use")],
        "consent-advanced-normal-not-restricted": [(yes,), (no, "alcohol use")],
        "consent-advanced-normal-focused-restricted": [
            (yes,), (no, "alcohol use"), (yes, "alcohol use", "TREAT", CLINIC), (yes, "weight", "TREAT", CLINIC),
        ],
        "consent-advanced-normal-focused-psy": [
            (no, "psychiatry"), (yes, "psychiatry", "TREAT", CLINIC), (no, "alcohol use", "TREAT", CLINIC),
        ],
        "consent-advanced-normal-focused-psy-or-sdv": [
            (no, "psychiatry"), (yes, "psychiatry", "TREAT", CLINIC), (no, "alcohol use", "TREAT", CLINIC),
        ],
        "consent-advanced-normal-break-glass-restricted": [
            (yes,), (no, "alcohol use"), (yes, "alcohol use", "BTG", CLINIC), (no, "alcohol use", "TREAT", CLINIC),
            (no, "alcohol use", "BTG"),
        ],
    }  # fmt: skip
    return [Decided(f"ex-{name}", *row) for name, rows in table.items() for row in rows]


DECISIONS = _rows()
