"""One list for one person: in which requests there is something to do now, what, and with which command.

A command stands here without program and folder, which whoever shows it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import obligations, permits, requests, reviewing
from hmchain.ledger.contracts.data.deciding import NOTICE_MS
from hmchain.ledger.contracts.data.requests import Decided, Handling, Request, Status
from hmchain.ledger.contracts.data.reviewing import CallStatus, Deed
from hmchain.ledger.contracts.members import people, standings
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers.requests import request
from hmchain.ledger.state import State


@dataclass(frozen=True)
class Todo:
    """One thing to do."""

    request: str
    role: str
    """As whom: `applicant`, `member`, `invited`, `steward`, `reviewer` or `decider`."""
    words: str
    command: str
    """What stands after the program's name."""
    due_ms: int = 0
    """Until when; 0 where nothing waits for a date."""
    overdue: bool = False

    def __str__(self) -> str:
        return f"{self.request}: {self.words}"


def inbox(state: State, person: PersonRef) -> tuple[Todo, ...]:
    """What waits for a person: what is due first, then in order of request."""
    found = [each for ask in _SOURCES for each in ask(state, person, standings.time_ms(state))]
    return tuple(sorted(found, key=lambda each: (not each.overdue, each.due_ms or 1 << 62, each.request)))


def inbox_of(state: State, organisation: str) -> tuple[tuple[str, Todo], ...]:
    """What waits for anybody of an organisation, with the person's name."""
    offices = [PersonRef(organisation, office) for office in people.OFFICES]
    named = [each.ref for each in people.people(state, organisation)]
    everybody = [person for person in (*offices, *named) if people.is_active(state, person)]
    return tuple((person.person, each) for person in everybody for each in inbox(state, person))


# -- as applicant, member or guest -------------------------------------------------------------------------------------


def _of_own(state: State, person: PersonRef, time_ms: int) -> Iterator[Todo]:
    for name in requests.open_requests(state, person):
        entry = requests.require_request(state, name)
        yield from _of_applicant(state, entry, time_ms)
    for entry in requests.requests(state):
        if person in entry.invited:
            words = f"{entry.applicant} invites you to take part"
            yield Todo(entry.name, "invited", words, f"request join {entry.name}")
        if person in (entry.applicant, *entry.members) and entry.status is not Status.CLOSED:
            yield from _terms(state, entry, person)


def _of_applicant(state: State, entry: Request, time_ms: int) -> Iterator[Todo]:
    if entry.status is Status.DRAFT:
        yield Todo(entry.name, "applicant", "a draft of yours: hand it in", f"request submit {entry.name}")
    if entry.status is Status.RETURNED:
        words = "given back to be changed: change it, and submit it again"
        yield Todo(entry.name, "applicant", words, f"request show {entry.name}")
    if ends := _near(requests.handlings(state, entry.name, entry.version), time_ms):
        words = "what was allowed ends soon: go on with a copy, if you need more time"
        yield Todo(entry.name, "applicant", words, f"request renew {entry.name} NEW --until DAY", min(ends))


def _near(words: list[Handling], time_ms: int) -> list[int]:
    """The ends that come near."""
    ends = (word.until_ms for word in words if word.status is Decided.APPROVED)
    return [end for end in ends if time_ms <= end <= time_ms + NOTICE_MS]


def _terms(state: State, entry: Request, person: PersonRef) -> Iterator[Todo]:
    if left := dict(request(state, entry.name).unaccepted).get(str(person), ()):
        words = f"{len(left)} terms to accept before anything is allowed"
        role = "applicant" if person == entry.applicant else "member"
        yield Todo(entry.name, role, words, f"request accept {entry.name}")


