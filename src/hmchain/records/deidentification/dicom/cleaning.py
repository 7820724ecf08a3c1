"""Walks a data set by the rules of a profile, into what is left of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from anyascii import anyascii
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import RawDataElement

from hmchain.records.deidentification.ages import capped_as
from hmchain.records.deidentification.dicom import codes, encoding, lookup, objects
from hmchain.records.deidentification.dicom.descriptors import Descriptors
from hmchain.records.deidentification.dicom.devices import Devices
from hmchain.records.deidentification.dicom.dummies import GONE, Dummies
from hmchain.records.deidentification.dicom.element_types import ElementType, Types, in_items, wanted_now
from hmchain.records.deidentification.dicom.encoding import WIDTHS
from hmchain.records.deidentification.dicom.guard import Guard, KeptValue, is_standard
from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.deidentification.dicom.image import DESCRIPTION
from hmchain.records.deidentification.dicom.moments import shifted
from hmchain.records.deidentification.dicom.private import FIRST_PRIVATE, GROUPS, PrivateRules, private_vr
from hmchain.records.deidentification.dicom.reading import Element, datasets_of, in_order
from hmchain.records.deidentification.dicom.rules import (
    PRIVATE,
    Rule,
    Rules,
    Treatment,
)
from hmchain.records.deidentification.dicom.terms import is_term
from hmchain.records.deidentification.identity import Identity
from hmchain.records.deidentification.outcome import (
    EMPTIED,
    GENERALISED,
    KEPT,
    REMOVED,
    REPLACED,
    SHIFTED,
    Action,
)
from hmchain.records.deidentification.pseudonyms import Pseudonyms

ITEM_DEPTH_MAX = 32
MACHINE_LETTERS = 16
"""The length of a machine's pseudonym: as much as AE and SH take."""
FUNCTIONAL_GROUPS = 0x5200
"""Of many frames, and of nobody's name."""


