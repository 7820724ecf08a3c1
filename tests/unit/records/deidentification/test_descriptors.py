"""Descriptions: words of anatomy and technique stay as they were written, and nothing that tells who somebody is."""

from __future__ import annotations

from pathlib import Path

import pytest
from anyascii import anyascii
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hmchain.records.deidentification.dicom.descriptors import Descriptors
from hmchain.records.deidentification.profile import Profile, ProfileError, load_profile
from support.dicom_objects import clean, ct, deidentifier

WORDS = Descriptors()

AS_SCANNERS_WRITE_THEM = """
    t1_mprage_sag_p2_iso | AX T2 FLAIR FS | ep2d_diff_mddw_20_p2_ADC | CT Abd/Pelvis W/O CM | PLVS W/CONTRAST
    DTI_30dir_b1000 | T1W_3D_TFE | Thorax  5.0  B70f | Recon 2: ABD/PEL | CHEST/ABD/PELVIS WITH CONTRAST
    3 Plane Localizer | Ax DWI b=1000 | Patient Aligned MPR AWPLAN_SMARTSCORE | t2_tse_dark-fluid_tra_p2_448
    mIP_Images(SW) | AXIAL T1 POST GAD 0.9 x 0.9 x 2.5 | WB FDG PET/CT eyes-to-thigh | LUNG 1.25mm B60f
    Dose Report | ADC (10^-6 mm²/s) | L CC | R MLO | LEFT MLO IMPLANT DISPLACED | Routine Brain w/wo
    Lat C-Spine | C/A/P | BRAIN BLACK BLOOD | GADOVIST 7.5 ml | head^routine | Thorax^THORAX_1_VENOSO (Adult)
    Ax 3D BRAVO +C | 3D TOF MRA circle of Willis | WIP DTI_high_iso SENSE | Abdomen^1_KIDNEY STONE (Adult)
    BREAST DYNAMIC 1/6 | epi_mb3_2.5iso_PA | fMRI_REST_64x64 | SAG BRAVO | sPGR 3D TR 2500 TE 90ms
    CT 120 kVp 240 mA 1.5mm | Schädel nativ axial 5mm | Schaedelbasis coronar | Halswirbelsäule nativ sag
    Kniegelenk links | IRM cérébrale sans et avec injection | Epaule droite coupes axiales
    RM encefalo senza e con mdc | RMN columna lumbar sin contraste | MR kręgosłupa lędźwiowego
    MRI hjärna med kontrast | CT hersenen zonder contrast | PTV_60 | GTVp | Parotid_L | SpinalCord | Lung Right
    HEART | DWI b 50 400 800 | ep2d_diff_b2000 | iMAR 3.0 | L. Knee | P. Venous 2.0 | EPI 256x256 | fMRI 64x64x36
    ep2d_b0b1000b2000
LARGE BOWTIE FIL | MEDIUM FILTER | WEDGE_3 | THX ABD 3PHASEN | US OB < 14 WKS
"""


@pytest.mark.parametrize(
    "text", [line.strip() for line in AS_SCANNERS_WRITE_THEM.replace("\n", "|").split("|") if line.strip()]
)
def test_a_description_as_scanners_write_it_stays(text: str) -> None:
    assert WORDS.cleaned_values(text, "UT", nobody) in (text, anyascii(text))