def _owes(state: State, person: PersonRef, time_ms: int) -> Iterator[Todo]:
    """What an applicant, a member or their steward owes to hospitals."""
    roles = people.roles_of(state, person)
    for entry in requests.requests(state):
        own = person in (entry.applicant, *entry.members)
        if not own and not (STEWARD in roles and person.organisation == entry.applicant.organisation):
            continue
        for hospital in sorted({word.organisation for word in requests.handlings(state, entry.name, entry.version)}):
            for each in obligations.obligations(state, hospital, entry.name):
                if each.is_owed(time_ms) and each.status is obligations.Status.OPEN:
                    words = f"{each.kind} is due to {hospital} for {each.dataset}"
                    command = f"request show {entry.name}"
                    yield Todo(entry.name, "applicant", words, command, each.due_ms, each.is_overdue(time_ms))


# -- as a hospital's person --------------------------------------------------------------------------------------------


def _of_hospital(state: State, person: PersonRef, time_ms: int) -> Iterator[Todo]:
    roles, hospital = people.roles_of(state, person), person.organisation
    if STEWARD not in roles:
        return
    for name in requests.asked_of(state, hospital):
        entry = requests.require_request(state, name)
        words = requests.handlings(state, name, entry.version, hospital)
        waiting = [word for word in words if word.status is Decided.WAITING and person not in word.approvals]
        may = person not in entry.involved and person != _coder(state, entry)
        if entry.status is Status.SUBMITTED and waiting and may:
            more = f", after {len(waiting[0].approvals)} who said yes" if waiting[0].approvals else ""
            named = ", ".join(word.dataset for word in waiting)
            yield Todo(name, "steward", f"decide on the use of {named}{more}", f"request show {name}")
        ends = _near(words, time_ms)
        if ends and entry.noticed < entry.version:
            yield Todo(name, "steward", "what you allowed ends soon: say that its applicant was told",
                       f"request notices {name}", min(ends))  # fmt: skip
    for each in obligations.owed(state, hospital, time_ms):
        if each.status is obligations.Status.SHOWN:
            yield Todo(each.request, "steward", f"{each.kind} for {each.dataset} was shown to be done: confirm it",
                       f"request show {each.request}", each.due_ms, each.is_overdue(time_ms))  # fmt: skip
        elif each.is_overdue(time_ms):
            yield Todo(each.request, "steward", f"{each.kind} for {each.dataset} was due and nobody showed it",
                       f"request show {each.request}", each.due_ms, overdue=True)  # fmt: skip


def _coder(state: State, entry: Request) -> PersonRef | None:
    content = requests.content(state, entry.name, entry.version)
    return requests.registrant(state, content.code) if content is not None else None


def _called(state: State, person: PersonRef, time_ms: int) -> Iterator[Todo]:
    for entry in requests.requests(state):
        if entry.status is not Status.SUBMITTED:
            continue
        for call in reviewing.calls(state, entry.name, entry.version):
            if call.person == person and call.status is not CallStatus.ANSWERED:
                verb, role = ("review", "reviewer") if call.deed is Deed.REVIEW else ("decide", "decider")
                words = f"{call.hospital} asks for your {'review' if call.deed is Deed.REVIEW else 'advice'}"
                yield Todo(entry.name, role, words, f"request {verb} {entry.name} ANSWER")


_SOURCES: tuple[Callable[[State, PersonRef, int], Iterator[Todo]], ...] = (_of_own, _owes, _of_hospital, _called)


def next_words(state: State, name: str) -> str:
    """What is to be done next in a request and by whom, in a sentence."""
    shown = request(state, name)
    waiting = sorted({word.organisation for word in shown.decisions if word.status == Decided.WAITING})
    if shown.status == Status.CLOSED:
        return "nothing: it is closed"
    if shown.status == Status.DRAFT:
        return f"{shown.applicant} hands it in"
    if shown.status == Status.RETURNED:
        return f"{shown.applicant} changes it and submits it again"
    if shown.unaccepted:
        return f"{', '.join(person for person, _ in shown.unaccepted)} accept the terms"
    if waiting:
        return f"the stewards of {', '.join(waiting)} decide"
    permit = permits.permit(state, name, standings.time_ms(state))
    if permit is None:
        return f"nothing is allowed: {shown.applicant} closes it, or asks anew with a copy"
    allowed = ", ".join(f"{each.organisation}/{each.dataset}" for each in permit.allowed)
    return f"{shown.applicant} may use {allowed}"
