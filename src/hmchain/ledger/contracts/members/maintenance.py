"""Announced maintenance: an organisation says beforehand that its node will be down, and is not punished for it.

While the window lasts its votes count for next to nothing (power 1), so the others go on at full pace; votes and turns
that it misses meanwhile cost no score, and it earns none. What is not announced is counted as ever. A window is short
and rare, and few are open at once, so that nobody hides behind it.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import events, reputation
from hmchain.ledger.blocks import TimeMs
from hmchain.ledger.context import STEWARD, VALIDATOR, Context, require
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.state import State, Table

LENGTH_MS_MAX = reputation.DAY_MS
AHEAD_MS_MAX = 7 * reputation.DAY_MS
INTERVAL_MS = 7 * reputation.DAY_MS
"""From the start of one window to that of the next."""


class Window(Record, frozen=True):
    """When an organisation's node may be down."""

    from_ms: TimeMs
    until_ms: TimeMs

    def covers(self, time_ms: int) -> bool:
        """Whether the time is within it; its end is not."""
        return self.from_ms <= time_ms < self.until_ms


class AnnounceMaintenance(Record, frozen=True, tag="announce_maintenance"):
    """Transaction (steward, operator, validator): this node will be down from `from_ms` on; a past time is now."""

    from_ms: TimeMs
    length_ms: TimeMs


Bodies = AnnounceMaintenance

_WINDOWS = Table("maintenance", Window)


def window(state: State, organisation: str) -> Window | None:
    """The window that an organisation announced last."""
    return _WINDOWS.get(state, organisation)


def is_paused(state: State, organisation: str, time_ms: int) -> bool:
    """Whether an organisation announced that its node may be down at this time."""
    found = window(state, organisation)
    return found is not None and found.covers(time_ms)


def end(state: State, organisation: str, time_ms: int) -> None:
    """It is back before its time."""
    found = window(state, organisation)
    if found is not None and found.covers(time_ms):
        _WINDOWS.put(state, replace(found, until_ms=time_ms), organisation)


def _announce(context: Context, body: AnnounceMaintenance) -> None:
    context.require_role(STEWARD, VALIDATOR, people.OPERATOR)
    state, organisation, now_ms = context.state, context.sender.organisation, context.time_ms
    require(body.from_ms <= now_ms + AHEAD_MS_MAX and 0 < body.length_ms <= LENGTH_MS_MAX, "bad_maintenance")
    start_ms = max(body.from_ms, now_ms)
    earlier = window(state, organisation)
    require(earlier is None or start_ms >= earlier.from_ms + INTERVAL_MS, "maintenance_lately")
    planned = Window(start_ms, start_ms + body.length_ms)
    names = [member.organisation for member in membership.active_members(state)]
    others = [found for name in names if name != organisation and (found := window(state, name)) is not None]
    at_once = sum(other.from_ms < planned.until_ms and planned.from_ms < other.until_ms for other in others)
    require(at_once < max(1, reputation.faults_tolerated(len(names))), "maintenance_under_way")
    _WINDOWS.put(state, planned, organisation)
    context.emit(events.MaintenanceAnnounced(organisation, planned.from_ms, planned.until_ms))


HANDLERS = {AnnounceMaintenance: _announce}
