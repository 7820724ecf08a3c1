"""Files that a source comes upon: every one is told of, whether anything is taken of it or not, and why not.

A source says `file` of each before anything else of it, `wants` of each item in it, and `passed` of what it does not
take. So what it found can be counted by itself, and compared with what became of it. Names may tell who a patient is:
they are for a steward's eyes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from hmchain.records.sources.item import FoundFile

NOTHING = "nothing in it"
"""Why a file is passed over of which nothing came."""

Told = Callable[[FoundFile, Mapping[str, int]], None]
"""Called once for each file of which something, or all, was passed over: the parts by reason; 0 for the file itself."""


class Finds:
    """Counts files as a source finds them, one after the other; by one thread."""

    def __init__(self, *, answers: bool = False, counting: bool = False) -> None:
        """`answers` says that they are a server's: the same may come several times; `counting` that
        files are only counted: nobody is told of any."""
        self.answers, self.counting = answers, counting
        self.files = 0
        """How many were found."""
        self._teller: Told | None = None
        self._untold: list[tuple[FoundFile, Mapping[str, int]]] = []
        self._reasons: Counter[str] = Counter()
        self._name, self._mark = "", _no_mark
        self._current: FoundFile | None = None
        self._passed: Counter[str] = Counter()
        self._is_quiet = False

    def clear(self) -> None:
        """Begin a new run."""
        self.files, self._is_quiet = 0, False
        self._untold.clear()
        self._reasons.clear()
        self._passed.clear()

    def file(self, name: str, mark: Callable[[], str] | None = None) -> None:
        """Begin with a file; `mark` says what it is remembered by, if not by its name."""
        self.end()
        self.files += 1
        self._name, self._mark, self._is_quiet = name, mark or _no_mark, True
        self._current = None

    def opened(self) -> bool:
        """Say that the file is an archive, whose files follow in its place; returns True."""
        self.files -= 1
        self._is_quiet = False
        return True

    def passed(self, reason: str, parts: int = 0) -> None:
        """Say that the file is passed over, or that so many parts of it are."""
        self._passed[reason] += parts
        self._reasons[reason] += parts or 1

    def wants(self, done: Callable[[str], bool], mark: str) -> bool:
        """Say that an item of the file has this mark; returns whether it is to be given, since it is not `done`."""
        self._is_quiet = False
        return not done(mark)

    def end(self) -> None:
        """End with the last file."""
        if self.counting:
            return
        if self._is_quiet and not self._passed:
            self.passed(NOTHING)
        if self._passed:
            self._untold.append((self.current, dict(self._passed)))
            self._tell()
        self._passed.clear()
        self._is_quiet = False

    def tell(self, teller: Told) -> None:
        """Have `teller` told of all files from the beginning of this run on."""
        self._teller = teller
        self._tell()

    def _tell(self) -> None:
        if self._teller is not None:
            for file, reasons in self._untold:
                self._teller(file, reasons)
            self._untold.clear()

    @property
    def current(self) -> FoundFile:
        """The file that was begun last; its mark is made once, though the file may change meanwhile."""
        if self._current is None:
            self._current = FoundFile(self._name, self._mark())
        return self._current

    @property
    def reasons(self) -> Mapping[str, int]:
        """The number passed over, by reason, in the order of the reasons."""
        return dict(sorted(self._reasons.items()))


def _no_mark() -> str:
    return ""
