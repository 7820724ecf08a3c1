"""Rows to learn from, of clinical tables and FHIR resources, as an agreed declaration says."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hmchain.application.data import erasure, extraction, publication, registration
from hmchain.application.data.erasure import Target
from hmchain.application.data.preparation import OtherFormError, UnfitForLearningError
from hmchain.application.data.row_form import RowFormError, load_row_form
from hmchain.application.data.rows import PreparedRows, prepare_rows
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder
from hmchain.interfaces.cli.main import main
from hmchain.records.prepared_rows import RowSet, decode_rows
from hmchain.records.sources.opening import SourceRequest, open_source
from support.health_records import observation, patient

TCGA = Path(os.environ.get("HMCHAIN_DATA_DIR", "data")) / "tcga-brca" / "brca.csv"
SCHEMA = """
title = "Visits"
[tables.visits.columns]
pid = { type = "text", role = "subject" }
age_at_index = { type = "integer", role = "quasi", generalise = "age", width = 10 }
stage = { type = "text", role = "value", values = ["I", "II", "III"] }
marker = { type = "number", role = "value", min = 0, max = 100 }
dead = { type = "number", role = "value", min = 0, max = 1 }
"""
FORM = """
classes = ["0", "1"]
label = { column = "dead" }
[[features]]
column = "age_at_index"
centre = 60
scale = 10
[[features]]
column = "stage"
values = ["I", "II"]
[[features]]
column = "marker"
missing = 50
centre = 50
scale = 25
"""


def visits(path: Path, count: int = 60) -> Path:
    """A table of visits, two of every third patient; some without a marker."""
    chance = random.Random(7)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["pid", "age_at_index", "stage", "marker", "dead"])
        for number in range(count):
            for _ in range(1 + (number % 3 == 0)):
                marker = "" if number % 10 == 0 else chance.randint(0, 100)
                row = [f"P{number}", chance.choice([50, 60, 70]), chance.choice(["I", "II", "III"]), marker, number % 2]
                table.writerow(row)
    return path


def extracted(folder: Path, source: Path, **request: Any) -> HospitalFolder:
    place = hospital.create(folder)
    with hospital.open_records(place) as records, open_source(SourceRequest(place=str(source), **request)) as opened:
        extraction.extract(records, extraction.begin(records, "cohort", schema=request.get("schema", "")), opened)
    return place


def made(
    place: HospitalFolder, text: str, into: str = "rows", **options: Any
) -> tuple[PreparedRows, dict[str, RowSet]]:
    """What `prepare_rows` made, and the rows of each side as they lie in the vault."""
    file = place.path / "rows.toml"
    file.write_text(text)
    with hospital.open_records(place) as records:
        found = prepare_rows(records, records.catalogue.version("cohort"), into, load_row_form(file), **options)
        return found, dict(enumerate(decode_rows(data) for _, data in records.vault.read(into, found.version.number)))


@pytest.fixture
def cohort(tmp_path: Path) -> HospitalFolder:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA)
    return extracted(tmp_path / "north", visits(tmp_path / "visits.csv"), schema=str(schema))


def test_a_table_becomes_rows_as_the_declaration_says(cohort: HospitalFolder) -> None:
    found, kept = made(cohort, FORM)
    assert found.features == ("age_at_index", "stage = I", "stage = II", "marker")
    assert (found.patients, found.rows, found.train + found.validation) == (60, 80, 60)
    values = np.concatenate([rows.values for _, rows in kept.values()])
    assert values.shape == (80, 4) and values.dtype == np.float32
    assert set(values[:, 0].tolist()) == {-1.0, 0.0, 1.0} and set(values[:, 1].tolist()) == {0.0, 1.0}
    assert (values[:, 1] + values[:, 2]).max() == 1.0 and (values[:, 3] == 0).sum() >= 6, "the agreed 50 for a missing"
    assert sum(len(rows.labels) == 2 for _, rows in kept.values()) == 20, "rows of one patient lie in one record"


def test_what_goes_on_the_ledger_names_the_declaration(cohort: HospitalFolder) -> None:
    found, _ = made(cohort, FORM)
    with hospital.open_records(cohort) as records:
        schema = publication.schema_of(records, found.version)
    assert (schema.modality, schema.width, schema.classes) == (f"table {found.form.hex()[:16]}", 4, ("0", "1"))
    other, _ = made(cohort, FORM.replace("scale = 25", "scale = 20"), into="others")
    with hospital.open_records(cohort) as records:
        assert publication.schema_of(records, other.version) != schema, "the ledger lets no study mix them"
    with pytest.raises(OtherFormError):
        made(cohort, FORM.replace("scale = 25", "scale = 20"))
    assert registration.register(cohort, "rows").card.exists()


def test_the_same_rows_split_alike_whatever_the_records_are_called(tmp_path: Path) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA)
    source, sides = visits(tmp_path / "visits.csv"), []
    for name in ("north", "south"):
        _, kept = made(extracted(tmp_path / name, source, schema=str(schema)), FORM, seed=4)
        sides.append({(split, rows.values.tobytes(), rows.labels.tobytes()) for split, rows in kept.values()})
    assert sides[0] == sides[1] and {split for split, *_ in sides[0]} == {"train", "validation"}


def test_who_has_no_value_that_nothing_stands_for_is_left_out_and_counted(cohort: HospitalFolder) -> None:
    found, _ = made(cohort, FORM.replace("missing = 50\n", ""))
    assert found.left_out["no marker"] > 0 and found.rows + found.left_out["no marker"] == 80
    with pytest.raises(UnfitForLearningError, match=r"0 patients of class 7.*label of no class"):
        made(cohort, FORM.replace('"1"]', '"7"]'), into="sevens")


def test_a_number_that_no_model_can_read_is_left_out_and_counted(tmp_path: Path) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA.replace("max = 100", "max = 1e300"))
    source = visits(tmp_path / "visits.csv")
    source.write_text(source.read_text() + "P1,50,I,1e200,1\n")
    found, kept = made(extracted(tmp_path / "north", source, schema=str(schema)), FORM)
    assert found.left_out == {"marker too large": 1} and found.rows == 80
    assert all(np.isfinite(rows.values).all() for _, rows in kept.values())


def test_who_a_patient_is_cannot_be_a_feature(cohort: HospitalFolder) -> None:
    with pytest.raises(RowFormError, match="column pid says who somebody is"):
        made(cohort, FORM.replace('column = "stage"', 'column = "pid"'))


def test_fhir_resources_become_one_row_a_patient(tmp_path: Path) -> None:
    lines = []
    for number in range(40):
        code = {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}
        quantity = {
            "value": 4.0 + (number % 2),
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        }
        lines += [patient(number, gender=("female", "male")[number % 2])]
        lines += [observation(each, number, code=code, valueQuantity=quantity) for each in range(2)]
    file = tmp_path / "export.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    place = extracted(tmp_path / "north", file)
    found, kept = made(
        place,
        """
        classes = ["female", "male"]
        label = { resource = "Patient", path = "gender" }
        [[features]]
        resource = "Observation"
        code = "2345-7"
        path = "valueQuantity.value"
        take = "mean"
        centre = 5
        [[features]]
        resource = "Observation"
        take = "count"
        """,
    )
    assert (found.patients, found.rows) == (40, 40) and not found.left_out
    for _, rows in kept.values():
        assert rows.values.tolist() == [[[-1.0, 0.0][int(rows.labels[0])], 2.0]]
    _a_record_that_is_erased_takes_along_its_patients_rows(place)


def _a_record_that_is_erased_takes_along_its_patients_rows(place: HospitalFolder) -> None:
    """The rows have the id of one of the patient's three records: any other must find them too."""
    with hospital.open_records(place) as records:
        kept = {each.subject: each.record for each in records.catalogue.records("rows", 1)}
        erased = next(each for each in records.catalogue.records("cohort", 1) if each.record != kept[each.subject])
    target = Target(record=erased.record)
    assert [loss.dataset for loss in erasure.preview(place, "cohort", target).losses] == ["cohort", "rows"]
    done = erasure.erase(place, "cohort", target).done
    assert (done.records, done.versions) == (2, (("cohort", 1), ("rows", 1)))
    with hospital.open_records(place) as records:
        left = {each.subject for each in records.catalogue.records("rows", 1)}
        assert left == set(kept) - {erased.subject} and len(records.vault.records("rows", 1)) == 39


