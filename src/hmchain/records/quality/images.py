"""Images that teach a network nothing, or the wrong thing: blank, dark, damaged, or of another size than the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hmchain.records.quality.findings import ERROR, INFO, WARNING, Finding, Tally

Grey = npt.NDArray[np.uint8]

BINS = 32
BLANK_DEVIATION = 0.5
"""Grey levels; below it an image is of one shade."""
DARK_MEAN = 6.0
"""Grey levels of 255, on average over the image."""
SIZE_FACTOR = 3
"""How many times the usual height or width, or what fraction of it, is out of the ordinary."""
_SIZES_MAX = 10_000

Size = tuple[int, int]
"""Rows and columns."""


class ImageChecks:
    """Looks at images one by one."""

    def __init__(self) -> None:
        self._blank, self._dark, self._damaged = Tally(), Tally(), Tally()
        self._sizes: Counter[Size] = Counter()
        self._of_size: dict[Size, Tally] = {}
        self._intensities = np.zeros(BINS, np.int64)
        self.count = 0
        """Images that could be read."""

    def add(self, record: str, grey: Grey, size: Size | None) -> None:
        """Look at an image: its grey levels (h, w) as a viewer shows them, and its own size, if it is known."""
        self.count += 1
        self._intensities += np.histogram(grey, BINS, (0, 256))[0]
        if grey.std() < BLANK_DEVIATION:
            self._blank.add(record)
        elif grey.mean() < DARK_MEAN:
            self._dark.add(record)
        if size is not None and (size in self._of_size or len(self._of_size) < _SIZES_MAX):
            self._sizes[size] += 1
            self._of_size.setdefault(size, Tally()).add(record)

    def add_damaged(self, record: str) -> None:
        """Count a record whose image does not decode."""
        self._damaged.add(record)

    @property
    def sizes(self) -> Mapping[Size, int]:
        """The number of images of each size, by height, then width."""
        return dict(sorted(self._sizes.items()))

    @property
    def intensities(self) -> tuple[int, ...]:
        """The number of pixels in each of `BINS` equal ranges from black to white."""
        return tuple(int(count) for count in self._intensities)

    def findings(self) -> list[Finding]:
        """List what stands out."""
        return [
            *self._damaged.finding(
                ERROR, "damaged_image", "{} images do not decode", "extract them again, or leave them out"
            ),
            *self._blank.finding(
                WARNING,
                "blank_image",
                "{} images are of one shade",
                "look at them; scouts and failed exposures teach nothing",
            ),
            *self._dark.finding(
                WARNING, "dark_image", "{} images are almost black", "check the window that they are shown with"
            ),
            *self._unusual(),
        ]

    def _unusual(self) -> list[Finding]:
        if len(self._sizes) < 2:
            return []
        usual = [_median(self._sizes, axis) for axis in (0, 1)]
        found = Tally()
        for size in sorted(self._sizes):
            if any(not 1 / SIZE_FACTOR <= size[axis] / usual[axis] <= SIZE_FACTOR for axis in (0, 1)):
                for record in self._of_size[size].records:
                    found.add(record)
                found.count += self._sizes[size] - len(self._of_size[size].records)
        what = f"{{}} images are more than {SIZE_FACTOR} times as large or small as most ({usual[0]} x {usual[1]})"
        hint = "they may be of another kind: localisers, thumbnails, scanned paper"
        return [*found.finding(WARNING, "unusual_size", what, hint), *self._many_sizes()]

    def _many_sizes(self) -> list[Finding]:
        what = f"the images have {len(self._sizes)} different sizes"
        hint = "training brings them to one size; a size that goes with a class gives the class away"
        return [Finding(INFO, "several_sizes", what, hint, self._sizes.total())]


def _median(sizes: Counter[Size], axis: int) -> int:
    """The height (axis 0) or width (axis 1) of which as many images have less as have more."""
    passed = 0
    for size in sorted(sizes, key=lambda one: one[axis]):
        passed += sizes[size]
        if 2 * passed >= sizes.total():
            return max(size[axis], 1)
    return 1