@dataclass
class Cleaning:
    """The cleaning of one object."""

    rules: Rules
    private: PrivateRules
    descriptors: Descriptors
    devices: Devices
    pseudonyms: Pseudonyms
    subject: str
    """The patient's pseudonym."""
    shift: timedelta
    as_of: date
    """The day at which ages are counted: dates that tell an age over 89 go."""
    guard: Guard
    read: Callable[[int, int], bytes]
    """Reads a deferred value: offset, length."""
    signed: bool
    """What 'US or SS' means in this object."""
    waveforms: bool
    """Whether its waveforms stay."""
    dummies: Dummies = field(default_factory=Dummies)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: list[KeptValue] = field(default_factory=list)
    """All values that are left, at every depth."""
    _identity: Identity | None = None

    def actions(self) -> tuple[Action, ...]:
        """List what was done so far."""
        return tuple(Action(name, done, count) for (name, done), count in sorted(self.done.items()))

    def clean(
        self, elements: Mapping[int, Element], types: Types, depth: int = 0, *, emptied: bool = False
    ) -> dict[int, bytes]:
        """Clean a data set: its elements as encoded, by tag; `emptied` leaves no sequence but those that must be."""
        if depth > ITEM_DEPTH_MAX:
            raise damaged(f"sequences nested more than {ITEM_DEPTH_MAX} deep")
        left: dict[int, bytes] = {}
        creators: dict[int, str] = {}
        for tag, element in elements.items():
            rule = self.rules[tag]
            kind = types.get(tag, ElementType.OPTIONAL)
            self.guard.learn(tag, rule, element)
            if rule.name == PRIVATE:
                kept = None if emptied else self._private(tag, element, creators, left, depth)
            elif rule.vr == "SQ":
                kept = self._sequence(tag, rule, element, kind, depth, emptied=emptied)
            else:
                kept = self._single(tag, rule, element) or self._stand_in(tag, rule, element, kind)
            if kept is not None:
                left[tag] = kept
            else:
                self._count(rule.name, REMOVED)
        if depth == 0:
            left |= {tag: encoding.element(tag, "CS", b"") for tag in wanted_now(elements, left, types)}
        for tag in lookup.unneeded(left):
            if left.pop(tag, None) is not None:
                self._count(self.rules[tag].name, REMOVED)
        return dict(sorted(left.items()))

    def _single(self, tag: int, rule: Rule, element: Element) -> bytes | None:
        """An element that is no sequence; None if its value goes."""
        if rule.treatment in (Treatment.DROP, Treatment.BLANK) or not isinstance(element, RawDataElement):
            return None
        if rule.treatment is Treatment.PSEUDONYM:
            self._count(rule.name, REPLACED)
            return encoding.element(tag, rule.vr, self.subject)
        if rule.treatment is Treatment.REPACKED:
            return self._repacked(tag, rule, element)
        vr = self._vr(rule, element)
        if vr is None:
            return None
        data = self._value(element)
        if rule.treatment is Treatment.BYTES:
            return self._numbers(tag, rule, vr, data, element.is_little_endian)
        if rule.treatment is Treatment.WORDS:
            return self._words(tag, rule, vr, data)
        if rule.treatment in (Treatment.DEVICE, Treatment.MACHINE):
            return self._device(tag, rule, vr, data)
        text = self._text(rule, data)
        if text is None:
            return None
        value = text.encode("ascii")
        try:
            return self._left(tag, rule, vr, value)
        except ValueError:
            return None

    def _left(self, tag: int, rule: Rule, vr: str, value: bytes) -> bytes | None:
        """A value that stays, as encoded; None if a reviewer had it removed."""
        passed = self.guard.passed(rule, value)
        if value and not passed:
            return None
        self.kept.append(KeptValue(rule, vr, passed))
        return encoding.element(tag, vr, passed)

    def _stand_in(self, tag: int, rule: Rule, element: Element, kind: ElementType) -> bytes | None:
        """What stands for a value that goes: none, or a dummy where the type wants one; None if the element goes."""
        if (
            not rule.vr
            or tag in DESCRIPTION
            or (kind is ElementType.OPTIONAL and rule.treatment is not Treatment.BLANK)
        ):
            return None
        if not element.value and not getattr(element, "length", 0):  # pydicom makes its own elements of empty names
            return encoding.element(tag, rule.vr.split(" or ")[0], b"")
        if not isinstance(element, RawDataElement):
            return None
        vr = self._vr(rule, element) or rule.vr.split(" or ")[0]
        if kind is not ElementType.VALUE:
            self._count(rule.name, EMPTIED)
            return encoding.element(tag, vr, b"")
        if (rule.treatment is Treatment.BYTES and vr != "AT") or (rule.treatment is Treatment.TEXT and vr == "DS"):
            return None  # a measure is not made up
        self._count(rule.name, REPLACED)
        data = self._value(element)
        if vr == "UI":
            return encoding.element(tag, vr, self.pseudonyms.uid(data.decode("ascii", "replace").strip(" \0")))
        return encoding.element(tag, vr, self.dummies.value(tag, vr, data))

    def _vr(self, rule: Rule, element: RawDataElement) -> str | None:
        """The VR to write; None if the file says one that the standard does not, and that reads otherwise."""
        allowed = rule.vr.split(" or ")
        said = element.VR if element.VR not in (None, "UN") else None
        if said is None:
            if rule.vr == "US or SS":
                return "SS" if self.signed else "US"
            return allowed[-1] if rule.vr.startswith(("OB or", "US or")) else allowed[0]
        if said in allowed:
            return said
        is_text = said not in WIDTHS and allowed[0] not in WIDTHS and "SQ" not in (said, allowed[0])
        return allowed[0] if is_text else None  # a form is checked whatever the file calls it

    def _value(self, element: RawDataElement) -> bytes:
        if element.value is None and element.length:
            return self.read(element.value_tell, element.length)
        return bytes(element.value or b"")

    def _numbers(self, tag: int, rule: Rule, vr: str, data: bytes, little: bool) -> bytes | None:
        width = WIDTHS[vr]
        count = len(data) // (width * 2 if vr == "AT" else width)  # a tag is two words
        values = 1 if vr.startswith("O") else count  # a string of bytes or words counts as one (PS3.5 6.4)
        if len(data) % width or not rule.allows(values) or (vr != "OB" and _WRITTEN.fullmatch(data)):
            return None
        if not little and width > 1:
            data = np.frombuffer(data, f"u{width}").byteswap().tobytes()
        if vr == "AT" and not _are_tags(data):
            return None
        if rule.option:
            self._count(rule.name, KEPT)
        return self._left(tag, rule, vr, data)

    def _text(self, rule: Rule, data: bytes) -> str | None:
        """The value of an element of text, treated; None if it goes."""
        try:
            values = data.decode("ascii").rstrip(" \0").split("\\")
        except UnicodeDecodeError:
            return None
        if not rule.allows(len(values)):
            return None
        if rule.treatment is Treatment.UIDS:
            new = [self._uid(value.strip(" \0")) for value in values]
            done = REPLACED if new != values else ""
        elif rule.treatment is Treatment.SHIFT:
            moved = [shifted(value, self.shift, self.as_of) for value in values]
            new = [value for value in moved if value is not None]
            if len(new) != len(values):
                return None
            done = SHIFTED
        elif not all(rule.form.fullmatch(value) for value in values):
            return None
        elif rule.vr == "CS" and not rule.closed:
            new = [value if self._is_term(rule, value) else GONE for value in values]
            if all(value == GONE for value in new):
                return None
            done = GENERALISED if new != values else KEPT if rule.option else ""
        elif rule.treatment is Treatment.AGE:
            new = [capped_as(value) for value in values]
            done = GENERALISED if new != values else KEPT
        else:
            new, done = values, KEPT if rule.option else ""
        if done and data:
            self._count(rule.name, done)
        return "\\".join(new)

    def _words(self, tag: int, rule: Rule, vr: str, data: bytes) -> bytes | None:
        """A description, of which known words stay; None if none does."""
        if self._identity is None:
            self._identity = self.guard.identity
        came = self.guard.text(data).rstrip(" \0")
        left = self.descriptors.cleaned_values(came, vr, self._identity.mentions)
        shown = anyascii(left).encode("ascii")
        if not left or self.guard.passed(rule, shown) != shown:
            return None
        self._count(rule.name, KEPT if left == came.strip() else GENERALISED)
        self.kept.append(KeptValue(rule, vr, shown))
        return encoding.element(tag, vr, left.encode("latin-1"))

    def _device(self, tag: int, rule: Rule, vr: str, data: bytes) -> bytes | None:
        """A text of a device, of which known words stay; the name of a machine stays whole or as its pseudonym."""
        came = anyascii(self.guard.text(data)).rstrip(" \0")
        values = came.split("\\")
        left = [self.devices.known(value) if rule.form.fullmatch(value) else "" for value in values]
        if rule.treatment is Treatment.MACHINE and came and left != values:
            self._count(rule.name, REPLACED)
            return encoding.element(tag, vr, self.pseudonyms.identifier("device", came)[:MACHINE_LETTERS])
        if not rule.allows(len(values)) or not any(left):
            return None
        self._count(rule.name, KEPT if left == values else GENERALISED)
        return self._left(tag, rule, vr, "\\".join(filter(None, left)).encode("ascii"))

    def _is_term(self, rule: Rule, value: str) -> bool:
        """Tell whether a coded value is one of the standard's or of makers': any other could be a name."""
        return is_term(rule.name.rpartition(" ")[2], "CS", value) or self.devices.is_term(value)

    def foresee(self, elements: Mapping[int, Element]) -> None:
        """Let the guard see who is named in an object before the first of its descriptions is cleaned."""
        for tag, element in elements.items():
            rule = self.rules[tag]
            self.guard.learn(tag, rule, element)
            if rule.vr == "SQ" and tag >> 16 != FUNCTIONAL_GROUPS:
                with suppress(Hold):  # it is cleaned later
                    self._learn(element, 1)

    def _uid(self, value: str) -> str:
        return value if not value or is_standard(value) else self.pseudonyms.uid(value)

    def _sequence(
        self, tag: int, rule: Rule, element: Element, kind: ElementType, depth: int, *, emptied: bool
    ) -> bytes | None:
        """A sequence; None if it goes."""
        emptied = emptied or rule.treatment is not Treatment.INSIDE
        emptied = emptied or (tag == objects.WAVEFORM_SEQUENCE and not self.waveforms)
        if emptied and kind is not ElementType.VALUE:
            with suppress(Hold):  # it goes, whatever it is
                self._learn(element, depth)
            return None if kind is ElementType.OPTIONAL else encoding.sequence(tag, ())
        types, wanted = in_items(tag), kind is ElementType.VALUE
        came = list(self._items(element))
        items = []
        for inner in came:
            left = self.clean(inner, types, depth + 1, emptied=emptied)
            whole = self._whole(inner, left, wanted=wanted, emptied=emptied)
            if whole is None:
                self._count(rule.name, REMOVED)
            else:  # without anything in it too: which frame an item is about is told by its place
                items.append(b"".join(whole.values()))
        empty = not any(items) and not wanted and any(came)
        if (empty and kind is ElementType.OPTIONAL) or (came and not items and wanted):
            return None
        return encoding.sequence(tag, () if empty else items)

    def _whole(
        self, inner: Mapping[int, Element], left: dict[int, bytes], *, wanted: bool, emptied: bool
    ) -> dict[int, bytes] | None:
        """A cleaned item made whole; None if it goes: a code of nobody knows what, or a table without its values."""
        if lookup.LUT_DATA in inner and lookup.LUT_DATA not in left:
            return None
        if not emptied and not objects.is_whole(inner, left):
            return None
        if not codes.is_coded(inner):
            return left
        meaning = inner.get(codes.CODE_MEANING)
        came = self._value(meaning) if isinstance(meaning, RawDataElement) else b""
        coded = None if emptied else codes.meant(left, came.decode("ascii", "replace").strip(" \0"))
        return coded or (codes.removed(left) if wanted else None)

    def _learn(self, element: Element, depth: int) -> None:
        """Let the guard see what a sequence held that goes as a whole."""
        if depth > ITEM_DEPTH_MAX:
            return
        for elements in self._items(element):
            for tag, inner in elements.items():
                rule = self.rules[tag]
                self.guard.learn(tag, rule, inner)
                if rule.vr == "SQ":
                    self._learn(inner, depth + 1)

    def _items(self, element: Element) -> Iterator[Mapping[int, Element]]:
        for dataset in datasets_of(element, self._value):
            yield in_order(dataset.elements())

    def _private(
        self, tag: int, element: Element, creators: dict[int, str], left: dict[int, bytes], depth: int
    ) -> bytes | None:
        """A private element: kept as the profile's tables say, and then with its creator's name; None if it goes."""
        group, number = tag >> 16, tag & 0xFFFF
        if 0x10 <= number <= 0xFF:
            creators[tag] = _creator(element)
            return None
        block = group << 16 | number >> 8
        creator = creators.get(block, "")
        said = element.VR if element.VR not in (None, "UN") else private_vr(tag, creator)
        rule = self.private.rule(tag, creator, said)
        if rule is None:
            return None
        if rule.vr == "SQ":
            kept = self._sequence(tag, rule, element, ElementType.OPTIONAL, depth, emptied=False)
        elif isinstance(element, RawDataElement) and (element.value or element.length):
            kept = self._single(tag, rule, element)
        else:
            return None
        if kept is not None:
            left[block] = encoding.element(block, "LO", creator)
        return kept

    def _repacked(self, tag: int, rule: Rule, element: RawDataElement) -> bytes | None:
        """Bytes of a known structure, written anew with what may stay; None if they have another structure."""
        repacked = rule.repack(self._value(element)) if rule.repack else None
        if repacked is None:
            return None
        kept = [KeptValue(rule, vr, value) for vr, value in repacked.looked_at()]
        if any(self.guard.passed(rule, each.value) != each.value for each in kept):
            return None
        self._count(rule.name, GENERALISED)
        self.kept += kept
        return encoding.element(tag, rule.vr, repacked.data)

    def _count(self, name: str, done: str) -> None:
        self.done[name, done] += 1


_WRITTEN = re.compile(rb"[ -~\t\r\n]{16,}[ \0]*")
"""Numbers whose bytes are all letters: a text. Samples of one byte may be that by chance."""


def _are_tags(data: bytes) -> bool:
    """Tell whether values of an AT element are tags that the standard knows: four letters would fit in one as well."""
    groups = np.frombuffer(data, "<u2").reshape(-1, 2).tolist() if len(data) % 4 == 0 else [[0, 0]]
    return all(
        dictionary_has_tag(group << 16 | number) or (group in GROUPS and number >= FIRST_PRIVATE)
        for group, number in groups
    )


def _creator(element: Element) -> str:
    value = element.value if isinstance(element, RawDataElement) else b""
    return bytes(value or b"").decode("ascii", "replace").strip(" \0")
