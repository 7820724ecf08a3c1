"""What an applicant does with a request: draft it, submit it, take it back, go on from a copy, close it.

A request goes draft -> submitted -> returned -> submitted ... -> closed. Whoever applied answers for it; where that
person is gone, the stewards and officers of the person's organisation do, and where that organisation is gone, the
stewards of the hospitals that were asked.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import SCIENTIST, STEWARD, Context, require, require_name
from hmchain.ledger.contracts.data import attachments, contents, datasets, judging, requests
from hmchain.ledger.contracts.data.requests import Content, DatasetVersion, Entry, Request, Status, Submission
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS, faults_tolerated
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

OPEN_OF_ORGANISATION_MAX = 128
OPEN_OF_PERSON_MAX = 32
"""Requests that are not closed, so that no member floods the others with work."""
VERSIONS_MAX = 32
"""Of one request: each is judged and decided anew by every hospital that it names."""
LIFE_MS_MAX = 10 * 366 * DAY_MS
"""How far ahead the end of a use may be asked for."""
CLOSE_REASONS = ("finished", "withdrawn", "superseded", "applicant-gone", "other")


class CreateRequest(Record, frozen=True, tag="create_request"):
    """Transaction (scientist): begin a draft."""

    request: str


class CopyRequest(Record, frozen=True, tag="copy_request"):
    """Transaction (scientist who was ever of the source): begin a draft with the content of another request."""

    request: str
    source: str


class SaveDraft(Record, frozen=True, tag="save_draft"):
    """Transaction (applicant): what the next submission asks for."""

    request: str
    content: Content


class ChangeDatasets(Record, frozen=True, tag="change_datasets"):
    """Transaction (applicant): the same, of other datasets."""

    request: str
    datasets: tuple[DatasetVersion, ...]


class DeleteDraft(Record, frozen=True, tag="delete_draft"):
    """Transaction (applicant): forget a request that was never submitted."""

    request: str


class SubmitRequest(Record, frozen=True, tag="submit_request"):
    """Transaction (applicant): put the draft before the hospitals that it names."""

    request: str
    content: bytes
    """Digest of what is submitted."""


class TakeBackRequest(Record, frozen=True, tag="take_back_request"):
    """Transaction (applicant): go over it again; what was decided stands until it is submitted anew."""

    request: str


class CloseRequest(Record, frozen=True, tag="close_request"):
    """Transaction (applicant): end it, and all that it allows, for good."""

    request: str
    reason: str


Bodies = (
    CreateRequest
    | CopyRequest
    | SaveDraft
    | ChangeDatasets
    | DeleteDraft
    | SubmitRequest
    | TakeBackRequest
    | CloseRequest
)


# -- whose word it is --------------------------------------------------------------------------------------------------


def require_applicant(context: Context, name: str, *statuses: Status) -> Request:
    """A request in one of these states whose applicant sends this; refuse `not_its_applicant` and `wrong_status`."""
    entry = requests.require_request(context.state, name)
    require(people.sender(context.sender) == entry.applicant, "not_its_applicant")
    require(entry.status in statuses, "wrong_status")
    return entry


def require_answerable(context: Context, name: str, *statuses: Status) -> Request:
    """As `require_applicant`, of whoever answers for the request: in the applicant's place those named above."""
    entry = requests.require_request(context.state, name)
    require(_answers(context, entry), "not_its_applicant")
    require(entry.status in statuses, "wrong_status")
    return entry


def _answers(context: Context, entry: Request) -> bool:
    sender, own = context.sender, entry.applicant.organisation
    if people.sender(sender) == entry.applicant or people.speaks_for(sender, own):
        return True
    asked = bool(requests.handlings(context.state, entry.name, entry.version, sender.organisation))
    alone = not membership.is_active(context.state, own)
    return alone and asked and STEWARD in sender.roles


# -- handlers ----------------------------------------------------------------------------------------------------------


def _create(context: Context, body: CreateRequest) -> None:
    _begin(context, body.request, None)
    context.emit(events.RequestCreated(body.request, *_who(context)))


def _copy(context: Context, body: CopyRequest) -> None:
    source = requests.require_request(context.state, body.source)
    require(people.sender(context.sender) in source.involved, "not_involved")
    content = requests.draft(context.state, source)
    _begin(context, body.request, source)
    if content is not None:
        requests.CONTENTS.put(context.state, content, body.request, 1)
    context.emit(events.RequestCopied(body.request, *_who(context), source.name))


def _begin(context: Context, name: str, source: Request | None) -> None:
    context.require_role(SCIENTIST)
    require_name(name)
    state, applicant = context.state, people.sender(context.sender)
    require(requests.request(state, name) is None, "request_exists")
    require_room(state, applicant)
    # Who had a part in what is copied has one in the copy: else it would be theirs to decide.
    involved, copied_from = ((applicant,), "") if source is None else (source.involved, source.name)
    entry = Request(
        name, applicant, members=(), invited=(), involved=involved, status=Status.DRAFT, version=0, content=b"",
        created_ms=context.time_ms, closed_ms=0, height=context.height, copied_from=copied_from, external="", noticed=0,
    )  # fmt: skip
    requests.put(state, entry)
    requests.OPEN.put(state, Entry(name), applicant.organisation, applicant.person, name)


