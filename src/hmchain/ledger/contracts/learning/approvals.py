"""Approvals: each steward decides whether one study, as a whole, may use one dataset version.

What is approved is the digest of the whole specification: nothing of it can be other than what the steward was shown.
No agent trains without an approval that is in force; revocation bites at the next round. From protocol 3 on people
decide on requests, and studies stand under permits (`permitted`): these decisions are for the studies from before. Both
are asked for by the one question, `authorised`.
"""

from __future__ import annotations

from enum import StrEnum

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.context import STEWARD, Context, require
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal


class Decision(StrEnum):
    """A steward's word on a study; on the ledger it is the word."""

    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"


APPROVED, REFUSED, REVOKED = Decision

REASONS = ("purpose", "ethics", "data-quality", "code", "privacy", "other")
"""Why a steward refuses: a code, since free text on a ledger can never be taken back."""


class Approval(Record, frozen=True):
    """A steward's decision on one study."""

    organisation: str
    study: str
    specification: bytes
    """Digest of what was decided on (`StudySpec.digest`)."""
    dataset: str
    version: int
    expires_ms: int
    status: Decision
    reason: str
    height: int


class ApproveStudy(Record, frozen=True, tag="approve_study"):
    """Transaction (steward): allow a study what its whole specification asks of one's data, until a date."""

    study: str
    specification: bytes
    expires_ms: int


class RefuseStudy(Record, frozen=True, tag="refuse_study"):
    """Transaction (steward): say no."""

    study: str
    reason: str


class RevokeApproval(Record, frozen=True, tag="revoke_approval"):
    """Transaction (steward): take an approval back, from the next round on."""

    study: str


Bodies = ApproveStudy | RefuseStudy | RevokeApproval

_APPROVALS = Table("approvals", Approval)


_SAID = {APPROVED: events.StudyApproved, REFUSED: events.StudyRefused, REVOKED: events.StudyRevoked}


def approval(state: State, specification: bytes, organisation: str) -> Approval | None:
    """An organisation's decision on the study with this specification, or None."""
    return _APPROVALS.get(state, specification, organisation)


def approvals(state: State, specification: bytes) -> list[Approval]:
    """All decisions on the study with this specification, in order of organisation."""
    return _APPROVALS.all(state, specification)


def authorised(state: State, organisation: str, specification: bytes, time_ms: int) -> bool:
    """Whether the organisation allows, at this block time, what the specification asks of its data.

    The one question that the ledger and every agent ask before anything of a hospital is used. A study under a permit
    has its answer from that, and from nothing else.
    """
    if (under := permitted.under(state, specification)) is not None:
        return permitted.authorised(state, organisation, under, time_ms)
    entry = approval(state, specification, organisation)
    return entry is not None and entry.status == APPROVED and time_ms <= entry.expires_ms


def _approve(context: Context, body: ApproveStudy) -> None:
    study = _open_study(context, body.study)
    require(body.specification == study.progress.specification, "wrong_specification")
    require(body.expires_ms > context.time_ms, "expired")
    use = study.spec.use(context.sender.organisation)
    datasets.standing_version(context.state, use.organisation, use.dataset, use.version)
    _decide(context, study, APPROVED, expires_ms=body.expires_ms)


def record_refusal(context: Context, body: RefuseStudy) -> None:
    """Keep a steward's no; what becomes of the study is for `closing` to say."""
    study = _open_study(context, body.study)
    require(body.reason in REASONS, "bad_reason")
    _decide(context, study, REFUSED, reason=body.reason)


def _revoke(context: Context, body: RevokeApproval) -> None:
    context.require_role(STEWARD)
    study = _own_study(context, body.study)
    entry = approval(context.state, study.progress.specification, context.sender.organisation)
    if entry is None or entry.status != APPROVED:
        raise Refusal("not_approved")
    _decide(context, study, REVOKED, expires_ms=entry.expires_ms)


def _decide(context: Context, study: studies.Study, status: Decision, *, expires_ms: int = 0, reason: str = "") -> None:
    name, digest, use = study.spec.name, study.progress.specification, study.spec.use(context.sender.organisation)
    entry = Approval(
        use.organisation, name, digest, use.dataset, use.version, expires_ms, status, reason, context.height
    )
    _APPROVALS.put(context.state, entry, digest, use.organisation)
    context.emit(_SAID[status](name, use.organisation))


def _open_study(context: Context, name: str) -> studies.Study:
    """The study, if it is not over and the sender is the steward of one of its participants."""
    context.require_role(STEWARD)
    study = _own_study(context, name)
    require(study.status not in studies.OVER, "study_closed")
    require(context.sender.organisation in study.spec.participants, "not_a_participant")
    return study


def _own_study(context: Context, name: str) -> studies.Study:
    """A study that is decided on by itself; refuse (`under_permit`) one of which the request was decided on."""
    study = studies.require_study(context.state, name)
    require(permitted.under(context.state, study.progress.specification) is None, "under_permit")
    return study


HANDLERS = {ApproveStudy: _approve, RevokeApproval: _revoke}
