"""Names, numbers and days are found as people write them, and what is common to many is not."""

from __future__ import annotations

from datetime import date

import pytest
from anyascii import anyascii
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hmchain.records.deidentification.identity import Identity, Trace
from hmchain.records.deidentification.spellings import fold, folded_with_places, spellings
from hmchain.records.deidentification.terms import HARMLESS


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


def test_a_round_number_is_no_measurement() -> None:
    assert not any(known(number="51200000").in_number(value) for value in (1, 5.12, 512, 0.512))
    assert not known(number="0171 1922704").in_text("171-192")
    assert known(number="51230000").in_number(5123) is Trace.NONE and known(number="51234000").in_number(5.1234)


def test_a_name_of_thousands_of_letters_takes_no_time() -> None:
    found = known("Abc" * 50_000)  # it was all of its beginnings
    assert found.in_text("ABC" * 20) and not found.in_text("HEAD")


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


def test_an_identifier_is_told_wherever_it_stands_and_nowhere_else() -> None:
    identity = Identity()
    for number in ("kx-z", "xk-abcd"):
        identity.add_number(number, own=False)
    assert [each.start for each in identity.mentions("akx-zb KX-Z")] == [7]
    assert [each.start for each in identity.mentions("XK-abcd und XK-abcd")] == [0, 12]


LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßøåæéèñçłśżğışčřőąę"
LONG_NAMES = st.text(LETTERS, min_size=8, max_size=18)
SEEDED = settings(max_examples=120, deadline=None, derandomize=True)


def plain(name: str) -> list[str]:
    """A name without its marks, and with digraphs, as two people would write it."""
    digraphs = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae"}
    simple = anyascii(name)
    return [simple, anyascii("".join(digraphs.get(letter, letter) for letter in name)), simple.replace("ss", "s")]


@SEEDED
@given(LONG_NAMES, st.text(LETTERS, min_size=4, max_size=10), st.data())
def test_a_name_is_found_however_its_letters_are_written(family: str, given_name: str, data: st.DataObject) -> None:
    identity = known(f"{family}^{given_name}")
    written = data.draw(st.sampled_from(plain(family)))
    assume(not {written, written[:8]} & HARMLESS)
    change = data.draw(
        st.sampled_from(
            [
                str.upper, str.title, lambda word: word[: max(8, len(word) - 3)], lambda word: f"x{word}7",
                lambda word: f"{anyascii(given_name)}_{word}", lambda word: word[::-1], " ".join,
                lambda word: word[:4] + "\\" + word[4:], lambda word: anyascii(given_name)[0] + word,
            ]
        )
    )  # fmt: skip
    text = change(written)
    assert identity.in_text(text), text
    assert not identity.is_nowhere_in(f"AXIAL\n{text}\nT1")
    mentions = identity.mentions(f"kopf {text}.")
    assert mentions and all(5 <= each.start < each.end <= 5 + len(text) for each in mentions)


@SEEDED
@given(st.text(LETTERS + LETTERS.upper() + "王山한Жя 0-9", max_size=30))
def test_folding_again_changes_nothing_and_places_are_those_of_the_text(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    folded, places = folded_with_places(text)
    assert len(folded) == len(places) and folded.isascii() and places == sorted(places)
    assert all(spelled == fold(spelled) for spelled in spellings(text.replace(" ", "")))


@SEEDED
@given(st.from_regex(r"[1-9][0-9]{6,13}", fullmatch=True), st.data())
def test_a_number_is_found_however_it_is_cut_and_parted(number: str, data: st.DataObject) -> None:
    assume(len(set(number[-7:])) > 1 and len(set(number[:7])) > 1)
    identity = known(number=number)
    cut = data.draw(st.integers(1, len(number) - 1))
    mark = data.draw(st.sampled_from(["-", " ", "/", "."]))
    for text in (number, number[-7:], number[:7], number[:cut] + mark + number[cut:], f"MRN{number}", f"0{number}"):
        assert identity.in_text(text) and not identity.is_nowhere_in(text), text


@SEEDED
@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2030, 12, 31)))
def test_a_day_is_found_in_any_order_and_glued(day: date) -> None:
    identity = known(born=day.strftime("%Y%m%d"))
    forms = (
        "%Y-%m-%d",
        "%d.%m.%Y",
        "%m/%d/%Y",
        "%d%m%Y",
        "%m%d%y",
        "%d%m%y",
        "%y%m%d",
        "%d%b%Y",
        "DOB%Y%m%d",
        "B%d%b%y",
    )
    for form in forms:
        text = day.strftime(form).upper()
        assert identity.in_text(text) and not identity.is_nowhere_in(text), text


@SEEDED
@given(st.lists(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=4), max_size=6))
def test_short_words_of_nobody_are_seldom_taken_for_a_name(words: list[str]) -> None:
    assert known("Quetzalcoatlus^Xochiquetzal", "5550199", "19571014").in_text(" ".join(words)) is Trace.NONE
