"""Anchors of the hospital's log of security events, which its agent sends: often enough, and at once where it matters.

Until a line is anchored, whoever may write the file could leave it out and make the rest anew. So lines that somebody
might want to hide are anchored as soon as the agent sees them, and all others within a quarter of an hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from msgspec import DecodeError

from hmchain.application.node.agent_log import AgentLog
from hmchain.application.security import log as events
from hmchain.application.security.events import URGENT, Event, Kind
from hmchain.application.security.log import Written
from hmchain.clock import MINUTE_MS
from hmchain.errors import StorageError
from hmchain.ledger.contracts.members import anchors, upgrades
from hmchain.ledger.contracts.members.anchors import Anchor, AnchorLog
from hmchain.ledger.state import State

LOG = "the log of security events"
LINES_MAX = 256
AGE_MS = 15 * MINUTE_MS
"""So many lines, or for so long, may wait for an anchor."""
_LOOK_SECONDS = 2.0
OTHER_LOG = (
    "the log of security events is not the one that was anchored on the ledger; if it was brought back from a copy, "
    "its steward says so with `hmchain audit anchor --after-loss`"
)


class Anchoring:
    """What one agent anchors."""

    def __init__(
        self,
        path: Path,
        organisation: str,
        now_ms: Callable[[], int],
        tell: AgentLog,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._organisation, self._now_ms, self._tell = path, organisation, now_ms, tell
        self._seconds, self._next = seconds, seconds()

    def due(self, state: State) -> AnchorLog | None:
        """The anchor to send now, if one is due. A log that cannot be read, or is another one, is told of."""
        if self._seconds() < self._next or not upgrades.has_sharing(state):
            return None
        self._next = self._seconds() + _LOOK_SECONDS
        last = anchors.anchor(state, self._organisation)
        try:
            lines = list(islice(events.read(self._path, since=last.size if last else 0), LINES_MAX + 1))
            end = events.head(self._path)
        except StorageError as error:
            self._tell.lasts(LOG, str(error))
            return None
        if last is not None and not _begins_with(lines, last):
            if LOG not in self._tell.subjects():
                with suppress(StorageError):
                    events.record(self._path, Event(Kind.ALARM, "log"), self._organisation)
            self._tell.lasts(LOG, f"{OTHER_LOG}; `hmchain audit events` says where")
            return None
        self._tell.ended(LOG, "the log of security events is the one that was anchored")
        new = lines[1:] if last else lines
        if not new or not self._is_due(new, last):
            return None
        return AnchorLog(*end)

    def _is_due(self, new: list[Written], last: Anchor | None) -> bool:
        is_old = last is None or self._now_ms() - last.time_ms >= AGE_MS
        return is_old or len(new) >= LINES_MAX or _is_urgent(new)


def _begins_with(lines: list[Written], last: Anchor) -> bool:
    return bool(lines) and (lines[0].number, lines[0].link) == (last.size, last.head)


def _is_urgent(lines: Iterable[Written]) -> bool:
    try:
        return any(each.typed.kind in URGENT for each in lines)
    except DecodeError:  # of a kind of a later version, or no event at all: whatever it is, it is bound soon
        return True
