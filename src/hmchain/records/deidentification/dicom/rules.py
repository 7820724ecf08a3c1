"""Rules for each DICOM element under a profile.

The table is that of PS3.15 E.1-1, edition 2026c, as dicom-anonymizer ships it. It lists what must go and keeps what it
does not list; here an element also needs a reason to stay: a value of a form that can hold no name (numbers, codes,
UIDs), or a place in a short list. What the standard does not know, and free text, goes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector  # type: ignore[import-untyped]
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword

from hmchain.records.deidentification.dicom.codes import CODE_SCHEME, CODE_VALUE
from hmchain.records.deidentification.dicom.descriptors import CLEANED
from hmchain.records.deidentification.dicom.families import MODALITIES
from hmchain.records.deidentification.dicom.lookup import KEPT as LOOKUP_TABLES
from hmchain.records.deidentification.dicom.objects import CONTENT_SEQUENCE, WAVEFORM_BYTES
from hmchain.records.deidentification.dicom.options import MACHINES, OF_DEVICES, RETAINED, SERIAL, SERIALS
from hmchain.records.deidentification.dicom.packed import Repack
from hmchain.records.deidentification.profile import Profile, ProfileError

EDITION = "2026c"

PRIVATE, UNKNOWN, OVERLAYS = "private elements", "elements that the standard does not know", "overlays and curves"

BODY_PART = 0x00180015
_NAME, _ID = 0x00100010, 0x00100020
_BIRTH = (0x00100030, 0x00100032)  # date and time

_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
DESCRIBING_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_CODED_VRS = frozenset({"AS", "CS", "DS", "IS"})
NUMBER_VRS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "US or SS"})

FORMS: Mapping[str, re.Pattern[str]] = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "DS": re.compile(r" *[-+]?0*(?:\d{0,8}|\d{1,6}0+)(?:\.\d*)?(?:[eE][-+]?\d{1,3})? *", re.ASCII),
    "IS": re.compile(r" *[-+]?0*\d{0,8} *"),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?(\.\d{1,6})?"),
}
"""What one value of a VR may look like (PS3.5 6.2). A whole number of nine digits could be a telephone number."""
_LARGE = re.compile(r" *[-+]?\d{0,12}(?:\.\d*)?(?:[eE][-+]?\d{1,3})? *", re.ASCII)

PRINTABLE = re.compile(r"[ -~]*")
BODY_PARTS = re.compile(
    r"""
    ABDOMEN | ABDOMENPELVIS | ADRENAL | ANKLE | ANUS | AORTA | ARM | AXILLA | BACK | BLADDER | BRAIN | BREAST |
    BRONCHUS | BUTTOCK | CALCANEUS | CALF | CAROTID | CEREBELLUM | CERVIX | CHEEK | CHEST | CHESTABDOMEN |
    CHESTABDPELVIS | CLAVICLE | COCCYX | COLON | CORNEA | CORONARYARTERY | CSPINE | CTSPINE | DUODENUM | EAR |
    ELBOW | ESOPHAGUS | EXTREMITY | EYE | EYELID | FACE | FEMUR | FINGER | FOOT | GALLBLADDER | HAND | HEAD |
    HEADNECK | HEART | HIP | HUMERUS | IAC | ILEUM | ILIUM | JAW | JEJUNUM | JOINT | KIDNEY | KNEE | LARYNX |
    LEG | LIVER | LSPINE | LSSPINE | LUNG | MANDIBLE | MAXILLA | MEDIASTINUM | MOUTH | NECK | NECKCHEST |
    NECKCHESTABDOMEN | NECKCHESTABDPELV | NOSE | ORBIT | OVARY | PANCREAS | PARATHYROID | PAROTID | PATELLA |
    PELVIS | PENIS | PHARYNX | PROSTATE | RADIUS | RADIUSULNA | RECTUM | RIB | SACRUM | SCALP | SCAPULA | SCLERA
    | SCROTUM | SELLA | SHOULDER | SINUS | SKULL | SPINE | SPLEEN | SSPINE | STERNUM | STOMACH | TESTIS | THIGH
    | THUMB | THYMUS | THYROID | TIBIAFIBULA | TOE | TONGUE | TRACHEA | TSPINE | TLSPINE | ULNA | URETER |
    URETHRA | UTERUS | VAGINA | VULVA | WHOLEBODY | WRIST | ZYGOMA
    | CHEST[ ]ABDOMEN([ ]PELVIS)? |
    """,
    re.VERBOSE,
)
"""Terms of PS3.16 Annex L; sites write what they like into Body Part Examined."""
_PHOTOMETRIC = re.compile(
    r"MONOCHROME[12]|PALETTE COLOR|RGB|HSV|ARGB|CMYK|YBR_(FULL|FULL_422|PARTIAL_42[02]|ICT|RCT)|XYB"
)
_VIEWS = re.compile(r"AP|PA|LL|RL|RLD|LLD|RLO|LLO|ML|LM|MLO|LMO|CC|FB|SIO|ISO|XCC[LM]?|LMLO|")
_CREATORS = re.compile(
    r"Philips (MR |CT |US |PET |X-ray )?Imaging DD \d{3}|SIEMENS MR (HEADER|SDS 01|SDI 02|SDR 01)|SIEMENS CSA HEADER"
    r"|GEMS_[A-Z]{4}_\d{2}|Image Private Header|(TOSHIBA|CANON)_MEC_(CT|MR)\d?|UIH"
)
"""Private creators that a dimension or a functional group of many frames may be of."""
_TEXT_FORMS = {
    0x00080060: re.compile("|".join(sorted(MODALITIES))),
    0x00100040: re.compile(r"[FMO]?"),  # Patient's Sex
    0x00102160: re.compile(
        r"(?i:american indian|alaska native|arab|asian|black|african([ -]american)?|caucasian|chinese|european|hispanic"
        r"|indian|japanese|korean|latin[oa]|mixed|native (american|hawaiian)|non[ -]?hispanic|other|pacific islander"
        r"|unknown|white|[A-Z]|)"
    ),  # Ethnic Group
    0x00102203: re.compile(r"ALTERED|UNALTERED|"),  # Patient's Sex Neutered
    0x001021A0: re.compile(r"YES|NO|UNKNOWN|"),  # Smoking Status
    BODY_PART: BODY_PARTS,
    0x00180020: re.compile(r"SE|IR|GR|EP|RM|"),  # Scanning Sequence
    0x00181074: _LARGE,  # Radionuclide Total Dose, in becquerels
    0x00185101: _VIEWS,
    0x00209213: _CREATORS,
    0x00209238: _CREATORS,
    0x00200060: re.compile(r"[RLBU]?"),  # Laterality
    0x00200062: re.compile(r"[RLBU]?"),  # Image Laterality
    0x00209056: re.compile(r"\d{1,4}"),  # Stack ID
    0x00280004: _PHOTOMETRIC,
    0x00281050: _LARGE,  # Window Center
    0x00281051: _LARGE,  # Window Width
    0x00281052: _LARGE,  # Rescale Intercept
    0x00281054: re.compile(r"HU|US|OD|HGML|MGML|Z_EFF|EDW?|HU_MOD|PCT"),  # Rescale Type
    0x00283004: re.compile(r"HU|US|OD|HGML|MGML|Z_EFF|EDW?|HU_MOD|PCT"),  # Modality LUT Type
    0x00080103: re.compile(r"V?\d{1,4}(\.\d{1,3}){0,2}|(19|20)\d{6}"),  # Coding Scheme Version
    CODE_VALUE: re.compile(
        r"(?=.*\d)[A-Za-z0-9.-]{1,16}|[kcmunMG]?(m|s|g|Hz|Gy|Bq|Sv|V|A|T)|mm2|cm2|mm3|cm3|m[lL]|min|deg|%"
        r"|a|mo|wk|d|h|Cel|kg/m2|g/m[lL]|m[lL]/(s|min)|[kM]Bq/(m[lL]|k?g)|m(Gy|Sv)/MBq"
        r"|[dcmu]?Gy\.[cm]?m2?|[mu]?A\.s|mm\[Hg\]|/min|\{(ratio|RATIO|beats)\}(/min)?"
    ),
    CODE_SCHEME: re.compile(r"DCM|SRT|SCT|SNM3|LN|UCUM|RADLEX|FMA|UMLS|NCIt|MDC|SCPECG|ICD10|I10P?|I9C?|BI|ACR"),
}
"""The texts that stay, and what they must look like. The scheme of a code is one that is published."""

_DEVICES = frozenset(RETAINED["device_identity"])


class Treatment(Enum):
    """The treatment of an element."""

    DROP = auto()
    BLANK = auto()
    """Keep it, without a value."""
    UIDS = auto()
    """Replace every UID that the standard does not define."""
    PSEUDONYM = auto()
    """Put the patient's pseudonym in its place."""
    SHIFT = auto()
    """Move a date, or a date and time, by the patient's shift."""
    TEXT = auto()
    """Keep it if each of its values has the form."""
    AGE = auto()
    """As `TEXT`, with 90 and over as one (45 CFR 164.514(b)(2)(i)(C))."""
    BYTES = auto()
    """Keep it: numbers, or a lookup table."""
    INSIDE = auto()
    """A sequence: treat what is in it."""
    DEVICE = auto()
    """A text of a device: keep the words of it that are known (`devices`)."""
    MACHINE = auto()
    """The name of one machine: keep it if its words are known, else put a pseudonym in its place."""
    WORDS = auto()
    """A description: keep the words of it that are known (`descriptors`)."""
    REPACKED = auto()
    """Bytes of a known structure: write it anew with what may stay."""


