"""Descriptions, word by word (PS3.15 E.3.4, Clean Descriptors): what scanners and their operators write of an image.

A word stays if it is one of a vocabulary of anatomy, sequences and techniques (`rules/descriptors.toml`) or the
hospital's own, and is not the patient's; a number if it can be nobody's date, telephone or identifier. All else goes,
since a name is a word that no vocabulary has. Kept words stay as they were written, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple

from anyascii import anyascii

from hmchain import decoding
from hmchain.records.deidentification.dicom.telling import CAMEL, Span, Told, telling
from hmchain.records.deidentification.terminology import RULES

CLEANED = frozenset(
    """AcquisitionComments AcquisitionContextDescription AcquisitionDeviceProcessingDescription
    AcquisitionFieldOfViewLabel AcquisitionProtocolDescription AnnotationGroupDescription AnnotationGroupLabel
    BeamDescription BolusDescription ChannelDerivationDescription ChannelLabel CommentsOnRadiationDose
    CommentsOnThePerformedProcedureStep CompensatorDescription ConceptualVolumeDescription ContainerDescription
    ContrastBolusAgent DecompositionDescription DerivationDescription DoseReferenceDescription EntityLabel
    EntityLongLabel FilterLookupTableDescription FixationDeviceDescription FractionGroupDescription FrameComments
    ImageComments ImagePresentationComments ModifiedImageDescription MultienergyAcquisitionDescription
    MultiplexGroupLabel PerformedProcedureStepDescription PositionAcquisitionTemplateName PrescriptionDescription
    ProtocolName PyramidDescription PyramidLabel ROIDescription ROIGenerationDescription ROIName
    ROIObservationDescription ROIObservationLabel RTPlanDescription RTPlanLabel RTPlanName RTPrescriptionLabel
    RadiationDoseIdentificationLabel RequestedContrastAgent RequestedProcedureComments RequestedProcedureDescription
    RequestedSeriesDescription RespiratoryMotionCompensationTechniqueDescription ScheduledProcedureStepDescription
    SeriesDescription SetupTechniqueDescription ShieldingDeviceDescription SpecimenDetailedDescription
    SpecimenShortDescription StructureSetDescription StructureSetLabel StructureSetName StudyComments StudyDescription
    TreatmentSite TreatmentSites UnformattedTextValue UserContentLabel UserContentLongLabel WaveformFilterDescription
    XRayDetectorLabel""".split()  # noqa: SIM905
)
"""Keywords of what PS3.15 removes and the option cleans: texts of images and procedures. Those of the patient stay out.
What the standard does not remove at all (a kernel, a sequence's name) is cleaned in the same way."""

NUMBER_DIGITS_MAX, CHAIN_DIGITS_MAX = 3, 5
"""A number by itself, and numbers with nothing but marks between them, have no more digits."""
UNIT_DIGITS_MAX = 4
WORD_DIGITS_MAX = 5
"""A word of letters and digits has no more of them, but for sizes, b-values and echo times (`_SIZES`)."""
PART_LETTERS_MIN, LONG_PART_LETTERS_MIN, STEM_LETTERS_MIN = 4, 6, 5
TEXTS_MAX, LETTERS_MAX = 4096, 32

_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"\d+|[^\W\d_]+")
_SIZES = re.compile(
    r"(\d{2,4})[x*](\1)(?:[x*]\d{1,3})?|\d{2,3}x\d{2,3}|(?:b(?:0|\d{0,2}[05]0))+|(?:tr\d{2,3}0)?te\d{1,3}(?:tr\d{2,3}0)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS = frozenset(
    """b bar bq cc cm ct d deg degree degrees dir dirs directions echo echoes fps ge gy h hu hz k kbq kg khz kv kvp l ma
    mas mb mbq mci mg mgy mhz min mins ml mm mm2 mm3 ms msec mt n ns p pct ph phase phases s sec secs sl slice slices t
    te th ti tr um vol vols x""".split()  # noqa: SIM905
)
"""What a number may stand beside, be it a unit or a setting."""
_PHRASES = frozenset(
    f"{first} {second}"
    for firsts, second in (
        ("black bright dark white gray grey", "blood"),
        ("dark", "fluid"),
        ("white gray grey", "matter"),
        ("great", "toe"),
        ("cross", "section"),
        ("of", "willis"),
    )
    for first in firsts.split()
)
"""Two words that stay together, of which one would not stay alone: it is a name as well."""
_WITH = re.compile(
    r"(?<![^\W_])(?:(?:w/wo|w/o|w\+w/o|c/s|s/c|[acfhilprsw](?:[-/&+_][acfhilprsw])+)(?![^\W_])|w/)", re.IGNORECASE
)
"""With and without, and letters of regions and sides that stand together: `C/A/P`, `R-L`."""
_MEASURE = re.compile(r"(?<![\w.])\d{1,3}(?:[.,]\d{1,3})? ?(?:ma|hu)(?![^\W_])", re.IGNORECASE)
"""Numbers with a unit that is a name as well."""
_MANY = frozenset({"CS", "LO", "SH", "UC"})
"""VRs that take several values."""
_BESIDE = " _-/.,:;()[]+=^*<>#&%"
_ENDINGS = ("s", "e", "es", "en", "er", "em", "n", "a", "y", "ego", "ych")
_SETTINGS = frozenset({"b", "bw", "fov", "mb", "te", "ti", "tr", "tt"})
_COUNTED = frozenset(
    {
        "hz",
        "ms",
        "s",
        "vol",
        "vols",
        "slices",
        "dir",
        "cm",
        "mm",
        "mm2",
        "mm3",
        "ml",
        "mg",
        "kg",
        "khz",
        "mhz",
        "msec",
        "sec",
        "kvp",
        "mgy",
        "mbq",
    }
)
_OF_NAMES = frozenset(
    """af al am an auf by da das de del della dem den der des di do dos du e el et i im la las le les lo los mac san st
    te ten ter van vom von y zu zum zur""".split()  # noqa: SIM905
)
"""Small words that stand in names as well as in descriptions."""
_NO_SETTING = frozenset("yj")
"""An age is written with these letters after it."""


