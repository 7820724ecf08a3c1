"""What `data export` writes for other programs: FHIR resources as a bulk export has them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from hmchain.application.data import erasure, export, extraction
from hmchain.application.data.erasure import Target
from hmchain.application.data.exports.job import ExportFormError
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.health_records import Resource, bundle, observation, omop_measurement, omop_person, patient


def extracted(
    place: Path, files: dict[str, bytes], dataset: str, profile: str | None = None, **said: str
) -> HospitalFolder:
    """A hospital in no network that extracted some files."""
    source = place / "source"
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    made = hospital.create(place / "north")
    with hospital.open_records(made) as records, open_source(SourceRequest(place=str(source), **said)) as opened:
        extraction.extract_into(
            records, dataset, opened, title="A dataset", profile=profile, schema=said.get("schema", "")
        )
    return made


def lines(file: Path) -> list[Resource]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.network
def test_an_analyst_reads_fhir_resources_a_file_a_type_and_is_told_what_is_missing(tmp_path: Path) -> None:
    resources = [patient(1), observation(1, 1)]
    north = extracted(tmp_path, {"ward.json": json.dumps(bundle(resources)).encode()}, "ward")
    with hospital.read_records(north) as records:
        made = export.export(records, records.catalogue.version("ward"), tmp_path / "out", form="ndjson")
    assert sorted(path.name for path in made.folder.iterdir()) == ["Observation.ndjson", "Patient.ndjson", made.listing]
    (seen,), (person,) = lines(made.folder / "Observation.ndjson"), lines(made.folder / "Patient.ndjson")
    assert seen["subject"] == {"reference": f"Patient/{person['id']}"}
    assert made.notes == ("References to resources that are not in this version: 1 to Encounter.",)
    manifest = json.loads((made.folder / made.listing).read_text())
    assert [(each["type"], each["url"], each["count"]) for each in manifest["output"]] == [
        ("Observation", "Observation.ndjson", 1), ("Patient", "Patient.ndjson", 1),
    ]  # fmt: skip
    assert manifest["extension"] == {"references": 2, "referencesToOthers": {"Encounter": 1}}


def test_what_is_no_resource_is_not_written_as_one_and_no_folder_is_begun(tmp_path: Path) -> None:
    table = b"patient,value\n" + b"".join(b"%d,1\n" % number for number in range(6))
    (tmp_path / "t.toml").write_text(
        'title = "T"\n[tables.t.columns]\npatient = { type = "integer", role = "subject" }\n'
        'value = { type = "integer", role = "value", min = 0, max = 9 }\n'
    )
    north = extracted(tmp_path, {"t.csv": table}, "t", schema=str(tmp_path / "t.toml"))
    with hospital.read_records(north) as records:
        with pytest.raises(ExportFormError, match="cannot be written as ndjson: it is for FHIR resources"):
            export.export(records, records.catalogue.version("t"), tmp_path / "out", form="ndjson")
        with pytest.raises(ExportFormError, match="OMOP has no table t"):
            export.export(records, records.catalogue.version("t"), tmp_path / "out", form="omop")
        assert not (tmp_path / "out").exists()


def test_what_is_nobodys_counts_for_no_patient_and_outlives_each_of_them(tmp_path: Path) -> None:
    medication = {"resourceType": "Medication", "id": "m1", "status": "active"}
    taken = {"resourceType": "MedicationStatement", "id": "s1", "status": "active"}
    taken |= {"subject": {"reference": "Patient/p1"}, "medicationReference": {"reference": "Medication/m1"}}
    both = bundle([patient(1), patient(2), medication, taken])
    north = extracted(tmp_path, {"ward.json": json.dumps(both).encode()}, "ward")
    with hospital.open_records(north) as records:
        assert (records.catalogue.version("ward").records, records.catalogue.version("ward").subjects) == (4, 2)
        made = export.export(records, records.catalogue.version("ward"), tmp_path / "out", form="ndjson")
        assert made.notes == ()
        (one,) = [
            each
            for each in records.catalogue.records("ward", 1)
            if each.attributes["resource"] == "MedicationStatement"
        ]
        erasure.destroy(records, "ward", Target(record=one.record))
        assert records.catalogue.version("ward").records == 3
        erasure.destroy(records, None, Target(patient="p1"))
        left = {each.attributes["resource"] for each in records.catalogue.records("ward", 1)}
        assert left == {"Patient", "Medication"} and records.catalogue.version("ward").subjects == 1


@pytest.mark.parametrize("dates", ["remove", "shift"])
def test_what_came_as_omop_leaves_as_omop_with_ids_that_join_and_real_dates(tmp_path: Path, dates: str) -> None:
    profile = tmp_path / "own.toml"
    profile.write_text(f'name = "own"\ntitle = ""\ndates = "{dates}"\n[table]\nk_min = 1\nl_min = 1\n')
    people, seen = omop_person(40), omop_measurement(40, 3)
    files = {"person.csv": people.write_csv().encode(), "measurement.csv": seen.write_csv().encode()}
    north = extracted(tmp_path, files, "cohort", profile=str(profile), schema="omop")
    with hospital.read_records(north) as records:
        made = export.export(records, records.catalogue.version("cohort"), tmp_path / "out", form="omop")
    person, measured = (pl.read_parquet(made.folder / f"{name}.parquet") for name in ("person", "measurement"))
    assert person["person_id"].dtype == pl.Int64 and set(measured["person_id"]) <= set(person["person_id"])
    assert measured.height == seen.height and measured["measurement_date"].dtype == pl.Date
    assert not set(person["person_id"]) & set(people["person_id"]), "no id of the hospital's"
    assert (person["ethnicity_concept_id"] == 0).all() and sorted(measured["value_as_number"]) == sorted(
        seen["value_as_number"]
    )
    assert any("first of July" in note for note in made.notes) is (dates == "remove")
    told = json.loads((made.folder / made.listing).read_text())["tables"]
    assert [(each["table"], each["rows"]) for each in told] == [("measurement", seen.height), ("person", person.height)]


def test_bundles_that_share_resources_are_taken_and_each_is_kept_once(tmp_path: Path) -> None:
    """The second shares with the first one, and has what the third has too: all of them are in one batch."""
    one, two = observation(1, 1), observation(2, 1)
    some = {"a.json": [one], "b.json": [two, one], "c.json": [two]}
    files = {name: json.dumps(bundle(each)).encode() for name, each in some.items()}
    north = extracted(tmp_path, files, "ward")
    with hospital.read_records(north) as records:
        assert records.catalogue.version("ward").records == 2
        assert records.catalogue.duplicates("ward", 1) == 2
