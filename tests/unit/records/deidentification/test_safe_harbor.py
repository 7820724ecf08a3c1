"""Safe Harbor's rules, against plain date arithmetic; codes and units that may stay; the guide's examples."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.deidentification.ages import capped, capped_as, in_a_year, years
from hmchain.records.deidentification.profile import FhirRules, Hl7Rules, load_profile
from hmchain.records.deidentification.safe_harbor import RESTRICTED_ZIP3, Dates, birth_year_min, zip3
from hmchain.records.deidentification.terminology import fhir_systems, hl7_systems, is_unit
from hmchain.records.sources.tables import load_schema
from support.paths import REPOSITORY

AS_OF = date(2026, 6, 1)
YEARS = Dates(None, AS_OF)
GUIDE = REPOSITORY / "docs" / "how-to" / "clinical-data.md"

days = st.dates(date(1950, 1, 1), date(2026, 5, 31))
shifts = st.integers(30, 3650).map(lambda number: timedelta(days=-number))
times = st.sampled_from(["", "T10:11Z", "T10:11:12Z", "T10:11:12.123+02:00", "T10:11:12-05:00"])


@given(days, shifts, times)
def test_a_shifted_date_is_the_date_so_many_days_earlier(day: date, shift: timedelta, time: str) -> None:
    dates = Dates(shift, AS_OF)
    assert dates.iso(f"{day}{time}") == f"{day + shift}{time}"
    plain = re.sub("[T:]", "", time).replace("Z", "+0000")
    assert dates.hl7(f"{day:%Y%m%d}{plain}") == f"{day + shift:%Y%m%d}{plain}"


@given(days, times)
def test_without_a_shift_the_year_is_left(day: date, time: str) -> None:
    assert YEARS.iso(f"{day}{time}") == YEARS.iso(f"{day:%Y-%m}") == YEARS.iso(str(day.year)) == str(day.year)
    assert YEARS.hl7(f"{day:%Y%m%d}") == YEARS.hl7(f"{day:%Y%m}") == str(day.year)


@given(days, shifts)
def test_months_and_years_move_as_their_middle_and_keep_their_precision(day: date, shift: timedelta) -> None:
    dates = Dates(shift, AS_OF)
    assert dates.iso(f"{day:%Y-%m}") == f"{day.replace(day=15) + shift:%Y-%m}"
    assert dates.iso(f"{day:%Y}") == f"{date(day.year, 7, 1) + shift:%Y}"
    assert dates.hl7(f"{day:%Y%m}") == f"{day.replace(day=15) + shift:%Y%m}"


@given(st.dates(date(1890, 1, 1), AS_OF), st.one_of(st.none(), shifts), times)
def test_no_date_of_a_life_tells_an_age_over_89(day: date, shift: timedelta | None, time: str) -> None:
    dates = Dates(shift, AS_OF)
    kept, limit = dates.iso(f"{day}{time}"), birth_year_min(AS_OF)
    assert kept is not None and dates.hl7(f"{day:%Y%m%d}") == kept.split("T")[0].replace("-", "")
    if day.year <= limit:
        assert kept == dates.iso(str(limit)) == dates.iso("1921")  # one year for all of them
    if shift is None:
        assert AS_OF.year - int(kept) <= 90


@given(st.sampled_from(["a", "mo", "wk", "d", "h", "min"]), st.decimals(0, 150, places=3))
def test_an_age_in_any_unit_is_the_same_age(unit: str, age: Decimal) -> None:
    per_year = in_a_year(unit)
    assert per_year is not None
    found = years(capped(age * Decimal(per_year), unit), unit)
    assert found == pytest.approx(min(float(age), 90))


@pytest.mark.parametrize(
    ("unit", "is_time"),
    [("a", True), ("years", True), ("Yrs.", True), ("JAHRE", True), ("mo", True), ("h", True), ("Ms", True),
     ("mg", False),     ("", False), ("fortnight", False), ("mmol/L", False), ("/min", False)],
)  # fmt: skip
def test_units_of_time(unit: str, is_time: bool) -> None:
    assert (in_a_year(unit) is not None) is is_time
    assert capped(10**12, unit) == (10**12 if not is_time else pytest.approx(90 * (in_a_year(unit) or 0), abs=1))


@pytest.mark.parametrize(("age", "kept"), [("089Y", "089Y"), ("093Y", "090Y"), ("999M", "999M"), ("999W", "999W")])
def test_ages_of_dicom(age: str, kept: str) -> None:
    assert capped_as(age) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "19",
        "2020-1-1",
        "2020-02-30",
        "20200230",
        "2020-01-01T25",
        "next May",
        "２０２０",
        "0001-01-01",
        "4821",
        "1870",
        "2099",
    ],
)
def test_what_is_no_date_gives_none(text: str) -> None:
    dates = Dates(timedelta(days=-30), AS_OF)
    assert dates.iso(text) is None and dates.hl7(text) is None


def test_the_17_areas_with_few_people() -> None:
    assert len(RESTRICTED_ZIP3) == 17
    assert {zip3(f"{area}01") for area in RESTRICTED_ZIP3} == {"000"}


@pytest.mark.parametrize(
    "unit",
    ["mg/dL", "mmol/L", "10*3/uL", "10*9/L", "%", "cm", "kg", "kg/m2", "mm[Hg]", "/min", "{score}", "Cel", "[degF]",
     "ng/mL", "U/L", "[iU]/mL", "mL/min", "a", "fL", "pg", "meq/L", "m2", "1", "h", "umol/L", "mmol/mol"],
)  # fmt: skip
def test_units_of_medicine(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize(
    "text", ["", "Muster", "Ada", "{Ada}", "mg of Ada", "5551234", "[Ada]", "Main Street", "m.e.m.o"]
)
def test_words_are_no_units(text: str) -> None:
    assert not is_unit(text)


def test_systems_are_found_by_both_names_and_a_hospital_adds_its_own() -> None:
    fhir, hl7 = (
        fhir_systems(FhirRules(systems={"urn:own": "[A-Z]{3}"})),
        hl7_systems(Hl7Rules(systems={"L": "[A-Z]{3}"})),
    )
    assert fhir["http://loinc.org"]("8302-2") and hl7["LN"]("8302-2") and not hl7["LN"]("Ada Muster")
    assert fhir["urn:own"]("GLU") and hl7["L"]("GLU") and not hl7["L"]("GLUCOSE")
    assert fhir["http://unitsofmeasure.org"]("kg") and hl7["UCUM"]("kg")
    assert "L" not in hl7_systems(Hl7Rules()) and "urn:own" not in fhir_systems(FhirRules())
    assert not fhir["http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"]("Ada")


def test_the_examples_of_the_guide_can_be_used(tmp_path: Path) -> None:
    own, labs, table = re.findall(r"```toml\n(.+?)```", GUIDE.read_text(), re.DOTALL)
    for name, text in (("own", own), ("labs", labs), ("table", f'name = "t"\ntitle = ""\n{table}')):
        (tmp_path / f"{name}.toml").write_text(text)
    profile = load_profile(str(tmp_path / "own.toml"))
    assert fhir_systems(profile.fhir)["https://north.example.org/codes/lab"]("GLU1")
    assert load_schema(str(tmp_path / "labs.toml")).table("labs.parquet") is not None
    assert load_profile(str(tmp_path / "table.toml")).table == load_profile("basic").table  # the defaults
