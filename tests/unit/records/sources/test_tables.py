"""Tables: a schema says what may be in them, wrong values are named by place, and a patient's rows are one record."""

from __future__ import annotations

import io
import pickle
import random
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.deidentification.canary import tables as canaries
from hmchain.records.deidentification.canary.planting import PlantedItem
from hmchain.records.deidentification.canary.survivors import scan, survivors
from hmchain.records.deidentification.outcome import GENERALISED, REMOVED, REPLACED, Clean, Held, Outcome, PassedOver
from hmchain.records.deidentification.profile import Profile, ProfileError, TableRules, load_profile
from hmchain.records.deidentification.safe_harbor import zip3
from hmchain.records.deidentification.tables import deidentifier as tables_module
from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier
from hmchain.records.sources.item import TABLE, Item, SourceError
from hmchain.records.sources.tables import (
    Column,
    Table,
    TableFiles,
    TableProblem,
    TableSchema,
    TableSchemaError,
    load_schema,
    open_table,
    schemas,
    typed,
)
from support.health_records import AS_OF, omop_measurement, omop_person, profile, pseudonyms

OMOP = load_schema("omop")
OPEN = Profile(name="open", title="", table=TableRules(k_min=1, l_min=1))
"""Asks for no anonymity, so that small tables pass."""


def schema(**columns: Column) -> TableSchema:
    subject = Column(type="text", role="subject")
    return TableSchema(title="", tables={"t": Table(columns={"who": subject, **columns})})


def deidentify(
    data: bytes | pl.DataFrame, of: TableSchema, rules: Profile = OPEN, name: str = "t.csv"
) -> list[Outcome]:  # fmt: skip
    content = data.write_csv().encode() if isinstance(data, pl.DataFrame) else data
    item = Item(name, TABLE, lambda: io.BytesIO(content))
    return list(TableDeidentifier(rules, pseudonyms(), of, AS_OF).deidentify(item))


def rows(found: list[Outcome]) -> pl.DataFrame:
    assert not any(isinstance(each, Held) for each in found), found
    assert {each.of for each in found} == {sum(each.parts for each in found)}, "all rows are accounted for"
    return pl.concat([table_of(each) for each in found if isinstance(each, Clean)])


def table_of(record: Clean) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(b"".join(bytes(piece) for piece in record.pieces())))


READ = " (read with commas between fields, UTF-8, decimal point)"


def problem(text: str, **columns: Column) -> str:
    """Why a CSV is held."""
    [held] = deidentify(text.encode(), schema(**columns))
    assert isinstance(held, Held) and not held.releasable
    return f"{held.code}: {held.reason}"


# -- the canary gate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile_name", ["basic", "longitudinal"])
@pytest.mark.parametrize("planted", canaries.plant(), ids=lambda planted: planted.item.name)
def test_no_canary_survives(planted: PlantedItem, profile_name: str) -> None:
    rules = TableDeidentifier(profile(profile_name), pseudonyms(), canaries.SCHEMA, AS_OF)
    found = list(rules.deidentify(planted.item))
    assert survivors(planted, found) == []
    assert [each.code for each in found if isinstance(each, Held)] == ([planted.held] if planted.held else [])
    assert planted.held or len(found) == canaries.PATIENTS
    with planted.item.open() as file:
        assert set(scan(file.read(), planted.canaries)) == set(planted.canaries)


# -- schemas -----------------------------------------------------------------------------------------------------------


