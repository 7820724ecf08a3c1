"""Notifications: what each person of a hospital should see, derived anew from the ledger and the hospital's machine.

None is stored. One is the same as long as what it says is the same, and so long lasts a mark that somebody has seen it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from hmchain.application.governance.requests.listing import todos
from hmchain.application.watching.findings import Finding
from hmchain.canonical import digest
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership, people, standings
from hmchain.ledger.contracts.members.people import OFFICER, OPERATOR, PersonRef
from hmchain.ledger.readers.members import ballots
from hmchain.ledger.readers.request_steps import DECIDER, RESPONDER, REVIEWER, Todo
from hmchain.ledger.readers.study_status import awaited, awaited_to_open
from hmchain.ledger.state import State

HELD_MANY = 1024
"""So many items in quarantine are told of."""
LATE_MS = 60_000
"""So long after its time a step is told of as late."""
_ID_DIGITS = 32


class Kind(StrEnum):
    """What somebody should see to."""

    TASK = "task"
    """What was begun and waits: a draft, terms to accept, a duty."""
    DECISION = "decision"
    INCIDENT = "incident"
    BREAK_GLASS = "break-glass"
    STUDY = "study"
    BALLOT = "ballot"
    KEY = "key"
    """The members gave this hospital another steward's key, or are about to."""
    QUARANTINE = "quarantine"
    MACHINE = "machine"


_URGENT = (Kind.INCIDENT, Kind.BREAK_GLASS, Kind.KEY, Kind.MACHINE)
_DECIDES = (STEWARD, OFFICER, REVIEWER, DECIDER)
_ORDER = list(Kind)


@dataclass(frozen=True)
class Facts:
    """What a hospital's own machine tells."""

    held: int = 0
    """Items in quarantine, rounded as the ledger's counts are."""
    failures: tuple[Finding, ...] = ()
    """What the doctor found that does not work."""


NOTHING = Facts()


@dataclass(frozen=True)
class Notification:
    """One thing that some people of a hospital should see."""

    id: str
    kind: Kind
    urgent: bool
    about: str
    """The name of a request, study or ballot; empty where it is about none."""
    words: str
    command: str
    """What stands after the program's name, where a command does it."""
    due_ms: int
    """Until when; 0 where nothing waits for a date."""
    overdue: bool
    who: tuple[str, ...]
    """Persons and offices that it is for."""


def of_hospital(state: State, organisation: str, facts: Facts = NOTHING) -> tuple[Notification, ...]:
    """All that waits for people of a hospital: urgent and overdue first, then what has a date."""
    found = (
        *map(_of_todo, todos(state, organisation)),
        *_of_studies(state, organisation),
        *_of_ballots(state, organisation),
        *_of_keys(state, organisation),
        *_of_machine(state, organisation, facts),
    )
    return tuple(sorted(found, key=_place))


def of_person(state: State, who: PersonRef, facts: Facts = NOTHING) -> tuple[Notification, ...]:
    """What waits for one person, or office."""
    return tuple(each for each in of_hospital(state, who.organisation, facts) if who.person in each.who)


def _place(each: Notification) -> tuple[object, ...]:
    return (
        not each.urgent,
        not each.overdue,
        each.due_ms == 0,
        each.due_ms,
        _ORDER.index(each.kind),
        each.about,
        each.id,
    )


def _made(kind: Kind, about: str, words: str, command: str, who: tuple[str, ...], *, due_ms: int = 0,
          overdue: bool = False) -> Notification:  # fmt: skip
    told = (kind.value, about, words, command, str(due_ms), str(overdue))
    id = digest("hmchain notification", *(each.encode() for each in told)).hex()[:_ID_DIGITS]
    return Notification(id, kind, overdue or kind in _URGENT, about, words, command, due_ms, overdue, who)


def _of_todo(todo: Todo) -> Notification:
    kind = Kind.TASK
    if todo.role == RESPONDER:
        kind = Kind.INCIDENT
    elif todo.command.startswith(("share review", "share emergencies", "share lift-bar")):
        kind = Kind.BREAK_GLASS
    elif todo.role in _DECIDES:
        kind = Kind.DECISION
    return _made(kind, todo.request, todo.words, todo.command, todo.who, due_ms=todo.due_ms, overdue=todo.overdue)


def _with(state: State, organisation: str, *roles: str) -> tuple[str, ...]:
    """Persons and offices with one of the roles whose word counts now."""
    found = {ref.person for role in roles for ref in people.with_role(state, organisation, role)}
    return tuple(sorted(found))


def _operators(state: State, organisation: str) -> tuple[str, ...]:
    """Who runs the machine; a hospital that names nobody for it has its steward."""
    return _with(state, organisation, OPERATOR) or _with(state, organisation, STEWARD)


def _of_studies(state: State, organisation: str) -> Iterator[Notification]:
    for name in studies.open_studies(state, organisation):
        study = studies.study(state, name)
        if study is None:
            continue
        if study.status is Status.PAUSED and study.progress.proposer == organisation:
            who = _with(state, organisation, SCIENTIST)
            yield _made(Kind.STUDY, name, f"study {name} is paused: resume it, or end it", f"study status {name}", who)
        yield from _late(state, study, organisation)


def _late(state: State, study: Study, organisation: str) -> Iterator[Notification]:
    """A step of this hospital's agent that the others wait for, at a time that blocks have passed."""
    name = study.spec.name
    entry = rounds.round_(state, name, study.progress.round) if study.status is Status.RUNNING else None
    waited_for = awaited(state, study, entry) if entry else awaited_to_open(state, study)
    deadline_ms = entry.deadline_ms if entry else study.progress.deadline_ms
    if organisation in waited_for and deadline_ms and standings.time_ms(state) > deadline_ms + LATE_MS:
        words = f"study {name} waits for this hospital's agent, and its time is over"
        yield _made(Kind.STUDY, name, words, "node agent", _operators(state, organisation), overdue=True)


def _of_ballots(state: State, organisation: str) -> Iterator[Notification]:
    who = _with(state, organisation, STEWARD)
    for ballot in ballots(state):
        if ballot.waits_for(organisation):
            id = ballot.id.hex()[:16]
            words = f"the members vote: {ballot.action}"
            yield _made(Kind.BALLOT, id, words, f"network vote {id}", who, due_ms=ballot.until_ms)


def _of_keys(state: State, organisation: str) -> Iterator[Notification]:
    if (waiting := membership.recovering(state, organisation)) is not None:
        words = "the members give this hospital another steward's key: object, if its own is not lost"
        who = _with(state, organisation, STEWARD, OFFICER)
        yield _made(Kind.KEY, "", words, "people recover object", who, due_ms=waiting.due_ms)


def _of_machine(state: State, organisation: str, facts: Facts) -> Iterator[Notification]:
    if facts.held >= HELD_MANY:
        words = f"{facts.held} items or more wait in quarantine for somebody to look at them"
        yield _made(Kind.QUARANTINE, "", words, "data quarantine list", _with(state, organisation, STEWARD))
    for finding in facts.failures:
        who = _operators(state, organisation)
        about = f"{finding.subject}.{finding.name}"
        told = _made(Kind.MACHINE, about, "", "doctor", who)  # one as long as it fails: its words have figures
        yield replace(told, words=f"{finding.subject}: {finding.words}")
