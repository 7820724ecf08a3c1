"""Profiles: what ships, what a hospital's own file may say, and what is refused; the report of a run under one."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword

import hmchain
from hmchain.records.deidentification.dicom.options import CODES, RETAINED, taken
from hmchain.records.deidentification.dicom.rules import Rules, Treatment
from hmchain.records.deidentification.outcome import REMOVED, Action, Clean, Held
from hmchain.records.deidentification.profile import (
    BlankedDevice,
    DicomRules,
    Profile,
    ProfileError,
    SafePrivate,
    load_profile,
    profiles,
)
from hmchain.records.deidentification.report import ELEMENTS_MAX, OTHER, DeidentificationReport, profile_digest

SOURCE = Path(hmchain.__file__).parent / "records" / "deidentification"
GUIDE = Path(hmchain.__file__).parents[2] / "docs" / "how-to" / "deidentification.md"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_profiles_ship() -> None:
    assert set(profiles()) >= {"basic", "characteristics", "device", "longitudinal", "research"}


@pytest.mark.parametrize("name", profiles())
def test_a_shipped_profile_loads_under_its_own_name_and_can_be_used(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name and profile.title
    Rules(profile)


def test_basic_is_what_a_profile_that_says_nothing_is() -> None:
    basic = load_profile("basic")
    assert (basic.dates, basic.dicom) == (Profile(name="", title="").dates, Profile(name="", title="").dicom)


def test_a_hospitals_own_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        """
        name = "ours"
        title = "Ultrasound of one device"
        dates = "shift"
        [dicom]
        retain = ["device_identity"]
        remove = ["BodyPartExamined"]
        [[dicom.blank]]
        modality = "US"
        manufacturer = "ACME"
        model = "Sono 1"
        rows = 480
        columns = 640
        rectangles = [[0, 0, 640, 40]]
        [[dicom.safe_private]]
        creator = "ACME"
        group = 0x0019
        element = 0x0C
        """
    )
    profile = load_profile(str(path))
    assert profile.dicom.blank[0].rectangles == ((0, 0, 640, 40),)
    assert profile.dicom.safe_private[0].group == 0x19
    assert [code for code, _ in taken(profile, pixels_cleaned=True)] == [
        "113100", "113101", "113107", "113109", "113111",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("dates = 'keep'", "dates"),
        ("colour = 'blue'", "colour"),
        ("[dicom]\nretain = ['everything']", "everything"),
        ("[dicom]\nkeep_names = true", "keep_names"),
        ("[dicom]\nremove = ['(0010,0010)']", "remove"),
        ("[[dicom.safe_private]]\ncreator='A'\ngroup=0x0018\nelement=1", "odd"),
        ("[[dicom.blank]]\nmodality='US'\nmanufacturer=''\nmodel=''\nrows=1\ncolumns=1\nrectangles=[]", "rectangles"),
        ("name = ", "cannot be read"),
    ],
    ids=lambda value: value.split("\n")[-1][:20],
)
def test_what_a_profile_cannot_say_is_refused_and_named(tmp_path: Path, entry: str, named: str) -> None:
    path = tmp_path / "bad.toml"
    head = "" if entry.startswith("name") else 'name = "bad"\ntitle = "t"\n'
    path.write_text(head + entry + "\n")
    with pytest.raises(ProfileError, match=named):
        load_profile(str(path))


def test_a_profile_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ProfileError, match=r"no profile lax .*basic"):
        load_profile("lax")


def test_the_guide_explains_every_entry_of_a_profile_and_every_reason_to_hold() -> None:
    entries = (*DicomRules.__struct_fields__, *BlankedDevice.__struct_fields__, *SafePrivate.__struct_fields__)
    for entry in (*entries, *RETAINED, *profiles()):
        assert entry in GUIDE.read_text(), f"{GUIDE.name} does not explain {entry}"
    sources = [*(SOURCE / "dicom").glob("*.py"), SOURCE / "pictures.py"]
    codes = {code for path in sources for code in re.findall(r'\bHe?o?ld\("(\w+)"', path.read_text())}
    assert len(codes) > 8
    for code in codes:
        assert f"`{code}`" in GUIDE.read_text(), f"{GUIDE.name} does not explain {code}"


def test_every_option_has_a_code_and_keeps_elements_that_exist() -> None:
    for option, keywords in RETAINED.items():
        assert option in CODES
        rules = Rules(Profile(name="", title="", dicom=DicomRules(retain=(option,))))  # type: ignore[arg-type]
        tags = [tag_for_keyword(keyword) for keyword in keywords]
        assert all(tag is not None and rules[tag].option for tag in tags)
        assert not any(rules[tag].treatment in (Treatment.DROP, Treatment.BLANK) for tag in tags if tag)


def report() -> DeidentificationReport:
    found = DeidentificationReport(load_profile("basic"))
    actions = (Action("PatientName", "emptied"), Action("private elements", "removed", 3))
    for _ in range(2):
        found.add(Clean("r", "s", "application/dicom", tuple, {}, actions))
    found.add(Held("burned_in_text", "why", True))
    return found


def test_a_report_sums_up_and_sorts() -> None:
    told = json.loads(report().as_json())
    assert told["records"] == 2 and told["held"] == {"burned_in_text": 1}
    assert told["actions"] == [
        {"element": "PatientName", "done": "emptied", "count": 2},
        {"element": "private elements", "done": "removed", "count": 6},
    ]
    assert told["profile_digest"] == profile_digest(load_profile("basic")) != profile_digest(load_profile("device"))


def test_a_report_does_not_grow_without_end() -> None:
    found = DeidentificationReport(load_profile("basic"))
    for number in range(ELEMENTS_MAX + 50):
        found.add_actions((Action(f"column {number}", REMOVED),))
    assert len(found.actions) == ELEMENTS_MAX + 1 and found.actions[OTHER, REMOVED] == 50


def test_provenance_is_a_fhir_resource_with_the_report_attached() -> None:
    resource = report().as_provenance("brain/1", "North Hospital", "FL-HMChain 1", NOW)
    assert resource["resourceType"] == "Provenance" and resource["recorded"] == "2026-03-01T12:00:00+00:00"
    assert resource["policy"][0].endswith(profile_digest(load_profile("basic")))
    (document,) = resource["contained"]
    attached = document["content"][0]["attachment"]
    assert base64.b64decode(attached["data"]) == report().as_json()
    assert resource["entity"][0]["what"]["reference"] == f"#{document['id']}"
    with pytest.raises(ValueError, match="time zone"):
        report().as_provenance("brain/1", "North Hospital", "FL-HMChain 1", NOW.replace(tzinfo=None))


def test_provenance_validates_as_fhir_r4() -> None:
    provenance = pytest.importorskip("fhir.resources.R4B.provenance", reason="fhir.resources is not installed")
    resource = report().as_provenance("brain/1", "North Hospital", "FL-HMChain 1", NOW)
    provenance.Provenance.model_validate(resource)
