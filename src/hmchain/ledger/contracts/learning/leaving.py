"""How a hospital leaves a study: by its agent's word that the study used up what was asked of its machine.

No ledger knows a clock or a machine, and what an agent measures nobody else can check. Who says so takes no part, and
that is all it does: its permit is over for that study, and nobody waits for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.context import AGENT, Context, require
from hmchain.ledger.contracts.learning import permitted, round_flow, rounds, studies
from hmchain.ledger.contracts.learning.permitted import Left
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status, Study

REASONS = ("hours", "memory")
"""What of `requests.Resources` an agent may have measured the end of."""


class LeaveStudy(Record, frozen=True, tag="leave_study"):
    """Transaction (agent): its hospital takes no further part."""

    study: str
    reason: str
    """One of `REASONS`."""


Bodies = LeaveStudy


def _leave(context: Context, body: LeaveStudy) -> None:
    context.require_role(AGENT)
    study, organisation = studies.require_study(context.state, body.study), context.sender.organisation
    require(organisation in study.spec.participants, "not_a_participant")
    require(permitted.under(context.state, study.progress.specification) is not None, "not_approved")
    require(study.status not in studies.OVER, "study_closed")
    require(permitted.left(context.state, body.study, organisation) is None, "already_left")
    require(body.reason in REASONS, "bad_reason")
    permitted.put_left(context.state, Left(body.study, organisation, body.reason, context.height))
    context.emit(events.StudyLeft(body.study, organisation, body.reason))
    if study.status is Status.RUNNING and not permitted.is_lost(context.state, study, context.time_ms):
        _wait_no_more(context, study, organisation)


def _wait_no_more(context: Context, study: Study, organisation: str) -> None:
    """Go on where the others have sent all that is asked for now."""
    entry = rounds.current(context.state, study)
    rest = replace(entry, expected=tuple(name for name in entry.expected if name != organisation))
    if entry.phase is Phase.COMMIT and rounds.contribution(context.state, entry, organisation) is None:
        rounds.put(context.state, rest)
        round_flow.committed(context, study, rest)
    elif entry.phase is Phase.GATE_COMMIT and rounds.gate_ballot(context.state, entry, organisation) is None:
        rounds.put(context.state, rest)
        round_flow.gate_committed(context, study, rest)


HANDLERS = {LeaveStudy: _leave}
