"""HL7 v2 messages: fields on the allow list stay, in a form that another HL7 library reads; all else is dropped."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.deidentification.canary import hl7 as canaries
from hmchain.records.deidentification.canary.planting import PlantedItem
from hmchain.records.deidentification.canary.survivors import scan, survivors
from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier
from hmchain.records.deidentification.outcome import GENERALISED, REMOVED, REPLACED, Clean, Held
from hmchain.records.deidentification.profile import Hl7Rules, Profile
from hmchain.records.sources.item import HL7, Item
from support.health_records import AS_OF, admission_message, profile, pseudonyms, result_message

BASIC = Hl7Deidentifier(profile("basic"), pseudonyms(), AS_OF)
LONGITUDINAL = Hl7Deidentifier(profile("longitudinal"), pseudonyms(), AS_OF)


def outcome(message: str | bytes, rules: Hl7Deidentifier = BASIC) -> Clean | Held:
    data = message.encode() if isinstance(message, str) else message
    [found] = rules.deidentify(Item("item", HL7, lambda: io.BytesIO(data)))
    return found


def clean(message: str, rules: Hl7Deidentifier = BASIC) -> list[str]:
    """The segments that come out."""
    found = outcome(message, rules)
    assert isinstance(found, Clean), found
    text = b"".join(bytes(piece) for piece in found.pieces()).decode("ascii")
    assert text.endswith("\r")
    return text.split("\r")[:-1]


def message(*segments: str) -> str:
    """A message about patient 7 with some segments."""
    return "\r".join(["MSH|^~\\&|A|B|||20240305||ORU^R01|1|P|2.5.1", "PID|||7^^^NORTH^MR", *segments])


def result(value_type: str, value: str, code: str = "2345-7^Glucose^LN", rest: str = "") -> str:
    """What becomes of OBX-5; nothing if the segment is dropped."""
    segments = clean(message(f"OBX|1|{value_type}|{code}||{value}{rest}"))
    return segments[2].split("|")[5] if len(segments) == 3 else ""


@pytest.mark.parametrize("rules", [BASIC, LONGITUDINAL], ids=["basic", "longitudinal"])
@pytest.mark.parametrize("planted", canaries.plant(), ids=lambda planted: planted.item.name)
def test_no_canary_survives(planted: PlantedItem, rules: Hl7Deidentifier) -> None:
    [found] = rules.deidentify(planted.item)
    assert survivors(planted, [found]) == []
    assert (found.code if isinstance(found, Held) else "") == planted.held
    with planted.item.open() as file:
        assert set(scan(file.read(), planted.canaries)) == set(planted.canaries)


def test_a_result_keeps_code_number_unit_and_range() -> None:
    new = pseudonyms()
    segments = clean(result_message(1, 7))
    assert segments[0] == f"MSH|^~\\&|||||2024||ORU^R01^ORU_R01|{new.identifier('hl7', '1')}|P|2.5.1"
    assert segments[1] == f"PID|||{new.subject('7')}||||1956|F|||^^^^021"
    assert segments[2] == "PV1|1|O"
    assert segments[4].startswith("OBX|1|NM|") and segments[4].endswith("|1.0 - 200.0|N|||F")
    assert len(segments) == 5  # no note


def test_an_admission_keeps_diagnosis_and_department() -> None:
    segments = clean(admission_message(1, 7))
    assert [segment[:3] for segment in segments] == ["MSH", "EVN", "PID", "PV1", "DG1"]
    assert segments[4] == "DG1|1||I10^^I10||2024|A"
    fields = segments[3].split("|")
    assert fields[10] == "MED" and fields[3] == "" and fields[19] == pseudonyms().identifier("hl7", "1^^^NORTH")


def test_longitudinal_moves_dates_and_keeps_times() -> None:
    shift = pseudonyms().shift(pseudonyms().subject("7"))
    moved = date(2024, 3, 5) + shift
    segments = clean(result_message(1, 7), LONGITUDINAL)
    assert segments[0].split("|")[6] == f"{moved:%Y%m%d}101112"
    assert segments[1].split("|")[7] == f"{date(1956, 2, 3) + shift:%Y%m%d}"


def test_old_age_is_capped() -> None:
    born = clean("MSH|^~\\&|A|B|||20240305||ADT^A01|1|P|2.5\rPID|||7||||19200101")[1].split("|")[7]
    assert born == "1936"
    assert result("NM", "97", "30525-0^Age^LN", "|a") == "90"
    assert result("NM", "89", "30525-0^Age^LN", "|a") == "89"


@pytest.mark.parametrize(
    ("value_type", "value", "unit", "kept"),
    [
        ("NM", "97", "", "90"), ("NM", "1140", "mo", "1080"), ("NM", "1140", "mo^month^UCUM", "1080"),
        ("NM", "1000", "mo", "1000"), ("NM", "97", "yr", "90"), ("NM", "97", "^years^L", "90"),
        ("NM", "+97", "a", "+90"),
        ("SN", ">^97", "a", ">^90"), ("SN", "^95^-^99", "a", "^90^-^90"), ("ST", "97", "", "90"),
        ("NM", "850000", "h", "788400"),
        ("NM", "97.5", "a", "90"), ("NM", "97~98", "a", "90~90"), ("NM", "97", "winters", ""), ("NM", "12", "kg", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("code", ["30525-0^Age^LN", "29553-5^^LN", "AGE^^L^30525-0^^LN"])
def test_an_age_in_any_unit_is_at_most_90(code: str, value_type: str, value: str, unit: str, kept: str) -> None:
    assert result(value_type, value, code, f"|{unit}") == kept


def test_a_time_of_90_years_is_an_age_whatever_it_is_called() -> None:
    assert result("NM", "97", "2345-7^Glucose^LN", "|a") == "90"
    assert result("NM", "97", "2345-7^Glucose^LN", "|mmol/L") == "97"


@pytest.mark.parametrize("rules", [BASIC, LONGITUDINAL], ids=["basic", "longitudinal"])
def test_an_event_of_more_than_89_years_ago_tells_no_age(rules: Hl7Deidentifier) -> None:
    observed, diagnosed = "OBX|1|DT|21112-8^Birth date^LN||19210405", "DG1|1||I10^^I10||192105060708"
    segments = [line.split("|") for line in clean(message(observed, diagnosed).replace("H^MR", "H^MR||||1901"), rules)]
    assert len({segments[1][7], segments[2][5], segments[3][5]}) == 1


@pytest.mark.parametrize(
    ("value_type", "value", "kept"),
    [
        ("NM", "5.4", "5.4"), ("NM", "<0.1", "<0.1"), ("NM", "-2", "-2"), ("NM", "123456789", ""),
        ("NM", "5.4 Ada", ""),
        ("ST", "Negative", "Negative"), ("ST", "12", "12"), ("ST", "Ada Muster", ""), ("TX", "Negative", ""),
        ("SN", ">^100", ">^100"), ("SN", "^1^:^128", "^1^:^128"), ("SN", ">^Ada", ""), ("FT", "x", ""),
        ("CWE", "10828004^Positive^SCT", "10828004^^SCT"), ("CE", "POS^Positive^L", ""),
        ("CE", "X^of Ada^L^10828004^Positive^SCT", "10828004^^SCT"), ("CWE", "10828004", ""),
        ("CWE", "10828004^a^SCT~260385009^b^SCT~Ada^c^SCT", "10828004^^SCT~260385009^^SCT"),
        ("DT", "20240305", "2024"), ("TS", "20240305101112+0100", "2024"), ("DT", "in May", ""), ("", "5", ""),
    ],
)  # fmt: skip
def test_observed_values(value_type: str, value: str, kept: str) -> None:
    assert result(value_type, value) == kept


def test_an_observation_without_a_known_code_or_value_goes() -> None:
    assert result("NM", "5.4", "GLU^Glucose^L") == ""
    found = outcome(message("OBX|1|TX|2345-7^x^LN||free text", "OBX|2|NM|2345-7^x^LN||1"))
    assert isinstance(found, Clean)
    assert {(a.element, a.done, a.count) for a in found.actions} >= {("OBX-5", REMOVED, 1), ("OBX", REMOVED, 1)}


def test_units_are_those_of_ucum_and_written_with_escapes() -> None:
    assert clean(message("OBX|1|NM|2345-7^x^LN||1|10*3/uL^x^UCUM"))[2].split("|")[6] == "10*3/uL"
    assert clean(message(r"OBX|1|NM|2345-7^x^LN||1|10\S\3/uL"))[2].split("|")[6] == r"10\S\3/uL"
    assert clean(message("OBX|1|NM|2345-7^x^LN||1|Ada"))[2] == "OBX|1|NM|2345-7^^LN||1"


def test_a_profile_adds_coding_systems_and_drops_fields() -> None:
    rules = Hl7Deidentifier(
        Profile(name="own", title="", hl7=Hl7Rules(systems={"L": "[A-Z]{3}"}, drop=("PID-11",))), pseudonyms(), AS_OF
    )  # fmt: skip
    segments = clean(result_message(1, 7).replace("8302-2^Body height^LN", "GLU^Glucose^L"), rules)
    assert segments[1].split("|")[3:] == [pseudonyms().subject("7"), "", "", "", "1956", "F"]
    assert clean(message("OBX|1|NM|GLU^Glucose of Ada^L||1"), rules)[2] == "OBX|1|NM|GLU^^L||1"


@pytest.mark.parametrize(
    ("pid", "number"),
    [
        ("PID|||9^^^X^PI~7^^^NORTH^MR", "7"), ("PID|||7~9", "7"), ("PID||7", "7"), ("PID|||^^^NORTH~7", "7"),
        ("PID|||7 ^^^NORTH^MR", "7"),
    ],
)  # fmt: skip
def test_a_patient_is_known_by_the_record_number(pid: str, number: str) -> None:
    found = outcome(f"MSH|^~\\&|A|B|||20240305||ADT^A01|1|P|2.5\r{pid}")
    assert found.subject == pseudonyms().subject(number) if isinstance(found, Clean) else pytest.fail("held")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nothing", "damaged"), (b"", "damaged"), (b"MSH|^~\\&|A", "no_subject"),
        (b"MSH|^~\\&|A\rPID|1||", "no_subject"),
        (b"MSH|^~\\&|A\rPID|||1\rPID|||2", "several_patients"),
    ],
)  # fmt: skip
def test_what_is_held(data: bytes, code: str) -> None:
    found = outcome(data)
    assert isinstance(found, Held) and found.code == code and not found.releasable


def test_the_same_patient_twice_is_one() -> None:
    assert isinstance(outcome(message("OBX|1|NM|2345-7^x^LN||1", "PID|||7^^^NORTH^MR")), Clean)


def test_a_message_sent_again_is_the_same_record_and_another_one_is_not() -> None:
    records = [outcome(result_message(number, 7)) for number in (1, 1, 2)]
    first, again, other = (found.record for found in records if isinstance(found, Clean))
    assert first == again != other
    nameless = [outcome(message().replace("|1|P|", "||P|") + rest) for rest in ("", "\rOBX|1")]
    assert len({found.record for found in nameless if isinstance(found, Clean)}) == 2


def test_actions_and_attributes() -> None:
    found = outcome(result_message(1, 7))
    assert isinstance(found, Clean)
    done = {action.element: action.done for action in found.actions}
    assert done["PID-3"] == REPLACED and done["PID-5"] == REMOVED and done["PID-7"] == GENERALISED
    assert done["NTE"] == REMOVED
    assert found.attributes["message"] == "ORU^R01^ORU_R01" and found.attributes["code"].endswith("^^LN")


def test_rules_travel_to_other_processes() -> None:
    travelled = pickle.loads(pickle.dumps(LONGITUDINAL))
    assert clean(result_message(1, 7), travelled) == clean(result_message(1, 7), LONGITUDINAL)


def test_another_library_reads_what_comes_out() -> None:
    parser = pytest.importorskip("hl7apy.parser")
    for text in (result_message(1, 7), admission_message(2, 8)):
        for rules in (BASIC, LONGITUDINAL):
            parsed = parser.parse_message("\r".join(clean(text, rules)), find_groups=False)
            assert [segment.name for segment in parsed.children] == [s[:3] for s in clean(text, rules)]


@given(st.sampled_from(["PID", "PV1", "OBR", "OBX", "ORC", "DG1", "AL1", "SPM", "PR1"]), st.data())
def test_whatever_is_in_its_fields_a_message_lets_no_text_through(name: str, data: st.DataObject) -> None:
    """The letters z, q and j together occur in no code or unit that may stay."""
    part = st.sampled_from(["zqj", "LN", "SCT", "CWE", "NM", "1", "2345-7", "a^b", "~", "&", "\\T\\", "x zqj", "2024"])
    field = st.lists(part, max_size=6).map("^".join)
    fields = data.draw(st.lists(field, max_size=20))
    if name == "PID":
        fields = ["", "", "7"]
    found = outcome(message("|".join([name, *fields]), f"ZZZ|{fields}"))
    assert isinstance(found, Clean)
    assert b"zqj" not in b"".join(bytes(piece) for piece in found.pieces()) + repr(found.actions).encode()


@pytest.mark.parametrize(
    ("segment", "reported"), [("NTE|1||x", "NTE"), ("ZPI|1|x", "other segments"), ("QUY|1|x", "other segments")]
)
def test_a_report_names_no_segment_that_the_standard_does_not(segment: str, reported: str) -> None:
    found = outcome(message(segment))
    assert isinstance(found, Clean)
    assert {(a.element, a.done, a.count) for a in found.actions} >= {(reported, REMOVED, 1)}
    assert reported == segment[:3] or not any(segment[:3] in action.element for action in found.actions)


@pytest.mark.parametrize(
    ("value_type", "value", "unit", "kept"),
    [
        ("NM", "5550199", "", ""), ("NM", "5550199", "10*3/uL", "5550199"), ("NM", "250000", "", "250000"),
        ("NM", "0123", "", ""), ("NM", "0.5", "", "0.5"), ("SN", "^555^-^0199", "", ""), ("SN", "^955^-^199", "", ""),
        ("SN", "^1^-^10", "", "^1^-^10"), ("SN", "^5550199", "", ""), ("ST", "5550199", "", ""),
        ("CWE", "5550199^x^RXNORM", "", ""), ("CWE", "197361^x^RXNORM", "", "197361^^RXNORM"),
        ("CWE", "10828005^x^SCT", "", ""), ("CWE", "KIM^x^DCM", "", ""), ("CWE", "CT^x^DCM", "", "CT^^DCM"),
    ],
)  # fmt: skip
def test_numbers_of_people_are_no_results_and_no_codes(value_type: str, value: str, unit: str, kept: str) -> None:
    assert result(value_type, value, rest=f"|{unit}") == kept


@pytest.mark.parametrize(
    ("segment", "code"),
    [
        ("OBX|1|NM|2345-7^^LN||48213", "identifier_suspected"),
        ("OBX|1|SN|2345-7^^LN||>^48213", "identifier_suspected"),
        ("OBX|1|CWE|2345-7^^LN||48213^x^C4", "identifier_suspected"),
        ("OBX|1|NM|2345-7^^LN||555019|mg", "identifier_left"),
        ("OBX|1|NM|2345-7^^LN||5.5||0-48213", "identifier_suspected"),
        ("OBX|1|NM|2345-7^^LN||48213.5", ""),
        ("OBX|1|NM|48213-8^^LN||1", ""),
        ("OBX|1|NM|2345-7^^LN||4821", ""),
    ],
)
def test_the_patients_own_numbers_are_not_left_in_results(segment: str, code: str) -> None:
    text = message(segment).replace("7^^^NORTH^MR", "48213^^^NORTH^MR~A-4821^^^NORTH^PI||KIM^SU||||||||555-019")
    found = outcome(text)
    assert (found.code if isinstance(found, Held) else "") == code
    held = Item("x", HL7, lambda: io.BytesIO(text.encode()))
    findings = BASIC.findings(held)
    assert [each.certain for each in findings] == ([code == "identifier_left"] if code else [])
    if findings:
        assert findings[0].place in ("OBX-5", "OBX-7") and isinstance(found, Held) and found.releasable
        [without] = BASIC.deidentify(held, reviewed=True)
        [kept] = BASIC.deidentify(replace(held, keep=frozenset({findings[0].place})), reviewed=True)
        assert isinstance(without, Clean) and findings[0].word not in str(b"".join(map(bytes, without.pieces())))
        assert isinstance(kept, Clean) and findings[0].word in str(b"".join(map(bytes, kept.pieces())))


@pytest.mark.parametrize(
    "value",
    ["NM|2345-7^^LN||1403~1957|mg", "NM|2345-7^^LN||14.0357|mg", "SN|2345-7^^LN||^14^/^357|",
     "SN|2345-7^^LN||^123^-^4567|mg", "NM|2345-7^^LN||5|mg|1403-1957"],
)  # fmt: skip
def test_a_patients_own_day_and_number_are_found_in_pieces(value: str) -> None:
    found = outcome(message(f"OBX|1|{value}").replace("7^^^NORTH^MR", "A1234567^^^NORTH^MR||Kim||19570314"))
    assert isinstance(found, Held) and found.releasable


@pytest.mark.parametrize(
    ("cut", "places"),
    [
        (["OBX|1|NM|2345-7^^LN|1234|5|mg|4-567"], "OBX-4, OBX-7"),
        (["OBX|1|NM|2345-7^^LN|123|4567|mg"], "OBX-4, OBX-5"),
        (["OBX|1|NM|2345-7^^LN|66|25559|mg|812"], "OBX-4, OBX-5, OBX-7"),
        (["OBX|1234|NM|2345-7^^LN|567|5|mg"], "OBX-1, OBX-4"),
        (["OBX|1|NM|2345-7^^LN||567|mg|1-1234"], "OBX-5, OBX-7"),
        (["OBX|1233|NM|2345-7^^LN||5|mg", "OBX|1234|NM|2345-7^^LN|567|5|mg"], "OBX-1, OBX-4"),
        (["OBX|1|NM|2345-7^^LN||5|mg", "OBX|2|NM|2345-7^^LN||1403|mg|5-195", "OBX|3|NM|2345-7^^LN||7.5|mg"], ""),
        (["OBX|1|NM|2345-7^^LN||567|mg", "OBX|2|NM|2345-7^^LN||1234|mg"], "OBX-5"),
        (["OBX|1|NM|2345-7^^LN||1403|mg|19-57"], "OBX-5, OBX-7"),
        (["OBX|1|NM|2345-7^^LN||1234|mg", "OBX|2|NM|2345-7^^LN||567|mg"], "OBX-5"),
        (["DG1|1||MEIER^x^own", "DG1|2||HOFER^x^own"], "DG1-3"),
        (["OBX|1|CE|MEI^x^own||ERHOFER^x^own"], "OBX-3, OBX-5"),
        (["OBX|1|NM|2345-7^^LN|1|5.5|mmol/L|4-6", "OBX|2|NM|2345-7^^LN|2|138|mmol/L|135-145"], ""),
    ],
)
def test_a_number_or_a_name_cut_over_fields_and_segments_is_found(cut: list[str], places: str) -> None:
    rules = Hl7Deidentifier(Profile(name="own", title="", hl7=Hl7Rules(systems={"own": "[A-Z]+"})), pseudonyms(), AS_OF)
    pid = "A1234567^^^NORTH^MR||Meierhofer^N||19570314|F|||||+49 662 5559812"
    found = outcome(message(*cut).replace("7^^^NORTH^MR", pid), rules)
    assert (found.reason.split(" has ")[0] if isinstance(found, Held) else "") == places


def test_a_field_of_thousands_of_codes_is_looked_through_in_no_time() -> None:
    codes = "~".join(
        f"{letter}{number}.{part}^^I10" for letter in "BCDEF" for number in range(10, 99) for part in range(9)
    )
    assert isinstance(outcome(message(f"OBX|1|CE|2345-7^^LN||{codes}")), Clean)  # without a bound it takes minutes


@pytest.mark.parametrize(
    ("sub", "kept"), [("14.3.57", ""), ("14.03.57", ""), ("57.3.14", ""), ("1.14.3.57", ""), ("1.12.3", "1.12.3")]
)
def test_a_day_is_no_number_of_a_part(sub: str, kept: str) -> None:
    assert clean(message(f"OBX|1|NM|2345-7^^LN|{sub}|5"))[-1] == f"OBX|1|NM|2345-7^^LN|{kept}|5"


@pytest.mark.parametrize(
    ("segment", "kept"),
    [
        ("RXA|0|1|20240305|20240305|140^Flu^CVX|0.5|mL^mL^UCUM||00^x^NIP001|1^Huber|||||LOT-4711||MSD^x^MVX|||CP|A",
         "RXA|0|1|2024|2024|140^^CVX|0.5|mL^^UCUM|||||||||||||CP|A"),
        ("RXE||L01XK02^Zejula for Ada^ATC|100|200|mg^mg^UCUM|10219000^Tab^EDQM",
         "RXE||L01XK02^^ATC|100|200|mg^^UCUM|10219000^^EDQM"),
        ("RXR|PO^Oral^HL70162", "RXR|PO^^HL70162"),
        ("SCH|A1^H||||4711^Huber|ROUTINE^x^HL70276|||30|min^min^UCUM|^^30^20240305|Huber^Ada", None),
        ("AIS|1|A|5-547.0^x^OPS|20240305101500|||30|min^^UCUM||Ada", "AIS|1||5-547.0^^OPS|2024|||30|min^^UCUM"),
        ("FT1|1|T-1|B-1|20240305|20240305|CG|99213^x^C4|For Ada||2|120.50", "FT1|1|||2024|2024|CG|99213^^C4|||2"),
        ("TXA|1|DS|TX|20240305|||||4711^Huber^Ada|||DOC-1||||Ada.pdf|AU||AV", None),
        ("DG1|1||I10.90G^Hypertonie^I10GM2024", "DG1|1||I10.90G^^I10GM2024"),
        ("IAM|1|DA^x^HL70127|387207008^x^SCT|SV^x^HL70128|Rash of Ada", "IAM|1|DA^^HL70127|387207008^^SCT|SV^^HL70128"),
        ("AIP|1|A|4711^Huber^Ada", ""), ("GT1|1|G1|Huber^Ada", ""), ("ZPD|1|Huber", ""),
    ],
)  # fmt: skip
def test_orders_doses_visits_and_services_keep_what_was_done_and_drop_who_did_it(
    segment: str, kept: str | None
) -> None:
    lines = clean(message(segment))[2:]
    assert not {"Huber", "Ada", "LOT", "4711", "120.50"} & set(re.findall(r"[A-Za-z]+|[\d.]+", " ".join(lines)))
    assert len(lines) == 1 if kept is None else lines == [kept] * bool(kept)


@pytest.mark.parametrize(
    "segments",
    [
        ["PV1|1|I|||||1234^Lokatus^Eva", "OBX|1|CWE|2345-7^^LN||LOKATUS^x^own"],
        ["MRG|M99881^^^H^MR", "OBX|1|NM|2345-7^^LN||99881"],
        ["NK1|1|Mutterer^Ida", "OBX|1|CWE|2345-7^^LN||MUTTERER^x^own"],
    ],
    ids=["physician", "the number before a merge", "next of kin"],
)
def test_all_people_and_numbers_that_a_message_names_are_looked_for(segments: list[str]) -> None:
    rules = Hl7Deidentifier(Profile(name="own", title="", hl7=Hl7Rules(systems={"own": "[A-Z]+"})), pseudonyms(), AS_OF)
    found = outcome(message("\r".join(segments)), rules)
    assert isinstance(found, Held) and found.code in ("identifier_left", "identifier_suspected")