def test_omop_ships_with_the_package() -> None:
    assert schemas() == ["omop"]
    assert OMOP.table("person.csv") == OMOP.tables["person"]
    assert OMOP.table("cdm/MEASUREMENT.parquet") == OMOP.tables["measurement"]
    assert OMOP.table("measurement/part-0001.parquet") == OMOP.tables["measurement"]
    assert OMOP.table("note.csv") is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('title = "x"', "tables"),
        ('title = "x"\n[tables.t.columns]\na = {type = "text", role = "drop"}', "exactly one column"),
        ('title = "x"\n[tables.t.columns]\na = {type = "word", role = "subject"}', "type"),
        ('title = "x"\n[tables.t.columns]\na = {type = "text", role = "subject", max_length = 3}', "max_length"),
        ("title = [", "cannot be read"),
    ],
)
def test_a_schema_that_cannot_be_is_named(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(TableSchemaError, match=what):
        load_schema(str(path))
    with pytest.raises(TableSchemaError, match="give omop"):
        load_schema("none")


@pytest.mark.parametrize(
    "column",
    [
        'type = "text", role = "value"', 'type = "text", role = "sensitive"', 'type = "text", role = "quasi"',
        'type = "integer", role = "date"', 'type = "date", role = "value"', 'type = "date", role = "quasi"',
        'type = "integer", role = "value", generalise = "band"', 'type = "number", role = "quasi", generalise = "year"',
        'type = "text", role = "quasi", pattern = "x", generalise = "band"',
        'type = "integer", role = "quasi", generalise = "zip3"', 'type = "integer", role = "quasi", width = 0',
        'type = "number", role = "quasi", generalise = "birth_year"', 'type = "text", role = "value", pattern = "["',
    ],
)  # fmt: skip
def test_a_column_that_makes_no_sense_is_refused(column: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(f"column = {{ {column} }}", type=dict[str, Column])


def test_a_profile_with_an_impossible_demand_is_refused(tmp_path: Path) -> None:
    for entry in ("k_min = 0", "l_min = 0", "suppress_max = 1.0"):
        path = tmp_path / "own.toml"
        path.write_text(f'name = "own"\ntitle = ""\n[table]\n{entry}\n')
        with pytest.raises(ProfileError):
            load_profile(str(path))


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_folder_gives_the_tables_that_are_declared(tmp_path: Path) -> None:
    (tmp_path / "measurement").mkdir()
    omop_person(3).write_csv(tmp_path / "person.csv")
    omop_measurement(3, 3).write_parquet(tmp_path / "measurement" / "part-1.parquet")
    (tmp_path / "note.csv").write_text("note_text\nAda")
    source = TableFiles(tmp_path, OMOP)
    items = list(source.items(lambda name: False))
    assert [item.name for item in items] == ["measurement/part-1.parquet", "person.csv"] and source.count() == 2
    assert [item.name for item in source.items({items[1].mark}.__contains__)] == ["measurement/part-1.parquet"]
    rules = TableDeidentifier(OPEN, pseudonyms(), OMOP)
    found = [each for item in items for each in rules.deidentify(item)]
    assert {each.media_type for each in found if isinstance(each, Clean)} == {tables_module.MEDIA_TYPE}
    assert len(list(TableFiles(tmp_path / "person.csv", OMOP).items(lambda name: False))) == 1
    with pytest.raises(SourceError, match="no table that the schema declares"):
        list(TableFiles(tmp_path / "note.csv", OMOP).items(lambda name: False))


def test_csv_and_parquet_are_read_alike() -> None:
    person = omop_person(30)
    packed = io.BytesIO()
    person.write_parquet(packed)
    by_text, by_type = (
        rows(deidentify(data, OMOP, name="person")) for data in (person.write_csv().encode(), packed.getvalue())
    )
    assert by_text.equals(by_type)


def test_types_that_are_not_read_and_wrong_types_in_parquet_are_named() -> None:
    packed = io.BytesIO()
    pl.DataFrame({"who": ["a"], "v": [[1, 2]]}).write_parquet(packed)
    [held] = deidentify(packed.getvalue(), schema(v=Column(type="integer", role="value")))
    assert isinstance(held, Held) and held.reason == "column v is of a type that is not read"
    floats = io.BytesIO()
    pl.DataFrame({"who": ["a", "b", "c"], "v": [1.0, float("nan"), 3.0]}).write_parquet(floats)
    found = rows(deidentify(floats.getvalue(), schema(v=Column(type="integer", role="value"))))
    assert sorted(found["v"].to_list(), key=str) == [1, 3, None]


# -- checks ------------------------------------------------------------------------------------------------------------

INTEGER = Column(type="integer", role="value", min=0, max=9)


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("who,v\na,1\nb,Ada\nc,x\n", INTEGER, "schema: column v, row 2: not of type integer (rows in all: 2)"),
        ("who,v\na,1.5\n", INTEGER, "schema: column v, row 1: not of type integer (rows in all: 1)"),
        ("who,v\na,1\nb,-1\nc,11\n", INTEGER,
         "schema: column v, row 2: below 0 (rows in all: 1); column v, row 3: above 9 (rows in all: 1)"),
        ("who,v\na,\n", Column(type="integer", role="value", required=True),
         "schema: column v, row 1: empty (rows in all: 1)"),
        ("who,v\n,1\n", INTEGER, "schema: column who, row 1: empty (rows in all: 1)"),
        ("who,w\na,1\n", INTEGER, "schema: it has no column v"),
        ("who,v\na,Ada\n", Column(type="text", role="value", values=("yes", "no")),
         "schema: column v, row 1: not one of the values that it may have (rows in all: 1)"),
        ("who,v\na,I10 Ada\n", Column(type="text", role="value", pattern=r"[A-Z]\d\d"),
         "schema: column v, row 1: not of the pattern that it must have (rows in all: 1)"),
        ("who,v\na,nan\n", Column(type="number", role="value"),
         "schema: column v, row 1: not of type number (rows in all: 1)"),
        ("who,v\na,maybe\n", Column(type="boolean", role="value"),
         "schema: column v, row 1: not of type boolean (rows in all: 1)"),
        ("who,v\na,2020-13-01\n", Column(type="date", role="date"),
         "schema: column v, row 1: not of type date (rows in all: 1)"),
        ("who,v\n", INTEGER, "no_record: it has no rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_column_and_row_and_never_by_value(text: str, column: Column, what: str) -> None:
    assert problem(text, v=column).removesuffix(READ) == what


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"who,v\na,1,2,3\n", b"who,v\n\x81\x8d,1\n", b"PAR1", b"PAR1" + bytes(50), b"\x00" * 20]
)
def test_what_is_no_table_is_held(data: bytes) -> None:
    [held] = deidentify(data, schema(v=INTEGER))
    assert isinstance(held, Held) and held.code in ("damaged", "schema")


@pytest.mark.network
def test_a_damaged_parquet_file_is_held_or_whole_and_never_a_crash() -> None:
    """Some of these make polars panic, which is no `Exception`."""
    packed = io.BytesIO()
    omop_person(200).write_parquet(packed)
    chance, codes = random.Random(2), set()
    for number in range(60):
        data = bytearray(packed.getvalue())
        if number % 2:
            data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(4, len(data)) :]
        found = deidentify(bytes(data), OMOP, name="person.parquet")
        codes |= {each.code for each in found if isinstance(each, Held)}
    assert "damaged" in codes and codes <= {"damaged", "schema"}


