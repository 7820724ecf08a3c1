"""Approvals: each steward decides whether one dataset version may be used for one study.

No agent trains without an approval that is in force; revocation bites at the next round. Policies, consents and access
grants will be contracts of their own beside this one.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.context import STEWARD, Context, require
from hmchain.ledger.contracts import datasets, studies
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

APPROVED, REFUSED, REVOKED = "approved", "refused", "revoked"

REASONS = ("purpose", "ethics", "data-quality", "code", "privacy", "other")
"""Why a steward refuses: a code, since free text on a ledger can never be taken back."""


class Approval(Record, frozen=True):
    """A steward's decision on one study."""

    organisation: str
    study: str
    dataset: str
    version: int
    purpose: str
    code: bytes
    """Digest of the training code that was approved."""
    expires_ms: int
    status: str
    reason: str
    height: int


class ApproveStudy(Record, frozen=True, tag="approve_study"):
    """Transaction (steward): allow one dataset version for one study, for its purpose and code, until a date."""

    study: str
    dataset: str
    version: int
    purpose: str
    code: bytes
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


def approval(state: State, study: str, organisation: str) -> Approval | None:
    """An organisation's decision on a study, or None."""
    return _APPROVALS.get(state, study, organisation)


def approvals(state: State, study: str) -> list[Approval]:
    """All decisions on a study, in order of organisation."""
    return _APPROVALS.all(state, study)


def in_force(state: State, study: str, organisation: str, time_ms: int) -> bool:
    """Whether the organisation's data may be used for the study at this block time."""
    entry = _APPROVALS.get(state, study, organisation)
    return entry is not None and entry.status == APPROVED and time_ms <= entry.expires_ms


def _approve(context: Context, body: ApproveStudy) -> None:
    context.require_role(STEWARD)
    organisation = context.sender.organisation
    spec = _spec_with(context, body.study)
    use = next(use for use in spec.uses if use.organisation == organisation)
    require((body.dataset, body.version) == (use.dataset, use.version), "wrong_dataset")
    require(body.purpose == spec.purpose, "wrong_purpose")
    require(body.code == spec.code, "wrong_code")
    require(body.expires_ms > context.time_ms, "expired")
    datasets.standing_version(context.state, organisation, body.dataset, body.version)
    _decide(context, body.study, Approval(
        organisation, body.study, body.dataset, body.version, body.purpose, body.code, body.expires_ms,
        APPROVED, "", context.height,
    ))  # fmt: skip


def _refuse(context: Context, body: RefuseStudy) -> None:
    context.require_role(STEWARD)
    organisation = context.sender.organisation
    spec = _spec_with(context, body.study)
    require(body.reason in REASONS, "bad_reason")
    use = next(use for use in spec.uses if use.organisation == organisation)
    _decide(context, body.study, Approval(
        organisation, body.study, use.dataset, use.version, spec.purpose, spec.code, 0,
        REFUSED, body.reason, context.height,
    ))  # fmt: skip
    studies.refuse(context, body.study)


def _revoke(context: Context, body: RevokeApproval) -> None:
    context.require_role(STEWARD)
    entry = _APPROVALS.get(context.state, body.study, context.sender.organisation)
    if entry is None or entry.status != APPROVED:
        raise Refusal("not_approved")
    _decide(context, body.study, Approval(
        entry.organisation, entry.study, entry.dataset, entry.version, entry.purpose, entry.code, entry.expires_ms,
        REVOKED, "", context.height,
    ))  # fmt: skip


def _decide(context: Context, study: str, entry: Approval) -> None:
    _APPROVALS.put(context.state, entry, study, entry.organisation)
    context.emit(f"study.{entry.status}", study, entry.organisation)


def _spec_with(context: Context, study: str) -> studies.StudySpec:
    """The study's specification; refuse if the sender's organisation takes no part in it."""
    entry = studies.study(context.state, study)
    if entry is None:
        raise Refusal("no_such_study")
    require(entry.status not in studies.OVER, "study_closed")
    require(context.sender.organisation in entry.spec.participants, "not_a_participant")
    return entry.spec


HANDLERS = {ApproveStudy: _approve, RefuseStudy: _refuse, RevokeApproval: _revoke}
