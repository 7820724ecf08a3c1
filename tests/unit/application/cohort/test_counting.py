"""Counting people in a vault, against an obvious twin: FHIR resources and OMOP tables, whatever the query."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from hmchain.application.cohort.counting import NotCountableError, count_people
from hmchain.application.cohort.grammar import parse
from hmchain.keys import WrappingKey
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Vault
from support.health_records import LOINC, UCUM
from support.usables import all_of

ICD10, GERMAN = "http://hl7.org/fhir/sid/icd-10", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
PEOPLE = 60


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    folder = tmp_path_factory.mktemp("cohort")
    with Vault.create(folder / "vault", ObjectStore.open(str(folder / "objects")), WrappingKey.generate()) as vault:
        yield vault


class Made:
    """One made-up person, in plain values."""

    def __init__(self, number: int) -> None:
        chance = random.Random(number)
        self.subject = f"{number:032x}"
        self.sex = chance.choice(("female", "male"))
        self.born = chance.randint(1935, 1995)
        self.conditions = [
            (chance.choice(("C50", "C50.1", "C51", "I10")), chance.randint(2010, 2023))
            for _ in range(chance.randint(0, 3))
        ]
        self.values = [
            (round(chance.uniform(6, 16), 1), chance.randint(2010, 2023)) for _ in range(chance.randint(0, 3))
        ]
        self.images = chance.choice((None, "MR", "CT"))


MADE = [Made(number) for number in range(PEOPLE)]


def resources(made: Made) -> Iterator[dict[str, Any]]:
    chance = random.Random(made.subject)
    subject = {"reference": f"Patient/{made.subject}"}
    yield {"resourceType": "Patient", "id": made.subject, "gender": made.sex, "birthDate": str(made.born)}
    for code, year in made.conditions:
        coding = {"system": chance.choice((ICD10, GERMAN)), "code": code}
        yield {
            "resourceType": "Condition",
            "subject": subject,
            "code": {"coding": [coding]},
            "onsetDateTime": f"{year}",
        }
    for value, year in made.values:
        quantity = {"value": value, "system": UCUM, "code": "g/dL"}
        coded = {"coding": [{"system": LOINC, "code": "718-7"}]}
        yield {
            "resourceType": "Observation", "status": "final", "subject": subject, "code": coded,
            "effectiveDateTime": f"{year}-05-05", "valueQuantity": quantity,
        }  # fmt: skip
    if made.images:
        series = [{"modality": {"system": DICOM, "code": made.images}}]
        yield {"resourceType": "ImagingStudy", "subject": subject, "started": "2020-06-01T08:00:00Z", "series": series}
    denied = {"coding": [{"code": "refuted"}]}
    coded = {"coding": [{"system": ICD10, "code": "Z99"}]}
    yield {"resourceType": "Condition", "subject": subject, "code": coded, "verificationStatus": denied}


def put(vault: Vault, dataset: str, contents: Iterator[tuple[str, bytes]]) -> None:
    records, subjects = {}, {}
    for number, (subject, data) in enumerate(contents):
        records[f"{number:08}"], subjects[f"{number:08}"] = data, subject
    vault.put_many(dataset, 1, records, subjects=subjects)


@pytest.fixture(scope="module")
def fhir(vault: Vault) -> Vault:
    contents = [(made.subject, json.dumps(each).encode()) for made in MADE for each in resources(made)]
    random.Random(1).shuffle(contents)
    put(vault, "fhir", iter([*contents, ("", b'{"resourceType": "Medication"}')]))
    return vault


TWINS = {
    "female": lambda each: each.sex == "female",
    "age 50..79 in 2020": lambda each: 50 <= 2020 - each.born <= 79,
    "condition ICD10:C50": lambda each: any(code.startswith("C50") for code, _ in each.conditions),
    "condition ICD10:C50.1 since 2015 until 2019": lambda each: any(
        code == "C50.1" and 2015 <= year <= 2019 for code, year in each.conditions
    ),
    "condition ICD10:C50 since 2015-06-01": lambda each: any(  # only the year is known: it may have been after
        code.startswith("C50") and year >= 2015 for code, year in each.conditions
    ),
    "condition ICD10:I10 at age ..60": lambda each: any(
        code == "I10" and year - each.born <= 60 for code, year in each.conditions
    ),
    "measurement LOINC:718-7 7..12 g/dL": lambda each: any(7 <= value <= 12 for value, _ in each.values),
    "measurement LOINC:718-7 7..12 mmol/L": lambda each: False,
    "measurement LOINC:718-7 ..9.5 since 2016-05-05": lambda each: any(
        value <= 9.5 and year >= 2016 for value, year in each.values
    ),
    "modality MR": lambda each: each.images == "MR",
    "not modality MR and (male or not condition ICD10:I10)": lambda each: (
        each.images != "MR" and (each.sex == "male" or all(code != "I10" for code, _ in each.conditions))
    ),
    "condition ICD10:Z99": lambda each: False,
    "drug ATC:L02BA": lambda each: False,
}


@pytest.mark.parametrize("text", TWINS)
def test_people_are_counted_once_each_as_an_obvious_twin_counts_them(fhir: Vault, text: str) -> None:
    assert count_people(fhir, all_of(fhir, "fhir"), parse(text, 2026)) == sum(map(TWINS[text], MADE))


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def tables(made: Made) -> Iterator[bytes]:
    sex = {"female": 8532, "male": 8507}[made.sex]
    yield parquet(
        pl.DataFrame({"person_id": [made.subject], "gender_concept_id": [sex], "year_of_birth": [made.born // 5 * 5]})
    )
    if made.conditions:
        concepts = [{"C50": 4112853, "C50.1": 4112854, "C51": 1, "I10": 320128}[code] for code, _ in made.conditions]
        days = [date(year, 7, 1) for _, year in made.conditions]
        yield parquet(pl.DataFrame({"condition_concept_id": concepts, "condition_start_date": days}))
    if made.values:
        yield parquet(
            pl.DataFrame(
                {
                    "measurement_concept_id": [3000963] * len(made.values),
                    "measurement_date": [year for _, year in made.values],
                    "value_as_number": [value for value, _ in made.values],
                    "unit_concept_id": [8713] * len(made.values),
                }
            )
        )


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("male", lambda each: each.sex == "male"),
        ("age 50..79 in 2020", lambda each: 50 <= 2020 - each.born // 5 * 5 <= 79),
        (
            "condition OMOP:320128 since 2015-07-01",
            lambda each: any(code == "I10" and year >= 2015 for code, year in each.conditions),
        ),
        ("measurement OMOP:3000963 7..12 8713", lambda each: any(7 <= value <= 12 for value, _ in each.values)),
        ("measurement OMOP:3000963 until 2015-01", lambda each: any(year <= 2015 for _, year in each.values)),
    ],
)
def test_rows_of_omop_are_counted_by_their_persons(vault: Vault, text: str, twin: Any) -> None:
    if ("omop", 1) not in vault.versions():
        put(vault, "omop", ((made.subject, data) for made in MADE for data in tables(made)))
    assert count_people(vault, all_of(vault, "omop"), parse(text, 2026)) == sum(map(twin, MADE))


def test_records_of_other_forms_alone_are_refused_without_a_word_of_them(vault: Vault) -> None:
    put(vault, "other", iter([("a", b"MSH|Ada")]))
    with pytest.raises(NotCountableError, match="people cannot be counted") as caught:
        count_people(vault, all_of(vault, "other"), parse("female", 2026))
    assert "Ada" not in str(caught.value)


def test_images_beside_the_resources_of_a_dataset_keep_nobody_from_being_counted(vault: Vault) -> None:
    patients = [(each, json.dumps({"resourceType": "Patient", "gender": "female"}).encode()) for each in "abc"]
    put(vault, "both", iter([("a", b"\0" * 128 + b"DICM"), *patients, ("d", b"MSH|Ada")]))
    assert count_people(vault, all_of(vault, "both"), parse("female", 2026)) == 3


ODD_TABLES: list[tuple[str, dict[str, list[Any]]]] = [
    ("measurement OMOP:3000963 7..12", {"value_as_number": [math.nan, 9.5]}),
    ("measurement OMOP:3000963 7..12 8713", {"value_as_number": ["n/a", "9.5"], "unit_concept_id": [None, 8713.0]}),
    ("measurement OMOP:3000963 since 2015", {"measurement_date": [math.nan, 2016.0]}),
    ("condition OMOP:320128", {"condition_concept_id": [math.nan, 320128.0]}),
    ("condition OMOP:320128", {"condition_concept_id": ["", "320128"]}),
    ("age 50..79 in 2020", {"year_of_birth": ["unknown", "1960"]}),
    ("female", {"gender_concept_id": [8532.0, math.inf]}),
]
"""Columns of types that a hospital's own schema may give them, with values that are missing."""


