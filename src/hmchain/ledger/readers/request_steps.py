"""One list for one person: in which requests there is something to do now, what, and with which command.

A command stands here without program and folder, which whoever shows it knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import deciding, permits, requests, reviewing
from hmchain.ledger.contracts.data.requests import Decided, Kind, Request, Status
from hmchain.ledger.contracts.data.reviewing import Call, CallStatus, Deed
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.members import people, standings
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers import notices, releases
from hmchain.ledger.readers.notices import Notice, Subject
from hmchain.ledger.readers.requests import request
from hmchain.ledger.state import State

_NEVER = 1 << 62

REVIEWER, DECIDER, RESPONDER = "reviewer", "decider", "responder"
"""Of those who review a request, decide on it, and answer to incidents."""


@dataclass(frozen=True)
class Todo:
    """One thing to do."""

    request: str
    """Empty for what is about a hospital's own policies or people, or about an incident."""
    role: str
    """As whom: `applicant`, `member`, `invited`, `steward`, `officer`, `reviewer`, `decider` or `responder`."""
    words: str
    command: str
    """What stands after the program's name."""
    due_ms: int = 0
    """Until when; 0 where nothing waits for a date."""
    overdue: bool = False
    who: tuple[str, ...] = ()
    """The persons who can do it."""

    def command_as(self, person: str = "") -> str:
        """The command, as that person where it signs, or where no office can; what only shows is everybody's."""
        acts = person or ("" if set(self.who) & set(people.OFFICES) else next(iter(self.who), ""))
        signs = acts and not self.command.startswith(("request show", "incident show"))
        return f"{self.command} --as {acts}" if signs else self.command

    def __str__(self) -> str:
        return f"{self.request}: {self.words}" if self.request else self.words


def inbox(state: State, person: PersonRef) -> tuple[Todo, ...]:
    """What waits for a person: what is overdue first, then what has a date, then in order of request."""
    return in_order(_of(state, person, _Open.of(state, person.organisation)))


def inbox_of(state: State, organisation: str) -> tuple[Todo, ...]:
    """What waits for anybody of an organisation, each thing once, with all who can do it."""
    offices = [PersonRef(organisation, office) for office in people.OFFICES]
    named = [each.ref for each in people.people(state, organisation)]
    opened, found = _Open.of(state, organisation), dict[Todo, tuple[str, ...]]()
    for person in (*offices, *named):
        if people.is_active(state, person):
            for each in _of(state, person, opened):
                found[each] = (*found.get(each, ()), person.person)
    return in_order(replace(each, who=who) for each, who in found.items())


def in_order(found: Iterable[Todo]) -> tuple[Todo, ...]:
    """What is overdue first, then what has a date, then in order of request."""
    return tuple(sorted(found, key=lambda each: (not each.overdue, each.due_ms or _NEVER, each.request, each.words)))


@dataclass(frozen=True)
class _Open:
    """What everybody's list is made of, looked at once: no index says who is invited or asked for a word."""

    living: list[Request]
    due: list[Notice]
    """What the hospital should see to."""
    time_ms: int
    own: Mapping[PersonRef, list[Request]]
    """Those that live, by who takes part in them or did."""
    called: Mapping[PersonRef, list[tuple[str, Call]]]
    """What was asked of persons and is not answered, with its request."""

    @classmethod
    def of(cls, state: State, organisation: str) -> _Open:
        time_ms, living = standings.time_ms(state), requests.living(state)
        own, called = defaultdict[PersonRef, list[Request]](list), defaultdict[PersonRef, list[tuple[str, Call]]](list)
        for entry in living:
            for person in {entry.applicant, *entry.members, *entry.involved}:
                own[person].append(entry)
            for call in reviewing.calls(state, entry.name, entry.version) if entry.status is Status.SUBMITTED else ():
                if call.status is not CallStatus.ANSWERED:
                    called[call.person].append((entry.name, call))
        return cls(living, notices.for_hospital(state, time_ms, organisation), time_ms, own, called)


def _of(state: State, person: PersonRef, opened: _Open) -> Iterator[Todo]:
    yield from _of_own(state, person, opened)
    if STEWARD in people.roles_of(state, person):
        yield from _of_hospital(state, person, opened)
    for entry in opened.living:
        if person in entry.invited:
            words = f"{entry.applicant} invites you to take part"
            yield Todo(entry.name, "invited", words, f"request join {entry.name}")
    for name, call in opened.called.get(person, ()):
        yield _called(name, call)


