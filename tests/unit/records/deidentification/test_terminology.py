"""Codes of public systems: those that hospitals write stay, and what a person is called or reached by does not."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.records.deidentification.code_lists import code_lists
from hmchain.records.deidentification.profile import FhirRules, Hl7Rules, ProfileError, load_profile
from hmchain.records.deidentification.terminology import (
    closed_systems,
    fhir_systems,
    hl7_systems,
    shipped_systems,
    text_of,
)

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "code-systems.md"
FHIR, HL7 = fhir_systems(FhirRules()), hl7_systems(Hl7Rules())
BY_TITLE = {system.title: system for system in shipped_systems()}

VALID = {
    "ICD-10-GM": "I10.90 C50.4 A54.4† M73.04* B95.6! E11.90G U07.1! S72.00 C50.- M54.5ZL A54.4+ I10",
    "OPS": "5-547.0 1-853.2 6-007.nm 8-98g.10 9-984.7 3-222 8-52 5-378.5f 5-820.00R",
    "ATC": "A A12 A12AA20 L01XK02 N02BE51 V06DC01 C07AB",
    "EDQM Standard Terms": "10219000 20053000 50021000 15054000 11502500 30007000",
    "TNM": "T1a pT2 ypT1c(m) Tis(DCIS) T4d T2a2 TX N0 cN1a pN0(sn) N0(i+) N1(2/12) M0 M1b pM1 L0 V2 Pn1 R0 G3 IVC IA2",
    "ICD-O-3": "C50.4 C80.9 8500/3 8140/33 9823/3",
    "Alpha-ID": "I125918 I97525",
    "PZN": "00169644 02532793 194346",
    "ORPHAcodes": "145 420402 ORPHA:98896",
    "ICD-10": "J45 E11.9 S72.001A C50.A0 Z3A.01 T36.0X1A H36.0*",
    "ICD-10-CM": "S06.0XAA O60.10X0 C7A.020 E11.65 M1A.0110 V00.01XA",
    "ICD-10-PCS": "02703ZZ HZ30ZZZ 0DTJ4ZZ B2101ZZ 5A1955Z",
    "CIM-10 (France)": "I10 E66.00 S42.0001 K35.8",
    "CCAM (France)": "HHFA001 YYYY001",
    "CHOP (Switzerland)": "Z39.61.10 81.51.11",
    "UNII": "059QF0KO0R 2M83C4R6ZB",
    "CAS": "7732-18-5 50-99-7",
    "HGVS": "NM_004333.4:c.1799T>A NC_000005.9:g.13del p.(Val600Glu) p.(Leu344CysfsTer25) NM_000059.3(BRCA2):c.68-7T>A",
    "HGNC": "HGNC:1097 HGNC:3689::HGNC:2697",
    "Cytogenetic bands (ISCN)": "17q21.31 Xp11 7q34",
    "ICD-11": "BA00 5A11 8A00.0Z",
}


@pytest.mark.parametrize("title", VALID)
def test_the_codes_that_hospitals_write_stay(title: str) -> None:
    system = BY_TITLE[title]
    gone = [code for code in VALID[title].split() if not all(FHIR[uri](code) for uri in (system.uri, *system.also))]
    assert gone == []
    assert all(HL7[name](code) for name in system.hl7 for code in VALID[title].split())


def people(chance: random.Random) -> Iterator[str]:
    """What a person is called or reached by, as somebody wrote it into the field of a code."""
    digits = "".join(chance.choices(string.digits, k=12))
    name = "".join(chance.choices("ABDEFHIKLMNORSTUVZ", k=chance.randrange(4, 9)))
    yield from (name, name.title(), name.lower(), f"{name}^ANNA", f"{name[:3]}.{name[3:]}", f"{name} {name[::-1]}")
    if len(name) > 4:  # a Z01A or TD0L could be a code by its form
        yield name.replace("O", "0").replace("I", "1")
    yield from (f"{name[0]}0{name[2]}.{name[3:]}", f"{name[:2]}-{name[2:]}")
    yield from ("J0H.NDOE", "M0R.ITZ", "A1B.ERT", "L0U.ISE", "E0B.EL", "B3N.NO")
    yield from (f"+49{digits[:9]}", f"0{digits[:3]}/{digits[3:9]}", f"{digits[:3]}-{digits[3:7]}", f"0{digits[:10]}")
    yield from (f"{digits[:2]}.{digits[2:4]}.19{digits[4:6]}", f"19{digits[:2]}-0{digits[2]}-1{digits[3]}")
    yield from (
        f"MRN{digits[:6]}",
        f"{name[0]}{digits[:8]}",
        f"{name[:2]}{digits[:5]}{name[2]}",
        f"{digits[:9]}",
        digits,
    )
    yield f"{name.lower()}@example.org"


def test_no_name_telephone_date_or_record_number_passes_for_a_code() -> None:
    chance = random.Random("lookalikes")
    passed = {
        (system.title, text)
        for _ in range(300)
        for text in people(chance)
        for system in shipped_systems()
        if FHIR[system.uri](text)
    }
    assert passed == set()


def test_numbers_alone_pass_only_where_they_are_compared_with_the_patients() -> None:
    """A record number may look like an ORPHAcode: then the guard decides, which knows the patient."""
    chance = random.Random("numbers")
    closed = closed_systems()
    numbers = ["".join(chance.choices(string.digits, k=length)) for length in (5, 6, 7, 8, 10) for _ in range(400)]
    listed = {name for each in code_lists() for name in each.names}
    for system in shipped_systems():
        if any(FHIR[system.uri](number) for number in numbers):
            assert system.uri not in closed or system.check == "sctid" or system.uri in listed, system.title


def test_what_hl7_lists_keeps_its_own_text_and_nothing_else_is_on_the_list() -> None:
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    assert text_of(act, "AMB") == "ambulatory" and text_of("urn:oid:2.16.840.1.113883.5.4", "AMB") == "ambulatory"
    assert text_of(act, "Ada Muster") == "" and text_of("http://loinc.org", "2345-7") == ""
    assert FHIR[act]("AMB") and not FHIR[act]("MUSTER") and HL7["HL70487"]("SER")
    phenotypes = FHIR["http://human-phenotype-ontology.org"]
    assert phenotypes("HP:0000252") and not phenotypes("HP:9876543") and not phenotypes("HP:0000252 ")
    assert FHIR["http://dicom.nema.org/resources/ontology/DCM"]("121033") and not HL7["DCM"]("149999")


def test_every_system_has_a_row_in_the_reference() -> None:
    rows = set(
        re.findall(
            r"^\| ([^|]+) \| `([^`]+)` \| (list|pattern|check digit|pattern and check digit) \|", PAGE.read_text(), re.M
        )
    )
    for system in shipped_systems():
        if system.title:
            how = ["pattern"] * bool(system.pattern) + ["check digit"] * bool(system.check) or ["list"]
            assert (system.title, system.uri, " and ".join(how)) in rows, f"{PAGE.name} lacks {system.title}"


def test_a_hospital_that_has_a_list_keeps_what_is_on_it_and_nothing_that_only_looks_like_it(tmp_path: Path) -> None:
    uri = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
    (tmp_path / "icd.txt").write_text("\ufeff# 2026\nI10.90;Hypertonie\nE11.90\tDiabetes\n\n", encoding="utf-8")
    lists = f'[fhir]\nlists = {{ "{uri}" = "icd.txt", "urn:ward" = ["A1", "B2"] }}\n'
    (tmp_path / "own.toml").write_text(f'name = "own"\ntitle = ""\n{lists}')
    own = fhir_systems(load_profile(str(tmp_path / "own.toml")).fhir)
    assert own[uri]("I10.90") and own[uri]("E11.90") and not own[uri]("I10.91") and FHIR[uri]("I10.91")
    assert own["urn:ward"]("A1") and not own["urn:ward"]("A2")
    assert not {uri, "urn:ward"} & closed_systems(), "the guard compares what passes with the patient"
    (tmp_path / "icd.txt").unlink()
    with pytest.raises(ProfileError, match="the list of http"):
        load_profile(str(tmp_path / "own.toml"))
