"""Private elements: which of them stay, as the tables say, and what is left of those that makers pack."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Mapping

import msgspec
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hmchain.records.deidentification.dicom.packed import REPACKED
from hmchain.records.deidentification.dicom.private import RULES, shipped
from hmchain.records.deidentification.dicom.rules import Treatment
from support.dicom_objects import clean, ct, deidentifier, held

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # the objects are wrong on purpose

BY = deidentifier(private=("standard", "acquisition"))


def scan(creator: str, group: int, syntax: UID = ExplicitVRLittleEndian, **elements: tuple[str, object]) -> FileDataset:
    """A slice with private elements of one creator, by their last two digits."""
    dataset = ct(syntax)
    fill(dataset, creator, group, **elements)
    return dataset


def fill(dataset: Dataset, creator: str, group: int, **elements: tuple[str, object]) -> None:
    block = dataset.private_block(group, creator, create=True)
    for digits, (vr, value) in elements.items():
        block.add_new(int(digits.removeprefix("x"), 16), vr, value)


def left(dataset: FileDataset) -> dict[str, object]:
    """What is left of private elements, by their last two digits."""
    after = clean(dataset, BY)
    return {
        f"x{element.tag.element & 0xFF:02X}": element.value
        for element in after
        if element.tag.is_private and not element.tag.is_private_creator
    }


def test_the_standards_table_ships_whole() -> None:
    table = msgspec.toml.decode((RULES / "private_standard.toml").read_bytes())["elements"]
    assert len({entry["creator"] for entry in table}) == 20
    assert sum(len(entry["hold"].split(",")) for entry in table) == 479


@pytest.mark.parametrize("table", ["standard", "acquisition"])
def test_no_bytes_without_a_known_structure_and_no_text_without_a_form_stay(table: str) -> None:
    for rule in shipped(table).values():
        assert rule.option and rule.name
        assert rule.vr not in ("OB", "OW", "UN") or rule.repack is not None
        is_text = rule.vr in ("LO", "SH", "ST", "LT", "UT")
        assert not is_text or rule.treatment is Treatment.WORDS or rule.form.pattern != "[ -~]*"


def test_each_table_of_ours_says_why() -> None:
    table = msgspec.toml.decode((RULES / "private_acquisition.toml").read_bytes())["elements"]
    assert all(entry["reason"] for entry in table)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_b_values_and_directions_stay_whatever_the_file_says_of_vrs(syntax: UID) -> None:
    before = scan("SIEMENS MR HEADER", 0x19, syntax, x0C=("IS", "1000"), x0E=("FD", [0.5, 0.5, 0.7]), x0A=("US", 35))
    assert left(before) == {"x0A": 35, "x0C": 1000, "x0E": [0.5, 0.5, 0.7]}


def test_elements_of_unknown_vr_are_read_as_the_table_says() -> None:
    before = scan("SIEMENS MR HEADER", 0x19, x0C=("UN", b"1000"), x28=("UN", struct.pack("<d", 55.8)))
    assert left(before) == {"x0C": 1000, "x28": 55.8}


def test_a_block_stays_where_the_file_has_it_with_its_creator() -> None:
    before = ct()
    before.add(DataElement(0x00190010, "LO", "ACME"))
    before.add(DataElement(0x00191001, "IS", "7"))
    before.add(DataElement(0x00190057, "LO", "SIEMENS MR HEADER"))
    before.add(DataElement(0x0019570C, "IS", "1000"))
    after = clean(before, BY)
    assert [str(element.tag) for element in after if element.tag.is_private] == ["(0019,0057)", "(0019,570C)"]


def test_a_name_is_kept_in_no_private_element() -> None:
    before = scan(
        "SIEMENS MR HEADER",
        0x51,
        x0B=("LO", "64*64"),
        x0F=("LO", "Dr. Wolf"),
        x0E=("LO", "Tra>Cor(-6.2)"),
        x16=("LO", "Marple"),
    )
    fill(before, "Philips Imaging DD 001", 0x2001, x5A=("ST", "Jane Marple"), x20=("LO", "Marple"))
    fill(before, "GEMS_ACQU_01", 0x19, x9C=("LO", "epi2 of Marple"))
    fill(before, "GEMS_PARM_01", 0x43, x39=("IS", ["1000000800", "8", "1342177280", "0"]), xA4=("LO", "Marple"))
    assert left(before) == {"x0B": "64*64", "x0E": "Tra>Cor(-6.2)", "x9C": "epi2 of", "x39": [1000000800, 8, 0, 0]}


def test_numbers_that_could_be_a_telephones_go() -> None:
    assert left(scan("GEMS_ACQU_01", 0x19, xA7=("DS", "0791234567"), xA8=("DS", "12.5"))) == {"xA8": 12.5}


def test_frames_own_sequences_are_cleaned_inside() -> None:
    item = Dataset()
    item.PatientComments, item.ImageComments, item.FlipAngle = "Quince", "Mrs Quince", 90
    fill(item, "Philips MR Imaging DD 001", 0x2005, x0E=("FL", 0.5), xFF=("LO", "Quince"))
    after = clean(scan("Philips MR Imaging DD 005", 0x2005, x0F=("SQ", Sequence([item]))), BY)
    (kept,) = after.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value
    assert kept.FlipAngle == 90 and kept.private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value == 0.5
    assert "Quince" not in str(kept)


def test_a_name_is_no_private_code() -> None:
    before = scan("Philips Imaging DD 001", 0x2001, x04=("CS", "QUINCE"), x02=("CS", "N"))
    assert "QUINCE" not in str(clean(before, BY))


def test_one_number_is_not_read_as_a_short_name_between_marks() -> None:
    before = scan("GEMS_IMAG_01", 0x27, x41=("FL", struct.unpack("<f", b"`ff?")[0]))
    before.PatientName = "FF^Laser"
    assert list(left(before)) == ["x41"]


# -- what makers pack -


def csa(tags: Mapping[str, list[str]]) -> bytes:
    """A CSA header as Siemens writes it."""
    data = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(tags), 77)
    for name, items in tags.items():
        data += struct.pack("<64si4siii", name.encode(), 1, b"LO", 19, len(items), 77)
        for item in items:
            text = item.encode() + b"\0"
            data += struct.pack("<iiii", len(text), len(text), 77, len(text)) + text + bytes(-len(text) % 4)
    return data


def items_of(data: bytes, name: str) -> list[str]:
    """The items of a tag of a CSA header, found by its name."""
    start = data.index(name.encode().ljust(64, b"\0"))
    count, position, found = struct.unpack_from("<i", data, start + 76)[0], start + 84, []
    for _ in range(count):
        length = struct.unpack_from("<i", data, position + 4)[0]
        found.append(data[position + 16 : position + 16 + length].rstrip(b"\0").decode())
        position += 16 + length + -length % 4
    return found


PROTOCOL = """### ASCCONV BEGIN ###
tProtocolName = ""fMRI Marple""
tSequenceFileName = ""%CustomerSeq%\\\\marple_epi""
sKSpace.lPhaseEncodingLines = 64
sPat.lAccelFactPE = 2
sTXSPEC.tMarple = 12
lMarple_Jane_19571014 = 1
sGroupArray.asMarple.lMRN4815162342 = 4
sGroupArray.asGroup[0].dDistFact = 0.25
tMeasuredBaselineString = "Marple"
sSliceArray.asSlice[0].sPosition.dTra = -12.5
sWipMemBlock.tFree = ""Marple""
sPatientWeight = 0791234567
### ASCCONV END ###
"""


def test_a_csa_header_keeps_its_numbers_and_loses_its_texts() -> None:
    before = csa(
        {
            "PatientName": ["Marple"],
            "NumberOfImagesInMosaic": ["35      "],
            "DiffusionGradientDirection": ["0.5", "0.5", "Marple"],
            "ImageHistory": ["Marple", "CC:ComplexAdd"],
            "UsedPatientWeight": ["72"],
            "MrPhoenixProtocol": [f'<XProtocol> "PatientName" {{ "Marple" }}\n{PROTOCOL}'],
        }
    )
    after = REPACKED["siemens_csa"](before)
    assert after is not None and b"arple" not in after.data and b"Patient" not in after.data
    assert items_of(after.data, "NumberOfImagesInMosaic") == ["35      "]
    assert items_of(after.data, "DiffusionGradientDirection") == ["0.5", "0.5", ""]
    assert items_of(after.data, "ImageHistory") == ["", "CC:ComplexAdd"]
    assert re.findall(r"\S+\t = \t\S+", items_of(after.data, "MrPhoenixProtocol")[0]) == [
        "sKSpace.lPhaseEncodingLines\t = \t64",
        "sPat.lAccelFactPE\t = \t2",
        "sGroupArray.asGroup[0].dDistFact\t = \t0.25",
        "sSliceArray.asSlice[0].sPosition.dTra\t = \t-12.5",
    ]


@pytest.mark.parametrize("how", REPACKED)
@pytest.mark.parametrize("data", [b"", b"Marple", b"SV10\x04\x03\x02\x01" + bytes(5), bytes(4) + b"\x1f\x8b\x08Marple"])
def test_what_is_packed_in_another_way_goes(how: str, data: bytes) -> None:
    assert REPACKED[how](data) is None


def test_a_csa_header_that_lies_of_its_lengths_gives_what_can_be_read() -> None:
    whole = csa({"B_value": ["1000"], "Rows": ["64"]})
    for end in range(len(whole)):
        after = REPACKED["siemens_csa"](whole[:end]) if end >= 16 else None
        assert after is None or items_of(after.data, "B_value") == ["1000"]


def test_ges_protocol_keeps_the_order_of_slices_and_no_names() -> None:
    text = b'set SLICEORDER "1"\nset MBACCEL "3"\nset PATNAME "Marple"\nset IOPT "EDR, MPh"\nset PSEQ "EPI"\n'
    packed = gzip.compress(text)
    after = REPACKED["ge_protocol"](len(packed).to_bytes(4, "little") + packed)
    assert after is not None
    length = int.from_bytes(after.data[:4], "little")
    assert gzip.decompress(after.data[4 : 4 + length]) == (
        b'\nSLICEORDER "1"\nMBACCEL "3"\nIOPT "EDR, MPh"\nPSEQ "EPI"\n'
    )


def test_ges_protocol_keeps_no_words_that_are_not_its_own_and_no_long_numbers() -> None:
    text = b'IOPT "Marple, DrJane, Tel030"\nPSEQ "Marple"\nNOSLC "12"\nVIEWORDER "19571014.4711"\nTE "19571014.4"\n'
    packed = gzip.compress(text)
    after = REPACKED["ge_protocol"](len(packed).to_bytes(4, "little") + packed)
    assert after is not None and after.values == (b"12",)


def test_a_patients_number_among_numbers_in_a_protocol_holds_the_object() -> None:
    packed = gzip.compress(b'PHASEDELAYS1 "4815, 162342"\n')
    before = scan("GEMS_SERS_01", 0x25, x1B=("OB", len(packed).to_bytes(4, "little") + packed))
    assert not left(before)
    packed = gzip.compress(b'PHASEDELAYS1 "4815, 1623"\n')
    before = scan("GEMS_SERS_01", 0x25, x1B=("OB", len(packed).to_bytes(4, "little") + packed))
    before.PatientID = "48151623"
    assert held(before, BY)


def test_a_direction_is_one_of_its_terms_and_a_b_value_no_date() -> None:
    assert left(scan("SIEMENS MR HEADER", 0x19, x0C=("IS", "19571014"), x0D=("CS", "MARPLE"))) == {}
    assert left(scan("SIEMENS MR HEADER", 0x19, x0C=("IS", "1000"), x0D=("CS", "NONE"))) == {"x0C": 1000, "x0D": "NONE"}


def test_ges_user_data_keeps_the_polarity_of_an_epi_and_no_other_byte() -> None:
    before = bytearray(b"Marple" * 200)
    struct.pack_into("<H", before, 24, 0)
    struct.pack_into("<f", before, 0, 16.0)
    struct.pack_into("<H", before, 0x30, 0xFFFF)
    struct.pack_into("<H", before, 0x3A, 0xFFFF)
    after = REPACKED["ge_user"](bytes(before))
    assert after is not None and b"arple" not in after.data and len(after.data) == len(before)
    assert struct.unpack_from("<H", after.data, 0x30) == (4,) and struct.unpack_from("<H", after.data, 0x3A) == (0x800,)