def brca(folder: Path) -> Path:
    """The clinical table of TCGA-BRCA, 1088 patients, where it is at hand; else one with its columns."""
    if TCGA.is_file():
        return TCGA
    path, chance = folder / "brca.csv", random.Random(1)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["pid", "age_at_index", "ajcc_pathologic_n_N1", "ajcc_pathologic_stage_Stage IIA", "E", "T"])
        for number in range(400):
            flags = [chance.randint(0, 1) for _ in range(2)]
            table.writerow([f"TCGA-{number}", chance.randint(30, 89), *flags, float(chance.randint(0, 1)), 100.0])
    return path


@pytest.mark.network
def test_a_real_clinical_table_goes_from_csv_to_a_registered_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the commands of the guide."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.toml").write_text(
        'title = "TCGA-BRCA"\n[tables.brca.columns]\n'
        'pid = { type = "text", role = "subject" }\n'
        'age_at_index = { type = "integer", role = "quasi", generalise = "age", width = 10 }\n'
        'ajcc_pathologic_n_N1 = { type = "integer", role = "value", min = 0, max = 1 }\n'
        '"ajcc_pathologic_stage_Stage IIA" = { type = "integer", role = "value", min = 0, max = 1 }\n'
        'E = { type = "number", role = "value", min = 0, max = 1 }\n'
    )
    (tmp_path / "rows.toml").write_text(
        'classes = ["0", "1"]\nlabel = { column = "E" }\n'
        '[[features]]\ncolumn = "age_at_index"\ncentre = 60\nscale = 10\n'
        '[[features]]\ncolumn = "ajcc_pathologic_n_N1"\n'
        '[[features]]\ncolumn = "ajcc_pathologic_stage_Stage IIA"\n'
    )
    for command in (
        "data init --dir north",
        f"data extract {brca(tmp_path)} --schema schema.toml --into brca --dir north",
        "data register brca --dir north --yes",
        "data prepare brca --into brca-rows --rows rows.toml --dir north",
        "data register brca-rows --dir north --yes",
        "data verify brca-rows --offline --dir north",
    ):
        assert main(command.split()) == 0, capsys.readouterr()
    shown = capsys.readouterr().out
    assert "of 3 numbers" in shown and "TCGA-" not in shown and "same content" not in shown.rpartition("rows to")[2]
    assert main(["data", "prepare", "brca", "--into", "images", "--dir", "north"]) == 3
    assert "--rows FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('classes = ["0", "1"]', 'classes = ["0"]', "at least two classes"),
        ('column = "marker"', 'colum = "marker"', "colum"),
        ('column = "marker"', 'column = "marker"\nresource = "Patient"', "of a `column` or of a `resource`"),
        ('label = { column = "dead" }', 'label = { resource = "Patient", path = "gender" }', "all of columns"),
        ("scale = 25", "scale = 0", "not 0"),
        ('values = ["I", "II"]', 'values = ["I", "I"]', "listed twice"),
        ("missing = 50", "missing = nan", "`missing` must be a number"),
        ("missing = 50", "missing = -inf", "`missing` must be a number"),
        ("missing = 50", "missing = 1e200", "small enough"),
        ('values = ["I", "II"]', f"values = {[str(each) for each in range(300)]}", "300 categories"),
        ('["0", "1"]', '["0", "1\\u001b"]', "can be printed"),
        ('label = { column = "dead" }', 'label = { resource = "Patient", path = "id" }', "who somebody is"),
        ('column = "marker"', 'resource = "Observation"\npath = "subject.reference"', "who somebody is"),
    ],
)
def test_a_declaration_that_cannot_be_says_what_is_wrong(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "rows.toml"
    assert old in FORM
    file.write_text(FORM.replace(old, new))
    with pytest.raises(RowFormError, match=told):
        load_row_form(file)
