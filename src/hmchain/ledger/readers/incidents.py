"""Incidents as people follow them: how far each member is, what was said when, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from hmchain.errors import InputError
from hmchain.ledger.contracts.members import incidents, membership, people, standings
from hmchain.ledger.contracts.members.incident_codes import KNOWING, Deed
from hmchain.ledger.contracts.members.incidents import ANSWERING, Incident, Word
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers.request_steps import RESPONDER, Todo
from hmchain.ledger.state import State


class UnknownIncidentError(InputError):
    """The ledger has no incident of that name."""

    code = "unknown_incident"


class Stage(StrEnum):
    """How far all members together are."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    """Every member knows of it."""
    CONTAINED = "contained"
    """It goes on nowhere, as far as anybody says who was waited for: whoever opened it closes it."""
    CLOSED = "closed"


@dataclass(frozen=True)
class StolenKey:
    """A key that was stolen."""

    key: bytes
    of: str
    """The person, or office, whose it is or was: ORGANISATION/NAME."""
    signs: bool
    """Whether the ledger takes what it signs."""


@dataclass(frozen=True)
class Answer:
    """How far one member is."""

    organisation: str
    affected: bool
    acknowledged_ms: int
    """0 where it has not said that it knows of it, or only by a key that was cut off while the incident was open."""
    contained_ms: int
    owes: str
    """`acknowledge`, `contain` or nothing."""
    overdue: bool
    """It has not said in time that it knows of it, or what it did."""


@dataclass(frozen=True)
class SaidWord:
    """One thing that somebody did or said."""

    number: int
    deed: str
    by: str
    time_ms: int
    height: int
    measures: tuple[str, ...]
    affected: tuple[str, ...]
    """Organisations that it named; of a closing those that never said what they did."""
    keys: tuple[bytes, ...]
    evidence: bytes
    """Digest of the document that goes with it; empty for none."""
    stands: bool
    """False where the key that signed it was cut off since."""


@dataclass(frozen=True)
class IncidentView:
    """An incident."""

    incident: str
    kind: str
    severity: str
    stage: Stage
    opener: str
    detected_ms: int
    opened_ms: int
    due_ms: int
    """Until when members say that they know of it."""
    closed_ms: int
    """0 while it is open."""
    affected: tuple[str, ...]
    keys: tuple[StolenKey, ...]
    answers: tuple[Answer, ...]
    """Of the members, in order of name."""
    said: tuple[SaidWord, ...]
    """In order of time."""

    def __str__(self) -> str:
        return f"{self.incident} ({self.kind}, {self.severity}) is {self.stage}"


def incident(state: State, name: str) -> IncidentView:
    """One incident. Raises `UnknownIncidentError`."""
    entry = incidents.incident(state, name)
    if entry is None:
        known = ", ".join(each.incident for each in incidents.incidents(state)) or "none"
        raise UnknownIncidentError(f"there is no incident {name!r}", f"those there are: {known}")
    return _view(state, entry)


def all_incidents(state: State, *, over: bool = True) -> list[IncidentView]:
    """All incidents, or those that are open: those first, then the newest first."""
    found = incidents.incidents(state) if over else incidents.open_incidents(state)
    return [_view(state, entry) for entry in sorted(found, key=lambda each: (not each.is_open, -each.opened_ms))]


def todos(state: State, organisation: str) -> Iterator[Todo]:
    """What an organisation's people have to do about incidents that are open, each once with all who can do it."""
    named = {ref.person for role in ANSWERING for ref in people.with_role(state, organisation, role)}
    who = tuple(sorted(named))
    for entry in sorted(incidents.open_incidents(state), key=lambda each: each.opened_ms):
        yield from _todos(_view(state, entry), organisation, who)


def _todos(found: IncidentView, organisation: str, who: tuple[str, ...]) -> Iterator[Todo]:
    name, about = found.incident, f"incident {found.incident} ({found.kind}, {found.severity})"
    own = next((each for each in found.answers if each.organisation == organisation), None)
    if own is not None and not own.acknowledged_ms and own.owes:
        words = f"{about}, opened by {found.opener}: say that this hospital knows of it"
        yield Todo("", RESPONDER, words, f"incident acknowledge {name}", found.due_ms, own.overdue, who)
    if own is not None and own.owes == Deed.CONTAIN:
        words = f"{about}: contain it here, and say what was done"
        yield Todo("", RESPONDER, words, f"incident show {name}", who=who)
    if found.opener.partition("/")[0] == organisation and found.stage is Stage.CONTAINED:
        yield Todo("", RESPONDER, f"{about} waits for nobody any more: close it", f"incident close {name}", who=who)


