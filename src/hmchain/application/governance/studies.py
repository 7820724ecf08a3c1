"""Decisions of a hospital's people on studies at its node: propose, approve, refuse, revoke, resume, close."""

from __future__ import annotations

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.proposals import specification, with_words
from hmchain.application.governance.study_file import Proposal, StudyFileError, require_sound
from hmchain.application.site.texts import Texts
from hmchain.errors import InputError
from hmchain.ledger.contracts.learning.approvals import REASONS, ApproveStudy, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.studies import ProposeStudy
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.readers.studies import StudyRequest, known_names, proposal, proposal_to


class BadReasonError(InputError):
    """A refusal's reason is not one of the codes."""

    code = "bad_refusal_reason"


def approve(user: LedgerUser, asked: StudyRequest, until_ms: int) -> StudyRequest:
    """Steward: allow what was `asked`, and nothing else, until a block time. Raises what a refusal raises."""
    user.send(ApproveStudy(asked.study, asked.specification, until_ms))
    return _asked(user, asked.study)


def refuse(user: LedgerUser, name: str, reason: str) -> StudyRequest:
    """Steward: say no, for one of the reasons that have a code. Raises `BadReasonError` too."""
    require_reason(reason)
    _asked(user, name)
    user.send(RefuseStudy(name, reason))
    return _asked(user, name)


def require_reason(reason: str) -> None:
    """Raise `BadReasonError` unless a ledger has a code for this reason."""
    if reason not in REASONS:
        raise BadReasonError(f"{reason!r} is no reason on a ledger", f"give one of {', '.join(REASONS)}")


def revoke(user: LedgerUser, name: str) -> StudyRequest:
    """Steward: take an approval back, from the next round on."""
    _asked(user, name)
    user.send(RevokeApproval(name))
    return _asked(user, name)


def _asked(user: LedgerUser, name: str) -> StudyRequest:
    return proposal_to(user.state, user.organisation, name).asked


def close(user: LedgerUser, name: str) -> StudyRequest:
    """Scientist of the proposing hospital: end a study. Steward of a participant: vote for it."""
    proposal(user.state, user.organisation, name)
    user.send(CloseStudy(name))
    return proposal(user.state, user.organisation, name).asked


def resume(user: LedgerUser, name: str) -> StudyRequest:
    """Scientist of the proposing hospital, or of any participant where that one is gone: go on with a paused study."""
    proposal(user.state, user.organisation, name)
    user.send(ResumeStudy(name))
    return proposal(user.state, user.organisation, name).asked


def propose(user: LedgerUser, asked: Proposal, texts: Texts | None = None) -> StudyRequest:
    """Scientist: put a study before the stewards of its participants, and its description before the members.

    `texts` is where the description goes, if the study has one. Raises `StudyFileError` and `DescriptionError` too.
    """
    require_sound(asked)
    if asked.name in known_names(user.state).split(", "):
        raise StudyFileError(f"there is a study {asked.name} already", "a name is given once: choose another")
    spec, described = specification(user.state, asked), asked.described()
    if described is not None:
        if texts is None:
            raise StudyFileError("a description needs a store that the members share", "name one in node.toml")
        members = membership.active_members(user.state)
        spec = with_words(spec, texts.put(user.ledger.chain_id, asked.name, described, members))
    user.send(ProposeStudy(spec))
    return proposal(user.state, user.organisation, asked.name).asked
