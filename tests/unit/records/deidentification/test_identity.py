"""Names, numbers and days are found as people write them, and what is common to many is not."""

from __future__ import annotations

import pytest

from hmchain.records.deidentification.identity import Identity, Trace


def known(name: str = "", number: str = "", born: str = "", place: str = "") -> Identity:
    found = Identity()
    found.add_name(name, own=True)
    found.add_number(number, own=True)
    found.add_day(born)
    found.add_place(place)
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Müllerschön^Jörg", "MUELLERSCHOEN"), ("Müllerschön^Jörg", "MULLERSCHON"), ("MUELLERSCHOEN^J", "Müllerschön"),
        ("Núñezberg^José", "NUNEZBERG"), ("O'Shaughnessy^Aoife", "OSHAUGHNESSY"), ("Łukasiewicz^Jan", "LUKASIEWICZ"),
        ("Yıldırımoğlu^Ağa", "YILDIRIMOGLU"), ("Sørensen^Åge", "SOERENSEN"), ("Sørensen^Åge", "SORENSEN AAGE"),
        ("Weißenfels^Udo", "WEISSENFELS"), ("Garciaveda-Marquezino^Ana", "MARQUEZINO"),
        ("Konstantinopoulosides^Anna", "KONSTANTINOPOULO"), ("Quintavalle^Zoe", "QUINTAVALL"),
        ("Wolkenstein^Otto", "WOLKEN\\STEIN"), ("Nowak^Ewa", "NOWAKEWA"), ("Nowak^Ewa", "ENOWAK"),
        ("Abernathy^Lou", "A B E R N A T H"), ("Blumenfeldt^Ida", "TDLEFNEMULB"), ("Huber^Eva", "HUBER2"),
        ("王小明^Wang", "WANGXIAOMING"), ("王^小明", "XIAOMINGWANG"), ("Люкceмбypг^Роза", "LUXEMBURG"),
        ("Щербаков^Юрий", "SCHERBAKOV"), ("Παπαδόπουλος^Νίκος", "PAPADOPOULOS"), ("محمد^أحمد", "MOHAMMED"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "GILDONG"), ("Müller, Hans", "MuellerHans"), ("Hans Müller", "HMUELLER"),
        ("Doe^John", "J0H.NDOE"), ("Huber^Eva", "FRAUHUBER"),
    ],
)  # fmt: skip
def test_a_name_is_found_as_people_write_it(name: str, text: str) -> None:
    identity = known(name)
    assert identity.in_text(text) and not identity.is_nowhere_in(f"AXIAL\n{text}\nHEAD")


@pytest.mark.parametrize(
    ("number", "born", "text"),
    [
        ("+49 (0)30 5551-7342", "", "55517342"), ("030/55517343", "", "3055517343"),
        ("SSN 123-45-6780", "", "23456780"),
        ("0007741903", "", "7741903"), ("7741903", "", "77419035"), ("2811567312", "", "281156"),
        ("555-0199", "", "call 555 0199"), ("", "19571014", "DOB19571014"), ("", "19571014", "14101957"),
        ("", "19571014", "141057"), ("", "19571014", "10/14/57"), ("", "1957-10-14", "14.10.1957"),
        ("", "19571014", "1957-10-14"), ("", "19571014", "B14OCT1957"), ("", "19571014", "14 Okt 57"),
    ],
)  # fmt: skip
def test_a_number_or_day_is_found_as_people_write_it(number: str, born: str, text: str) -> None:
    identity = known(number=number, born=born)
    assert identity.in_text(text) and not identity.is_nowhere_in(f"AXIAL\n{text}\nHEAD")


@pytest.mark.parametrize(
    "text", ["HEAD", "AXIAL T2 TSE 3mm", "Klinikum", "Universitätsklinikum", "10141", "von", "SIEMENS", "savannah", ""]
)
def test_what_many_have_tells_nobody(text: str) -> None:
    identity = known("Head von^Anna", "1014", "19571014", "Universitätsklinikum Siemens Hintertupfing")
    assert identity.in_text(text) is Trace.NONE
    assert identity.in_text("hintertupfing")


def test_places_in_a_text_are_told_in_the_text_as_it_was() -> None:
    text = "Kopf nativ, Herr Müllerschön (14.10.1957) T1"
    found = [text[each.start : each.end] for each in known("MUELLERSCHOEN^Jörg", "", "19571014").mentions(text)]
    assert found == ["Müllerschön", "14.10.1957"]
    assert known("Quince^Ada").mentions("T1 axial") == []
