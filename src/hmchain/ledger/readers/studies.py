"""Studies as a hospital is asked about them: what each wants of it, all that it pins, and the hospital's answer."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.errors import InputError, StudyError
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.studies import Study, StudySpec
from hmchain.ledger.state import State

UNDECIDED = "undecided"
"""The decision of a steward who has said nothing yet."""


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


def known_names(state: State) -> str:
    """The names of all studies, for somebody who named another one."""
    return ", ".join(study.spec.name for study in studies.studies(state)) or "none"


def _request(state: State, organisation: str, study: Study) -> StudyRequest:
    spec, said = study.spec, approvals.approval(state, study.progress.specification, organisation)
    use = next((use for use in spec.uses if use.organisation == organisation), None)
    return StudyRequest(
        study=spec.name,
        status=study.status.value,
        is_over=study.status in studies.OVER,
        proposer=study.progress.proposer,
        purpose=spec.purpose,
        dataset=use.dataset if use else "",
        version=use.version if use else 0,
        code=spec.code,
        rounds=spec.rounds,
        participants=spec.participants,
        colluders=spec.colluders,
        decision=said.status if said else UNDECIDED,
        reason=said.reason if said else "",
        until_ms=said.expires_ms if said else 0,
        specification=study.progress.specification,
        answers=_answers(state, study),
    )


def _answers(state: State, study: Study) -> tuple[Answer, ...]:
    said = {each.organisation: each.status for each in approvals.approvals(state, study.progress.specification)}
    return tuple(Answer(name, said.get(name, UNDECIDED)) for name in study.spec.participants)