# -- as applicant or member --------------------------------------------------------------------------------------------


def _of_own(state: State, person: PersonRef, opened: _Open) -> Iterator[Todo]:
    own = opened.own.get(person, [])
    for entry in own:
        if person == entry.applicant:
            yield from _of_applicant(state, entry, opened.time_ms)
        if person in (entry.applicant, *entry.members):
            yield from _terms(state, entry, person)
    for notice in notices.for_people(state, opened.time_ms, person.organisation, person.person, living=own):
        if notice.subject is Subject.PERMIT_ENDS:
            words = f"what {notice.organisation} allowed ends soon: go on with a copy, if you need more time"
            command = f"request renew {notice.request} NEW --until DAY"
            yield Todo(notice.request, "applicant", words, command, notice.at_ms)
        elif notice.subject is not Subject.TO_CONFIRM:
            words = f"{notice.duty} is due to {notice.organisation} for {notice.dataset}: show that it was done"
            command = f"request fulfil {notice.request} {notice.duty} FILE"
            yield Todo(notice.request, "applicant", words, command, notice.at_ms, _is_late(notice))


def _is_late(notice: Notice) -> bool:
    return notice.subject is Subject.OVERDUE


def _of_applicant(state: State, entry: Request, time_ms: int) -> Iterator[Todo]:
    if entry.status is Status.DRAFT:
        yield Todo(entry.name, "applicant", "a draft of yours: hand it in", f"request submit {entry.name}")
    if entry.status is Status.RETURNED:
        words = "given back to be changed: change it, and submit it again"
        yield Todo(entry.name, "applicant", words, f"request show {entry.name}")
    if answered := _answers(state, entry):
        yield Todo(entry.name, "applicant", answered, f"request show {entry.name}")
    if _is_to_propose(state, entry):
        yield _proposal(state, entry, time_ms)


def _answers(state: State, entry: Request) -> str:
    """Who answered what and who has not yet, where somebody said no before all have answered; else empty.

    Whoever asks may not want to wait for the others: what is missing now may be too much.
    """
    words = requests.handlings(state, entry.name, entry.version) if entry.status is Status.SUBMITTED else ()
    said = [word for word in words if word.status is not Decided.WAITING]
    if len(said) == len(words) or all(word.status is Decided.APPROVED for word in said):
        return ""
    answers = ", ".join(f"{word.organisation}/{word.dataset} {word.status}" for word in said)
    waiting = ", ".join(sorted({word.organisation for word in words if word.status is Decided.WAITING}))
    return f"{answers}; not answered yet: {waiting}. Wait, or change it"


def _is_to_propose(state: State, entry: Request) -> bool:
    """Whether all have decided on a request to train, and no study was proposed under it yet."""
    content = requests.content(state, entry.name, entry.version)
    words = requests.handlings(state, entry.name, entry.version)
    decided = entry.status is Status.SUBMITTED and not any(word.status is Decided.WAITING for word in words)
    trains = content is not None and content.kind is Kind.TRAIN
    return decided and trains and not permitted.studies_of(state, entry.name)


def _proposal(state: State, entry: Request, time_ms: int) -> Todo:
    """The study to propose, or what to do where too few allow it."""
    if not _allow_enough(state, entry, time_ms):
        words = "too few allow it for a study: see why, change it and submit it again, or close it"
        return Todo(entry.name, "applicant", words, f"request show {entry.name}")
    words = "it is allowed: propose the study of those who allow it"
    return Todo(entry.name, "applicant", words, f"study propose {entry.name}")


def _allow_enough(state: State, entry: Request, time_ms: int) -> bool:
    permit, content = permits.permit(state, entry.name, time_ms), requests.content(state, entry.name, entry.version)
    allowed = len(permit.allowed) if permit is not None else 0
    return content is not None and allowed >= studies.participants_min(content.colluders)


def _terms(state: State, entry: Request, person: PersonRef) -> Iterator[Todo]:
    if left := dict(request(state, entry.name).unaccepted).get(str(person), ()):
        words = f"{len(left)} terms to accept before anything is allowed"
        role = "applicant" if person == entry.applicant else "member"
        yield Todo(entry.name, role, words, f"request accept {entry.name}")


# -- as a hospital's person --------------------------------------------------------------------------------------------


