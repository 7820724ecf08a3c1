"""A patient who withdraws is in no export, count, row or version from then on; the others stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.data import (
    cards,
    cohorts,
    consents,
    deidentification,
    erasure,
    export,
    extraction,
    registration,
)
from hmchain.application.data.consents import ListFileError, NoConsentError, Withdrawn
from hmchain.application.data.erasure import NoSuchDatasetError, Target
from hmchain.application.data.registered import ConsentsChangedError, NothingUsableError
from hmchain.application.data.row_form import load_row_form
from hmchain.application.data.rows import prepare_rows
from hmchain.application.site import hospital
from hmchain.application.site.activity import What, read_lines
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.records.consents.optout_lists import OlderListError, OtherIssuerError
from hmchain.records.consents.purposes import PurposeError
from hmchain.records.consents.reading import ConsentFileError
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.deidentification.patients import Patient
from hmchain.records.pipeline.clean_files import FolderInUseError
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import read_request
from support.consent_bed import DATASET, NO, PATIENTS, RECORDS_EACH, YES, extract, founded, give
from support.health_records import observation, patient
from support.pcf_consents import OBSERVATIONS, consent, rule

FORM = """
classes = ["female", "male"]
label = { resource = "Patient", path = "gender" }
[[features]]
resource = "Observation"
take = "count"
"""


@pytest.fixture
def north(tmp_path: Path) -> HospitalFolder:
    return founded(tmp_path)


@pytest.fixture
def records(north: HospitalFolder) -> Iterator[Records]:
    with hospital.open_records(north) as records:
        yield records


def mine(each: dict[str, Any], number: int) -> str:
    """A consent of a patient, as a line."""
    return json.dumps(each | {"patient": {"reference": f"Patient/p{number}"}})


def subject(records: Records, number: int) -> str:
    return records.catalogue.projects.pseudonyms(DATASET).subject(f"p{number}")


def exported(records: Records, folder: Path, version: int = 1) -> str:
    done = export.export(records, records.catalogue.version(DATASET, version), folder)
    return "".join(path.read_text() for path in sorted(done.folder.iterdir()))


def test_what_is_exported_counted_and_learnt_from_is_without_who_withdrew(records: Records, tmp_path: Path) -> None:
    give(records, 0, consent("a", YES))
    gone = subject(records, 0)
    assert gone in exported(records, tmp_path / "before")
    assert cohorts.check(records, DATASET, 1, "female or male", 2026).people == PATIENTS
    assert consents.withdraw(records, Patient("p0")) == Withdrawn(1, {})
    made = export.export(records, records.catalogue.version(DATASET), tmp_path / "after")
    text = "".join(path.read_text() for path in sorted(made.folder.iterdir()))
    assert gone not in text and subject(records, 1) in text
    assert made.records == RECORDS_EACH * (PATIENTS - 1) + 1
    assert any("a consent was withdrawn" in note for note in made.notes)
    found = cohorts.check(records, DATASET, 1, "female or male", 2026)
    assert (found.people, found.of) == (PATIENTS - 1, PATIENTS - 1)


def test_who_withdraws_while_records_are_exported_is_not_in_what_passes_for_whole(
    records: Records, tmp_path: Path
) -> None:
    version, withdrawn = records.catalogue.version(DATASET), []

    def withdraw(done: int, of: int | None) -> None:
        if not withdrawn:
            withdrawn.append(erasure.opt_out(records, Target(patient="p0")))

    with pytest.raises(ConsentsChangedError, match="said otherwise"):
        export.export(records, version, tmp_path / "out", progress=withdraw)
    with pytest.raises(FolderInUseError, match="holds part of the export"):
        export.export(records, version, tmp_path / "out")
    assert export.export(records, version, tmp_path / "new").records == RECORDS_EACH * (PATIENTS - 1) + 1


def test_clean_files_of_a_source_are_without_who_denies_or_withdrew(records: Records, tmp_path: Path) -> None:
    give(records, 0, consent("a", NO), consent("b", rule("permit", purposes=("TREAT",)), policy="care"))
    give(records, 1, consent("c", YES))

    def written(named: str) -> str:
        with open_source(read_request(str(tmp_path / "export.ndjson"))) as source:
            deidentification.deidentify(records, source, tmp_path / named, DATASET, profile="longitudinal")
        return "".join(path.read_text() for path in sorted((tmp_path / named).rglob("*.json")))

    before = written("clean")
    assert subject(records, 0) not in before and subject(records, 1) in before
    consents.withdraw(records, Patient("p1"))
    after = written("anew")
    assert subject(records, 1) not in after and subject(records, 2) in after


def test_rows_are_made_of_patients_all_of_whose_records_may_be_used(tmp_path: Path) -> None:
    with hospital.open_records(founded(tmp_path, patients=40)) as records:
        give(records, 0, consent("a", NO))
        give(records, 1, consent("b", rule("deny", **OBSERVATIONS)))
        (tmp_path / "form.toml").write_text(FORM)
        form = load_row_form(tmp_path / "form.toml")
        made = prepare_rows(records, records.catalogue.version(DATASET), "rows", form)
        held = {each.subject for each in records.catalogue.records("rows", 1)}
        assert made.patients == 38 and not held & {subject(records, 0), subject(records, 1)}
        assert made.left_out["a record of a patient of whom others may not be used"] == 1
        of_rows = consents.check(records, "rows", 1, Use(UseKind.TRAIN, recipients=("north",)))
        assert of_rows.patients == 38, "what was made of others is judged by what it was made of"
        give(records, 2, consent("c", rule("deny", **OBSERVATIONS)))
        assert consents.check(records, "rows", 1, Use(UseKind.TRAIN, recipients=("north",))).patients == 37
        made_from = {each.record for each in records.catalogue.records("rows", 1)}
        counted = next(
            each.record
            for each in records.catalogue.records(DATASET, 1)
            if each.subject == subject(records, 3) and each.record not in made_from
        )
        erasure.opt_out(records, Target(record=counted))
        assert consents.check(records, "rows", 1, Use(UseKind.TRAIN, recipients=("north",))).patients == 36
        erasure.lift_opt_out(records, Target(record=counted))
        assert consents.check(records, "rows", 1, Use(UseKind.TRAIN, recipients=("north",))).patients == 37


def test_what_is_made_of_a_dataset_that_goes_by_consent_goes_by_consent(tmp_path: Path) -> None:
    """Else a consent that is over would be silence, and silence would do."""
    with hospital.open_records(founded(tmp_path, patients=40)) as records:
        consents.set_basis(records, DATASET, DatasetBasis(Basis.CONSENT))
        for number in range(39):
            ends = YES | {"period": {"end": "2026-12-31"}} if number else YES
            give(records, number, consent(f"c{number}", ends))
        (tmp_path / "form.toml").write_text(FORM)
        made = prepare_rows(records, records.catalogue.version(DATASET), "rows", load_row_form(tmp_path / "form.toml"))
        assert made.patients == 39
        use, later = Use(UseKind.TRAIN, recipients=("north",)), 1_830_000_000_000
        assert consents.check(records, "rows", 1, use).patients == 39
        assert consents.check(records, "rows", 1, use, later).patients == 1
        consents.set_basis(records, "rows", DatasetBasis(Basis.OPT_OUT))
        assert consents.basis(records, "rows").basis is Basis.CONSENT, "not to be got round by saying so of the rows"


def test_a_version_is_fixed_without_who_does_not_permit_it_and_the_one_before_stays(
    north: HospitalFolder, tmp_path: Path
) -> None:
    first = registration.register(north, DATASET)
    extract(north, tmp_path / "export.ndjson")
    with hospital.open_records(north) as records:
        give(records, 0, consent("a", NO))
        gone = subject(records, 0)
        assert gone not in exported(records, tmp_path / "first"), "what was published before is used without it, too"
    second = registration.register(north, DATASET)
    assert (first.version.records, second.version.number) == (RECORDS_EACH * PATIENTS + 1, 2)
    assert second.version.records == first.version.records - RECORDS_EACH
    with hospital.open_records(north) as records:
        assert gone not in records.vault.owners(DATASET, 2).values()
        assert gone not in {each.subject for each in records.catalogue.records(DATASET, 2)}
        assert gone in records.vault.owners(DATASET, 1).values(), "another version keeps what it was published with"
        for version in (1, 2):
            registration.verify(north, DATASET, version, offline=True)
    lines = [line.deed for line in read_lines(north.activity)]
    assert [each.kind for each in lines if each.what is What.CONSENT] == ["taken out"]


def test_a_withdrawal_names_what_was_published_with_the_patient(north: HospitalFolder) -> None:
    registration.register(north, DATASET)
    with hospital.open_records(north) as records:
        give(records, 3, consent("d", YES))
        done = consents.withdraw(records, Patient("p3"))
    assert done == Withdrawn(1, {DATASET: f"`hmchain data extract SOURCE --into {DATASET}`"})


def test_who_opted_out_is_in_no_new_use_and_a_lifted_opt_out_ends_that(records: Records, tmp_path: Path) -> None:
    erasure.opt_out(records, Target(patient="p0"))
    assert subject(records, 0) not in exported(records, tmp_path / "without")
    erasure.lift_opt_out(records, Target(patient="p0"))
    assert subject(records, 0) in exported(records, tmp_path / "with")


def test_a_dataset_that_goes_by_consent_gives_nothing_while_nobody_consents(records: Records, tmp_path: Path) -> None:
    consents.set_basis(records, DATASET, DatasetBasis(Basis.CONSENT, ("TREAT",)))
    for number in range(PATIENTS):
        give(records, number, consent(f"c{number}", YES))
    with pytest.raises(NoSuchDatasetError, match="the datasets are: cohort"):
        consents.basis(records, "other")
    made = export.export(records, records.catalogue.version(DATASET), tmp_path / "out")
    assert made.records == 1, "it is kept for treatment, and what they consent to is research"
    for record in records.vault.owners(DATASET, 1):
        erasure.opt_out(records, Target(record=record))
    with pytest.raises(NothingUsableError, match="was opted out here"):
        export.export(records, records.catalogue.version(DATASET), tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_purpose_that_is_mistyped_is_no_purpose(records: Records) -> None:
    for code, hint in (("HRESHC", "did you mean HRESCH"), ("xyz", "SYSTEM|CODE")):
        with pytest.raises(PurposeError) as raised:
            consents.set_basis(records, DATASET, DatasetBasis(Basis.CONSENT, (code,)))
        assert hint in raised.value.hint
        with pytest.raises(PurposeError):
            consents.check(records, DATASET, None, Use(UseKind.TRAIN, (code,)))
    consents.set_basis(records, DATASET, DatasetBasis(Basis.CONSENT, ("http://example.org|trial-7",)))


def test_consents_come_from_files_and_tell_what_is_not_understood(records: Records, tmp_path: Path) -> None:
    odd = consent("b", YES | {"modifierExtension": [{"url": "http://example.org/x"}]})
    file = tmp_path / "consents.ndjson"
    file.write_text("\n".join([mine(consent("a", YES), 0), mine(odd, 1), json.dumps(patient(1))]))
    done = consents.add(records, [file])
    assert (done.new, done.undecided, done.doubts) == (2, 1, ("`provision.modifierExtension` is not understood",))
    assert consents.add(records, [file]).same == 2
    (line,) = consents.of_patient(records, Patient("p0"))
    assert (line.rule, line.purposes, line.status, line.is_withdrawn) == ("permit", ("HRESCH",), "active", False)
    assert [consents.withdraw(records, Patient("p0"), line.id).withdrawn for _ in range(2)] == [1, 0]
    assert [each.is_withdrawn for each in consents.all_of(records)].count(True) == 1
    for number, text in (("p5", "hmchain data opt-out"), ("p0", "begins like this")):
        with pytest.raises(NoConsentError, match=text):
            consents.withdraw(records, Patient(number), "ffffffff")
    kinds = [line.deed.kind for line in read_lines(records.folder.activity) if line.deed.what is What.CONSENT]
    assert kinds == ["added", "added", "withdrawn", "withdrawn"]


@pytest.mark.parametrize("named", [{"reference": "Patient/P0"}, {"identifier": {"system": "urn:x", "value": "p0"}}])
def test_a_consent_that_meets_no_patient_is_said(records: Records, tmp_path: Path, named: dict[str, Any]) -> None:
    """Its denial keeps nothing back, and nobody would learn of it."""
    file = tmp_path / "consents.ndjson"
    file.write_text(f"{mine(consent('a', NO), 1)}\n{json.dumps(consent('b', NO, patient=named))}")
    done = consents.add(records, [file])
    assert (done.new, done.strangers) == (2, 1)


def test_who_withdraws_takes_no_objection_back(records: Records) -> None:
    """Else the one who objects and then says so again would be used from then on."""
    use = Use(UseKind.TRAIN, recipients=("north",))
    give(records, 0, consent("a", NO))
    assert consents.withdraw(records, Patient("p0")).withdrawn == 1
    assert consents.check(records, DATASET, None, use).left_out == {"a consent denies it": RECORDS_EACH}
    ended = {"status": "inactive", "meta": {"lastUpdated": "2026-05-02T00:00:00Z"}}
    give(records, 0, consent("a", NO, **ended))
    assert not consents.check(records, DATASET, None, use).left_out, "its own system says that it ended"


@pytest.mark.parametrize(
    ("text", "error"),
    [("{", ConsentFileError), (json.dumps(patient(1)), NoConsentError), ("", ConsentFileError),
     (json.dumps(consent("a", YES, patient={"display": "Muster"})), ConsentFileError)],
)  # fmt: skip
def test_a_file_without_consents_is_refused_and_says_nothing_of_a_patient(
    records: Records, tmp_path: Path, text: str, error: type[Exception]
) -> None:
    file = tmp_path / "consents.json"
    file.write_text(text)
    with pytest.raises(error) as raised:
        consents.add(records, [file])
    assert "Muster" not in str(raised.value) and records.catalogue.consents.count() == 0


def test_a_list_that_others_keep_is_reconciled_whole_and_never_by_an_older_one(
    records: Records, tmp_path: Path
) -> None:
    file = tmp_path / "list.txt"
    file.write_text('p0\r\n"p1"\n\np1\nelsewhere\n')
    found = consents.reconcile(records, "national", file, "", "2026-02-03")
    assert (found.numbers, found.here) == (3, 2)
    use = Use(UseKind.TRAIN, recipients=("north",))
    assert consents.check(records, DATASET, None, use).patients == PATIENTS - 2
    file.write_text("p1\n")
    with pytest.raises(OlderListError, match="known of a later day"):
        consents.reconcile(records, "national", file, "", "2026-02-02")
    assert consents.check(records, DATASET, None, use).patients == PATIENTS - 2
    with pytest.raises(OtherIssuerError, match="no patient would be on it"):
        consents.reconcile(records, "national", file, "NHS", "2026-02-04")
    consents.reconcile(records, "national", file, "", "2026-02-04")
    assert consents.check(records, DATASET, None, use).patients == PATIENTS - 1
    for name, day in (("", "2026-02-05"), ("national", "soon"), ("national", "2999-01-01")):
        with pytest.raises(ListFileError):
            consents.reconcile(records, name, file, "", day)
    assert [each.as_of_ms for each in consents.lists(records)] == [1770163200000]
    consents.drop_list(records, "national")
    with pytest.raises(ListFileError, match="none yet"):
        consents.drop_list(records, "national")


@pytest.mark.parametrize("text", ["p0;2026-01-01\n", '"p0","Muster"\n', "p0\tyes\n", "<html>\nSign in\n", "", "\n \n"])
def test_a_file_that_is_no_list_takes_the_place_of_none(records: Records, tmp_path: Path, text: str) -> None:
    """Columns, the page of a portal, or a transfer that broke off: who opted out would be used again."""
    file = tmp_path / "list.txt"
    file.write_text("p0\n")
    consents.reconcile(records, "national", file, "", "2026-02-03")
    file.write_text(text)
    with pytest.raises(ListFileError) as raised:
        consents.reconcile(records, "national", file, "", "2026-02-04")
    assert "Muster" not in str(raised.value)
    assert [(each.numbers, each.here) for each in consents.lists(records)] == [(1, 1)]


def test_consents_that_come_with_fhir_data_are_taken_in(tmp_path: Path) -> None:
    north = founded(tmp_path)
    unread = consent("c", YES, patient={"display": "somebody"})
    more = [mine(consent("a", NO), 0), json.dumps(unread), json.dumps(observation(5, 1))]
    (tmp_path / "more.ndjson").write_text("\n".join(more))
    with hospital.open_records(north) as records, open_source(read_request(str(tmp_path / "more.ndjson"))) as source:
        done = extraction.extract_into(records, DATASET, source)
        assert done.consents is not None and (done.consents.new, done.consents.unread) == (1, 1)
        use = Use(UseKind.TRAIN, recipients=("north",))
        assert consents.check(records, DATASET, 1, use).left_out == {"a consent denies it": RECORDS_EACH + 1}
    lines = [line.deed for line in read_lines(north.activity)]
    assert [each.kind for each in lines if each.what is What.CONSENT] == ["added"]


def test_the_card_says_when_a_list_was_reconciled_and_by_what_the_dataset_goes(
    records: Records, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("p0\n")
    consents.reconcile(records, "national", tmp_path / "list.txt", "", "2026-02-03")
    consents.set_basis(records, DATASET, DatasetBasis(Basis.OPT_OUT, ("HRESCH", "TREAT")))
    page, _ = cards.write_card(records, records.catalogue.version(DATASET))
    text = page.read_text()
    assert "list national of 2026-02-03, reconciled " in text and "opt-out, kept for HRESCH, TREAT" in text
