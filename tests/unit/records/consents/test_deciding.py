"""Consents decide as IHE's Privacy Consent on FHIR says, and what is in doubt is not permitted."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.records.consents.deciding import SILENCE, Answer, Facts, Why
from hmchain.records.consents.reading import moment
from hmchain.records.consents.uses import UseKind
from support.consent_questions import decided
from support.pcf_consents import CARE, DECISIONS, RECORDS, Decided, consent, examples, rule

EXAMPLES = examples()


@pytest.mark.parametrize("row", DECISIONS, ids=lambda row: f"{row.example}-{row.record}-{row.purpose}-{row.recipient}")
def test_the_examples_of_privacy_consent_on_fhir_decide_as_their_notes_say(row: Decided) -> None:
    found = decided(
        EXAMPLES[row.example],
        purpose=row.purpose, day=row.day, recipient=row.recipient, facts=RECORDS[row.record], kind=UseKind.TRANSFER,
    )  # fmt: skip
    assert found.answer is row.answer, found


def test_every_example_is_in_the_table_and_is_fhir() -> None:
    models = pytest.importorskip("fhir.resources.R4B.consent", reason="fhir.resources is not installed")
    assert {row.example for row in DECISIONS} == set(EXAMPLES)
    for each in EXAMPLES.values():
        models.Consent.model_validate(each)


def test_what_is_not_understood_is_not_permitted() -> None:
    permit = rule("permit", purposes=("HRESCH",))
    for changed in (
        {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]},
        {"implicitRules": "http://example.org/other"},
        {"provision": permit | {"modifierExtension": []}},
        {"provision": permit | {"unless": "it rains"}},
        {"provision": permit | {"type": "perhaps"}},
        {"provision": permit | {"period": {"end": "soon"}}},
        {"provision": rule("permit", {"purpose": permit["purpose"]}, purposes=("HRESCH",))},
        {"scope": {"text": "something"}},
        {"status": "unknown"},
        {"provision": None},
    ):
        found = decided(consent("c", permit) | changed)
        assert (found.answer, found.why) == (Answer.DENY, Why.UNDECIDED), changed
        assert found.doubts


def test_a_rule_that_may_be_meant_denies_and_does_not_permit() -> None:
    trial, general = rule("permit", purposes=("CLINTRCH",)), rule("deny", purposes=("CLINTRCH",))
    assert decided(consent("c", trial)) == SILENCE, "general research is more than trials"
    assert decided(consent("c", general)).why is Why.UNDECIDED
    assert decided(consent("c", trial), kind=UseKind.REGISTER).answer is Answer.PERMIT, "each use asks again"
    assert decided(consent("c", general), kind=UseKind.REGISTER) == SILENCE
    unknown = [{"system": "http://example.org", "code": "x"}]
    assert decided(consent("c", rule("permit", purpose=unknown))) == SILENCE
    assert decided(consent("c", rule("deny", purpose=unknown))).why is Why.UNDECIDED
    year = {"dataPeriod": {"start": "2022-03-01", "end": "2022-12-31"}}
    only_year = Facts(span=moment("2022"))
    assert decided(consent("c", rule("permit", **year)), facts=only_year).why is Why.UNDECIDED
    assert decided(consent("c", rule("permit", rule("deny", **year))), facts=only_year).why is Why.UNDECIDED
    assert decided(consent("c", rule("permit", rule("deny", **year))), facts=Facts(span=moment("2021"))).answer is (
        Answer.PERMIT
    )


def test_of_one_policy_the_newest_consent_permits_and_over_policies_a_denial_wins() -> None:
    yes, no = rule("permit", purposes=("HRESCH",)), rule("deny", purposes=("HRESCH",))
    older, newer = consent("a", no, day="2022-01-01"), consent("b", yes, day="2023-01-01")
    assert decided(older, newer).answer is Answer.PERMIT
    assert decided(newer, older | {"dateTime": "2023-06-01"}).answer is Answer.DENY
    assert decided(newer, older | {"dateTime": "2023-01-01"}).answer is Answer.DENY, "on one day: in doubt"
    undated = {name: value for name, value in older.items() if name != "dateTime"}
    assert decided(newer, undated).answer is Answer.DENY
    other = consent("c", no, day="2020-01-01", policy="other")
    assert decided(newer, other).answer is Answer.DENY
    over = consent("b", yes | {"period": {"end": "2023-06-01"}}, day="2023-01-01")
    assert decided(older, over).answer is Answer.DENY, "what was said before counts again"
    assert decided(consent("a", yes, day="2022-01-01"), over).answer is Answer.SILENT
    assert decided(newer, day="2022-12-31") == SILENCE, "nobody had given it then"


def test_a_denial_stands_where_the_newest_consent_does_not_speak_of_the_use() -> None:
    no = consent("a", rule("deny", purposes=("HRESCH",)), day="2022-01-01")
    care = consent("b", rule("permit", purposes=("TREAT",)), day="2023-01-01")
    assert decided(no, care).answer is Answer.DENY
    assert decided(no, care, purpose="TREAT").answer is Answer.PERMIT
    bare = [{name: value for name, value in each.items() if name != "policy"} for each in (no, care)]
    assert decided(*bare).answer is Answer.DENY


def test_a_withdrawn_consent_denies_until_the_patient_gives_another() -> None:
    yes = rule("permit", purposes=("HRESCH",))
    withdrawn = consent("a", yes, day="2022-01-01", status="inactive")
    assert decided(withdrawn).why is Why.WITHDRAWN
    assert decided(withdrawn, purpose="TREAT") == SILENCE, "it spoke of research alone"
    assert decided(withdrawn, consent("b", yes, day="2023-01-01", policy="newer")).answer is Answer.PERMIT
    assert decided(consent("b", yes, day="2021-01-01", policy="newer"), withdrawn).why is Why.WITHDRAWN
    assert decided(consent("a", yes, status="rejected")).why is Why.REJECTED
    objection = consent("a", rule("deny", purposes=("HRESCH",)), status="inactive")
    assert decided(objection) == SILENCE, "taken back"
    for status in ("draft", "proposed", "entered-in-error"):
        assert decided(consent("a", yes, status=status)) == SILENCE


def test_exceptions_of_exceptions_hold_within_them() -> None:
    inner = rule("permit", actor=[{"reference": {"reference": "Organization/north"}}])
    psychiatry = rule("deny", inner, labels=("PSY",))
    given = consent("c", rule("permit", psychiatry, purposes=CARE, labels=("N",)))
    question = {"purpose": "TREAT", "recipient": "north"}
    assert decided(given, facts=RECORDS["psychiatry"], **question).answer is Answer.PERMIT
    assert decided(given, facts=RECORDS["alcohol use"], **question).why is Why.BEYOND, "no exception is about it"
    assert decided(given, facts=RECORDS["psychiatry"], purpose="TREAT", recipient="clinic").answer is Answer.DENY


def test_a_consent_to_a_treatment_says_nothing_of_data() -> None:
    scope = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]}
    assert decided(consent("c", rule("permit"), scope=scope)) == SILENCE


def test_a_policy_in_or_out_is_the_base_of_what_no_rule_is_about() -> None:
    def under(code: str, *exceptions: dict[str, Any]) -> dict[str, Any]:
        coding = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]
        return consent("c", {"provision": list(exceptions)} if exceptions else {}, policyRule={"coding": coding})

    assert decided(under("OPTIN")).answer is Answer.PERMIT
    assert decided(under("OPTOUT")).answer is Answer.DENY
    assert decided(under("OPTOUT", rule("permit", purposes=("HRESCH",)))).answer is Answer.PERMIT
    assert decided(under("OTHER")).why is Why.UNDECIDED
