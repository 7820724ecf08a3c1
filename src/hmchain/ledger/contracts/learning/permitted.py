"""Studies under a permit: a request was allowed by its hospitals, and one study makes use of that.

Nobody decides on such a study itself: what may be proposed is what the hospitals allowed, and nothing else. Whether it
is allowed still is asked anew at every step that touches a hospital's data, so that a permit that was taken back or is
over stops it there.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import permits, requests
from hmchain.ledger.contracts.data.requests import Kind, Request
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, ProposeStudy, Study, StudySpec
from hmchain.ledger.contracts.members import people
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

PERMIT_OVER = "permit_over"
"""The reason of a study that ended since it can never be allowed again what it needs."""


class ProposeUnderPermit(Record, frozen=True, tag="propose_under_permit"):
    """Transaction (scientist of the applicant, or of a member of the request): propose a study that was allowed."""

    spec: StudySpec
    request: str


Bodies = ProposeUnderPermit


class Left(Record, frozen=True):
    """A hospital that left a study, for good."""

    study: str
    organisation: str
    reason: str
    height: int


class Under(Record, frozen=True):
    """A study, and the request by whose permit it is."""

    study: str
    request: str


_UNDER = Table("studies_under_permits", Under)
"""By digest of the specification: all that asks for a permission has that."""
_STUDIES = Table("studies_of_requests", Under)
"""By request and study."""
_LEFT = Table("left_studies", Left)
"""By study and organisation."""


def under(state: State, specification: bytes) -> Under | None:
    """The request by whose permit a study is; None for one that its stewards approved themselves (protocol 2)."""
    return _UNDER.get(state, specification)


def studies_of(state: State, request: str) -> list[str]:
    """The studies that were proposed under a request's permit, in order of name."""
    return [entry.study for entry in _STUDIES.all(state, request)]


def is_unused(state: State, request: str) -> bool:
    """Whether a request's permit can still open a study: none is under way, and none ever opened."""
    return not any(_has_opened(state, name) for name in studies_of(state, request))


def authorised(state: State, organisation: str, found: Under, time_ms: int) -> bool:
    """Whether the permit allows, at this block time, what a study asks of the organisation's data."""
    study = studies.study(state, found.study)
    if study is None or organisation not in study.spec.participants or left(state, found.study, organisation):
        return False
    return _allows(state, found.request, study.spec, study.spec.use(organisation), time_ms, is_begun=True)


def left(state: State, study: str, organisation: str) -> Left | None:
    """How a hospital left a study; None if it did not."""
    return _LEFT.get(state, study, organisation)


def put_left(state: State, entry: Left) -> None:
    """Keep that a hospital left."""
    _LEFT.put(state, entry, entry.study, entry.organisation)


def require_permit(context: Context, study: Study) -> None:
    """Refuse (`not_approved`) a step of a participant whose permit is not in force, if the study is under one."""
    found = under(context.state, study.progress.specification)
    organisation = context.sender.organisation
    allowed = found is None or authorised(context.state, organisation, found, context.time_ms)
    require(allowed, "not_approved")


def is_lost(state: State, study: Study, time_ms: int) -> bool:
    """Whether a study that is not over has lost so many permits for good that it can never open, or sum again."""
    if under(state, study.progress.specification) is None or study.status in studies.OVER:
        return False
    over = sum(is_out(state, study, name, time_ms) for name in study.spec.participants)
    needed = len(study.spec.uses) if study.status in studies.OPENING else study.spec.threshold
    return len(study.spec.uses) - over < needed


def is_out(state: State, study: Study, organisation: str, time_ms: int) -> bool:
    """Whether a participant's permit is over for good, or it left: its machine holds no records for the study then."""
    found = under(state, study.progress.specification)
    if found is None:
        return False
    is_over = permits.is_over(state, found.request, organisation, time_ms)
    return is_over or left(state, study.spec.name, organisation) is not None


def is_spent(state: State, study: Study, time_ms: int) -> bool:
    """Whether the permit of a study is over for all its participants: then nobody keeps its keys."""
    found = under(state, study.progress.specification)
    return found is not None and all(
        permits.is_over(state, found.request, name, time_ms) for name in study.spec.participants
    )


def require_own_request(context: Context, name: str) -> Request:
    """A request that the sender's organisation made, or that the sender is a member of as it was decided on."""
    request = requests.require_request(context.state, name)
    sender = people.sender(context.sender)
    is_own = sender.organisation == request.applicant.organisation
    is_theirs = is_own or sender in permits.persons(context.state, name)
    require(is_theirs, "not_the_applicant")
    return request


def enter(context: Context, spec: StudySpec, request: str) -> None:
    """Put a study that was taken under a request's permit; refuse (`permit_used`) a second one that uses anything.

    Refuse (`study_exists`) the name of another request: its own study is looked for by that.
    """
    require(spec.name == request or requests.request(context.state, spec.name) is None, "study_exists")
    require(is_unused(context.state, request), "permit_used")
    entry = Under(spec.name, request)
    _UNDER.put(context.state, entry, spec.digest)
    _STUDIES.put(context.state, entry, request, spec.name)
    context.emit(events.StudyPermitted(spec.name, request))


def _propose(context: Context, body: ProposeUnderPermit) -> None:
    spec = body.spec
    studies.propose(context, spec)
    request = require_own_request(context, body.request)
    _require_allowed(context, spec, request)
    enter(context, spec, request.name)


def _require_allowed(context: Context, spec: StudySpec, request: Request) -> None:
    """Refuse (`not_permitted`) what differs in anything from what was allowed, or is allowed no more."""
    content = requests.content(context.state, request.name, request.version)
    if content is None:
        raise Refusal("not_permitted")
    same = (spec.code, spec.colluders) == (content.code, content.colluders)
    require(same and spec.rounds <= content.resources.rounds, "not_permitted")
    allowed = (_allows(context.state, request.name, spec, use, context.time_ms) for use in spec.uses)
    require(all(allowed), "not_permitted")


def _allows(
    state: State, request: str, spec: StudySpec, use: DatasetUse, time_ms: int, *, is_begun: bool = False
) -> bool:
    kind, plan = (Kind.COUNT, spec.training) if spec.is_count else (Kind.TRAIN, studies.plan_of(spec))
    return permits.authorised(
        state, use.organisation, request, time_ms,
        kind=kind, plan=plan, dataset=use.dataset, version=use.version, purpose=spec.purpose, is_begun=is_begun,
    )  # fmt: skip


def _has_opened(state: State, name: str) -> bool:
    """Whether a study is open, or was: one that was over before that used nothing of anybody."""
    study = studies.study(state, name)
    never = study is not None and study.status in studies.OVER and rounds.round_(state, name, 0) is None
    return not never


def _permit_needed(context: Context, body: ProposeStudy) -> None:
    """Refuse a study without a request, which the rules before took."""
    raise Refusal("permit_needed")


HANDLERS = {ProposeUnderPermit: _propose, ProposeStudy: _permit_needed}