def steps(state: State, found: IncidentView, organisation: str) -> tuple[tuple[str, str], ...]:
    """What an organisation's people can do with an incident now: in words, with the commands for it."""
    own = next((each for each in found.answers if each.organisation == organisation), None)
    if own is None or found.stage is Stage.CLOSED or not membership.is_active(state, organisation):
        return ()
    name, steps = found.incident, []
    if not own.acknowledged_ms:
        steps.append(("say that you know of it", f"incident acknowledge {name}"))
    steps.append(("say what you did, or know", f"incident note {name} --measure CODE --letter FILE"))
    if own.owes == Deed.CONTAIN:
        steps += [
            (f"first cut {each.of} off: it signs still", _cut_off(each.of.partition("/")[2]))
            for each in found.keys
            if each.signs and each.of.startswith(f"{organisation}/")
        ]
        steps.append(("say that it is contained here", f"incident contain {name} --measure CODE --letter FILE"))
    if found.stage is Stage.CONTAINED and found.opener.startswith(f"{organisation}/"):
        steps.append(("say that it is over", f"incident close {name}"))
    return tuple(steps)


def _cut_off(handle: str) -> str:
    is_a_machine = handle in membership.SIGNING_ROLES and handle not in people.OFFICES
    return f"node rotate-key {handle}" if is_a_machine else f"people suspend {handle}"


def _view(state: State, entry: Incident) -> IncidentView:
    said = incidents.words(state, entry.incident)
    owing = set(incidents.owing(state, entry)) if entry.is_open else set()
    uncontained = set(incidents.uncontained(state, entry)) if entry.is_open else set()
    time_ms = standings.time_ms(state)
    silent = set(incidents.silent(state, entry, time_ms)) - {entry.opener.organisation} if entry.is_open else set()
    members = {member.organisation for member in membership.active_members(state)}
    names = sorted(members | {word.by.organisation for word in said} | set(entry.affected))
    late = silent | (owing if time_ms > entry.due_ms else set())
    return IncidentView(
        entry.incident, entry.kind, entry.severity, _stage(entry, owing, uncontained - silent), str(entry.opener),
        entry.detected_ms, entry.opened_ms, entry.due_ms, entry.closed_ms, entry.affected,
        tuple(_key(state, key) for key in entry.keys),
        tuple(_answer(state, entry, said, name, owing, uncontained, late) for name in names),
        tuple(_word(state, word) for word in said),
    )  # fmt: skip


def _stage(entry: Incident, owing: set[str], uncontained: set[str]) -> Stage:
    if not entry.is_open:
        return Stage.CLOSED
    if not uncontained:
        return Stage.CONTAINED
    return Stage.OPEN if owing else Stage.ACKNOWLEDGED


def _answer(
    state: State, entry: Incident, said: list[Word], name: str, owing: set[str], uncontained: set[str], late: set[str]
) -> Answer:
    words = (word for word in said if word.by.organisation == name)
    own = [word for word in words if not entry.is_open or people.stands(state, word.by, word.time_ms)]
    owes = Deed.CONTAIN.value if name in uncontained else Deed.ACKNOWLEDGE.value if name in owing else ""
    return Answer(
        name, name in entry.affected, _first_ms(own, *KNOWING), _first_ms(own, Deed.CONTAIN), owes,
        name in late,
    )  # fmt: skip


def _first_ms(said: list[Word], *deeds: Deed) -> int:
    return next((word.time_ms for word in said if word.deed in deeds), 0)


def _word(state: State, word: Word) -> SaidWord:
    return SaidWord(
        word.number, word.deed, str(word.by), word.time_ms, word.height, word.measures, word.affected, word.keys,
        word.evidence, people.stands(state, word.by, word.time_ms),
    )  # fmt: skip


def _key(state: State, key: bytes) -> StolenKey:
    owner = membership.credential(state, key)
    of = str(PersonRef(owner.organisation, owner.role)) if owner is not None else ""
    return StolenKey(key, of, incidents.signs(state, key))
