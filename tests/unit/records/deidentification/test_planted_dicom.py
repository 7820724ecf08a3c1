"""A person in every element of DICOM that anything may be left of: nothing of it comes out, or the object is held."""

from __future__ import annotations

import io
import random
import re
import struct
from collections.abc import Iterator

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from hmchain.records.deidentification.dicom import DicomDeidentifier, encoding
from hmchain.records.deidentification.dicom.rules import Rules, Treatment
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import load_profile
from support.dicom_objects import PSEUDONYMS, collected, content, item
from support.planted_people import Person, person, told
from support.sampling import one_in

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

PROFILES = {name: load_profile(name) for name in ("basic", "longitudinal", "research")}
RULES = {name: Rules(profile) for name, profile in PROFILES.items()}
BY = {name: DicomDeidentifier(profile, PSEUDONYMS) for name, profile in PROFILES.items()}
TAGS = sorted(tag for tag in DicomDictionary if 0x0008 <= tag >> 16 < 0x7FE0)
_PIXELS = {tag for tag in TAGS if tag >> 16 == 0x0028 and tag & 0xFFFF < 0x0104}
_OWN = {0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x00080060, 0x00080008, 0x00100010, 0x00100020, 0x00100030,
        0x00080050, 0x00102154}  # fmt: skip
LEAVES = [tag for tag in TAGS if tag not in _PIXELS | _OWN and DicomDictionary[tag][0] != "SQ"]
_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}

WRITTEN_VRS = [*_FORMATS, "CS", "IS", "DS", "LO", "UI", "UN", "OB", "OW", "AT", "PN", "DA", "TM", "ST"]


def made(who: Person, planted: dict[int, bytes]) -> bytes:
    """An object of somebody's, with further elements, encoded."""
    own = {
        0x00080008: ("CS", rb"ORIGINAL\PRIMARY\AXIAL"), 0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.2"),
        0x00080018: ("UI", b"1.2.3.4.5.6"), 0x00080050: ("SH", who.accession.encode()), 0x00080060: ("CS", b"CT"),
        0x00100010: ("PN", f"{who.family}^{who.given}".encode()), 0x00100020: ("LO", who.number.encode()),
        0x00100030: ("DA", f"{who.born:%Y%m%d}".encode()), 0x00102154: ("SH", who.telephone.encode()),
        0x0020000D: ("UI", b"1.2.3.4.5"), 0x00280002: ("US", b"\1\0"), 0x00280004: ("CS", b"MONOCHROME2"),
        0x00280010: ("US", b"\2\0"), 0x00280011: ("US", b"\2\0"), 0x00280100: ("US", b"\x08\0"),
        0x00280101: ("US", b"\x08\0"), 0x00280102: ("US", b"\7\0"), 0x00280103: ("US", b"\0\0"),
        0x7FE00010: ("OW", b"\1\2\3\4"),
    }  # fmt: skip
    elements = {tag: encoding.element(tag, vr, value) for tag, (vr, value) in own.items()} | planted
    meta = encoding.element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    length = encoding.element(0x00020000, "UL", len(meta).to_bytes(4, "little"))
    return bytes(128) + b"DICM" + length + meta + b"".join(elements[tag] for tag in sorted(elements))


def spelled(secret: str, vr: str) -> Iterator[bytes]:
    """The ways in which a value of a VR can say something."""
    digits = re.sub(r"\D", "", secret)
    if vr == "CS":
        yield re.sub(r"[^A-Z0-9_ ]", "_", secret.upper())[:16].encode()
    elif vr in ("IS", "DS") and digits:
        yield digits[:16].encode()
        if vr == "DS":
            yield f"{digits}.0"[:16].encode()
    elif vr in _FORMATS or vr in ("OB", "OW", "UN", "AT"):
        yield secret.encode() + bytes(-len(secret) % 8)
        if vr in _FORMATS:
            yield b"".join(struct.pack(f"<{_FORMATS[vr]}", ord(letter)) for letter in secret)
            low, high = {"US": (0, 1 << 16), "SS": (0, 1 << 15), "FL": (0, 1 << 24)}.get(vr, (0, 1 << 31))
            if digits and low <= int(digits) < high:
                yield struct.pack(f"<{_FORMATS[vr]}", int(digits))
    else:
        yield secret.encode()


def parsed(dataset: Dataset) -> Iterator[str]:
    """All numbers of an object, at every depth, as whole numbers."""
    for element in dataset.iterall():
        if element.VR in _FORMATS or element.VR in ("IS", "DS"):
            values = element.value if element.VM > 1 else [element.value]
            yield from (str(int(value)) for value in values if value not in (None, "") and float(value) == int(value))