class Token(NamedTuple):
    """A part of a text that stays."""

    start: int
    end: int


class Descriptors:
    """A vocabulary, and the cleaning of descriptions by it."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        """`own` are the hospital's words beside those that ship."""
        self._words = shipped() | {form for word in own for form in forms_of(word)}
        self._seen: dict[str, tuple[Token, ...]] = {}

    def cleaned(self, text: str, told: Told) -> str:
        """What of a text may stay, in its order; nothing if nothing may."""
        spans = list(telling(text, told))
        kept = [token for token in self._known(text) if not any(_overlap(token, span) for span in spans)]
        return joined(text, [token for token in kept if not _is_loose(token, kept, text)])

    def cleaned_values(self, text: str, vr: str, told: Told) -> str:
        """The same for the values of an element, in letters that ISO 8859-1 has; a code in those that codes have."""
        values = text.split("\\") if vr in _MANY else [text]
        kept = "\\".join(self.cleaned(value, told) for value in values)
        kept = kept.upper().replace("/", " ") if vr == "CS" else kept
        return kept if kept.strip("\\") and _is_latin(kept) else anyascii(kept).strip("\\")

    def _known(self, text: str) -> tuple[Token, ...]:
        """The same for the same text, which all images of a series have."""
        if len(self._seen) > TEXTS_MAX:
            self._seen.clear()
        if text not in self._seen:
            self._seen[text] = self._kept(text)
        return self._seen[text]

    def _kept(self, text: str) -> tuple[Token, ...]:
        """The parts of a text that the vocabulary and the rules for numbers leave."""
        found = list(_whole(text))
        whole = tuple(found)
        for word in _WORD.finditer(text):
            if not any(_overlap(word.span(), token) for token in whole):
                found += self._of_word(word[0], word.start())
        return tuple(sorted(_without_chains(found, text)))

    def _of_word(self, word: str, start: int) -> Iterator[Token]:
        """A run of letters and digits as a whole, or those of its parts that may stay."""
        if self._is_known(word):
            yield Token(start, start + len(word))
            return
        for part in CAMEL.finditer(word):
            if not part[0].isdigit() and len(part[0]) >= PART_LETTERS_MIN and self._is_word(part[0]):
                yield Token(start + part.start(), start + part.end())

    def _is_known(self, word: str) -> bool:
        if self._is_word(word) or len(word) == 1 or fold(word) in _COUNTED:
            return True
        if word.isdigit():
            return word.isascii() and len(word) <= UNIT_DIGITS_MAX
        return len(word) <= LETTERS_MAX and (
            self._are_settings(_PIECE.findall(word)) or self._are_settings(CAMEL.findall(word))
        )

    def _are_settings(self, pieces: list[str]) -> bool:
        """Tell whether letters and digits in turn are settings: `b1000`, `64x64`, `30dir`, `B30f`, `tse21`, `5mm`."""
        letters = [fold(piece) for piece in pieces if not piece.isdigit()]
        if len(letters) == len(pieces) and not all(len(piece) > 2 and self._is_word(piece) for piece in letters):
            return False
        if sum(map(len, filter(str.isdigit, pieces))) > WORD_DIGITS_MAX and not _SIZES.fullmatch("".join(pieces)):
            return False
        if letters and letters[-1] in _NO_SETTING and pieces[0].isdigit():
            return False
        for before, after in pairwise(pieces):
            if before.isdigit() == after.isdigit():
                continue
            digits, word = (before, after) if before.isdigit() else (after, before)
            beside_unit = fold(word) in _UNITS
            if len(digits) > (UNIT_DIGITS_MAX if beside_unit else NUMBER_DIGITS_MAX):
                return False
        if any(len(piece) > NUMBER_DIGITS_MAX + 1 for piece in pieces if piece.isdigit()):
            return False
        short = sum(len(piece) for piece in letters if not self._is_word(piece) and piece not in _UNITS)
        return short <= 2 and all(len(piece) == 1 or self._is_word(piece) or piece in _UNITS for piece in letters)

    def _is_word(self, word: str) -> bool:
        """Tell whether a word is one of the vocabulary, has an ending of one, or is put together of some."""
        folded = fold(word)
        if folded in self._words:
            return True
        if not folded.isascii() or not folded.isalpha():
            return False
        stems = (folded.removesuffix(end) for end in _ENDINGS if folded.endswith(end))
        return any(len(stem) >= STEM_LETTERS_MIN and stem in self._words for stem in stems) or self._is_compound(folded)

    def _is_compound(self, folded: str) -> bool:
        """Tell whether it is a word of some length and others put together; two short ones are a name as easily."""
        if not PART_LETTERS_MIN + LONG_PART_LETTERS_MIN <= len(folded) <= LETTERS_MAX:
            return False
        reached = {0: False}  # up to where parts go, and whether one of them is long
        for end in range(PART_LETTERS_MIN, len(folded) + 1):
            for start, is_long in list(reached.items()):
                if end - start >= PART_LETTERS_MIN and folded[start:end] in self._words:
                    reached[end] = reached.get(end, False) or is_long or end - start >= LONG_PART_LETTERS_MIN
        return reached.get(len(folded), False)


