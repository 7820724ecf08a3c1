"""Studies by requests, from protocol 3 on: a scientist asks, stewards decide, and what they allowed is proposed."""

from __future__ import annotations

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.proposals import under_permit
from hmchain.application.governance.requests.applying import put_before, view
from hmchain.application.governance.requests.decisions import longest_ms
from hmchain.application.governance.study_file import StudyFileError
from hmchain.application.learning.study_request import study_content
from hmchain.clock import DAY_MS
from hmchain.errors import StudyError
from hmchain.ledger.contracts.data import permits, requests
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RejectRequest, RevokeRequest
from hmchain.ledger.contracts.data.requests import Content, Decided, Handling, Request, Status
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.ledger.readers.requests import require_request
from hmchain.ledger.readers.studies import StudyRequest
from hmchain.ledger.state import State

DAYS = 365
"""So long a study is asked for, where its file says nothing else."""


class StudyNotAllowedError(StudyError):
    """Too few hospitals allowed a study for it to be proposed."""

    code = "study_not_allowed"


def ask(user: LedgerUser, spec: StudySpec, days: int = DAYS) -> None:
    """Scientist: ask for a study; what was cut short goes on. Raises what a refusal raises."""
    put_before(user, spec.name, study_content(spec, user.ledger.now_ms() + days * DAY_MS))


def is_asked(state: State, name: str) -> bool:
    """Whether there is a request of this name that hospitals decide on, or decided on."""
    entry = requests.request(state, name)
    return entry is not None and entry.status is not Status.DRAFT


def waits_for(state: State, name: str) -> tuple[str, ...]:
    """The hospitals that have not decided on a request yet."""
    _, _, words = _submitted(state, name)
    return tuple(word.organisation for word in words if word.status is Decided.WAITING)


def propose(user: LedgerUser, name: str, trainer: str = "") -> None:
    """Scientist: propose the study that a request asked for, of the hospitals that allow it now.

    Raises `StudyNotAllowedError`, and as `proposals.under_permit`.
    """
    entry, content, _ = _submitted(user.state, name)
    permit = permits.permit(user.state, name, user.ledger.now_ms())
    uses = [DatasetUse(use.organisation, use.dataset, use.version) for use in permit.allowed] if permit else []
    allowed = studies.of_plan(content.plan, name, tuple(uses))
    if allowed is None or len(allowed.uses) < studies.participants_min(allowed.colluders):
        hint = f"`hmchain request show {name}` shows who decided what; ask others, or for something else"
        raise StudyNotAllowedError(f"too few hospitals allow {name} for a study", hint)
    user.send(ProposeUnderPermit(under_permit(user.state, allowed, trainer), entry.name))


def approve(user: LedgerUser, asked: StudyRequest, until_ms: int) -> None:
    """Steward: say yes to what was `asked`, until a block time: no longer than it was asked for, and policy lets."""
    entry, _, _ = _submitted(user.state, asked.request)
    until_ms = min(until_ms, longest_ms(user, view(user, asked.request), asked.dataset))
    user.send(ApproveRequest(asked.request, entry.version, asked.specification, asked.dataset, until_ms))


def refuse(user: LedgerUser, asked: StudyRequest, reason: str) -> None:
    """Steward: say no to a request."""
    entry, _, _ = _submitted(user.state, asked.request)
    user.send(RejectRequest(asked.request, entry.version, entry.content, asked.dataset, reason, b""))


def revoke(user: LedgerUser, asked: StudyRequest, reason: str = "other") -> None:
    """Steward: take a yes back for good."""
    entry, _, _ = _submitted(user.state, asked.request)
    user.send(RevokeRequest(asked.request, entry.version, entry.content, asked.dataset, reason, b""))


def _submitted(state: State, name: str) -> tuple[Request, Content, list[Handling]]:
    entry = require_request(state, name)
    content = requests.content(state, name, entry.version)
    if content is None:
        raise StudyFileError(f"request {name} is a draft", f"submit it: `hmchain request submit {name}`")
    return entry, content, requests.handlings(state, name, entry.version)
