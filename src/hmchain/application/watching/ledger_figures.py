"""Figures of a network and of one hospital's part in it, from the ledger's state alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hmchain.application.governance.requests.listing import todos
from hmchain.ledger.contracts.data import break_glass
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import anchors, incidents, standings, upgrades
from hmchain.ledger.readers import notices
from hmchain.ledger.readers.members import ValidatorStatus, ballots, validators
from hmchain.ledger.readers.notices import Subject
from hmchain.ledger.readers.request_steps import RESPONDER
from hmchain.ledger.readers.rules import rules_of
from hmchain.ledger.state import State

STUDIES_MAX = 50
"""So many open studies have series of their own: the first by name."""


@dataclass(frozen=True)
class StudyFigures:
    """An open study."""

    study: str
    status: str
    phase: str
    """Of its round; empty where it is in none."""
    round: int
    rounds: int
    setbacks: int
    deadline_ms: int
    """Of the phase, or of the step in which it opens; 0 where it waits for no time."""


@dataclass(frozen=True)
class LedgerFigures:
    """A network as its ledger has it, and what waits for one of its hospitals."""

    height: int
    time_ms: int
    """Of the last block that is not empty."""
    protocol: int
    next_protocol: int
    """Agreed on, and not come yet; 0 for none."""
    knows_next: bool
    """Whether this program knows it."""
    members: tuple[ValidatorStatus, ...]
    open_studies: tuple[StudyFigures, ...]
    studies: dict[str, int]
    """Open ones of any member, by status."""
    inbox: dict[str, int]
    """What waits for people of the hospital, by the role in which they answer."""
    overdue: int
    """Of that, what is late."""
    duties_overdue: int
    """Owed to the hospital, or by its people."""
    permits_ending: int
    incidents: dict[str, int]
    """Open ones of any member, by severity."""
    incidents_owed: int
    """Words on incidents that this hospital owes."""
    emergencies_waiting: int
    """That this hospital was asked for, and nobody judged."""
    ballots_waiting: int
    """Open, and without a vote of this hospital."""
    anchored_lines: int
    anchored_ms: int
    """When the log of security events was anchored last; 0 if it never was."""


def of_state(state: State, organisation: str) -> LedgerFigures:
    """All of it, of a committed state."""
    time_ms, rules = standings.time_ms(state), rules_of(state)
    waiting = todos(state, organisation)
    noticed = Counter(each.subject for each in notices.for_organisation(state, time_ms, organisation))
    anchor = anchors.anchor(state, organisation) if upgrades.has_sharing(state) else None
    members = validators(state, {})
    running = _running(state, members)
    return LedgerFigures(
        height=state.height,
        time_ms=time_ms,
        protocol=rules.protocol,
        next_protocol=rules.next or 0,
        knows_next=rules.next is None or rules.next in rules.known,
        members=members,
        open_studies=tuple(_study(state, each) for each in running[:STUDIES_MAX]),
        studies=dict(Counter(each.status.value for each in running)),
        inbox=dict(Counter(each.role for each in waiting)),
        overdue=sum(each.overdue for each in waiting),
        duties_overdue=noticed[Subject.OVERDUE],
        permits_ending=noticed[Subject.PERMIT_ENDS],
        incidents=dict(Counter(str(each.severity) for each in incidents.open_incidents(state))),
        incidents_owed=sum(each.role == RESPONDER for each in waiting),
        emergencies_waiting=_unjudged(state, organisation),
        ballots_waiting=sum(each.waits_for(organisation) for each in ballots(state)),
        anchored_lines=anchor.size if anchor else 0,
        anchored_ms=anchor.time_ms if anchor else 0,
    )


def _running(state: State, members: tuple[ValidatorStatus, ...]) -> list[Study]:
    """Those that are not over, in order of name: by the index of each member, however many there ever were."""
    names = {name for member in members for name in studies.open_studies(state, member.organisation)}
    return [found for name in sorted(names) if (found := studies.study(state, name)) is not None]


def _study(state: State, study: Study) -> StudyFigures:
    progress = study.progress
    entry = rounds.round_(state, study.spec.name, progress.round)
    return StudyFigures(
        study.spec.name, study.status.value, entry.phase.value if entry else "", progress.round, study.spec.rounds,
        progress.setbacks, entry.deadline_ms if entry else progress.deadline_ms,
    )  # fmt: skip


def _unjudged(state: State, organisation: str) -> int:
    if not upgrades.has_sharing(state):
        return 0
    asked = break_glass.emergencies(state, organisation)
    return sum(each.giver == organisation and not each.is_reviewed for each in asked)
