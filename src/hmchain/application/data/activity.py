"""What was done with a hospital's data, and what left it: the log as people read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import asdict

from hmchain.application.data.reidentification import is_signed
from hmchain.application.security.events import DONE
from hmchain.application.site.activity import (
    LEAVES,
    SENT_BY_AGENTS,
    SIGNED_FOR,
    Line,
    Signature,
    What,
    read_lines,
)
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import InputError

UNFINISHED = "unfinished"
"""The outcome of what has no end in the log: it is under way, or was killed."""


class NoSuchActivityError(InputError):
    """The log knows no activity of that name."""

    code = "no_such_activity"


@dataclass(frozen=True)
class Activity:
    """One thing that was done, or begun."""

    number: int
    """Of its line in the log."""
    at_ms: int
    ended_ms: int | None
    what: str
    leaves: bool
    """True if something left the hospital or its vault by it."""
    user: str
    role: str
    person: str
    dataset: str
    version: int
    study: str
    round: int | None
    kind: str
    where: str
    records: int
    items: int
    held: int
    bytes: int
    subject: str
    """The pseudonym that was turned back into a patient."""
    reason: str
    public: str
    """The public half of the key of a person who was added."""
    signed_ms: int | None
    signatures: tuple[Signature, ...]
    """Of those who signed for it."""
    is_signed: bool | None
    """Whether these signatures are theirs, and enough; None of what takes none."""
    outcome: str


@dataclass(frozen=True)
class ActivityTotals:
    """What left the hospital in the time that was asked for."""

    since_ms: int
    """Of the log's first line, or what was asked for."""
    exports: tuple[Activity, ...]
    """Records that were written out, de-identified and decrypted."""
    looks: int
    """Held items that were written out as they came."""
    updates: dict[str, int]
    """Bytes of masked updates by study."""
    other_bytes: int
    """What the agent sent else: halves of keys, models and proofs as a master, objects that the store had lost."""
    unfinished: int
    """Things that were begun, and of which the log has no end."""


@dataclass(frozen=True)
class ActivityReport:
    """The activities of a hospital."""

    organisation: str
    entries: tuple[Activity, ...]
    totals: ActivityTotals


def report(place: HospitalFolder, *, since_ms: int = 0, what: Iterable[str] = (), left: bool = False) -> ActivityReport:
    """What was done since a time: all of it, what is named, or what `left`. Totals count all since then.

    Raises `NoSuchActivityError` or `ActivityLogError`.
    """
    wanted = {_named(name) for name in what}
    found = [each for each in _joined(read_lines(place.activity)) if each.at_ms >= since_ms]
    shown = tuple(each for each in found if (not wanted or each.what in wanted) and (each.leaves or not left))
    return ActivityReport(place.organisation, shown, _totals(found, since_ms))


def _named(name: str) -> str:
    if name not in (names := [each.value for each in What]):
        raise NoSuchActivityError(f"nothing is called {name!r} in the log", f"name one of {', '.join(names)}")
    return name


def _joined(lines: Iterable[Line]) -> list[Activity]:
    """Each beginning with its end, in the order of beginnings."""
    begun: dict[int, Line] = {}
    ended: dict[int, Line] = {}
    for line in lines:
        if line.ends is None:
            begun[line.number] = line
        else:
            ended[line.ends] = line
    return [_activity(line, ended.get(number)) for number, line in begun.items()]


def _activity(line: Line, end: Line | None) -> Activity:
    assert line.deed.what is not None, "a line that ends none begins something"
    what, known = line.deed.what, asdict(line.deed)
    if end is not None:
        known |= {name: value for name, value in asdict(end.deed).items() if value not in (None, "", 0, ())}
    if what in SENT_BY_AGENTS:
        known["outcome"] = DONE  # written before the bytes leave: what is sent again is counted again
    elif end is None:
        known["outcome"] = UNFINISHED
    known.pop("what")
    known["signed_ms"] = line.deed.signed_ms or None
    known["is_signed"] = is_signed(line.deed) if what in SIGNED_FOR else None
    return Activity(line.number, line.at_ms, end.at_ms if end else None, what.value, what in LEAVES, **known)


def _totals(found: list[Activity], since_ms: int) -> ActivityTotals:
    exports = tuple(each for each in found if each.what in (What.EXPORT.value, What.DEIDENTIFY.value))
    updates: Counter[str] = Counter()
    for each in found:
        if each.what == What.UPDATE.value:
            updates[each.study] += each.bytes
    sent = {each.value for each in SENT_BY_AGENTS} - {What.UPDATE.value}
    return ActivityTotals(
        since_ms or (found[0].at_ms if found else 0),
        exports,
        sum(each.what == What.LOOK.value for each in found),
        dict(sorted(updates.items())),
        sum(each.bytes for each in found if each.what in sent),
        sum(each.outcome == UNFINISHED for each in found),
    )


COLUMNS = tuple(Activity.__dataclass_fields__)
"""Names of what is known of an activity, in order."""
