"""What an agent does in each phase of a study: a file a phase, and together a value that an agent is handed.

A phase looks at what is on the desk and gives the transactions that are due now, none if nothing is. It is called again
and again, also by an agent that was started a moment ago. A dishonest agent is handed other phases (`agent.faults`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.application.agent.phases import (
    aggregate,
    agree,
    attest,
    commit,
    confirm,
    dispute,
    gate,
    join,
    lapse,
    reveal,
    verify,
)
from hmchain.application.agent.protocols import Learner
from hmchain.ledger import contracts

Bodies = Iterable[contracts.Body]
Opening = Callable[[Desk], Bodies]
Acting = Callable[[RoundDesk], Bodies]


@dataclass(frozen=True)
class Phases:
    """What an agent does in each phase."""

    join: Callable[[Desk, Learner], Bodies]
    agree: Opening
    confirm: Opening
    lapse: Opening
    """Where a study does not open in time."""
    publish: Callable[[RoundDesk], None]
    """Before anything else: give others the bytes of what the ledger binds."""
    commit: Acting
    attest: Acting
    reveal: Acting
    aggregate: Acting
    verify: Acting
    dispute: Acting
    vote: Acting
    open_vote: Acting
    tick: Acting
    """Where there is nothing else to say."""


HONEST = Phases(
    join=join.join,
    agree=agree.agree,
    confirm=confirm.confirm,
    lapse=lapse.lapse,
    publish=commit.publish,
    commit=commit.commit,
    attest=attest.attest,
    reveal=reveal.reveal,
    aggregate=aggregate.aggregate,
    verify=verify.verify,
    dispute=dispute.dispute,
    vote=gate.vote,
    open_vote=gate.open_vote,
    tick=lapse.tick,
)
PATIENT = replace(HONEST, tick=lapse.patient_tick)
"""The same among machines of their own, which crash and start again."""