@pytest.mark.parametrize("at", range(len(ODD_TABLES)))
def test_missing_values_of_a_table_end_no_count(vault: Vault, at: int) -> None:
    """One NaN would keep a hospital out of every count that compares a value."""
    text, columns = ODD_TABLES[at]
    put(vault, f"odd-{at}", iter([("a", parquet(pl.DataFrame({"measurement_concept_id": [3000963] * 2} | columns)))]))
    assert count_people(vault, all_of(vault, f"odd-{at}"), parse(text, 2026)) == 1


def test_a_table_that_cannot_be_read_says_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library in Rust may panic over one, and that ended the agent, which catches every `Exception`."""
    put(
        vault, "broken", iter([("a", parquet(pl.DataFrame({"gender_concept_id": [8532]}))), ("b", b"PAR1 and no more")])
    )
    assert count_people(vault, all_of(vault, "broken"), parse("female", 2026)) == 1

    def panic(file: io.BytesIO) -> None:
        raise pl.exceptions.PanicException

    monkeypatch.setattr(pl, "read_parquet", panic)
    assert count_people(vault, all_of(vault, "broken"), parse("female", 2026)) == 0


ODD = (
    {"status": {}}, {"status": [1]}, {"resourceType": [1]}, {"resourceType": {}}, {"code": [[1]]}, {"component": [1]},
    {"verificationStatus": {"coding": [{"code": [1]}]}}, {"code": {"coding": [{"system": [], "code": {}}]}},
    {"effectiveDateTime": {"start": 1}}, {"valueQuantity": {"value": []}}, {"valueInteger": "1"},
)  # fmt: skip
"""Elements that are not what FHIR has there."""
LARGE = (b"1e999999", b"-9e999999999999999", b"9e9999999999999999999", b"9" * 5000, b"1e-999999999999", b"true")


def test_no_resource_ends_a_count_whatever_it_holds(vault: Vault) -> None:
    observed = {"resourceType": "Observation", "code": {"coding": [{"system": LOINC, "code": "718-7"}]}}
    found = [json.dumps(observed | odd).encode() for odd in ODD]
    found += [json.dumps(observed)[:-1].encode() + b',"valueInteger":' + number + b"}" for number in LARGE]
    found += [b'{"resourceType":', b'{"a":' + b"[" * 100_000]
    found += [json.dumps(observed | {"valueQuantity": {"value": 9}}).encode()]
    put(vault, "strange", (("a", data) for data in found))
    assert count_people(vault, all_of(vault, "strange"), parse("measurement LOINC:718-7 8..10", 2026)) == 1


@pytest.mark.parametrize(
    ("born", "text", "count"),
    [("1950-02", "age 70 in 2020", 1), ("2020-13", "age 0.. in 2026", 0), ("", "age 0.. in 2026", 0)],
)
def test_dates_are_read_by_their_precision(vault: Vault, born: str, text: str, count: int) -> None:
    name = f"born-{born or 'never'}"
    patient = {"resourceType": "Patient", "id": "a", "gender": 3, "birthDate": born}
    put(vault, name, iter([("a", json.dumps(patient).encode())]))
    assert count_people(vault, all_of(vault, name), parse(text, 2026)) == count