def come_out(who: Person, planted: dict[int, bytes], profile: str) -> list[str]:
    """The secrets of somebody's that are in what is left of an object; none if it is held."""
    found = collected(BY[profile], item(made(who, planted)))
    if not isinstance(found, Clean):
        assert not told(found.reason.encode(), who.secrets().values())
        return []
    data = content(found)
    shown = "\n".join([*found.attributes.values(), *(action.element for action in found.actions)]).encode()
    left = told(data + b"\n" + shown, who.secrets().values())
    numbers = set(parsed(pydicom.dcmread(io.BytesIO(data))))
    return left + [secret for secret in who.secrets().values() if secret in numbers]


def encoded(tag: int, vr: str, value: bytes) -> bytes:
    return encoding.element(tag, vr, value)


def vr_of(tag: int) -> str:
    return DicomDictionary[tag][0].split(" or ")[0]


def inside(tag: int, element: bytes, chance: random.Random) -> dict[int, bytes]:
    """An element, in the object itself or in functional groups that stay."""
    if chance.random() < 0.5:
        return {tag: element}
    position = encoding.sequence(0x00209113, [element])
    return {0x52009230: encoding.sequence(0x52009230, [position])}


@pytest.mark.parametrize("profile", one_in(3, PROFILES))
def test_nothing_of_a_person_comes_out_of_any_element_that_stays(profile: str) -> None:
    chance = random.Random(f"elements under {profile}")
    kept = [tag for tag in LEAVES if RULES[profile][tag].treatment not in (Treatment.DROP, Treatment.BLANK)]
    kept = kept[list(PROFILES).index(profile) :: 2 * len(PROFILES)]  # a sixth each, which takes long enough
    assert len(kept) > 350
    failed = []
    for tag in kept:
        who = person(chance)
        what, secret = chance.choice(sorted(who.secrets().items()))
        ways = list(spelled(secret, vr_of(tag)))
        if vr_of(tag) == "TM" or not ways:
            continue
        planted = inside(tag, encoded(tag, vr_of(tag), chance.choice(ways)), chance)
        if left := come_out(who, planted, profile):
            failed.append((f"{tag:08X}", what, secret, left))
    assert not failed


@pytest.mark.parametrize("profile", one_in(3, PROFILES))
def test_nothing_of_a_person_comes_out_of_elements_that_go(profile: str) -> None:
    chance = random.Random(f"gone under {profile}")
    gone = [tag for tag in LEAVES if RULES[profile][tag].treatment in (Treatment.DROP, Treatment.BLANK)]
    gone.remove(0x00420011)  # a document holds the object
    for start in range(0, len(gone), 50):
        who = person(chance)
        planted = {
            tag: encoded(tag, vr_of(tag), next(spelled(chance.choice(list(who.secrets().values())), vr_of(tag)), b""))
            for tag in gone[start : start + 50]
        }
        found = collected(BY[profile], item(made(who, planted)))
        assert isinstance(found, Clean), found
        assert come_out(who, planted, profile) == []


@settings(max_examples=100)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(LEAVES),
    st.sampled_from(WRITTEN_VRS),
    st.sampled_from(list(PROFILES)),
)
def test_nothing_of_a_person_comes_out_under_a_wrong_vr(chance: random.Random, tag: int, vr: str, profile: str) -> None:
    who = person(random.Random(chance.random()))
    secret = chance.choice(sorted(who.secrets().values()))
    for value in spelled(secret, vr):
        if vr_of(tag) != "TM":
            assert come_out(who, inside(tag, encoded(tag, vr, value), chance), profile) == []


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.lists(st.sampled_from(LEAVES), min_size=1, max_size=5), st.integers(1, 8))
def test_nothing_of_a_person_comes_out_of_nested_private_and_unknown_places(
    chance: random.Random, tags: list[int], depth: int
) -> None:
    who = person(random.Random(chance.random()))
    secrets = sorted(who.secrets().values())
    leaves = {tag: encoded(tag, "LO", chance.choice(secrets).encode()) for tag in tags}
    private = {
        0x00190010: encoded(0x00190010, "LO", b"ACME"),
        0x00191001: encoded(0x00191001, "UN", secrets[0].encode()),
    }
    inner = b"".join(element for _, element in sorted((leaves | private).items()))
    for _ in range(depth):
        inner = encoding.sequence(0x00209113, [inner])
    planted = {0x52009229: encoding.sequence(0x52009229, [inner])} | private
    assert come_out(who, planted, chance.choice(sorted(PROFILES))) == []
