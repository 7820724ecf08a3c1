"""Standings of the members over time, as a process has them that stays: worked out from the blocks once, then kept up.

A ledger of very many blocks is not executed again for it: its history begins when the process does.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node.live import LiveLedger
from hmchain.errors import HMChainError
from hmchain.ledger.readers.standing_history import StandingPoint, history, point

POINTS_MAX = 300
BLOCKS_MAX = 50_000
"""A ledger of more blocks is not executed again: it takes about a second for 2000."""
_LOOK_SECONDS = 30.0


@dataclass(frozen=True)
class Course:
    """How the members stood over time, as far as it is known."""

    points: tuple[StandingPoint, ...]
    """In order of height."""
    is_whole: bool
    """Whether it begins where the ledger does."""
    done: int = 0
    """Blocks that were executed for it..."""
    of: int = 0
    """... of so many; 0 once it is there."""
    trouble: str = ""
    """Why it cannot be worked out from the blocks."""


class Standings:
    """The course of one ledger's standings; a thread works it out from when somebody asks first."""

    def __init__(self, live: LiveLedger, directory: Path, *, follows: bool) -> None:
        """`follows` where blocks come to the ledger still."""
        self._live, self._directory, self._follows = live, directory, follows
        self._turn, self._begun = threading.Lock(), False
        self._course = Course((), is_whole=False, of=1)

    def course(self) -> Course:
        """What is known by now."""
        with self._turn:
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._run, name="standings over time", daemon=True).start()
            return self._course

    def _run(self) -> None:
        try:
            self._work_out()
        except HMChainError as error:
            self._know(Course((), is_whole=False, trouble=error.what))
        while self._follows:
            self._keep_up()
            threading.Event().wait(_LOOK_SECONDS)

    def _work_out(self) -> None:
        with self._live.reader() as ledger:
            is_short, begins = ledger.height <= BLOCKS_MAX, ledger.begins_after
        if not is_short or begins:
            self._know(Course((), is_whole=False))
            self._keep_up()
            return

        def report(done: int, of: int | None) -> None:
            self._know(Course((), is_whole=False, done=done, of=of or 1))

        self._know(Course(tuple(history(self._directory, POINTS_MAX, report)), is_whole=True))

    def _keep_up(self) -> None:
        """Add how it stands now; of too many points every other goes."""
        try:
            with self._live.reader() as ledger:
                now = point(ledger.verified.state)
        except HMChainError:  # its page says what is wrong with the ledger
            return
        course = self._course
        if course.points and course.points[-1].height >= now.height:
            return
        points = (*course.points, now)
        points = points if len(points) <= 2 * POINTS_MAX else (*points[:-1:2], now)
        self._know(Course(points, course.is_whole, trouble=course.trouble))

    def _know(self, course: Course) -> None:
        with self._turn:
            self._course = course
