"""Consents that were, or could be, read as permitting more than they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hmchain.records.consents.consent import Coding
from hmchain.records.consents.deciding import ACTIONS, RESOURCE_TYPES, SILENCE, Answer, Facts, Why, decide
from hmchain.records.consents.purposes import ACT_REASON
from hmchain.records.consents.reading import consents_in
from hmchain.records.consents.uses import UseKind
from hmchain.records.deidentification.patients import PatientRule
from support.consent_questions import asked, decided, read
from support.pcf_consents import OBSERVATIONS, consent, rule

YES, NO = rule("permit", purposes=("HRESCH",)), rule("deny", purposes=("HRESCH",))
WAYS_OUT = (UseKind.EXPORT, UseKind.TRANSFER)
AT_WORK = (UseKind.TRAIN, UseKind.COUNT, UseKind.EVIDENCE)
OBSERVATION = Facts(classes=frozenset({Coding(RESOURCE_TYPES, "Observation")}), codes=frozenset(), name="Observation/a")
MODIFIER = {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}


def by(*codes: str, system: str = ACTIONS) -> dict[str, Any]:
    """A rule's actions."""
    return {"action": [{"coding": [{"system": system, "code": code}]} for code in codes]}


def to(*references: str) -> dict[str, Any]:
    return {"actor": [{"reference": {"reference": each}} for each in references]}


def scope(code: str) -> dict[str, Any]:
    return {"scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": code}]}}


def policy(code: str, system: str = "http://terminology.hl7.org/CodeSystem/v3-ActCode") -> dict[str, Any]:
    return {"policyRule": {"coding": [{"system": system, "code": code}]}}


@pytest.mark.parametrize("action", ["collect", "access", "use", "disclose"])
def test_who_denies_any_action_of_a_way_out_denies_it(action: str) -> None:
    for kind in WAYS_OUT:
        assert decided(consent("c", rule("deny", **by(action))), kind=kind).why is Why.RULE, kind
    for kind in AT_WORK:
        is_denied = decided(consent("c", rule("deny", **by(action))), kind=kind).answer is Answer.DENY
        assert is_denied == (action in ("access", "use")), kind


def test_a_permission_to_use_lets_nothing_out_and_one_to_disclose_trains_nothing() -> None:
    use, disclose = consent("c", rule("permit", **by("use"))), consent("c", rule("permit", **by("disclose")))
    for kind in WAYS_OUT:
        assert decided(use, kind=kind) == SILENCE
        assert decided(disclose, kind=kind).answer is Answer.PERMIT
    for kind in AT_WORK:
        assert decided(use, kind=kind).answer is Answer.PERMIT
        assert decided(disclose, kind=kind) == SILENCE
    for given in (use, disclose):
        assert decided(given, kind=UseKind.REGISTER).answer is Answer.PERMIT, "each use of it asks again"
    assert decided(consent("c", rule("deny", **by("correct"))), kind=UseKind.TRANSFER) == SILENCE


@pytest.mark.parametrize("unknown", [by("print"), by("use", system="http://example.org"), by("correct", "print")])
def test_an_action_that_is_not_known_may_be_meant(unknown: dict[str, Any]) -> None:
    for kind in (*WAYS_OUT, *AT_WORK):
        assert decided(consent("c", rule("deny", **unknown)), kind=kind).why is Why.UNDECIDED
        assert decided(consent("c", rule("permit", **unknown)), kind=kind) == SILENCE


def test_a_consent_to_a_treatment_that_denies_a_use_of_data_is_heard() -> None:
    for code in ("treatment", "adr"):
        assert decided(consent("c", NO, **scope(code))).answer is Answer.DENY
        assert decided(consent("c", rule("permit", NO), **scope(code))).answer is Answer.DENY
        assert (
            decided(consent("c", rule("deny", **OBSERVATIONS), **scope(code)), facts=OBSERVATION).answer is Answer.DENY
        )
        assert decided(consent("c", rule("deny", purpose=[{"display": "research"}]), **scope(code))).doubts
        surgery = {"code": [{"coding": [{"system": "http://snomed.info/sct", "code": "387713003"}]}]}
        for silent in (YES, rule("deny"), rule("deny", **surgery), rule("permit", **OBSERVATIONS)):
            assert decided(consent("c", silent, **scope(code))) == SILENCE, "it is about a treatment"
        assert decided(consent("c", YES, status="inactive", **scope(code))) == SILENCE