def nobody(text: str) -> list[slice]:
    return []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("MRI HEAD MEIER", "MRI HEAD"),
        ("MEIER J 1957", ""),
        ("T2W_TSE_AX (Dr. Meier)", "T2W_TSE_AX"),
        ("CT Thorax Dr. Hand", "CT Thorax"),
        ("Knie links Müller 12.03.1957", "Knie links"),
        ("t1_MEIER_sag", "t1_sag"),
        ("HeadMEIER", "Head"),
        ("Meier, Anna: Abdomen nativ", "Abdomen nativ"),
        ("Tel 030 123 45 67", ""),
        ("CT 0171 2345678 Abdomen", "CT Abdomen"),
        ("MRN 123456 brain", "brain"),
        ("sub-01_task-rest_bold", "task-rest_bold"),
        ("Fall 4711 Becken", "Becken"),
        ("65Y male brain", "brain"),
        ("brain 2019-11-06", "brain"),
        ("brain 061119", "brain"),
        ("brain 10:23", "brain"),
        ("brain anna.meier@example.org", "brain"),
        ("A123456 knee", "knee"),
        ("Room 12 knee Prof. Dr. med. Kopf", "knee"),
        ("12345678", ""),
        ("Kontrolle 14 OCT 23", "Kontrolle"),
        ("CT 14OCT23", "CT"),
        ("CT 14-OCT-23", "CT"),
        ("CT Oct 14 23", "CT"),
        ("MRT 14. of Oct 57", "MRT"),
        ("Thorax 14 mar 23", "Thorax"),
        ("Thorax 14 set 23", "Thorax"),
        ("Thorax 14 décembre", "Thorax"),
        ("Thorax Okt '57", "Thorax"),
        ("H1234T5678 brain", "brain"),
        ("A123B456 brain", "brain"),
        ("4711H0815 brain", "brain"),
        ("brain 0151x2345x6789", "brain"),
        ("brain 14x10x57", "brain"),
        ("Thorax 92 J", "Thorax"),
        ("Thorax 92 Jahre", "Thorax"),
        ("Thorax 92 ans", "Thorax"),
        ("CT Hr.Fuß", "CT"),
        ("CT Ms.Back", "CT"),
        ("CT Mr.Head", "CT"),
        ("CT Fr.Herz", "CT"),
        ("CT DrBauch", "CT"),
        ("CT FrauHerz", "CT"),
        ("Kopf C. Bauch", "Kopf"),
        ("Kopf M. H.", "Kopf"),
    ],
)
def test_what_tells_who_somebody_is_goes_and_the_rest_stays(text: str, left: str) -> None:
    assert WORDS.cleaned(text, nobody) == left