@cache
def shipped() -> frozenset[str]:
    """The words that ship with the package, in all their forms."""
    languages = decoding.from_toml((RULES / "descriptors.toml").read_bytes(), dict[str, dict[str, str]])
    words = (word for groups in languages.values() for text in groups.values() for word in text.split())
    return frozenset(form for word in words for form in forms_of(word))


_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "ß": "ss"})


def forms_of(word: str) -> set[str]:
    """A word without accents, in both ways of writing German and Nordic letters."""
    return {fold(word), fold(word.lower().translate(_DIGRAPHS))}


def fold(word: str) -> str:
    """A word in small letters, without accents."""
    return (word if word.isascii() else anyascii(word)).lower()


def _is_latin(text: str) -> bool:
    return text.isascii() or all(ord(letter) < 256 for letter in text)


def _whole(text: str) -> Iterator[Token]:
    """What stays as a whole although its parts would not: `w/o`, `black blood`."""
    for found in chain(_WITH.finditer(text), _MEASURE.finditer(text)):
        yield Token(*found.span())
    for first, second in pairwise(_WORD.finditer(text)):
        if f"{fold(first[0])} {fold(second[0])}" in _PHRASES:
            yield Token(first.start(), second.end())


def _without_chains(tokens: list[Token], text: str) -> Iterator[Token]:
    """Leave out numbers that are long, or that make a long one together; those beside a unit may be longer."""
    tokens = sorted(tokens)
    numbers = [token for token in tokens if text[token.start : token.end].isdigit()]
    run: list[Token] = []
    for token in numbers:
        if run and not text[run[-1].end : token.start].strip(" .-/()+"):
            run.append(token)
        else:
            yield from _short(run, text)
            run = [token]
    yield from _short(run, text)
    yield from (token for token in tokens if not text[token.start : token.end].isdigit())


