"""One DICOM object in, one de-identified object or the reason why not out.

What the table of PS3.15 leaves open is closed here: the preamble is zeroed and the file meta information written
afresh; UIDs are keyed, at every depth; dates go or are moved by the patient's shift; private elements, overlays and
curves go; so do bytes after the data set. Memory does not grow with the pixels: they are read as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from importlib import metadata
from itertools import chain
from typing import BinaryIO

from hmchain.records.deidentification.dicom import encoding, lookup, objects
from hmchain.records.deidentification.dicom.attributes import attributes
from hmchain.records.deidentification.dicom.cleaning import Cleaning
from hmchain.records.deidentification.dicom.descriptors import Descriptors
from hmchain.records.deidentification.dicom.devices import Devices
from hmchain.records.deidentification.dicom.element_types import in_object
from hmchain.records.deidentification.dicom.guard import Found, Guard
from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.image import DESCRIPTION, REPRESENTATION
from hmchain.records.deidentification.dicom.options import taken
from hmchain.records.deidentification.dicom.origin import origin_of
from hmchain.records.deidentification.dicom.patient import patients_of
from hmchain.records.deidentification.dicom.picture import Picture, picture
from hmchain.records.deidentification.dicom.private import PrivateRules
from hmchain.records.deidentification.dicom.reading import (
    PATIENT_ID,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY_INSTANCE,
    DicomHeader,
    open_dicom,
)
from hmchain.records.deidentification.dicom.rules import EDITION, Rules
from hmchain.records.deidentification.dicom.screening import BURNED_IN, rectangles, refuse, review
from hmchain.records.deidentification.outcome import EMPTIED, REMOVED, REPLACED, Action, Clean, Finding, Held, Outcome
from hmchain.records.deidentification.patients import Patient
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import Item, Rectangles, SourceError

MEDIA_TYPE = "application/dicom"
IMPLEMENTATION_UID = "2.25.245834087103471260157432819094621380214"
IMPLEMENTATION_NAME = "HMCHAIN"

_EXPLICIT = "1.2.840.10008.1.2.1"
_PATIENT_NAME, _IDENTITY_REMOVED, _METHOD, _METHOD_CODES = 0x00100010, 0x00120062, 0x00120063, 0x00120064
_DATES_MODIFIED = 0x00280303
_CHARACTER_SET = 0x00080005


class DicomDeidentifier:
    """De-identifies DICOM objects by PS3.15 E.1, for one project, by one profile."""

    def __init__(self, profile: Profile, pseudonyms: Pseudonyms, as_of: date | None = None) -> None:
        """`as_of` is the day at which ages are counted: today, if it is not given.

        Raises `ProfileError` if the profile names elements that DICOM does not have."""
        self._profile = profile
        self._pseudonyms = pseudonyms
        self._as_of = as_of or date.today()
        self._rules = Rules(profile)
        self._private = PrivateRules(profile.dicom)
        self._descriptors = Descriptors(profile.dicom.words)
        self._devices = Devices(profile.dicom.words)
        self._method = (f"FL-HMChain {metadata.version('hmchain')}", f"PS3.15 {EDITION}", f"profile {profile.name}")

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        """The object of `item`, or a `Held`; its pieces can be read until the next outcome is asked for.

        Raises `SourceError` where the item cannot be read at all; bytes that make no sense are `Held`.
        """
        with item.open() as file:
            yield self._outcome(file, item, reviewed)

    def findings(self, item: Item) -> tuple[Finding, ...]:
        """List what would stay in the header and tells who the patient is."""
        with item.open() as file:
            try:
                opened = open_dicom(file)
                cleaning, _ = self._cleaned(opened, "")
                return tuple(each.finding() for each in cleaning.guard.found(cleaning.kept))
            except (SourceError, MemoryError):
                raise
            except Exception:  # it is held as damaged
                return ()

    def _outcome(self, file: BinaryIO, item: Item, reviewed: bool) -> Outcome:
        opened: DicomHeader | None = None
        try:
            opened = open_dicom(file)
            return self._clean(opened, item, reviewed)
        except Hold as hold:
            return self._whose(hold.held, opened)
        except (SourceError, MemoryError, ImportError):
            raise  # what is not installed is no fault of the object's
        except OSError as error:
            raise SourceError("a file cannot be read", "check the disk or the share that it lies on") from error
        except Exception:  # parsers raise almost anything on bytes that are not what they say; all of it means the same
            return self._whose(damaged("it does not follow the structure of DICOM").held, opened)

    def _whose(self, held: Held, opened: DicomHeader | None) -> Held:
        """The same with its series and the patient's pseudonym, if the header says them."""
        if opened is None:
            return held
        try:
            held = replace(held, origin=origin_of(opened, self._pseudonyms))
            numbers = patients_of(opened)
            return replace(held, subjects=(self._named(self._pseudonyms.best(numbers)),)) if numbers else held
        except (SourceError, MemoryError):
            raise
        except Exception:  # as above: what holds it is known already
            return held

    def _clean(self, opened: DicomHeader, item: Item, reviewed: bool) -> Clean:
        refuse(opened, self._profile.dicom)
        known = rectangles(opened, self._profile.dicom)
        numbers = patients_of(opened)
        patient = self._pseudonyms.best(numbers) if numbers else None
        subject = self._named(patient) if patient else self._nobody(opened)
        cleaning, left = self._cleaned(opened, subject)
        if objects.WAVEFORM_SEQUENCE in opened.elements and objects.is_without(left, opened.ascii(SOP_CLASS)):
            raise damaged("its samples are not as many as it says")
        found = cleaning.guard.found(cleaning.kept)
        removed = [each for each in found if each.kept.rule.name not in item.keep] if reviewed else []
        if removed:
            cleaning, left = self._cleaned(opened, subject, removed)
        seen = self._picture(opened, known, item.blank, left, cleaning.guard, reviewed)
        doubts = seen.doubts if seen else ()
        if reviewed and doubts:
            raise Hold(doubts[0].code, doubts[0].reason, releasable=True, regions=doubts[0].regions)
        if not reviewed:
            findings = [each.finding() for each in found]
            places = seen.found if seen else ()
            review(opened, self._profile, found=findings, seen=doubts, places=places)
        blanked = seen is not None and seen.blanked
        left |= self._statement(subject, pixels_cleaned=blanked, clear=blanked or reviewed)
        image, pixels = (seen.image, seen.output) if seen else (None, None)
        syntax = str(pixels.syntax) if pixels else _EXPLICIT
        start = b"".join(
            (
                self._file_meta(left, syntax),
                *(left[tag] for tag in sorted(left)),
                pixels.header if pixels else b"",
            )
        )
        return Clean(
            record=self._pseudonyms.identifier("dicom", opened.ascii(SOP_INSTANCE)),
            subject=subject,
            media_type=MEDIA_TYPE,
            pieces=lambda: chain((start,), pixels.pieces() if pixels else ()),
            attributes=attributes(left, image, item.label),
            actions=(*cleaning.actions(), *_own_actions(seen)),
            patient=self._pseudonyms.note(patient, numbers) if patient else None,
        )

    def _picture(
        self,
        opened: DicomHeader,
        known: Rectangles,
        drawn: Rectangles,
        left: dict[int, bytes],
        guard: Guard,
        reviewed: bool,
    ) -> Picture | None:
        """The object's picture, if it has one; `left` then says how it is coded."""
        if opened.pixels is None:
            return None
        words = guard.identity.words()
        seen = picture(opened, opened.pixels, self._profile, known, drawn, reviewed=reviewed, words=words)
        left |= seen.output.changed
        if any(tag in opened.elements and tag not in left for tag in DESCRIPTION):
            raise damaged("an element that describes its pixels has a wrong VR or value")
        if lookup.lacks_palette(left):
            raise damaged("its colours are indices into a palette that it does not have")
        return seen

    def _cleaned(
        self, opened: DicomHeader, subject: str, removed: Iterable[Found] = ()
    ) -> tuple[Cleaning, dict[int, bytes]]:
        """The data set as it would be written, without what a reviewer had removed."""
        cleaning = Cleaning(
            self._rules,
            self._private,
            self._descriptors,
            self._devices,
            self._pseudonyms,
            subject,
            self._pseudonyms.shift(subject),
            self._as_of,
            Guard(opened.encodings, removed),
            opened.read,
            opened.number(REPRESENTATION) == 1,
            objects.has_waveforms(opened.ascii(SOP_CLASS)),
        )
        for element in opened.repeated:
            cleaning.guard.learn(int(element.tag), self._rules[int(element.tag)], element)
        if self._profile.dicom.descriptors or self._profile.dicom.private:
            cleaning.foresee(opened.elements)
        return cleaning, cleaning.clean(opened.elements, in_object(opened.ascii(SOP_CLASS)))

    def _named(self, patient: Patient) -> str:
        return self._pseudonyms.subject(patient.number, patient.issuer)

    def _nobody(self, opened: DicomHeader) -> str:
        """The pseudonym of an object that names no patient: its study's."""
        study = opened.ascii(STUDY_INSTANCE) or opened.ascii(SOP_INSTANCE)
        return self._pseudonyms.identifier("dicom study", study)

    def _statement(self, subject: str, *, pixels_cleaned: bool, clear: bool) -> dict[int, bytes]:
        """The elements that say whose pseudonym this is, and what was done (PS3.15 E.1.1, items 5 to 8)."""
        modified = "MODIFIED" if self._profile.dates == "shift" else "REMOVED"
        codes = [
            encoding.element(0x00080100, "SH", value)
            + encoding.element(0x00080102, "SH", "DCM")
            + encoding.element(0x00080104, "LO", meaning)
            for value, meaning in taken(self._profile, pixels_cleaned=pixels_cleaned)
        ]
        statement = {
            _PATIENT_NAME: encoding.element(_PATIENT_NAME, "PN", subject),
            PATIENT_ID: encoding.element(PATIENT_ID, "LO", subject),
            _IDENTITY_REMOVED: encoding.element(_IDENTITY_REMOVED, "CS", "YES"),
            _METHOD: encoding.element(_METHOD, "LO", "\\".join(part[:64] for part in self._method)),
            _METHOD_CODES: encoding.sequence(_METHOD_CODES, codes),
            _DATES_MODIFIED: encoding.element(_DATES_MODIFIED, "CS", modified),
            _CHARACTER_SET: encoding.element(_CHARACTER_SET, "CS", "ISO_IR 100"),
        }
        if clear:
            statement[BURNED_IN] = encoding.element(BURNED_IN, "CS", "NO")
        return statement

    def _file_meta(self, left: dict[int, bytes], syntax: str) -> bytes:
        """Preamble and file meta information (PS3.10 7.1), with nothing of the file's own."""
        meta = b"".join(
            (
                encoding.element(0x00020001, "OB", b"\0\1"),
                encoding.element(0x00020002, "UI", encoding.value(left[SOP_CLASS]).rstrip(b"\0")),
                encoding.element(0x00020003, "UI", encoding.value(left[SOP_INSTANCE]).rstrip(b"\0")),
                encoding.element(0x00020010, "UI", syntax),
                encoding.element(0x00020012, "UI", IMPLEMENTATION_UID),
                encoding.element(0x00020013, "SH", IMPLEMENTATION_NAME),
            )
        )
        length = len(meta).to_bytes(4, "little")
        return bytes(128) + b"DICM" + encoding.element(0x00020000, "UL", length) + meta


def _own_actions(seen: Picture | None) -> Iterator[Action]:
    """List what is done to every object, whatever is in it, and what was done to its pixels."""
    yield Action("preamble", REMOVED)
    yield Action("file meta information", REPLACED)
    if seen and seen.output.trimmed:
        yield Action("bytes after the pixels", REMOVED)
    if seen and seen.output.frames is not tuple:
        yield Action("comments in compressed frames", REMOVED)
    if seen and seen.blanked:
        yield Action("parts of the pixels", EMPTIED)
    if seen and seen.cut:
        yield Action("bits beyond those stored", REMOVED)
