"""Saying that a time is over: one after the other, until somebody has."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent import kept, turns
from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.application.agent.kept import Patience
from hmchain.ledger import sums
from hmchain.ledger.contracts.learning import rounds, studies, summing
from hmchain.ledger.contracts.learning.participation import Tick
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.members import attendance
from hmchain.ledger.readers.study_status import awaited


def lapse(desk: Desk) -> Iterator[Tick]:
    """Say that a study which does not open is over its time.

    A deadline takes blocks too: where there are no others, these make them.
    """
    until_ms = desk.study.progress.deadline_ms + desk.order * turns.OPENING_STEP_MS
    if desk.study.status in studies.OPENING and desk.node.now_ms() > until_ms:
        yield Tick(desk.name)


def lost(desk: Desk) -> Iterator[Tick]:
    """Say that a study is to end since its permits are over: nobody waits for a deadline."""
    if desk.is_lost:
        yield Tick(desk.name)


def tick(desk: RoundDesk) -> Iterator[Tick]:
    """Say that a phase's deadline has passed: whose turn it is at once."""
    return _tick(desk, desk.entry.deadline_ms)


def patient_tick(desk: RoundDesk) -> Iterator[Tick]:
    """As `tick`; where the round cannot go on without those who are silent, give them time to start again, once.

    The ledger moves on when somebody says that a deadline has passed. Where that helps nobody, and only counts a
    setback of the two that pause a study, an honest agent says it later: so a crash costs no study its run. It does so
    once for each hospital in a study, so that nobody who is late on purpose holds up round after round.
    """
    due_ms = desk.entry.deadline_ms
    if desk.node.now_ms() > due_ms and not _can_go_on(desk):
        due_ms = max(due_ms, _patient_until_ms(desk))
    return _tick(desk, due_ms)


def _patient_until_ms(desk: RoundDesk) -> int:
    """Until when those are waited for who are silent; 0 where one of them had its time before."""
    entry = desk.entry
    silent = attendance.silences(desk.state)
    whom = awaited(desk.state, desk.study, entry)
    span_ms = turns.MACHINE_RESTART_MS if all(name in silent for name in whom) else turns.AGENT_RESTART_MS
    began_ms = entry.deadline_ms - rounds.span_ms(desk.study.spec.deadlines, entry.phase)
    known = {name: desk.store.get(kept.patience_name(desk.name, name), Patience) for name in whom}
    place = (*desk.place, entry.phase.value)
    if any(each and (each.round, each.attempt, each.phase) != place for each in known.values()):
        return 0
    until_ms = max(began_ms + span_ms, *(each.until_ms for each in known.values() if each), 0)
    for name, each in known.items():
        if each is None or each.until_ms < until_ms:
            desk.store.note(kept.patience_name(desk.name, name), Patience(*place, until_ms))
    return until_ms


def _tick(desk: RoundDesk, due_ms: int) -> Iterator[Tick]:
    turn = (desk.order - desk.state.height) % len(desk.study.spec.uses)
    if desk.node.now_ms() > due_ms + turn * turns.STEP_MS:
        yield Tick(desk.name)


def _can_go_on(desk: RoundDesk) -> bool:
    """Whether the phase's end would bring the round on, without those who have not answered yet."""
    entry, spec = desk.entry, desk.study.spec
    match entry.phase:
        case Phase.COMMIT:
            return _may_be_summed(desk, tuple(each.organisation for each in rounds.contributions(desk.state, entry)))
        case Phase.ATTEST:
            updates = rounds.contributions(desk.state, entry)
            sound = tuple(each.organisation for each in updates if len(each.attested) >= spec.witnesses)
            return _may_be_summed(desk, sound)
        case Phase.REVEAL:  # a withheld seed voids the attempt, and a set without that one hospital gives it away
            return False
        case Phase.GATE_COMMIT:
            return len(rounds.gate_ballots(desk.state, entry)) >= spec.threshold
        case Phase.GATE_REVEAL:
            opened = (ballot.verdict for ballot in rounds.gate_ballots(desk.state, entry))
            return sum(verdict is not Verdict.OPEN for verdict in opened) >= spec.threshold
        case _:
            return True


def _may_be_summed(desk: RoundDesk, organisations: tuple[str, ...]) -> bool:
    history = summing.history(desk.state, rounds.sum_key(desk.study, desk.entry), desk.name)
    summed = rounds.summands(desk.study, desk.entry, organisations)
    return len(summed) >= desk.study.spec.threshold and sums.admits(history.sets, summed, desk.study.spec.colluders)
