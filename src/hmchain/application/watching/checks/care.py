"""What people and processes do for a hospital beside the node: its agent, its log, its backups."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import DecodeError

from hmchain import files
from hmchain.application.node.anchoring import AGE_MS, OTHER_LOG
from hmchain.application.security import log
from hmchain.application.security.events import DONE
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.watching.findings import Finding, Subject, fail, ok, warn
from hmchain.application.watching.place import Place
from hmchain.clock import DAY_MS, now_ms, span, utc

BACKUP_DAYS_MAX = 7
LATE_MS = 4 * AGE_MS
"""So long after its last anchor a log that has grown since is said to be late: an agent anchors in a quarter of it."""
BACKUPS = ("node snapshot", "data vault backup")
"""Commands that make a backup, by their words in the log."""


def agent(place: Place) -> Iterator[Finding]:
    """Whether the process runs that takes part in studies for the hospital."""
    if place.hospital is None or place.network is None:
        return
    known, holder = place.known_if_sound, files.holder(place.hospital.agent_lock)
    waiting = known.studies if known else ()
    if holder is not None:
        yield ok(Subject.AGENT, "running", f"{holder} is the agent")
    elif waiting:
        words = f"no agent runs, and studies wait for it: {', '.join(waiting)}"
        yield fail(Subject.AGENT, "running", words, "`hmchain node agent`")
    else:
        words = "no agent runs: it would join studies and anchor the log of security events"
        yield warn(Subject.AGENT, "running", words, "`hmchain node agent`")


def security_log(place: Place) -> Iterator[Finding]:
    """That the log can be read, and is the one that the ledger knows, and how far."""
    hospital, subject = place.hospital, Subject.LOG
    if hospital is None or not hospital.activity.exists():
        return
    lines, _ = log.head(hospital.activity)
    known = place.known_if_sound
    anchor = known.anchor if known else None
    if anchor is None:
        compared = "none of them anchored yet" if known else "not compared with a ledger"
        yield ok(subject, "anchor", f"the log of security events has {lines} lines, {compared}")
        return
    at = next(iter(log.read(hospital.activity, since=anchor.size)), None)
    if at is None or (at.number, at.link) != (anchor.size, anchor.head):
        yield fail(subject, "anchor", OTHER_LOG.partition(";")[0], "`hmchain audit events` says where")
        return
    age_ms, waiting = now_ms() - anchor.time_ms, lines - anchor.size
    words = f"of {lines} lines {anchor.size} are anchored, the last {span(age_ms / 1000)} ago"
    if waiting and age_ms > LATE_MS:
        way_out = "the agent does it: `hmchain node agent`; by hand `hmchain audit anchor`"
        yield warn(subject, "anchor", words, way_out)
    else:
        yield ok(subject, "anchor", words)


def backups(place: Place) -> Iterator[Finding]:
    """When the log last tells of a backup that was made."""
    if place.hospital is None:
        return
    found = _made(place.hospital)
    wanted = BACKUPS if place.network is not None else BACKUPS[1:]
    for command in wanted:
        name, at_ms = command.rpartition(" ")[2], found.get(command)
        if at_ms is None:
            words = f"the log tells of no backup by `hmchain {command}`"
            yield warn(Subject.BACKUP, name, words, f"make one, and keep it elsewhere: `hmchain {command} FILE`")
        elif now_ms() - at_ms > BACKUP_DAYS_MAX * DAY_MS:
            words = f"the last backup by `hmchain {command}` is of {utc(at_ms)} UTC"
            yield warn(Subject.BACKUP, name, words, f"make a new one: `hmchain {command} FILE`")
        else:
            yield ok(Subject.BACKUP, name, f"the last backup by `hmchain {command}` is of {utc(at_ms)} UTC")


def _made(hospital: HospitalFolder) -> dict[str, int]:
    """The time of the last backup of each kind."""
    found: dict[str, int] = {}
    for line in log.read(hospital.activity):
        if any(command in line.event for command in BACKUPS):  # most lines need not be decoded
            try:
                event = line.typed
            except DecodeError:  # of a kind of a later version
                continue
            if event.what in BACKUPS and event.outcome == DONE:
                found[event.what] = line.at_ms
    return found
