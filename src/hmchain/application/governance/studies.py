"""Decisions of a hospital's people on studies at its node: propose, approve, refuse, revoke, resume, close."""

from __future__ import annotations

from dataclasses import replace

from hmchain.application.governance import study_requests
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.proposals import specification, with_words
from hmchain.application.governance.study_file import Proposal, StudyFileError, require_sound
from hmchain.application.learning.description import shown
from hmchain.application.learning.pinned import read_training
from hmchain.application.site.texts import Texts
from hmchain.errors import InputError
from hmchain.ledger.contracts.data.applying import CloseRequest
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.approvals import REASONS as REASONS
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.studies import ProposeStudy, StudySpec, plan_of
from hmchain.ledger.contracts.members import membership, upgrades
from hmchain.ledger.readers.requests import require_request
from hmchain.ledger.readers.studies import REQUESTED, StudyRequest, proposal, proposal_to


class BadReasonError(InputError):
    """A refusal's reason is not one of the codes."""

    code = "bad_refusal_reason"


def approve(user: LedgerUser, asked: StudyRequest, until_ms: int) -> StudyRequest:
    """Steward: allow what was `asked`, and nothing else, until a block time. Raises what a refusal raises."""
    if asked.request:
        study_requests.approve(user, asked, until_ms)
    else:
        user.send(ApproveStudy(asked.study, asked.specification, until_ms))
    return _asked(user, asked.study)


def refuse(user: LedgerUser, name: str, reason: str) -> StudyRequest:
    """Steward: say no, for one of the reasons that have a code. Raises `BadReasonError` too."""
    require_reason(reason)
    asked = _asked(user, name)
    if asked.request:
        study_requests.refuse(user, asked, reason)
    else:
        user.send(RefuseStudy(name, reason))
    return _asked(user, name)


def require_reason(reason: str) -> None:
    """Raise `BadReasonError` unless a ledger has a code for this reason."""
    if reason not in REASONS:
        raise BadReasonError(f"{reason!r} is no reason on a ledger", f"give one of {', '.join(REASONS)}")


def revoke(user: LedgerUser, name: str) -> StudyRequest:
    """Steward: take an approval back, from the next round on."""
    asked = _asked(user, name)
    if asked.request:
        study_requests.revoke(user, asked)
    else:
        user.send(RevokeApproval(name))
    return _asked(user, name)


def _asked(user: LedgerUser, name: str) -> StudyRequest:
    return proposal_to(user.state, user.organisation, name).asked


def close(user: LedgerUser, name: str) -> StudyRequest:
    """Scientist of the proposing hospital: end a study. Steward of a participant: vote for it.

    One that is only asked for ends with its request, by the scientist's word alone.
    """
    found = proposal(user.state, user.organisation, name).asked
    if found.status == REQUESTED:
        user.send(CloseRequest(name, "withdrawn"))
        return replace(found, status="closed", is_over=True)
    user.send(CloseStudy(name))
    return proposal(user.state, user.organisation, name).asked


def resume(user: LedgerUser, name: str) -> StudyRequest:
    """Scientist of the proposing hospital, or of any participant where that one is gone: go on with a paused study."""
    proposal(user.state, user.organisation, name)
    user.send(ResumeStudy(name))
    return proposal(user.state, user.organisation, name).asked


def propose(user: LedgerUser, asked: Proposal, texts: Texts | None = None) -> StudyRequest:
    """Scientist: put a study before the stewards of its participants, and its description before the members.

    From protocol 3 on they decide on a request; where all have, the study is proposed under its permit. `texts` is
    where the description goes, if the study has one. One that came into a block when the command had ended is not sent
    again. Raises `StudyFileError`, `StudyNotAllowedError` and `DescriptionError` too.
    """
    require_sound(asked)
    if upgrades.has_requests(user.state):
        return _ask_or_propose(user, asked, texts)
    if studies.study(user.state, asked.name) is not None:
        user.send(_included(user, asked, texts))
    else:
        user.send(ProposeStudy(_specification(user, asked, texts)))
    return proposal(user.state, user.organisation, asked.name).asked


def propose_allowed(user: LedgerUser, request: str, trainer: str = "") -> StudyRequest:
    """Scientist: propose the study that a request asked for, of the hospitals that allow it now.

    Raises `UnknownRequestError`, `StudyFileError` and `StudyNotAllowedError` too.
    """
    require_request(user.state, request)
    if studies.study(user.state, request) is not None:
        raise _taken(request)
    study_requests.propose(user, request, trainer)
    return proposal(user.state, user.organisation, request).asked


def _taken(name: str) -> StudyFileError:
    return StudyFileError(f"there is a study {name} already", "a name is given once: choose another")


def _ask_or_propose(user: LedgerUser, asked: Proposal, texts: Texts | None) -> StudyRequest:
    if studies.study(user.state, asked.name) is not None:
        raise _taken(asked.name)
    if not study_requests.is_asked(user.state, asked.name):
        study_requests.ask(user, _specification(user, asked, texts))
    elif not _is_asked(user, asked, proposal(user.state, user.organisation, asked.name).specification, texts):
        hint = f"give the study another name; `hmchain request show {asked.name}` shows what was asked for"
        raise StudyFileError(f"request {asked.name} asks for something else than this file", hint)
    if not study_requests.waits_for(user.state, asked.name):
        study_requests.propose(user, asked.name, asked.trainer)
    return proposal(user.state, user.organisation, asked.name).asked


def _specification(user: LedgerUser, asked: Proposal, texts: Texts | None) -> StudySpec:
    spec, described = specification(user.state, asked), asked.described()
    if described is None:
        return spec
    if texts is None:
        raise StudyFileError("a description needs a store that the members share", "name one in node.toml")
    members = membership.active_members(user.state)
    return with_words(spec, texts.put(user.ledger.chain_id, asked.name, described, members))


def _included(user: LedgerUser, asked: Proposal, texts: Texts | None) -> ProposeStudy:
    """The proposal of this name, if it is just what is asked, and nobody was told that it is there."""
    known = proposal(user.state, user.organisation, asked.name).specification
    found = ProposeStudy(known)
    if user.included(found) is None or not _is_asked(user, asked, known, texts):
        raise _taken(asked.name)
    return found


def _is_asked(user: LedgerUser, asked: Proposal, known: StudySpec, texts: Texts | None) -> bool:
    """Tell whether a proposal asks for this study, its description with it; nothing is put anywhere."""
    spec, described, pin = specification(user.state, asked), asked.described(), read_training(known.training).words
    if pin is None or described is None or texts is None:
        return _alike(spec, known) and described is None
    return _alike(with_words(spec, pin), known) and texts.kept(asked.name, pin) == shown(described)


def _alike(spec: StudySpec, known: StudySpec) -> bool:
    """Whether they are the same; of what a request asks for, which has no first model yet, the plans."""
    return spec == known if known.initial_root else plan_of(spec) == plan_of(known)