def test_a_table_that_nobody_declared_is_held() -> None:
    [held] = deidentify(b"a\n1\n", schema(), name="other.csv")
    assert isinstance(held, Held) and held.code == "schema" and "other" not in held.reason


def test_values_as_people_write_them() -> None:
    text = "who,i,n,b,d,t\n1, 7 ,1e3,YES,20200131,2020-01-31T10:11:00\n2,8.0,-0.5,f,2020-01-31,2020-01-31 10:11:12.5\n"
    table = schema(
        i=Column(type="integer", role="value"), n=Column(type="number", role="value"),
        b=Column(type="boolean", role="value"), d=Column(type="date", role="date"),
        t=Column(type="datetime", role="date"),
    ).tables["t"]  # fmt: skip
    found = typed(open_table(text.encode(), OMOP, table).frame, table).collect()
    assert found["i"].to_list() == [7, 8] and found["n"].to_list() == [1000.0, -0.5]
    assert found["b"].to_list() == [True, False] and found["d"].to_list() == [date(2020, 1, 31)] * 2
    assert [str(each) for each in found["t"]] == ["2020-01-31 10:11:00", "2020-01-31 10:11:12.500000"]


def test_a_byte_order_mark_is_not_part_of_the_first_name() -> None:
    assert isinstance(deidentify(b"\xef\xbb\xbfwho,v\na,1\n", schema(v=INTEGER))[0], Clean)


def test_an_identifier_of_18_digits_is_read_exactly() -> None:
    table = Table(columns={"who": Column(type="integer", role="subject")})
    found = typed(open_table(b"who\n123456789012345677\n123456789012345678\n", OMOP, table).frame, table).collect()
    assert found["who"].to_list() == [123456789012345677, 123456789012345678]
    with pytest.raises(TableProblem, match="row 1"):
        typed(open_table(b"who\n123456789012345678.5\n", OMOP, table).frame, table)


# -- de-identification -------------------------------------------------------------------------------------------------


