"""Counting people across members: a scientist asks, hospitals decide, and what they allow is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from hmchain.application.cohort.grammar import parse, written
from hmchain.application.cohort.words import words
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.content import content_of
from hmchain.application.governance.requests.file import QueryAsked, RequestFile
from hmchain.canonical import digest, encode
from hmchain.errors import InputError, StudyError
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data import datasets, permits, queries, requests
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.requests import Content, Decided, Kind, Status
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.counting import ProposeCount, is_countable
from hmchain.ledger.contracts.learning.studies import Deadlines, Study
from hmchain.ledger.contracts.learning.studies import Status as StudyStatus
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.readers import catalogue
from hmchain.ledger.readers.catalogue import BudgetView
from hmchain.ledger.readers.requests import require_request
from hmchain.ledger.state import State

DAYS = 90
_POLL_SECONDS = 0.5
_NAME_ROOM = 40
_PHASE_MS = 60_000
_COMMIT_MS = 10 * _PHASE_MS
"""An agent that was started again counts anew; else all have their number before a count opens."""
ASKED, DECIDING = "asked", "waits for hospitals"


class CountArgumentError(InputError):
    """A count cannot be asked for like this."""

    code = "count_argument"


class UnknownCountError(CountArgumentError):
    """There is no such count, or no dataset that one could count in."""

    code = "unknown_count"


class CountNotAllowedError(StudyError):
    """Too few hospitals allow a count."""

    code = "count_not_allowed"


@dataclass(frozen=True)
class CountQuestion:
    """What a scientist asks."""

    query: str
    datasets: tuple[str, ...]
    """ORGANISATION/DATASET each, or with @VERSION; one of a hospital."""
    purposes: tuple[str, ...] = ("health-research",)
    epsilon: float = 0.5
    days: int = DAYS
    name: str = ""
    """Of request and count; made of the question if it is empty, so that the same question has the same."""


@dataclass(frozen=True)
class CountStanding:
    """How far a count is."""

    count: str
    """The name of its request."""
    study: str
    """The study that counts, or did last; empty before there is one."""
    is_unused: bool
    """Whether it can be proposed: no study counts, or counted. One that was over before it opened does not count."""
    query: str
    words: str
    epsilon: float
    status: str
    """`waits for hospitals`, or the status of the study that counts."""
    reason: str
    """Why it ended without a number, as a code."""
    allowed_by: tuple[str, ...]
    waits_for: tuple[str, ...]
    denied_by: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in [each.value for each in studies.OVER]

    @property
    def is_done(self) -> bool:
        """Whether it has a number."""
        return self.status == StudyStatus.FINISHED.value

    def __str__(self) -> str:
        if self.waits_for:
            return f"{self.count} waits for {', '.join(self.waits_for)} to decide"
        return f"{self.count}: {self.status}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class PlannedCount:
    """What a question would put before hospitals."""

    count: str
    words: str
    hospitals: tuple[str, ...]
    epsilon: float
    content: Content
    standing: CountStanding | None
    """How far it is, if it was asked before."""


def plan(user: LedgerUser, question: CountQuestion) -> PlannedCount:
    """What asking would put on the ledger; nothing is sent.

    Raises `QueryError`, `CountArgumentError` or `RequestFileError`.
    """
    today = datetime.fromtimestamp(user.ledger.now_ms() / 1000, UTC)
    asked = _as_file(question, today)
    content = content_of(user.state, asked, user.ledger.now_ms())
    name = question.name or _named(content)
    entry, before = requests.request(user.state, name), None
    hospitals = tuple(use.organisation for use in content.datasets)
    if entry is None or entry.status is Status.DRAFT:
        _require_a_sum(user.state, content)
    else:
        known = requests.content(user.state, name, entry.version)
        if known is None or (known.kind, known.plan, known.datasets) != (content.kind, content.plan, content.datasets):
            what = f"request {name} asks for something else"
            raise CountArgumentError(what, "choose another --name; without one the question makes it")
        before = standing(user.state, name)
        hospitals = before.allowed_by
    said = words(queries.plan_of(content.plan).query)
    return PlannedCount(name, said, hospitals, question.epsilon, content, before)


def ask(user: LedgerUser, question: CountQuestion) -> CountStanding:
    """Scientist: ask hospitals for a count; the same question again goes on with it.

    Raises as `plan`, or what a refusal raises.
    """
    planned = plan(user, question)
    if planned.standing is not None:
        return planned.standing
    created = () if requests.request(user.state, planned.count) else (CreateRequest(planned.count),)
    submitted = SubmitRequest(planned.count, planned.content.digest)
    user.send(*created, SaveDraft(planned.count, planned.content), submitted)
    return standing(user.state, planned.count)


def _require_a_sum(state: State, content: Content) -> None:
    """Raise `CountArgumentError` before anybody is asked for what can never be a count."""
    least = studies.participants_min(content.colluders)
    if len(content.datasets) < least:
        what = f"a sum needs {least} hospitals, and {len(content.datasets)} would be asked"
        raise CountArgumentError(what, "name more by --dataset: `hmchain cohort datasets` lists what members have")
    for use in content.datasets:
        held = datasets.dataset(state, use.organisation, use.dataset)
        if held is None or not is_countable(held.schema):
            what = f"{use.organisation}/{use.dataset} has no records in which people can be counted"
            raise CountArgumentError(what, "`hmchain cohort datasets` says which have")


def _as_file(question: CountQuestion, today: datetime) -> RequestFile:
    wanted: dict[str, str | list[str]] = {}
    for each in question.datasets:
        organisation, slash, dataset = each.partition("/")
        if not (organisation and slash and dataset) or organisation in wanted:
            what = f"--dataset {each} is no dataset of a hospital, or another of the same one"
            raise CountArgumentError(what, "as in --dataset north/patients, once for each hospital")
        wanted[organisation] = dataset
    return RequestFile(
        name=question.name or "count",
        kind=Kind.COUNT,
        purposes=question.purposes,
        datasets=wanted,
        publishes=False,
        until=(today + timedelta(days=question.days)).date(),
        form={},
        query=QueryAsked(people=written(parse(question.query, today.year)), epsilon=question.epsilon),
    )


def _named(content: Content) -> str:
    made_of = (content.plan, encode(content.datasets), encode(content.purposes))
    return f"count-{digest('hmchain count name', *made_of).hex()[:10]}"


def standing(state: State, name: str) -> CountStanding:
    """How far a count is. Raises `UnknownCountError` for a request that is none."""
    entry = requests.request(state, name)
    content = None if entry is None else requests.latest(state, entry)
    if entry is None or content is None or content.kind is not Kind.COUNT:
        raise UnknownCountError(f"there is no request to count called {name}", "`hmchain cohort list` shows all")
    plan, study, is_unused = queries.plan_of(content.plan), _study_of(state, name), permitted.is_unused(state, name)
    handlings = requests.handlings(state, name, entry.version)
    by = {status: tuple(word.organisation for word in handlings if word.status is status) for status in Decided}
    return CountStanding(
        count=name,
        study=study.spec.name if study is not None else "",
        is_unused=is_unused,
        query=written(plan.query),
        words=words(plan.query),
        epsilon=plan.epsilon_millionths / MILLION,
        status=_status(study, waits=bool(by[Decided.WAITING])),
        reason=study.progress.reason if study is not None and study.status is not StudyStatus.FINISHED else "",
        allowed_by=by[Decided.APPROVED],
        waits_for=by[Decided.WAITING] if is_unused else (),
        denied_by=tuple(sorted((*by[Decided.DENIED], *by[Decided.REJECTED], *by[Decided.REVOKED]))),
    )


def _study_of(state: State, request: str) -> Study | None:
    """The newest study under a request's permit; whatever another study is called, it answers another question."""
    found = [studies.require_study(state, each) for each in permitted.studies_of(state, request)]
    return max(found, key=lambda each: each.progress.since_height, default=None)