def _short(run: list[Token], text: str) -> Iterator[Token]:
    digits = sum(token.end - token.start for token in run)
    decimal = len(run) <= 2 and all(text[one.end : two.start] in (".", ",") for one, two in pairwise(run))
    if digits > CHAIN_DIGITS_MAX and not decimal and not _is_set(run, text):
        return
    for token in run:
        if token.end - token.start <= NUMBER_DIGITS_MAX or _has_unit(run, text):
            yield token


def _has_unit(run: list[Token], text: str) -> bool:
    """Tell whether a unit or a setting stands right beside numbers: `TR 2500`, `1000 ms`."""
    after = re.match(r"\s?([^\W\d_]+)", text[run[-1].end :])
    is_counted = after is not None and fold(after[1]) in _COUNTED
    return text[run[0].start] != "0" and (is_counted or _is_set(run, text))


def _is_set(run: list[Token], text: str) -> bool:
    """Tell whether numbers follow the name of a setting: `b 50 400 800`."""
    before = re.search(r"([^\W\d_]+)[\s=:_]?\n?\Z", text[: run[0].start])
    return before is not None and fold(before[1]) in _SETTINGS


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_loose(token: Token, kept: list[Token], text: str) -> bool:
    """Tell whether a single letter, a side maybe, or the small word of a name stands alone or beside a word that went.

    It could be an initial, or the `der` of `van der Meulen`.
    """
    if not _is_small(token, text):
        return False
    if all(_is_small(other, text) for other in kept):
        return True
    ends = {other.end for other in kept} | {0}
    starts = {other.start for other in kept} | {len(text)}
    before = len(text[: token.start].rstrip(_BESIDE))
    after = len(text) - len(text[token.end :].lstrip(_BESIDE))
    return before not in ends or after not in starts


def _is_small(token: Token, text: str) -> bool:
    written = text[token.start : token.end]
    return (len(written) == 1 and not written.isdigit()) or fold(written) in _OF_NAMES


_MARKS = re.compile(r"[^ -/:;=<>?\[\]^_{|}~*#&%'\"+]")


def joined(text: str, tokens: list[Token]) -> str:
    """Kept parts with what stood between them, or one mark where something went."""
    if not tokens:
        return ""
    written = _lead(text[: tokens[0].start])
    for token, following in pairwise((*tokens, None)):
        assert token is not None
        written += text[token.start : token.end]
        if following is not None:
            between = text[token.end : following.start]
            written += between if not _WORD.search(between) and not _MARKS.search(between) else _mark(between)
    return (written + _tail(text[tokens[-1].end :])).strip()


def _mark(between: str) -> str:
    return "_" if "_" in between and " " not in between else " "


def _lead(text: str) -> str:
    """The marks right before the first kept part, if nothing went before it."""
    return text if not _WORD.search(text) and not _MARKS.search(text) else ""


def _tail(text: str) -> str:
    return text.rstrip() if not _WORD.search(text) and not _MARKS.search(text) else ""