NAMES = """
    Smith Johnson Brown Garcia Miller Davis Martinez Wilson Moore Jackson White Harris Clark Walker Young King
    Wright Hill Green Baker Hall Cook Bell Cooper Ward Gray Black Rose Fox Hunt Page Day Marsh Cross Best Bright
    Great Hart Lane Noble Müller Schmidt Schneider Weber Wagner Klein Wolf Lange Krause Lang Kurz Stein Fuchs
    Winter Sommer Horn Kuhn Hoch Dick Rossi Russo Ferrari Colombo Conti Costa Gallo Testa Bruno Martin Bernard
    Petit Grand Dubois Rocher Lent Moreau Blanco Nowak Kowalski Lewandowski Andersson Lindberg Berg Nielsen
    Hansen Yılmaz Demir Wang Zhang Chen Kim Park Tanaka Suzuki James Mary Robert Patricia John Mark Anna Karin
    Hans Ursula Grace May Ivy Giuseppe Piotr Björn Mohammed Olga
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_no_name_that_people_have_is_a_word_of_the_vocabulary(name: str) -> None:
    for written in (name, name.upper(), name.lower(), f"{name}s", f"{name}^Anna"):
        assert WORDS.cleaned(f"CT THORAX {written}", nobody) == "CT THORAX"


@settings(max_examples=50)
@given(st.text(max_size=80))
def test_nothing_is_written_that_was_not_there(text: str) -> None:
    left = WORDS.cleaned(text, nobody)
    assert len(left) <= len(text)
    pieces = iter(text)
    assert all(letter in pieces for letter in left if letter not in " _")


def test_the_patients_own_words_go_even_if_they_are_anatomy() -> None:
    before = ct(StudyDescription="CT SPLEEN KNEE", SeriesDescription="Spleen axial", PatientName="Spleen^Knee")
    after = clean(before, deidentifier(descriptors=True))
    assert "SeriesDescription" in after and "pleen" not in str(after).lower().replace("sspleen", "")


def test_who_is_named_deep_in_an_object_is_known_before_its_descriptions_are_cleaned() -> None:
    other = Dataset()
    other.RequestingPhysician, other.RequestedProcedureDescription = "Grimm^Anna", "CT knee"
    before = ct(StudyDescription="CT knee Grimm", RequestAttributesSequence=Sequence([other]))
    assert clean(before, deidentifier(descriptors=True, words=("grimm",))).StudyDescription == "CT knee"


@pytest.mark.parametrize(
    "written", ["1234x5678", "1234T5678", "12x34x56x78", "b1234 b5678", "TE 1234 TR 5678", "123 mm, 456 mm, 78 mm"]
)
def test_the_patients_own_number_goes_whatever_stands_between_its_digits(written: str) -> None:
    before = ct(StudyDescription=f"Head {written}", PatientID="12345678")
    left = "".join(filter(str.isdigit, clean(before, deidentifier(descriptors=True)).StudyDescription))
    assert left in ("", "78")


@pytest.mark.parametrize("written", ["14X1957", "14x10x57", "14t10t57", "14. of Oct 57"])
def test_the_patients_birth_date_goes_whatever_stands_between_its_digits(written: str) -> None:
    before = ct(StudyDescription=f"Head {written}", PatientBirthDate="19571014")
    assert clean(before, deidentifier(descriptors=True)).StudyDescription == "Head"


def test_the_patients_name_goes_where_it_is_glued_to_a_word() -> None:
    before = ct(StudyDescription="Head HerzMRT", PatientName="Herz^Anna")
    assert clean(before, deidentifier(descriptors=True)).StudyDescription == "Head"


def test_the_words_of_an_institution_go() -> None:
    before = ct(StudyDescription="CT Thorax Helios", InstitutionName="Helios Thorax")
    assert clean(before, deidentifier(descriptors=True, words=("helios",))).StudyDescription in ("CT", "CT Thorax")


def test_descriptions_are_read_in_the_character_set_of_the_object() -> None:
    before = ct(SpecificCharacterSet="ISO_IR 192", SeriesDescription="Schädel nativ Müller", ProtocolName="kręgosłupa")
    after = clean(before, deidentifier(descriptors=True))
    assert (after.SeriesDescription, after.ProtocolName) == ("Schädel nativ", "kregoslupa")


def test_without_the_option_no_description_stays() -> None:
    after = clean(ct(StudyDescription="CT Thorax", ConvolutionKernel="B30f"))
    assert not after.get("StudyDescription") and not after.get("ConvolutionKernel")


def test_a_body_part_that_is_no_term_stays_word_by_word() -> None:
    assert clean(ct(BodyPartExamined="HEAD MEIER"), deidentifier(descriptors=True)).BodyPartExamined == "HEAD"


@pytest.mark.parametrize("name", ["research", "research-mr", "tcia"])
def test_profiles_for_research_keep_descriptions_and_say_so(name: str) -> None:
    after = clean(ct(StudyDescription="CT Thorax Meier"), deidentifier(load_profile(name)))
    assert after.StudyDescription == "CT Thorax"
    assert "113105" in [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence]


def own(tmp_path: Path, rules: str) -> Profile:
    path = tmp_path / "ours.toml"
    path.write_text(f'name = "ours"\ntitle = "t"\n[dicom]\ndescriptors = true\n{rules}')
    return load_profile(str(path))


def test_a_hospital_adds_words_of_its_own_in_the_profile_and_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Schneewittchen\nzwerg grimm\n", encoding="utf-8")
    profile = own(tmp_path, 'words = ["rotkäppchen"]\nwords_file = "words.txt"')
    before = ct(ProtocolName="Rotkaeppchen ZWERG Wolf schneewittchen")
    assert clean(before, deidentifier(profile)).ProtocolName == "Rotkaeppchen ZWERG schneewittchen"


def test_a_file_of_words_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"words\.txt"):
        own(tmp_path, 'words_file = "words.txt"')