def _status(study: Study | None, *, waits: bool) -> str:
    if study is not None:
        return study.status.value
    return DECIDING if waits else ASKED


def budget(state: State, organisation: str, dataset: str) -> BudgetView:
    """What counts over a dataset may cost in all, and did. Raises `CountArgumentError`, also for an unknown one."""
    if not organisation:
        raise CountArgumentError(f"{dataset} is no dataset of a hospital that is named", f"as in north/{dataset}")
    if datasets.dataset(state, organisation, dataset) is None:
        what = f"{organisation} has published no dataset {dataset}"
        raise UnknownCountError(what, "`hmchain cohort datasets` lists what members have")
    return catalogue.budget(state, organisation, dataset)


def listed(state: State) -> tuple[CountStanding, ...]:
    """All counts that were asked for, in order of name."""
    names = state.made("counts", (requests.REQUESTS, requests.CONTENTS), lambda: _names(state))
    return tuple(standing(state, name) for name in names)


def _names(state: State) -> list[str]:
    found = ((entry.name, requests.latest(state, entry)) for entry in requests.requests(state))
    return [name for name, content in found if content is not None and content.kind is Kind.COUNT]


def propose(user: LedgerUser, name: str) -> CountStanding:
    """Scientist: have it counted by the hospitals that allow it now. Once proposed, nothing is sent.

    What was over before it opened is proposed again, under another name. Raises `UnknownRequestError`,
    `CountNotAllowedError`, or what a refusal raises.
    """
    if not permitted.is_unused(user.state, name):
        return standing(user.state, name)
    permit = permits.permit(user.state, name, user.ledger.now_ms())
    allowed = len(permit.allowed) if permit is not None else 0
    entry = require_request(user.state, name)
    content = requests.content(user.state, name, entry.version)
    least = studies.participants_min(content.colluders if content is not None else 0)
    if allowed < least:
        what = f"{allowed} hospitals allow {name}, and a sum needs {least}"
        raise CountNotAllowedError(what, f"`hmchain request show {name}` says who decided what")
    user.send(ProposeCount(_free_name(user.state, name), name, _deadlines(user.state)))
    return standing(user.state, name)


def _free_name(state: State, request: str) -> str:
    """A request's own name, or the first with a number that neither a study nor a request has."""
    others = (f"{request[:_NAME_ROOM]}-{number}" for number in count(2))
    free = (each for each in others if studies.study(state, each) is None and requests.request(state, each) is None)
    return request if studies.study(state, request) is None else next(free)


def _deadlines(state: State) -> Deadlines:
    span_ms = max(_PHASE_MS, parameters.current(state).deadline_ms_min)
    return Deadlines(max(_COMMIT_MS, span_ms), span_ms, span_ms, span_ms, span_ms, span_ms)


def wait(
    user: LedgerUser, name: str, seconds: float, told: Callable[[CountStanding], None] = lambda found: None
) -> CountStanding:
    """Wait until a count is over, or its hospitals are waited for, or so many seconds are; `told` of each change."""
    until, before = time.monotonic() + seconds, None
    while True:
        found = standing(user.state, name)
        if found != before:
            told(found)
            before = found
        if found.is_over or found.waits_for or time.monotonic() > until:
            return found
        user.ledger.produce_block()
        time.sleep(_POLL_SECONDS)
