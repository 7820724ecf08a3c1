"""The values of an object by the path of their elements, as text: what an answer key speaks of."""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

_NO_TEXT = ("OB", "OD", "OF", "OL", "OV", "OW")


def values(dataset: Dataset, above: str = "") -> dict[str, str]:
    """Every element that is there, at every depth; of bytes and sequences an empty text."""
    found: dict[str, str] = {}
    for element in dataset:
        path = above + _name(element)
        found[path] = "" if element.VR in ("SQ", *_NO_TEXT) else _text(element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                found |= values(item, f"{path}[{number}]")
    return found


def _name(element: DataElement) -> str:
    if element.tag.is_private and element.private_creator:
        creator = str(element.private_creator).upper()
        return f'({element.tag.group:04x},"{creator}",{element.tag.element & 0xFF:02x})'
    return f"({element.tag.group:04x},{element.tag.element:04x})"


def _text(element: DataElement) -> str:
    value = element.value
    if value is None:
        return ""
    many = value if element.VM > 1 else [value]
    return "\\".join(str(each).strip() for each in many)