def test_a_patient_is_a_record_and_undeclared_columns_are_gone() -> None:
    found = deidentify(omop_measurement(200, 9), OMOP, name="measurement.csv")
    assert len(found) == 9 and all(isinstance(each, Clean) for each in found)
    for each in found:
        assert isinstance(each, Clean)
        own = table_of(each)
        assert set(own["person_id"]) == {each.subject} and each.attributes["rows"] == str(own.height)
    assert {each.subject for each in found if isinstance(each, Clean)} == {
        pseudonyms().subject(str(n)) for n in range(1, 10)
    }
    assert rows(found).columns == list(OMOP.tables["measurement"].columns)


def test_rows_of_a_patient_keep_their_order_and_values() -> None:
    before = omop_measurement(200, 5)
    after = rows(deidentify(before, OMOP, name="measurement.csv"))
    for number in range(1, 6):
        mine = before.filter(pl.col("person_id") == number)
        kept = after.filter(pl.col("person_id") == pseudonyms().subject(str(number)))
        assert kept["value_as_number"].to_list() == mine["value_as_number"].to_list()
        assert kept["measurement_date"].to_list() == mine["measurement_date"].dt.year().to_list()


def test_longitudinal_moves_the_dates_of_a_patient_alike() -> None:
    before = omop_measurement(60, 3)
    moved = profile("longitudinal")
    after = rows(deidentify(before, OMOP, moved, name="measurement.csv"))
    for number in range(1, 4):
        subject = pseudonyms().subject(str(number))
        mine = before.filter(pl.col("person_id") == number)["measurement_date"]
        kept = after.filter(pl.col("person_id") == subject)["measurement_date"]
        assert kept.to_list() == [day + pseudonyms().shift(subject) for day in mine]


def test_identifiers_of_a_domain_match_between_tables() -> None:
    visits = pl.DataFrame({
        "visit_occurrence_id": [1, 2], "person_id": [1, 2], "visit_concept_id": [9201, 9202],
        "visit_start_date": ["2020-01-01"] * 2, "visit_end_date": [None] * 2, "visit_type_concept_id": [1] * 2,
    })  # fmt: skip
    measured = omop_measurement(50, 2).with_columns(pl.lit(2).alias("visit_occurrence_id"))
    visited = rows(deidentify(visits, OMOP, name="visit_occurrence.csv"))
    seen = rows(deidentify(measured, OMOP, name="measurement.csv"))
    assert set(seen["visit_occurrence_id"]) == {pseudonyms().identifier("table visit", "2")}
    assert set(seen["visit_occurrence_id"]) < set(visited["visit_occurrence_id"])


def test_the_work_is_done_in_parts_whose_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> list[tuple[str, bytes]]:
        found = deidentify(omop_measurement(300, 20), OMOP, name="measurement.csv")
        return [(each.record, b"".join(map(bytes, each.pieces()))) for each in found if isinstance(each, Clean)]

    whole = outcome()
    monkeypatch.setattr(tables_module, "ROWS_AT_ONCE", 40)
    assert outcome() == whole and len(whole) == 20


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        (Column(type="integer", role="quasi", generalise="band", width=10, top=90, bottom=20),
         [3, 27, 90, 104], [20, 20, 90, 90]),
        (Column(type="integer", role="quasi", generalise="birth_year", width=5),
         [1901, 1936, 1937, 1988], [1936, 1936, 1936, 1985]),
        (Column(type="date", role="quasi", generalise="birth_year"), ["1901-01-01", "1988-12-31"], [1936, 1988]),
        (Column(type="date", role="quasi", generalise="year"), ["2020-12-31", None], [2020, None]),
        (Column(type="text", role="quasi", generalise="zip3"), ["02139", "03601-1234", "x"], ["021", "000", None]),
        (Column(type="integer", role="quasi"), [5, None], [5, None]),
    ],
)  # fmt: skip
def test_generalisation(column: Column, before: list[object], after: list[object]) -> None:
    frame = pl.DataFrame({"who": [str(number) for number in range(len(before))], "q": before})
    found = rows(deidentify(frame, schema(q=column)))
    order = {pseudonyms().subject(str(number)): number for number in range(len(before))}
    assert [value for _, value in sorted(zip(map(order.get, found["who"]), found["q"], strict=True))] == after