def test_a_denial_of_one_purpose_or_recipient_of_several_is_one() -> None:
    purposes, members = ("BIORCH", "DSRCH"), ("north", "west")
    disease = rule("deny", purposes=("DSRCH",))
    assert decide(read(consent("c", disease)), asked(*purposes)).why is Why.RULE
    assert decide(read(consent("c", rule("permit", disease))), asked(*purposes)).answer is Answer.DENY
    west = rule("deny", **to("Organization/west"))
    assert decide(read(consent("c", west)), asked(recipients=members)).why is Why.RULE
    for some in (rule("permit", purposes=("DSRCH",)), rule("permit", **to("Organization/west"))):
        assert decide(read(consent("c", some)), asked(*purposes, recipients=members)) == SILENCE, "not for all"
    assert decide(read(consent("c", disease)), asked(*purposes, kind=UseKind.PREPARE)) == SILENCE, "asked again"


def test_a_purpose_that_is_not_known_may_be_one_that_is_denied() -> None:
    for wanted in ("HRESHC", "http://example.org|trial-7"):
        assert decided(consent("c", NO), purpose=wanted).why is Why.UNDECIDED
        assert decided(consent("c", YES), purpose=wanted) == SILENCE
    named = rule("permit", purpose=[{"system": "http://example.org", "code": "trial-7"}])
    assert decided(consent("c", named), purpose="http://example.org|trial-7").answer is Answer.PERMIT


