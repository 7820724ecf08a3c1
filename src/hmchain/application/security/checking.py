"""Whether a log of security events is the one that was written: nothing cut out, put elsewhere or written anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.application.security.events import Event, Kind
from hmchain.application.security.log import EARLIER, NOTHING, Written, detail, earlier, link, read, read_earlier
from hmchain.errors import AuditError, StorageError

_AT_MS_MAX = 253_402_300_799_999
"""The last moment that calendars and FHIR can write."""
_COMPARE = "compare it with a backup, and with copies that auditors have: what is beyond this line is nobody's word"


class LogDefectError(AuditError):
    """A log of security events is not the one that was written."""

    code = "log_defect"


class NewerLogError(StorageError):
    """A log of security events follows from its beginning, and a later version wrote events of kinds of its own."""

    code = "newer_log"


@dataclass(frozen=True)
class Checked:
    """One line that holds, with what it says."""

    number: int
    at_ms: int
    event: Event
    link: bytes


def checked(
    lines: Iterable[Written], anchors: Mapping[int, bytes], organisation: str, *, own: bool = False
) -> Iterator[Checked]:
    """The lines of a whole log one by one, each held against those before it and the heads that were anchored.

    `anchors` are links by their lines' numbers. Raises `LogDefectError` at the first line that is not what was written,
    and at the end where anchored lines are missing. The hospital's `own` has beside every line what was noted there,
    which a log that left may lack. Raises `NewerLogError` at the end of one that is sound, of which a later version
    wrote lines.
    """
    whose, before, number, unknown = f"the log of {organisation}", NOTHING, 0, 0
    for line in lines:
        event, is_known = _typed(line, whose)
        unknown = unknown or (0 if is_known else line.number)
        if number == 0:
            _require_first(line, event, whose)
            if event.about not in ("", organisation):
                raise _defect(f"{whose} is that of {event.about}", "")
        elif line.number != number + 1:
            raise _defect(f"event {number + 1} of {whose} is missing", f"event {line.number} stands in its place")
        if link(before, line.number, line.at_ms, line.event) != line.link:
            raise _defect(f"event {line.number} of {whose} does not follow from those before it", "")
        if (line.own or (own and event.detail)) and detail(line.salt, line.own) != event.detail:
            raise _defect(f"what the hospital noted beside event {line.number} of {whose} was changed", "")
        if anchors.get(line.number, line.link) != line.link:
            raise _defect(f"event {line.number} of {whose} is not the one that was anchored on the ledger", "")
        before, number = line.link, line.number
        yield Checked(line.number, line.at_ms, event, line.link)
    if missing := [size for size in anchors if size > number]:
        what = f"{whose} ends with event {number}, and event {max(missing)} was anchored on the ledger"
        raise _defect(what, "")
    if unknown:
        what = f"event {unknown} of {whose} is of a kind that this version does not know"
        raise NewerLogError(f"{what}; all follow from each other", "use the version of hmchain that wrote it")


def require_earlier(path: Path, organisation: str) -> None:
    """Hold the lines of a version without chains against the first event, which binds them. Raises `LogDefectError`."""
    first, whose = next(read(path), None), f"the log of {organisation}"
    known = list(read_earlier(path))
    if first is None or _typed(first, whose)[0].what != EARLIER:
        is_bound = first is None or not known  # before its first event, a log of that version has those alone
    else:
        is_bound = detail(first.salt, earlier(known)) == first.typed.digest
    if not is_bound:
        raise _defect(f"what stands in {whose} before its chain was changed", "")


def _typed(line: Written, whose: str) -> tuple[Event, bool]:
    """The event of a line whose fields are of their types: who writes into the file is not bound to any.

    With it, whether its kind is a known one; one of a later version has another's place here.
    """
    values = (line.number, line.at_ms, line.event, line.link, line.salt, line.own)
    if list(map(type, values)) != [int, int, str, bytes, bytes, str] or not 0 <= line.at_ms <= _AT_MS_MAX:
        raise _defect(f"event {line.number} of {whose} is none", "")
    try:
        return line.typed, True
    except (msgspec.DecodeError, RecursionError) as error:
        if (later := _of_a_later_version(line.event)) is None:
            raise _defect(f"event {line.number} of {whose} is none", "") from error
        return later, False


def _of_a_later_version(text: str) -> Event | None:
    """What else is said by an event of a kind that is not known here; None if it is none at all."""
    try:
        said = decoding.from_json(text, dict)
        kind = said.get("kind")
        is_later = isinstance(kind, str) and kind not in {known.value for known in Kind}
        return decoding.converted({**said, "kind": Kind.COMMAND.value}, Event) if is_later else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _require_first(line: Written, event: Event, whose: str) -> None:
    """The chain begins with a line that says so; after those of a version without chains it has a higher number."""
    if event.kind is not Kind.LOG_BEGUN or line.number < 1 or (line.number != 1 and event.what != EARLIER):
        raise _defect(f"the beginning of {whose} is missing", f"it begins with event {line.number}")


def _defect(what: str, more: str) -> LogDefectError:
    return LogDefectError(f"{what}: {more}" if more else what, _COMPARE)