@dataclass(frozen=True)
class Rule:
    """The treatment of one element."""

    name: str
    """What reports call it."""
    treatment: Treatment
    vr: str = ""
    """Its VR in the standard, with its alternatives if it has some."""
    form: re.Pattern[str] = PRINTABLE
    option: bool = False
    """Whether it is kept by an option of the profile alone."""
    closed: bool = False
    """Whether its form leaves it a short list of defined terms."""
    values_max: int | None = None
    """As many values as the standard lets it have; None without a limit."""
    repack: Repack | None = None
    """Writes a structure of bytes anew."""

    def allows(self, values: int) -> bool:
        """Tell whether it may have so many values."""
        return self.values_max is None or values <= self.values_max


_PRIVATE = Rule(PRIVATE, Treatment.DROP)


class Rules:
    """The rules of a profile, worked out as elements are met."""

    def __init__(self, profile: Profile) -> None:
        self._shift = profile.dates == "shift"
        self._table = _table()
        self._retained = {_tag(keyword) for option in profile.dicom.retain for keyword in RETAINED[option]}
        self._removed = {_tag(keyword) for keyword in profile.dicom.remove}
        self._reports = profile.dicom.keep_dose_reports
        self._described = profile.dicom.descriptors
        self._rules: dict[int, Rule] = {}

    def __getitem__(self, tag: int) -> Rule:
        if tag >> 16 & 1:
            return _PRIVATE
        rule = self._rules.get(tag)
        if rule is None:
            rule = self._work_out(tag)
            if rule.vr:  # the standard knows it: there are only so many
                self._rules[tag] = rule
        return rule

    def _work_out(self, tag: int) -> Rule:
        group = tag >> 16
        if 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
            return Rule(OVERLAYS, Treatment.DROP)
        if group < 0x0008 or not dictionary_has_tag(tag):
            return Rule(UNKNOWN, Treatment.DROP)
        vr = dictionary_VR(tag)
        option = tag in self._retained
        treatment = Treatment.DROP if tag in self._removed else self._treatment(tag, vr, option)
        form = _TEXT_FORMS.get(tag) or FORMS.get(vr, PRINTABLE)
        if option and form is PRINTABLE and keyword_for_tag(tag) in _DEVICES:
            form = SERIAL if keyword_for_tag(tag) in SERIALS else OF_DEVICES
        closed = tag in _TEXT_FORMS and tag != CODE_VALUE and vr != "DS"
        name = f"({group:04X},{tag & 0xFFFF:04X}) {keyword_for_tag(tag)}"
        return Rule(name, treatment, vr, form, option, closed, values_max(dictionary_VM(tag)))

    def _treatment(self, tag: int, vr: str, option: bool) -> Treatment:
        listed = "" if option else self._table.get(tag, "")
        gone = Treatment.BLANK if "Z" in listed else Treatment.DROP
        if tag in (_NAME, _ID):
            return Treatment.PSEUDONYM
        if vr == "SQ":
            if tag == CONTENT_SEQUENCE and self._reports:
                return Treatment.INSIDE
            return Treatment.INSIDE if listed in ("", "X/Z/U*") else Treatment.DROP
        if vr == "UI":
            return Treatment.DROP if listed == "X" else Treatment.UIDS
        if vr in ("DA", "DT", "TM"):
            if not self._shift or tag in _BIRTH:
                return gone
            return Treatment.TEXT if vr == "TM" else Treatment.SHIFT
        if vr in NUMBER_VRS or tag in LOOKUP_TABLES or tag in WAVEFORM_BYTES:
            return Treatment.DROP if listed else Treatment.BYTES
        if vr == "AS" and (option or not listed):
            return Treatment.AGE
        if option and vr in _TEXT_VRS and (keyword := keyword_for_tag(tag)) in _DEVICES:
            return Treatment.MACHINE if keyword in MACHINES else Treatment.DEVICE
        if self._described and _is_described(tag, vr, listed) and not option:
            return Treatment.WORDS
        known = vr in _CODED_VRS or (vr in _TEXT_VRS and (option or tag in _TEXT_FORMS))
        return Treatment.TEXT if known and not listed else gone


def _is_described(tag: int, vr: str, listed: str) -> bool:
    """Tell whether an element is a description of an image or a procedure."""
    if tag == BODY_PART:
        return True
    return vr in DESCRIBING_VRS and tag not in _TEXT_FORMS and (not listed or keyword_for_tag(tag) in CLEANED)


def values_max(multiplicity: str) -> int | None:
    """The upper end of a value multiplicity: 3 of `1-3`, None of `1-n`."""
    last = multiplicity.split("-")[-1]
    return int(last) if last.isdigit() else None


@functools.cache
def _table() -> dict[int, str]:
    """The action of PS3.15 Table E.1-1 for each tag; its groups of overlays and curves are treated as a whole."""
    database = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    categories = ("D", "Z", "X", "U", "Z_D", "X_Z", "X_D", "X_Z_D", "X_Z_U_STAR")
    return {
        entry[0] << 16 | entry[1]: category.replace("_STAR", "*").replace("_", "/")
        for category in categories
        for entry in database[f"{category}_TAGS"]
        if len(entry) == 2
    }


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ProfileError(f"DICOM has no element {keyword}", "give a keyword of PS3.6, for instance BodyPartExamined")
    return tag
