"""The effects of what a hospital's people sent: whether what was asked for in a block is so still."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.contracts.data import policies, requests
from hmchain.ledger.contracts.data.applicants import (
    AddMember,
    ChangeApplicant,
    InviteMember,
    RemoveMember,
    UninviteMember,
)
from hmchain.ledger.contracts.data.applying import (
    CopyRequest,
    CreateRequest,
    DeleteDraft,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.deciding import SetProcessing
from hmchain.ledger.contracts.data.policies import ConfirmPolicy, SetPolicy, WithdrawPolicy
from hmchain.ledger.contracts.data.requests import Status
from hmchain.ledger.contracts.data.reviewing import AssignExternal
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, Decision, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.counting import ProposeCount
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members import enrolment, incidents, membership, people
from hmchain.ledger.contracts.members.admission import ProposeAdmission
from hmchain.ledger.contracts.members.enrolment import (
    ChangeRoles,
    ConfirmChange,
    DropChange,
    ReinstatePerson,
    SuspendPerson,
)
from hmchain.ledger.contracts.members.incidents import CloseIncident, OpenIncident
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, VoteAction, WithdrawVote
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State

_DECISIONS: dict[type[Record], Decision] = {
    ApproveStudy: Decision.APPROVED,
    RefuseStudy: Decision.REFUSED,
    RevokeApproval: Decision.REVOKED,
}


def is_so(state: State, organisation: str, body: Record, height: int) -> bool | None:
    """Whether what `organisation` asked for in block `height` is so still; None where no state tells.

    Whoever asks again for what is so means that transaction. What was undone since may be asked for anew.
    """
    match body:
        case ProposeStudy() | ProposeUnderPermit():
            return studies.study(state, body.spec.name) is not None
        case ProposeCount():
            return studies.study(state, body.study) is not None
        case ApproveStudy() | RefuseStudy() | RevokeApproval():
            said = _said(state, organisation, body.study)
            return None if said is None else said is _DECISIONS[type(body)]
        case CloseStudy():
            study = studies.study(state, body.study)
            return True if study is not None and study.status in studies.OVER else None
        case ProposeAction():
            return _votes_for(state, organisation, membership.ballot_id(body.action, height))
        case ProposeAdmission():
            return _votes_for(state, organisation, membership.ballot_id(Admit(body.member), height))
        case VoteAction():
            return _votes_for(state, organisation, body.ballot)
        case WithdrawVote():
            return not _votes_for(state, organisation, body.ballot)
        case OpenIncident():
            return incidents.incident(state, body.incident) is not None
        case CloseIncident():
            entry = incidents.incident(state, body.incident)
            return entry is not None and not entry.is_open
    found = _of_people(state, organisation, body)
    return _of_request(state, organisation, body) if found is None else found


def _of_people(state: State, organisation: str, body: Record) -> bool | None:
    """Of what officers ask and confirm: a key that was cut off, taken back and stolen again is cut off again."""
    waits = {name for name, _ in enrolment.pending(state, organisation)}
    if isinstance(body, enrolment.Change) and enrolment.change_id(organisation, body) in waits:
        return True
    match body:
        case ConfirmChange() | DropChange():
            return body.change not in waits
        case SuspendPerson():
            return _status(state, organisation, body.person) is people.Status.SUSPENDED
        case ReinstatePerson():
            return _status(state, organisation, body.person) is people.Status.ACTIVE
        case ChangeRoles():
            entry = people.person(state, organisation, body.person)
            return entry is not None and entry.roles == body.roles
    return None


def _status(state: State, organisation: str, person: str) -> people.Status:
    return people.status(state, PersonRef(organisation, person))


def _of_request(state: State, organisation: str, body: Record) -> bool | None:
    entry = requests.request(state, body.request) if hasattr(body, "request") else None
    match body:
        case CreateRequest() | CopyRequest():
            return entry is not None
        case SubmitRequest():
            return entry is not None and entry.content == body.content and entry.status is Status.SUBMITTED
        case TakeBackRequest():
            return entry is not None and entry.status is not Status.SUBMITTED
        case SaveDraft():
            return entry is not None and requests.draft(state, entry) == body.content
        case DeleteDraft():
            return entry is None
        case AddMember():
            return entry is not None and PersonRef(organisation, body.person) in entry.members
        case InviteMember():
            return entry is not None and body.person in (*entry.members, *entry.invited)
        case UninviteMember():
            return entry is not None and body.person not in entry.invited
        case RemoveMember():
            return entry is not None and body.person not in entry.members
        case ChangeApplicant():
            return entry is not None and body.applicant == entry.applicant
        case AssignExternal():
            return entry is not None and body.external == entry.external
        case SetProcessing():
            word = requests.handling(state, entry, organisation, body.dataset) if entry is not None else None
            return word is not None and word.processing == body.processing
        case SetPolicy() | ConfirmPolicy() | WithdrawPolicy():
            return _of_policy(state, organisation, body)
    return None


def _of_policy(state: State, organisation: str, body: SetPolicy | ConfirmPolicy | WithdrawPolicy) -> bool:
    waiting = policies.pending(state, organisation, body.dataset)
    if isinstance(body, WithdrawPolicy):
        return waiting is None
    if isinstance(body, ConfirmPolicy):
        return waiting is None or waiting.terms.digest != body.terms
    current = policies.current(state, organisation, body.dataset)
    return body.terms.digest in (current.digest, waiting.terms.digest if waiting is not None else b"")


def _said(state: State, organisation: str, name: str) -> Decision | None:
    study = studies.study(state, name)
    said = approvals.approval(state, study.progress.specification, organisation) if study is not None else None
    return said.status if said is not None else None


def _votes_for(state: State, organisation: str, ballot: bytes) -> bool:
    return any(known == ballot and organisation in entry.yes for known, entry in membership.ballots(state))
