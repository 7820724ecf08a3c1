"""How a study ends before its last round because people say so: its proposer, its stewards, or one that refuses it.

Nobody is charged, and the last accepted model is registered where there is one.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import events, reputation
from hmchain.ledger.context import SCIENTIST, STEWARD, Context, require
from hmchain.ledger.contracts.learning import approvals, ending, rounds, studies
from hmchain.ledger.contracts.learning.approvals import RefuseStudy
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.state import State, Table

BY_PROPOSER, BY_STEWARDS, REFUSED = "closed_by_proposer", "closed_by_stewards", "refused"


class ClosingVotes(Record, frozen=True):
    """Whose stewards want a study closed."""

    organisations: tuple[str, ...]


class CloseStudy(Record, frozen=True, tag="close_study"):
    """Transaction: end a study. The proposer's scientist does it alone, stewards with more than f of the others."""

    study: str


Bodies = CloseStudy

_VOTES = Table("closing", ClosingVotes)


def votes(state: State, name: str) -> tuple[str, ...]:
    """Participants whose stewards want the study closed, in order."""
    found = _VOTES.get(state, name)
    return found.organisations if found else ()


def votes_needed(study: Study) -> int:
    """So many stewards close a study: one more than may be dishonest."""
    return reputation.faults_tolerated(len(study.spec.uses)) + 1


def _close(context: Context, body: CloseStudy) -> None:
    context.require_role(SCIENTIST, STEWARD)
    study = studies.require_study(context.state, body.study)
    require(study.status not in studies.OVER, "study_closed")
    organisation = context.sender.organisation
    if SCIENTIST in context.sender.roles and STEWARD not in context.sender.roles:
        require(organisation == study.progress.proposer, "not_the_proposer")
    if SCIENTIST in context.sender.roles and organisation == study.progress.proposer:
        _end(context, study, BY_PROPOSER)
        return
    require(organisation in study.spec.participants, "not_a_participant")
    said = votes(context.state, body.study)
    require(organisation not in said, "already_voted")
    said = tuple(sorted((*said, organisation)))
    _VOTES.put(context.state, ClosingVotes(said), body.study)
    context.emit(events.ClosingVoted(body.study, organisation))
    if len(said) >= votes_needed(study):
        _end(context, study, BY_STEWARDS)


def _refuse(context: Context, body: RefuseStudy) -> None:
    """Say no: a study that has not opened, or that waits, is over; a running one goes on without that hospital."""
    approvals.record_refusal(context, body)
    study = studies.require_study(context.state, body.study)
    if study.status in studies.OPENING:
        studies.set_progress(context.state, body.study, status=Status.REFUSED, reason=REFUSED)
    elif study.status == Status.PAUSED:
        _end(context, study, REFUSED)


def _end(context: Context, study: Study, reason: str) -> None:
    has_opened = study.status not in studies.OPENING
    ending.end(context, study, rounds.current(context.state, study) if has_opened else None, reason)


HANDLERS = {CloseStudy: _close, RefuseStudy: _refuse}
