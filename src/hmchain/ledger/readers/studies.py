"""Studies as a hospital is asked about them: what each wants of it, all that it pins, and the hospital's answer."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.errors import InputError, StudyError
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.studies import Study, StudySpec
from hmchain.ledger.readers.permissions import UNDECIDED, Permission, permission, permissions
from hmchain.ledger.state import State


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
    """Digest of all that is pinned: what an approval binds."""
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


def requests(state: State, organisation: str) -> list[StudyRequest]:
    """All studies of the ledger as a hospital sees them, in order of name."""
    return [_request(state, organisation, study) for study in studies.studies(state)]


def proposal(state: State, organisation: str, name: str) -> StudyProposal:
    """One study and all that it pins, whether or not the hospital takes part in it. Raises `UnknownStudyError`."""
    study = studies.study(state, name)
    if study is None:
        raise UnknownStudyError(f"there is no study {name}", f"studies on this ledger: {known_names(state)}")
    return StudyProposal(_request(state, organisation, study), study.spec)


def proposal_to(state: State, organisation: str, name: str) -> StudyProposal:
    """As `proposal`. Raises `NotAskedError` too, if the hospital takes no part in the study."""
    found = proposal(state, organisation, name)
    if not found.asked.dataset:
        raise NotAskedError(f"study {name} asks nothing of {organisation}", "`hmchain study list` shows which do")
    return found


_NOT_ASKED = Permission("", "", 0, UNDECIDED, "", 0)


def known_names(state: State) -> str:
    """The names of all studies, for somebody who named another one."""
    return ", ".join(study.spec.name for study in studies.studies(state)) or "none"


def _request(state: State, organisation: str, study: Study) -> StudyRequest:
    spec = study.spec
    said = permission(state, study, organisation) if organisation in spec.participants else _NOT_ASKED
    return StudyRequest(
        study=spec.name,
        status=study.status.value,
        is_over=study.status in studies.OVER,
        proposer=study.progress.proposer,
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
        specification=study.progress.specification,
        answers=tuple(Answer(each.organisation, each.decision) for each in permissions(state, study)),
        request=request.request if (request := permitted.under(state, study.progress.specification)) else "",
    )
