"""Which records a use may have: less by opt-outs, lists and consents, and never by more than they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.consent.usable import LeftOutBy, Usable, Use, UseKind, usable
from hmchain.application.data import erasure
from hmchain.application.data.erasure import Target
from hmchain.application.site import hospital
from hmchain.application.site.hospital import Records
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.consents.settings import SETTINGS_FILE, ConsentSettingsError
from hmchain.records.deidentification.patients import Patient
from support.consent_bed import NO, PATIENTS, YES, founded, give
from support.health_records import observation
from support.pcf_consents import OBSERVATIONS, consent, rule

NOW = 1_800_000_000_000


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with hospital.open_records(founded(tmp_path)) as records:
        yield records


def ask(records: Records, purpose: str = "HRESCH", kind: UseKind = UseKind.TRAIN, at_ms: int = NOW) -> Usable:
    return usable(records, "cohort", 1, Use(kind, (purpose,), ("north",)), at_ms)


def test_with_nothing_said_all_records_may_be_used(records: Records) -> None:
    found = ask(records)
    assert len(found.records) == found.of == 3 * PATIENTS + 1 and not found.left_out
    assert len(found.subjects) == PATIENTS


def test_a_patient_who_denies_is_left_out_and_nobody_else(records: Records) -> None:
    give(records, 0, consent("a", NO))
    give(records, 1, consent("b", rule("deny", purposes=("TREAT",))))
    found = ask(records)
    assert found.left_out == {LeftOutBy.DENIED: 3} and len(found.subjects) == PATIENTS - 1
    assert found.stamp != ask(records, "TREAT").stamp, "another use, other records"
    assert ask(records, "TREAT").left_out == {LeftOutBy.DENIED: 3}


def test_a_dataset_that_goes_by_consent_is_used_as_far_as_patients_permit(records: Records) -> None:
    records.catalogue.consents.set_basis("cohort", DatasetBasis(Basis.CONSENT))
    assert ask(records).left_out == {LeftOutBy.NO_CONSENT: 3 * PATIENTS}
    assert len(ask(records).records) == 1, "a medication is about nobody"
    give(records, 0, consent("a", YES))
    give(records, 1, consent("b", rule("permit", purposes=("TREAT",))))
    give(records, 2, consent("c", YES | {"modifierExtension": [{"url": "http://example.org"}]}))
    found = ask(records)
    assert len(found.subjects) == 1
    assert found.left_out == {LeftOutBy.NO_CONSENT: 3 * (PATIENTS - 2), LeftOutBy.UNDECIDED: 3}


def test_withdrawn_is_withdrawn_until_the_patient_consents_anew(records: Records) -> None:
    give(records, 0, consent("a", YES))
    before = ask(records)
    (entry,) = records.catalogue.consents.entries()
    assert records.catalogue.consents.withdraw([entry], 1_740_000_000_000) == 1
    assert ask(records).left_out == {LeftOutBy.WITHDRAWN: 3} and ask(records).stamp != before.stamp
    give(records, 0, consent("a", YES, meta={"lastUpdated": "2022-07-01T00:00:00Z"}))
    assert ask(records).left_out == {LeftOutBy.WITHDRAWN: 3}, "an export from before says nothing new"
    give(records, 0, consent("b", YES, day="2025-03-01", policy="newer"))
    assert ask(records).stamp == before.stamp


def test_an_earlier_edition_takes_no_objection_back_and_one_of_unknown_age_leaves_it_in_doubt(records: Records) -> None:
    dated = {"meta": {"lastUpdated": "2025-05-02T00:00:00Z"}}
    no = consent("a", NO, day="2025-05-01")
    give(records, 0, no)
    give(records, 0, consent("a", YES, day="2025-01-01"))
    assert ask(records).left_out == {LeftOutBy.DENIED: 3}, "given earlier"
    give(records, 0, no | dated)
    give(records, 0, no)
    assert ask(records).left_out == {LeftOutBy.DENIED: 3}, "the same"
    for other in (consent("a", YES, day="2025-05-01"), consent("a", NO, day="2025-05-01", status="entered-in-error")):
        for _ in range(2):
            give(records, 0, other)
            assert ask(records).left_out == {LeftOutBy.UNDECIDED: 3}
    give(records, 0, consent("a", YES, day="2025-05-01", meta={"lastUpdated": "2025-06-02T00:00:00Z"}))
    assert not ask(records).left_out


def test_a_withdrawal_takes_back_no_edition_that_came_meanwhile(records: Records) -> None:
    give(records, 0, consent("a", YES))
    (seen,) = records.catalogue.consents.entries()
    give(records, 0, consent("a", rule("deny"), day="2025-05-01"))
    assert records.catalogue.consents.withdraw([seen], 1_750_000_000_000) == 1
    (kept,) = records.catalogue.consents.entries()
    assert kept.consent.rule is not None and kept.consent.rule.permits is False
    assert kept.consent.withdrawn_ms is not None and not records.catalogue.consents.withdraw([seen], NOW)


@pytest.mark.parametrize("late", [{"day": "2099-01-01"}, {"meta": {"lastUpdated": "2099-01-01T00:00:00Z"}}])
def test_no_edition_comes_after_all_that_a_patient_says_by_a_time_that_is_to_come(
    records: Records, late: dict[str, Any]
) -> None:
    """A mistyped year, or a server whose clock is wrong, made every later withdrawal an earlier edition."""
    give(records, 0, consent("a", YES, **late))
    assert ask(records).left_out == {LeftOutBy.UNDECIDED: 3}
    ended = consent("a", YES, day="2025-05-01", status="inactive", meta={"lastUpdated": "2025-05-02T00:00:00Z"})
    give(records, 0, ended)
    assert ask(records).left_out == {LeftOutBy.WITHDRAWN: 3}
    give(records, 0, consent("a", YES, **late))
    assert ask(records).left_out.keys() <= {LeftOutBy.WITHDRAWN, LeftOutBy.UNDECIDED}, "it takes no withdrawal back"
    give(records, 0, consent("a", YES, day="2025-05-03", meta={"lastUpdated": "2025-05-03T00:00:00Z"}))
    assert not ask(records).left_out


def test_opted_out_here_or_on_a_list_is_left_out_of_what_is_there_already(records: Records) -> None:
    catalogue = records.catalogue
    everything = ask(records).stamp
    erasure.opt_out(records, Target(patient="p0"))
    observed = next(each.record for each in catalogue.records("cohort", 1) if each.attributes["resource"] != "Patient")
    erasure.opt_out(records, Target(record=observed))
    assert ask(records).left_out[LeftOutBy.OPT_OUT] in (3, 4)
    listed = [catalogue.patients.persons_of(Patient(number))[0] for number in ("p1", "p2", "elsewhere")]
    catalogue.optout_lists.reconcile("national", "", NOW, listed, NOW)
    assert len(ask(records).subjects) == PATIENTS - 3
    catalogue.optout_lists.reconcile("national", "", NOW + 1, [], NOW)
    erasure.lift_opt_out(records, Target(patient="p0"))
    erasure.lift_opt_out(records, Target(record=observed))
    assert ask(records).stamp == everything, "who left the list may be used again"


def test_rules_about_data_are_asked_of_each_record_with_its_own_date(records: Records) -> None:
    """Dates of records were moved; the hospital moves them back."""
    give(records, 0, consent("a", rule("permit", rule("deny", **OBSERVATIONS))))
    assert ask(records).left_out == {LeftOutBy.DENIED: 2}
    one = {"meaning": "instance", "reference": {"reference": "Observation/o2-1"}}
    times = sorted(observation(each, 1)["effectiveDateTime"] for each in range(2))
    day = times[0][:10]
    assert times[1][:10] > day
    give(records, 1, consent("b", rule("deny", dataPeriod={"start": day, "end": day})))
    give(records, 2, consent("c", rule("deny", data=[one])))
    found = ask(records)
    assert found.left_out == {LeftOutBy.DENIED: 2 + 1 + 1, LeftOutBy.UNDECIDED: 1}, "a Patient resource has no date"


def test_a_code_that_de_identification_took_away_is_not_known_to_be_absent(records: Records) -> None:
    """A record that is about the code may say so no more; a public system has several names."""
    own = {"system": "http://hospital.example/codes", "code": "HIV"}
    found = ask(records)
    give(records, 0, consent("a", rule("deny", code=[{"coding": [own]}])))
    assert ask(records).left_out == {LeftOutBy.UNDECIDED: 3}
    give(records, 0, consent("a", rule("deny", code=[{"coding": [own | {"system": "http://loinc.org"}]}]), day="2023"))
    assert ask(records).left_out == {LeftOutBy.UNDECIDED: 3}, "none of LOINC's: no record has kept it"
    for system in ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1"):
        weight = {"system": system, "code": observation(0, 0)["code"]["coding"][0]["code"]}
        give(records, 0, consent("a", rule("deny", code=[{"coding": [weight]}]), day="2024"))
        assert ask(records).left_out == {LeftOutBy.DENIED: 1} and ask(records).records < found.records


def test_whom_a_consent_names_stands_in_the_hospital_s_own_file(records: Records) -> None:
    named = {"actor": [{"reference": {"reference": "Organization/4711"}}]}
    give(records, 0, consent("a", rule("deny", **named)))
    assert ask(records).left_out == {LeftOutBy.UNDECIDED: 3}, "it may be north"
    settings = records.folder.path / SETTINGS_FILE
    settings.write_text('[organisations]\n"Organization/4711" = "west"\n')
    assert not ask(records).left_out
    settings.write_text('[organisations]\n"Organization/4711" = "north"\n')
    assert ask(records).left_out == {LeftOutBy.DENIED: 3}
    settings.write_text("[organisation]\n")
    with pytest.raises(ConsentSettingsError, match="did you mean `organisations`"):
        ask(records)


def test_who_is_erased_has_no_consent_left(records: Records) -> None:
    give(records, 0, consent("a", YES))
    erasure.destroy(records, None, Target(patient="p0"))
    assert records.catalogue.consents.count() == 0


def test_in_an_emergency_a_patient_s_denial_counts_and_no_opt_out_from_research(records: Records) -> None:
    erasure.opt_out(records, Target(patient="p0"))
    records.catalogue.consents.set_basis("cohort", DatasetBasis(Basis.CONSENT))
    give(records, 1, consent("a", NO))
    give(records, 2, consent("b", rule("deny", purposes=("TREAT",))))
    found = ask(records, "BTG", UseKind.TRANSFER)
    assert found.left_out == {LeftOutBy.DENIED: 3} and len(found.subjects) == PATIENTS - 1
    assert not ask(records, "TREAT").subjects, "care that can wait goes by the dataset's own basis"
