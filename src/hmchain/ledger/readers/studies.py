"""Studies as a hospital is asked about them: what each wants of it, all that it pins, and the hospital's answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hmchain.errors import InputError, StudyError
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data import requests as data_requests
from hmchain.ledger.contracts.data.requests import Content, Kind, Status
from hmchain.ledger.contracts.data.requests import Request as DataRequest
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Study, StudySpec
from hmchain.ledger.readers.permissions import UNDECIDED, Permission, permission, permissions, said_to
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State

REQUESTED = "requested"
"""The status of a study that a request asks for: nobody has proposed it yet."""
NAMED_MAX = 20
"""So many names are told to somebody who named no study, or another one."""


class UnknownStudyError(InputError):
    """The ledger holds no study of that name."""

    code = "unknown_study"


class NotAskedError(StudyError):
    """A study asks nothing of this hospital."""

    code = "not_asked"


@dataclass(frozen=True)
class Answer:
    """One participant's answer to a study."""

    organisation: str
    decision: str
    """`approved`, `refused`, `revoked` or `undecided`."""


@dataclass(frozen=True)
class StudyRequest:
    """The question that a study puts to one hospital, and the hospital's answer."""

    study: str
    status: str
    is_over: bool
    proposer: str
    purpose: str
    dataset: str
    """Empty for a hospital that takes no part."""
    version: int
    code: bytes
    """Digest of the training code."""
    rounds: int
    participants: tuple[str, ...]
    colluders: int
    """So many participants that pool all they know see two others' updates added up, never one."""
    decision: str
    """`approved`, `refused`, `revoked` or `undecided`."""
    reason: str
    until_ms: int
    """Until when an approval holds; 0 if there is none."""
    specification: bytes
    """Digest of what a decision binds: of all that is pinned, or of the request's content."""
    answers: tuple[Answer, ...]
    """Of all participants, in order of name."""
    request: str = ""
    """The request by whose permit it is; empty for a study that its stewards decide on."""

    def __str__(self) -> str:
        wants = f"asks for {self.dataset} version {self.version}" if self.dataset else "asks nothing of this hospital"
        return f"{self.study}, {self.status}: {wants}; {self.decision}"


@dataclass(frozen=True)
class StudyProposal:
    """A study as somebody sees it before deciding."""

    asked: StudyRequest
    specification: StudySpec
    """All of what it pins."""

    def __str__(self) -> str:
        return f"{self.asked}; specification {self.specification.digest.hex()}"


def requests(state: State, organisation: str) -> Views[StudyRequest]:
    """All studies of the ledger as a hospital sees them, and those that are asked for, in order of name."""
    waiting = (_asked_for(state, organisation, entry) for entry in data_requests.living(state))
    asked = {each.asked.study: each.asked for each in waiting if each}

    def view(name: str) -> StudyRequest:
        return asked.get(name) or _request(state, organisation, studies.require_study(state, name))

    return Views(sorted({*studies.names(state), *asked}), view)


def proposal(state: State, organisation: str, name: str) -> StudyProposal:
    """One study and all that it pins, whether or not the hospital takes part in it. Raises `UnknownStudyError`.

    Also one that a request asks for and that is not proposed yet.
    """
    study, entry = studies.study(state, name), data_requests.request(state, name)
    if study is not None:
        return StudyProposal(_request(state, organisation, study), study.spec)
    found = _asked_for(state, organisation, entry) if entry else None
    if found is None:
        raise UnknownStudyError(f"there is no study {name}", f"studies on this ledger: {known_names(state)}")
    return found


def proposal_to(state: State, organisation: str, name: str) -> StudyProposal:
    """As `proposal`. Raises `NotAskedError` too, if the hospital takes no part in the study."""
    found = proposal(state, organisation, name)
    if not found.asked.dataset:
        raise NotAskedError(f"study {name} asks nothing of {organisation}", "`hmchain study list` shows which do")
    return found


_NOT_ASKED = Permission("", "", 0, UNDECIDED, "", 0)


def known_names(state: State) -> str:
    """The names of all studies, and of those that are asked for, for somebody who named another one."""
    found = requests(state, "")
    more = [f"and {len(found) - NAMED_MAX} more"] if len(found) > NAMED_MAX else []
    return ", ".join([*(each.study for each in found[:NAMED_MAX]), *more]) or "none"


def _asked_for(state: State, organisation: str, entry: DataRequest) -> StudyProposal | None:
    """The study that a request asks for, as it would be with all its hospitals; None where there is none to come."""
    content = data_requests.content(state, entry.name, entry.version)
    waits = entry.status in (Status.SUBMITTED, Status.RETURNED) and not permitted.studies_of(state, entry.name)
    if content is None or content.kind is not Kind.TRAIN or not waits or studies.study(state, entry.name) is not None:
        return None
    uses = tuple(DatasetUse(use.organisation, use.dataset, use.version) for use in content.datasets)
    spec = studies.of_plan(content.plan, entry.name, uses)
    if spec is None or not _is_of_its_request(state, spec, content):
        return None
    words = tuple(said_to(state, entry.name, use) for use in spec.uses)
    said = next((word for word in words if word.organisation == organisation), _NOT_ASKED)
    asked = _view(spec, said, words)
    return StudyProposal(
        replace(asked, status=REQUESTED, proposer=entry.applicant.organisation, specification=entry.content), spec
    )


def _is_of_its_request(state: State, spec: StudySpec, content: Content) -> bool:
    """Whether a plan, which no rule looked into yet, says what its request and its datasets say."""
    held = (datasets.dataset(state, use.organisation, use.dataset) for use in spec.uses)
    alike = all(found is not None and found.schema == spec.schema for found in held)
    same = (spec.code, spec.colluders) == (content.code, content.colluders)
    return alike and same and spec.purpose in content.purposes


def _request(state: State, organisation: str, study: Study) -> StudyRequest:
    said = permission(state, study, organisation) if organisation in study.spec.participants else _NOT_ASKED
    progress = study.progress
    return replace(
        _view(study.spec, said, permissions(state, study)),
        status=study.status.value,
        is_over=study.status in studies.OVER,
        proposer=progress.proposer,
        specification=progress.specification,
    )


def _view(spec: StudySpec, said: Permission, words: tuple[Permission, ...]) -> StudyRequest:
    return StudyRequest(
        study=spec.name,
        status="",
        is_over=False,
        proposer="",
        purpose=spec.purpose,
        dataset=said.dataset,
        version=said.version,
        code=spec.code,
        rounds=spec.rounds,
        participants=spec.participants,
        colluders=spec.colluders,
        decision=said.decision,
        reason=said.reason,
        until_ms=said.until_ms,
        specification=b"",
        answers=tuple(Answer(each.organisation, each.decision) for each in words),
        request=words[0].request,
    )