def require_room(state: State, applicant: PersonRef) -> None:
    """Refuse (`too_many_requests`) one more open request of a person, or of the person's organisation."""
    require(len(requests.open_requests(state, applicant)) < OPEN_OF_PERSON_MAX, "too_many_requests")
    whole = len(requests.OPEN.all(state, applicant.organisation))
    require(whole < OPEN_OF_ORGANISATION_MAX, "too_many_requests")


def save(context: Context, body: SaveDraft, *, is_planned: bool = False) -> None:
    """Keep a draft. Its plan, if it is for training or `is_planned`, was checked before (`planning`)."""
    entry = require_applicant(context, body.request, Status.DRAFT, Status.RETURNED)
    contents.require_sound(body.content, is_planned=is_planned)
    _keep_draft(context, entry, body.content)


def _change_datasets(context: Context, body: ChangeDatasets) -> None:
    entry = require_applicant(context, body.request, Status.DRAFT, Status.RETURNED)
    content = requests.draft(context.state, entry)
    if content is None:
        raise Refusal("no_content")
    changed = replace(content, datasets=body.datasets)
    contents.require_datasets(changed)
    _keep_draft(context, entry, changed)


def _keep_draft(context: Context, entry: Request, content: Content) -> None:
    requests.CONTENTS.put(context.state, content, entry.name, entry.version + 1)
    requests.put(context.state, replace(entry, height=context.height))
    context.emit(events.RequestSaved(entry.name, *_who(context)))


def _delete(context: Context, body: DeleteDraft) -> None:
    entry = require_answerable(context, body.request, Status.DRAFT)
    requests.forget(context.state, entry)
    _leave_open(context.state, entry)
    context.emit(events.RequestDeleted(entry.name, *_who(context)))


def _submit(context: Context, body: SubmitRequest) -> None:
    context.require_role(SCIENTIST)
    entry = require_applicant(context, body.request, Status.DRAFT, Status.RETURNED)
    state, content = context.state, requests.draft(context.state, entry)
    if content is None:
        raise Refusal("no_content")
    require(body.content == content.digest, "wrong_content")
    require(entry.version < VERSIONS_MAX, "too_many_versions")
    _require_possible(context, content)
    judging.take_share(context, content, len(content.datasets))
    version = entry.version + 1
    submitted = replace(entry, status=Status.SUBMITTED, version=version, content=body.content, height=context.height)
    requests.put(state, submitted)
    requests.CONTENTS.put(state, content, entry.name, version)
    # Who is suspended now is judged by nobody, and so has no part in what is decided on this version.
    members = tuple(member for member in entry.members if people.is_active(state, member))
    made = Submission(entry.name, version, content.digest, entry.applicant, members, context.time_ms, context.height)
    requests.SUBMISSIONS.put(state, made, entry.name, version)
    if content.code and requests.registrant(state, content.code) is None:
        requests.CODES.put(state, entry.applicant, content.code)
    context.emit(events.RequestSubmitted(entry.name, *_who(context), version, content.digest))
    for document in content.documents:
        attachments.attach(context, entry.name, document.kind, document.digest)
    for use in content.datasets:
        judging.open_handling(context, made, content, use)


def _require_possible(context: Context, content: Content) -> None:
    """Refuse what hospitals could not say yes to now."""
    state = context.state
    require(context.time_ms < content.until_ms <= context.time_ms + LIFE_MS_MAX, "bad_until")
    most = faults_tolerated(len(membership.active_members(state)))
    require(content.colluders <= most, "bad_colluders")
    for use in content.datasets:
        require(membership.is_active(state, use.organisation), "not_a_member")
        datasets.standing_version(state, use.organisation, use.dataset, use.version)


def _take_back(context: Context, body: TakeBackRequest) -> None:
    entry = require_answerable(context, body.request, Status.SUBMITTED)
    requests.put(context.state, replace(entry, status=Status.RETURNED, height=context.height))
    context.emit(events.RequestTakenBack(entry.name, *_who(context), entry.version))


def _close(context: Context, body: CloseRequest) -> None:
    entry = require_answerable(context, body.request, Status.DRAFT, Status.SUBMITTED, Status.RETURNED)
    require(body.reason in CLOSE_REASONS, "bad_reason")
    closed = replace(entry, status=Status.CLOSED, invited=(), closed_ms=context.time_ms, height=context.height)
    requests.put(context.state, closed)
    # A copy and its end are two small transactions: what nobody submitted must not stay for good.
    requests.CONTENTS.delete(context.state, entry.name, entry.version + 1)
    _leave_open(context.state, entry)
    context.emit(events.RequestClosed(entry.name, *_who(context), body.reason))


def _leave_open(state: State, entry: Request) -> None:
    requests.OPEN.delete(state, entry.applicant.organisation, entry.applicant.person, entry.name)


def _who(context: Context) -> tuple[str, str]:
    return context.sender.organisation, context.sender.person


HANDLERS = {
    CreateRequest: _create,
    CopyRequest: _copy,
    SaveDraft: save,
    ChangeDatasets: _change_datasets,
    DeleteDraft: _delete,
    SubmitRequest: _submit,
    TakeBackRequest: _take_back,
    CloseRequest: _close,
}
