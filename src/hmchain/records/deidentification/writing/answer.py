"""The answer on one image: clean, unsafe, or a person must look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What an image's pixels may be taken for."""

    CLEAN = "clean"
    """No writing was found, and the image is of a kind that the detector can judge."""
    UNSAFE = "unsafe"
    """Writing was found: several letters or digits side by side."""
    LOOK = "look"
    """A person must look: marks that may be letters, or an image that the detector cannot judge."""


@dataclass(frozen=True)
class Region:
    """A rectangle of an image that holds writing, in its pixels; `score` between 0 and 1."""

    left: int
    top: int
    width: int
    height: int
    score: float

    def united(self, other: Region) -> Region:
        """The smallest rectangle around both, with the higher score."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right = max(self.left + self.width, other.left + other.width)
        bottom = max(self.top + self.height, other.top + other.height)
        return Region(left, top, right - left, bottom - top, max(self.score, other.score))

    def meets(self, other: Region, margin: int = 0) -> bool:
        """Say whether two rectangles share a pixel, or are less than `margin` pixels apart."""
        return (
            self.left < other.left + other.width + margin
            and other.left < self.left + self.width + margin
            and self.top < other.top + other.height + margin
            and other.top < self.top + self.height + margin
        )


@dataclass(frozen=True)
class Writing:
    """The verdict on an image, and the regions that led to it, the surest first."""

    verdict: Verdict
    regions: tuple[Region, ...] = ()