@given(st.text("0123456789-x", min_size=1, max_size=11))
def test_zip_codes_are_generalised_as_everywhere_else(code: str) -> None:
    found = pl.select(tables_module.zip3(pl.lit(code))).item()
    assert found == zip3(code)


def test_a_table_that_gives_patients_away_is_refused_and_a_few_rows_are_left_out() -> None:
    person = omop_person(600)
    assert all(isinstance(each, Clean) for each in deidentify(person, OMOP, profile(), "person.csv"))
    [held] = deidentify(person.head(40), OMOP, profile(), "person.csv")
    assert isinstance(held, Held) and held.code == "anonymity" and not held.releasable
    assert "generalise more of the columns gender_concept_id, year_of_birth, race_concept_id" in held.reason
    rare = person.with_columns(race_concept_id=pl.when(pl.col("person_id") <= 3).then(38003614).otherwise(8527))
    found = deidentify(rare, OMOP, profile(), "person.csv")
    kept = rows(found)
    assert 8527 in kept["race_concept_id"] and 38003614 not in kept["race_concept_id"]
    groups = kept.group_by("gender_concept_id", "year_of_birth", "race_concept_id").len()
    assert groups["len"].min() >= 5  # type: ignore[operator]
    assert isinstance(found[0], Clean) and int(found[0].attributes["k"]) == groups["len"].min()
    left_out = [action.count for action in found[0].actions if action.element == "(rows of too small groups)"]
    assert left_out == [600 - kept.height]
    assert found[-1] == PassedOver("rows of too small groups", 600 - kept.height, 600)


def test_actions_say_what_became_of_each_column() -> None:
    found = deidentify(omop_person(20), OMOP, OPEN, "person.csv")
    assert isinstance(found[0], Clean) and isinstance(found[1], Clean)
    done = {action.element: action.done for action in found[0].actions}
    assert done["person_id"] == REPLACED and done["year_of_birth"] == GENERALISED
    assert done["(undeclared columns)"] == REMOVED
    assert "(undeclared columns)" not in {action.element for action in found[1].actions}


def test_rules_travel_to_other_processes_and_records_to_no_other_project() -> None:
    rules: TableDeidentifier = pickle.loads(pickle.dumps(TableDeidentifier(OPEN, pseudonyms(), OMOP, AS_OF)))
    other = TableDeidentifier(OPEN, pseudonyms("other"), OMOP, AS_OF)
    data = omop_person(5).write_csv().encode()
    item = Item("person.csv", TABLE, lambda: io.BytesIO(data))
    mine, theirs = (
        {each.record for each in some.deidentify(item) if isinstance(each, Clean)} for some in (rules, other)
    )
    assert mine == {each.record for each in deidentify(data, OMOP, name="person.csv") if isinstance(each, Clean)}
    assert len(mine) == 5 and mine.isdisjoint(theirs)


# -- ages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "ages", "kept"),
    [("a", [95, 90, 89, 40], [90, 90, 85, 40]), ("mo", [1140, 1080, 1000], [1080, 1080, 1000])],
)
def test_ages_over_89_are_one_in_any_unit(unit: Any, ages: list[int], kept: list[int]) -> None:
    column = Column(type="integer", role="quasi", generalise="age", unit=unit, width=5)
    data = "who,years\n" + "".join(f"{number},{age}\n" for number, age in enumerate(ages))
    found = rows(deidentify(data.encode(), schema(years=column)))
    assert sorted(found["years"]) == sorted(kept)


@pytest.mark.parametrize("dates", ["remove", "shift"])
def test_events_of_more_than_89_years_ago_are_one(dates: str) -> None:
    seen = {"seen": Column(type="date", role="date")}
    data = b"who,seen\n1,1921-05-06\n1,1930-01-01\n1,1990-02-03\n"
    first, second, third = sorted(
        rows(deidentify(data, schema(**seen), Profile(name="", title="", dates=dates)))["seen"]
    )
    assert first == second != third


def test_a_column_of_ages_says_how_they_are_capped() -> None:
    with pytest.raises(ValueError, match="age_at_onset"):
        schema(age_at_onset=Column(type="integer", role="value"))
    for allowed in (
        Column(type="integer", role="value", max=89),
        Column(type="integer", role="quasi", generalise="age"),
        Column(type="integer", role="quasi", generalise="band", width=10, top=90),
        Column(type="integer", role="drop"),
    ):
        schema(age_at_onset=allowed)