def _of_hospital(state: State, person: PersonRef, opened: _Open) -> Iterator[Todo]:
    for entry in opened.living:
        name, words = entry.name, requests.handlings(state, entry.name, entry.version, person.organisation)
        said = {word.dataset: deciding.yes_so_far(state, word, opened.time_ms) for word in words}
        waiting = [word for word in words if word.status is Decided.WAITING and person not in said[word.dataset]]
        may = person not in entry.involved and person != _coder(state, entry)
        if entry.status is Status.SUBMITTED and waiting and may:
            before = len(said[waiting[0].dataset])
            more = f", after {before} who said yes" if before else ""
            named = ", ".join(word.dataset for word in waiting)
            yield Todo(name, "steward", f"decide on the use of {named}{more}", f"request show {name}")
    for asked in releases.waiting_for(state, person.organisation):
        if releases.may_decide(state, asked, person):
            made = f"what {asked.asked.study} made" if asked.asked.table is None else "a table of our people"
            what = f"release {asked.name}: say whether {made} may leave"
            yield Todo("", "steward", what, f"release show {asked.name}")
    for notice in opened.due:
        yield from _noticed(state, notice)


def _noticed(state: State, notice: Notice) -> Iterator[Todo]:
    name, about = notice.request, f"{notice.duty} for {notice.dataset}"
    match notice.subject:
        case Subject.TO_CONFIRM:
            words, command = f"{about} was shown to be done: confirm it", f"request confirm {name} {notice.duty}"
            yield Todo(name, "steward", words, command, notice.at_ms)
        case Subject.OVERDUE:
            words, command = f"{about} was due, and nobody showed it", f"request show {name}"
            yield Todo(name, "steward", words, command, notice.at_ms, overdue=True)
        case Subject.PERMIT_ENDS:
            entry = requests.require_request(state, name)
            if entry.noticed < entry.version:
                words = "what you allowed ends soon: say that its applicant was told"
                yield Todo(name, "steward", words, f"request notices {name}", notice.at_ms)


def _coder(state: State, entry: Request) -> PersonRef | None:
    content = requests.content(state, entry.name, entry.version)
    return requests.registrant(state, content.code) if content is not None else None


def _called(request: str, call: Call) -> Todo:
    is_review = call.deed is Deed.REVIEW
    words = f"{call.hospital} asks for your {'review' if is_review else 'advice'}"
    command = f"request {'review' if is_review else 'decide'} {request} ANSWER"
    return Todo(request, REVIEWER if is_review else DECIDER, words, command)


def steps(state: State, name: str, organisation: str) -> tuple[tuple[str, str], ...]:
    """What an organisation's people can do with a request now: in words, with the commands for it."""
    shown = request(state, name)
    own = tuple(word.status for word in shown.of(organisation))
    asks = any(person.startswith(f"{organisation}/") for person in (shown.applicant, *shown.members))
    found: list[tuple[str, str]] = []
    if shown.status == Status.SUBMITTED and Decided.WAITING in own:
        found += [
            ("allow it", f"request approve {name}"),
            ("have it changed", f"request return {name} --reason CODE --letter FILE"),
            ("say no", f"request reject {name} --reason CODE --letter FILE"),
            ("ask a reviewer", f"request ask {name} PERSON"),
        ]
    if Decided.APPROVED in own and shown.status != Status.CLOSED:
        found.append(("take it back, for good", f"request revoke {name} --reason CODE"))
    if asks and shown.status in (Status.DRAFT, Status.RETURNED):
        found.append(("hand it in", "request submit FILE"))
    entry = requests.require_request(state, name)
    if asks and _is_to_propose(state, entry) and _allow_enough(state, entry, standings.time_ms(state)):
        found.append(("begin the study", f"study propose {name}"))
    if asks and shown.status == Status.SUBMITTED:
        found.append(("change it", f"request takeback {name}"))
    if (asks or own) and shown.status != Status.CLOSED:
        found.append(("say something", f"request comment {name}"))
    return tuple(found)


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
    permit = permits.permit(state, name, standings.time_ms(state))
    if waiting:
        holds = sorted({each.organisation for each in permit.allowed}) if permit is not None else []
        allowed = f"; what {', '.join(holds)} allowed holds" if holds else ""
        return f"the stewards of {', '.join(waiting)} decide{allowed}"
    if permit is None:
        return f"nothing is allowed: {shown.applicant} closes it, or asks anew with a copy"
    allowed = ", ".join(f"{each.organisation}/{each.dataset}" for each in permit.allowed)
    return f"{shown.applicant} may use {allowed}"
