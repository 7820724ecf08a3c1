"""What transactions about requests for data ask for, in words, and which request they are about."""

from __future__ import annotations

from collections.abc import Iterable

from hmchain.canonical import Record
from hmchain.clock import utc
from hmchain.ledger.contracts.data import applicants, applying, attachments, deciding, obligations, reviewing

_DECISIONS = applying.Bodies | deciding.ApproveRequest | deciding.RejectRequest
_DECISIONS |= deciding.ReturnRequest | deciding.RevokeRequest
"""What of one request may contradict another thing of it."""


def about(body: Record) -> str:
    """The request that a decision is about; empty for what contradicts nothing."""
    return f"request {body.request}" if isinstance(body, _DECISIONS) else ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    return _of_applicant(body) or _of_people(body) or _of_hospital(body) or _beside(body) or _of_duty(body)


def _of_applicant(body: Record) -> str:
    match body:
        case applying.CreateRequest():
            return f"begin request {body.request}"
        case applying.CopyRequest():
            return f"begin request {body.request} as a copy of {body.source}"
        case applying.SaveDraft():
            return f"keep what request {body.request} asks for ({body.content.digest.hex()[:12]})"
        case applying.ChangeDatasets():
            return f"have request {body.request} ask for other datasets"
        case applying.DeleteDraft():
            return f"delete the draft of request {body.request}"
        case applying.SubmitRequest():
            return f"submit request {body.request} ({body.content.hex()[:12]})"
        case applying.TakeBackRequest():
            return f"take request {body.request} back to change it"
        case applying.CloseRequest():
            return f"close request {body.request} for good ({body.reason})"
        case attachments.RedactDocument():
            return f"redact document {body.document.hex()[:12]} of request {body.request}"
    return ""


def _of_people(body: Record) -> str:
    match body:
        case applicants.InviteMember():
            return f"invite {body.person} to request {body.request}"
        case applicants.UninviteMember():
            return f"take back the invitation of {body.person} to request {body.request}"
        case applicants.AddMember():
            return f"add {body.person} to request {body.request}"
        case applicants.RemoveMember():
            return f"remove {body.person} from request {body.request}"
        case applicants.ChangeApplicant():
            return f"let {body.applicant} answer for request {body.request}"
        case applicants.AcceptLicences():
            return f"keep to the terms {_digests(body.licences)} of request {body.request}"
        case applicants.JoinRequest():
            return f"take part in request {body.request}"
    return ""


def _of_hospital(body: Record) -> str:
    match body:
        case deciding.ApproveRequest():
            return f"approve request {body.request} for {body.dataset} until {utc(body.until_ms)[:16]} UTC"
        case deciding.RejectRequest():
            return f"reject request {body.request} for {body.dataset} ({body.reason})"
        case deciding.ReturnRequest():
            return f"return request {body.request} to be changed ({body.reason})"
        case deciding.RevokeRequest():
            return f"revoke the approval of request {body.request} for {body.dataset} for good ({body.reason})"
        case deciding.VoteRequest():
            return f"vote to {body.vote} request {body.request} for {body.dataset}"
        case deciding.AddLicences():
            return f"ask for the terms {_digests(body.licences)} in request {body.request} for {body.dataset}"
        case deciding.SetProcessing():
            return f"say of request {body.request} for {body.dataset}: {body.processing or 'nothing'}"
    return ""


def _beside(body: Record) -> str:
    match body:
        case reviewing.RequestReview():
            return f"ask {body.person} to review request {body.request}"
        case reviewing.RequestDecision():
            return f"ask {body.person} what to decide on request {body.request}"
        case reviewing.InviteReviewer():
            return f"invite {body.person} to review request {body.request}"
        case reviewing.InviteDecider():
            return f"invite {body.person} to say what to decide on request {body.request}"
        case reviewing.AcceptCall():
            return f"answer {body.hospital} on request {body.request}"
        case reviewing.ReviewRequest():
            return f"review request {body.request} for {body.hospital}: {body.answer}"
        case reviewing.DecideRequest():
            return f"advise {body.hospital} to {body.answer} request {body.request}"
        case reviewing.RemarkRequest():
            return f"comment on request {body.request}{'' if body.public else ', privately'}"
        case reviewing.AssignExternal():
            return f"call request {body.request} {body.external or 'nothing'} outside"
        case reviewing.NoteExpiry():
            return f"note that the end of request {body.request} is near"
    return ""


def _of_duty(body: Record) -> str:
    match body:
        case obligations.ShowDuty():
            return f"show {body.organisation} that {body.duty} of request {body.request} was done"
        case obligations.ConfirmDuty():
            return f"confirm that {body.duty} of request {body.request} was done"
        case obligations.ContestDuty():
            return f"contest that {body.duty} of request {body.request} was done"
        case obligations.WaiveDuty():
            return f"waive {body.duty} of request {body.request}"
    return ""


def _digests(licences: Iterable[bytes]) -> str:
    return ", ".join(digest.hex()[:12] for digest in licences)
