"""The effects of what a hospital's people sent: whether what was asked for in a block is so still."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.applying import CopyRequest, CreateRequest, SubmitRequest
from hmchain.ledger.contracts.data.requests import Status
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, Decision, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.counting import ProposeCount
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.admission import ProposeAdmission
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, VoteAction, WithdrawVote
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
        case CreateRequest() | CopyRequest():
            return requests.request(state, body.request) is not None
        case SubmitRequest():
            entry = requests.request(state, body.request)
            return entry is not None and entry.content == body.content and entry.status is Status.SUBMITTED
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
    return None


def _said(state: State, organisation: str, name: str) -> Decision | None:
    study = studies.study(state, name)
    said = approvals.approval(state, study.progress.specification, organisation) if study is not None else None
    return said.status if said is not None else None


def _votes_for(state: State, organisation: str, ballot: bytes) -> bool:
    return any(known == ballot and organisation in entry.yes for known, entry in membership.ballots(state))
