"""Dummy values (PS3.15 E.1.1): what stands where the standard wants a value and the real one goes.

A dummy says that it is one. Different texts of an element give different dummies within an object, since labels tell
stacks, segments and structures apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pydicom.datadict import dictionary_VM

from hmchain.records.deidentification.dicom.encoding import WIDTHS

GONE = "REMOVED"
"""What stands for a text that went."""
_TEXTS = {
    "AS": "000Y",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "TM": "000000",
    "UI": "2.25.0",
    "UR": "about:blank",
}
_ELEMENTS = {
    0x00080060: "OT",  # Modality
    0x00281054: "US",  # Rescale Type: unspecified
    0x00283004: "US",  # Modality LUT Type
}
_LABELLED = frozenset({"LO", "SH", "UC"})
_UNKNOWN_BYTES = 2


class Dummies:
    """The dummies of one object."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[bytes, int]] = defaultdict(dict)

    def value(self, tag: int, vr: str, original: bytes) -> bytes:
        """What to write for an element, in the place of `original`."""
        if vr == "AT":
            return bytes(4)
        if vr in WIDTHS:
            return bytes(max(len(original) - len(original) % WIDTHS[vr], WIDTHS[vr]))
        if vr == "UN":
            return bytes(_UNKNOWN_BYTES)
        text = _ELEMENTS.get(tag) or _TEXTS.get(vr, "") or self._word(tag, vr, original)
        return "\\".join([text] * _values_min(tag)).encode("ascii")

    def _word(self, tag: int, vr: str, original: bytes) -> str:
        if vr not in _LABELLED:
            return GONE
        seen = self._seen[tag]
        number = seen.setdefault(original, len(seen) + 1)
        return GONE if number == 1 else f"{GONE} {number}"


def _values_min(tag: int) -> int:
    """The lower end of a value multiplicity: 2 of `2-n`."""
    first: Sequence[str] = dictionary_VM(tag).split("-")
    return int(first[0]) if first[0].isdigit() else 1
