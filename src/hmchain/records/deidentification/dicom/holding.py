"""Holds, by which any step says that an object must not pass."""

from __future__ import annotations

from hmchain.records.deidentification.outcome import Held
from hmchain.records.sources.item import Rectangles


class Hold(Exception):
    """Raised inside this package only: the object becomes `held`."""

    def __init__(self, code: str, reason: str, *, releasable: bool = False, regions: Rectangles = ()) -> None:
        super().__init__(reason)
        self.held = Held(code, reason, releasable, regions=regions)


def damaged(reason: str) -> Hold:
    """The bytes are not what they should be; nobody can release that."""
    return Hold("damaged", reason)


class UnknownParts(Hold):
    """Raised where compressed pixels have parts that are not known: they can still be decoded and written plainly."""

    def __init__(self, reason: str) -> None:
        super().__init__("unsupported_pixels", reason)