@pytest.mark.parametrize(
    "malformed",
    [
        {"purpose": "TREAT"}, {"purpose": []}, {"purpose": [None]}, {"purpose": ["TREAT", {"code": "HRESCH"}]},
        {"actor": "Organization/west"}, {"actor": []}, {"action": ["correct"]}, {"class": "Observation"},
        {"code": []}, {"securityLabel": "R"}, {"data": "Observation/a"}, {"dataPeriod": "2022"}, {"period": "2022"},
        {"provision": "no"}, {"provision": []}, {"provision": [YES, "no"]}, {"type": ["permit"]},
        {"period": {"start": "2024-06-01", "end": "2023-06-01"}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_an_element_that_is_no_fhir_does_not_widen_a_rule(malformed: dict[str, Any]) -> None:
    found = decided(consent("c", YES | malformed))
    assert (found.answer, found.why) == (Answer.DENY, Why.UNDECIDED) and found.doubts


@pytest.mark.parametrize(
    "changed",
    [
        {"policy": [{"uri": "http://example.org/p"} | MODIFIER]}, {"policy": ["http://example.org/p"]},
        {"verification": [{"verified": True} | MODIFIER]}, {"verification": [{"verified": False}]},
        {"verification": [{}]}, {"dateTime": "soon"}, {"dateTime": "2022-02-30"},
        {"provision": YES | to("Organization/north") | {"actor": [MODIFIER | to("Organization/north")["actor"][0]]}},
        {"provision": rule("permit", rule("permit", rule("permit", NO | MODIFIER)))},
        {"provision": YES | {"data": [MODIFIER | {"meaning": "instance", "reference": {"reference": "Media/a"}}]}},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_what_is_not_understood_at_any_level_is_not_permitted(changed: dict[str, Any]) -> None:
    found = decided(consent("c", YES) | changed)
    assert (found.answer, found.why) == (Answer.DENY, Why.UNDECIDED) and found.doubts


def test_a_verified_consent_is_one() -> None:
    assert decided(consent("c", YES, verification=[{"verified": True}])).answer is Answer.PERMIT


def test_an_element_that_stands_twice_is_not_the_last_of_the_two() -> None:
    text = json.dumps(consent("c", NO)).replace('"type": "deny"', '"type": "deny", "type": "permit"')
    (given,) = consents_in(text.encode(), PatientRule())
    assert decide([given.consent], asked()).why is Why.UNDECIDED


def test_a_policy_is_known_by_its_system_and_one_with_restrictions_must_say_which() -> None:
    assert decided(consent("c", {}, **policy("OPTIN", "http://example.org/policies"))).why is Why.UNDECIDED
    without = {name: value for name, value in consent("c", {}, **policy("OPTINR")).items() if name != "provision"}
    assert decided(without).why is Why.UNDECIDED
    assert decided(consent("c", {"provision": [NO]}, **policy("OPTINR")), purpose="TREAT").answer is Answer.PERMIT


def test_what_a_policy_denies_a_rule_permits_no_further_than_it_says() -> None:
    given = consent("c", YES, **policy("OPTOUT"))
    assert decided(given).answer is Answer.PERMIT
    assert decided(given, purpose="TREAT").answer is Answer.DENY
    assert decided(consent("c", rule("permit", purposes=("TREAT",)), **policy("OPTIN"))) == SILENCE


def test_a_date_of_which_the_day_is_not_known_may_be_the_later_one() -> None:
    permit = consent("b", YES, day="2022-06-01")
    for day in ("2022", "2022-06", "2022-06-01"):
        assert decided(consent("a", NO, day=day), permit).answer is Answer.DENY, day
    assert decided(consent("a", NO, day="2022-05"), permit).answer is Answer.PERMIT
    withdrawn = consent("a", YES, day="2022", status="inactive", policy="other")
    assert decided(withdrawn, permit).why is Why.WITHDRAWN


def test_a_withdrawal_outlasts_the_consent_and_is_of_all_that_it_may_have_permitted() -> None:
    gone = {"status": "inactive"}
    assert decided(consent("c", YES | {"period": {"end": "2023-01-01"}}, **gone)).why is Why.WITHDRAWN
    assert decided(consent("c", rule("permit", purposes=("CLINTRCH",)), **gone)).why is Why.WITHDRAWN
    assert decided(consent("c", YES | OBSERVATIONS, **gone), facts=Facts()).why is Why.WITHDRAWN
    assert decided(consent("c", rule("deny", rule("permit", purposes=("CLINTRCH",))), **gone)).why is Why.WITHDRAWN
    assert decided(consent("c", rule("permit", purposes=("TREAT",)), **gone)) == SILENCE
    assert decided(consent("c", NO, **gone)) == SILENCE


def test_a_denial_lasts_as_long_as_it_says_by_itself() -> None:
    later = rule("deny", purposes=("HRESCH",), period={"start": "2023-01-01"})
    given = consent("c", rule("permit", later, period={"end": "2022-12-31"}))
    assert decided(given, day="2024-01-01").answer is Answer.DENY
    permitted = rule("permit", purposes=("HRESCH",), period={"start": "2023-01-01"})
    assert decided(consent("c", rule("permit", permitted, period={"end": "2022-12-31"}))) == SILENCE


def test_a_type_of_record_in_other_words_may_be_this_one() -> None:
    kinds = {
        (RESOURCE_TYPES, "Observation"): Why.RULE, ("", "Observation"): Why.RULE,
        (RESOURCE_TYPES, "DomainResource"): Why.RULE, (RESOURCE_TYPES, "Condition"): Why.NOTHING,
        ("urn:ietf:bcp:13", "application/hl7-cda+xml"): Why.UNDECIDED, ("", "LabReport"): Why.UNDECIDED,
        ("http://hl7.org/fhir/StructureDefinition", "http://example.org/lab"): Why.UNDECIDED,
    }  # fmt: skip
    for (system, code), why in kinds.items():
        denial = rule("deny", **{"class": [{"system": system, "code": code}]})
        assert decided(consent("c", denial), facts=OBSERVATION).why is why, code
    image = Facts(classes=frozenset({Coding("urn:ietf:rfc:3986", "1.2.840.10008.5.1.4.1.1.4")}))
    study = {"class": [{"system": RESOURCE_TYPES, "code": "ImagingStudy"}]}
    assert decided(consent("c", rule("deny", **study)), facts=image).why is Why.UNDECIDED


def test_data_related_to_something_may_be_what_it_refers_to() -> None:
    """FHIR has "related" as what the named resource refers to; PCF as what was made in a named encounter."""

    def related(name: str, kind: str = "deny", meaning: str = "related") -> dict[str, Any]:
        return consent("c", rule(kind, data=[{"meaning": meaning, "reference": {"reference": name}}]))

    facts = Facts(name="Observation/a", related=frozenset({"DiagnosticReport/r", "Encounter/e"}))
    assert decided(related("Encounter/e"), facts=facts).why is Why.RULE
    assert decided(related("Encounter/other"), facts=facts) == SILENCE
    assert decided(related("Observation/a"), facts=facts).why is Why.RULE
    for name in ("DiagnosticReport/r", "DiagnosticReport/other"):
        assert decided(related(name), facts=facts).why is Why.UNDECIDED
        assert decided(related(name, "permit"), facts=facts).answer is Answer.DENY
    assert decided(related("Observation/b", meaning="dependents"), facts=facts).why is Why.UNDECIDED


def test_a_reason_of_another_system_is_none_of_ours() -> None:
    other = {"purpose": [{"system": "http://example.org/reasons", "code": "HRESCH"}]}
    assert decided(consent("c", rule("permit", **other))) == SILENCE
    assert decided(consent("c", rule("deny", **other))).why is Why.UNDECIDED
    assert ACT_REASON not in str(other)
