"""CSV as hospitals write it: separator, characters and decimal comma are found out and said, or the way out is."""

from __future__ import annotations

import io

import polars as pl
import pytest

from hmchain.records.deidentification.outcome import READ, Action, Clean, Held
from hmchain.records.deidentification.profile import Profile, TableRules
from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier
from hmchain.records.sources.item import TABLE, Item
from hmchain.records.sources.tables import Column, Table, TableSchema
from support.health_records import AS_OF, pseudonyms

RULES = Profile(name="open", title="", table=TableRules(k_min=1, l_min=1))
COLUMNS = {
    "Patient": Column(type="text", role="subject"),
    "glucose": Column(type="number", role="value", min=0, max=100),
    "taken": Column(type="date", role="date"),
    "ward": Column(type="text", role="value", pattern="[A-ZÄÖÜ]{1,3}"),
}


def outcomes(data: bytes, **said: str) -> list[Clean | Held]:
    schema = TableSchema(title="", tables={"labs": Table(columns=COLUMNS)}, **said)  # type: ignore[arg-type]
    item = Item("labs.csv", TABLE, lambda: io.BytesIO(data))
    found = list(TableDeidentifier(RULES, pseudonyms(), schema, AS_OF).deidentify(item))
    assert all(isinstance(each, Clean | Held) for each in found)
    return found


def rows(found: list[Clean | Held]) -> list[tuple[object, ...]]:
    kept = [each for each in found if isinstance(each, Clean)]
    assert len(kept) == len(found), found
    frames = [pl.read_parquet(io.BytesIO(b"".join(bytes(piece) for piece in each.pieces()))) for each in kept]
    return sorted(pl.concat(frames).drop("Patient").rows())


def read_as(found: list[Clean | Held]) -> list[str]:
    return [each.element for one in found if isinstance(one, Clean) for each in one.actions if each.done == READ]


def written(separator: str, encoding: str, comma: bool = False) -> bytes:
    lines = [["Patient", "glucose", "taken", "ward", "remark"], ["Müller", "5.25", "05.03.2024", "Ä", "a, b; c"],
             ["Huber", "1000.5" if not comma else "6.5", "06.03.2024", "B", "x"]]  # fmt: skip
    lines[2][1] = "12.5"
    text = [
        [cell.replace(".", ",") if comma and column == 1 else cell for column, cell in enumerate(line)]
        for line in lines
    ]
    quoted = [[f'"{cell}"' if set(",;\t|") & set(cell) else cell for cell in line] for line in text]
    return "\r\n".join(separator.join(line) for line in quoted).encode(encoding)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_any_separator_in_any_characters_gives_the_same_rows_and_says_how_it_was_read(
    separator: str, encoding: str
) -> None:
    found = outcomes(written(separator, encoding))
    assert rows(found) == [(5.25, 2024, "Ä"), (12.5, 2024, "B")]
    name = {"cp1252": "Windows-1252 (Latin-1)", "utf-16": "UTF-16"}.get(encoding, "UTF-8")
    between = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[separator]
    said = [f"(CSV: {between} between fields, {name}, decimal point)"]
    assert read_as(found) == (said if (separator, name) != (",", "UTF-8") else []), "said once, with the first record"


def test_decimal_commas_are_read_as_such_and_a_point_among_them_is_not_guessed() -> None:
    found = outcomes(written(";", "cp1252", comma=True))
    assert rows(found) == [(5.25, 2024, "Ä"), (12.5, 2024, "B")]
    assert read_as(found) == ["(CSV: semicolons between fields, Windows-1252 (Latin-1), decimal comma)"]
    [held] = outcomes(written(";", "utf-8", comma=True).replace(b"5,25", b"5.25"))
    assert isinstance(held, Held) and "column glucose, row 1: not of type number" in held.reason
    assert "(read with semicolons between fields, UTF-8, decimal comma)" in held.reason, "whoever mends it must know"
    assert rows(outcomes(b"Patient;glucose;taken;ward\nA;1.234,5;;B\n".replace(b"1.234,5", b"0.012,5")))[0][0] == 12.5


@pytest.mark.parametrize(
    ("data", "said", "way"),
    [
        (written(";", "utf-8"), {"separator": ","}, 'and the schema says commas: write `separator = ";"`'),
        (written("\t", "utf-8"), {"separator": ";"}, 'write `separator = "\\t"`'),
        (written(",", "cp1252"), {"encoding": "utf-8"}, "separator and encoding"),
        (written(",", "utf-8"), {"encoding": "klingon"}, "encoding = 'klingon' in the schema is none that is known"),
        (written(",", "cp1252").replace(b"\xfc", b"\x81"), {}, "it is not in Windows-1252 (Latin-1): state `encoding`"),
    ],
)  # fmt: skip
def test_what_is_stated_and_wrong_is_refused_with_the_way_out(data: bytes, said: dict[str, str], way: str) -> None:
    [held] = outcomes(data, **said)
    assert isinstance(held, Held) and way in held.reason and not {"Müller", "Huber"} & set(held.reason.split())


def test_what_is_stated_and_right_is_taken_as_it_is() -> None:
    found = outcomes(written(";", "iso8859-1", comma=True), separator=";", encoding="iso8859-1", decimal=",")
    assert rows(found) == [(5.25, 2024, "Ä"), (12.5, 2024, "B")]


def test_columns_are_known_in_capitals_too() -> None:
    assert rows(outcomes(b"PATIENT, GLUCOSE,TAKEN,Ward \nA,5,2024-01-01,B\n")) == [(5.0, 2024, "B")]


def test_telephone_numbers_do_not_pass_for_measurements_and_exact_ones_can_be_rounded() -> None:
    columns = {"who": Column(type="text", role="subject"), "n": Column(type="number", role="value", round=0.5)}
    schema = TableSchema(title="", tables={"labs": Table(columns=columns)})
    rules = TableDeidentifier(RULES, pseudonyms(), schema, AS_OF)
    [held] = rules.deidentify(Item("labs.csv", TABLE, lambda: io.BytesIO(b"who,n\nA,5\nB,6625550001\n")))
    assert isinstance(held, Held) and "6625550001" not in held.reason
    assert "column n, row 2: as long as a telephone or record number: give the column min and max" in held.reason
    found = list(rules.deidentify(Item("labs.csv", TABLE, lambda: io.BytesIO(b"who,n\nA,5.37\n"))))
    [kept] = [each for each in found if isinstance(each, Clean)]
    assert pl.read_parquet(io.BytesIO(b"".join(bytes(piece) for piece in kept.pieces())))["n"].to_list() == [5.5]
    assert Action("n", "generalised") in kept.actions and kept.attributes["table"] == "labs"
