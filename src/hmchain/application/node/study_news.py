"""News of the studies that a hospital takes part in, for its agent's log: one line a round, and who is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from hmchain.application.node.agent_log import AgentLog
from hmchain.clock import span, utc
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.rounds import Phase, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.readers.study_status import awaited, awaited_to_open, undecided
from hmchain.ledger.state import State

LASTING_SECONDS = 20.0
"""So long a step takes before it is told whom it waits for."""
_LATE_MS = 30_000
"""So long after a deadline a network that decides blocks has noticed it."""
_AWAITED = {
    Phase.COMMIT: "the updates of",
    Phase.ATTEST: "the word that they hold the updates from",
    Phase.REVEAL: "the seeds of",
    Phase.AGGREGATE: "the sum of",
    Phase.VERIFY: "the check of the sum by",
    Phase.GATE_COMMIT: "the votes of",
    Phase.GATE_REVEAL: "the opened votes of",
}


@dataclass(frozen=True)
class _Place:
    """Where a study was when it was last looked at."""

    status: Status
    round: int
    attempt: int
    phase: Phase | None
    reported: int
    """The last round whose end was told."""
    began: float | None
    """When the round was seen to begin."""
    waited_for: tuple[str, ...] = ()
    wait: str = ""
    """What it waits for, as the log knows it."""


class StudyNews:
    """Tells a log what became of each study since the last look."""

    def __init__(
        self, organisation: str, log: AgentLog, now_ms: Callable[[], int], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._organisation, self._log, self._now_ms, self._seconds = organisation, log, now_ms, seconds
        self._places: dict[str, _Place] = {}

    def look(self, state: State) -> None:
        """Tell what is new in the ledger's state, and what lasts."""
        names = {*studies.open_studies(state, self._organisation), *self._places}
        for name in sorted(names):
            if (study := studies.study(state, name)) is not None:
                self._follow(state, study)

    def _follow(self, state: State, study: Study) -> None:
        name, progress, now = study.spec.name, study.progress, self._seconds()
        entry = rounds.round_(state, name, progress.round)
        before = self._places.get(name)
        place = _Place(
            progress.status, progress.round, entry.attempt if entry else 0, entry.phase if entry else None,
            before.reported if before else progress.round - 1, now if before else None,
        )  # fmt: skip
        if before is None:
            self._log.tell(f"study {name}: {_standing(study)}")
        else:
            place = self._moved(state, study, before, place)
        wait, whom, what = self._awaited(state, study, entry)
        if before is not None and before.wait and before.wait != wait:
            self._log.ended(before.wait)
        if whom:
            self._log.lasts(wait, f"study {name}: {what}", LASTING_SECONDS)
        self._places[name] = replace(place, waited_for=whom, wait=wait)
        if study.status in studies.OVER:
            del self._places[name]

    def _moved(self, state: State, study: Study, before: _Place, place: _Place) -> _Place:
        """Tell what happened since `before`; the place as it is remembered."""
        reported = self._report_rounds(state, study, before)
        if (place.round, place.status) == (before.round, before.status) and place.attempt > before.attempt:
            waited = f"; it had waited for {', '.join(before.waited_for)}" if before.waited_for else ""
            what = f"attempt {before.attempt + 1} of {_round(study, place.round)} is void{waited}; it is tried again"
            self._log.tell(f"study {study.spec.name}: {what}")
        if place.status is not before.status:
            self._log.tell(f"study {study.spec.name}: {_standing(study)}")
        is_same_round = place.round == before.round and before.phase is not None
        return replace(place, reported=reported, began=before.began if is_same_round else place.began)

    def _report_rounds(self, state: State, study: Study, before: _Place) -> int:
        """Tell how rounds ended that had not when `before` was seen; the last one of which that is told."""
        reported = before.reported
        for number in range(reported + 1, study.progress.round + 1):
            entry = rounds.round_(state, study.spec.name, number)
            if entry is None or entry.outcome is Verdict.OPEN:
                break
            began = before.began if number == before.round else None
            took = f", {span(self._seconds() - began)}" if began is not None else ""
            missing = [each for each in study.spec.participants if each not in entry.frozen]
            without = f", without {', '.join(missing)}" if missing else ""
            master = entry.posted.master if entry.posted else entry.master
            what = f"{_round(study, number)} {entry.outcome.value}, master {master}{without}{took}"
            self._log.tell(f"study {study.spec.name}: {what}")
            reported = number
        return reported

    def _awaited(self, state: State, study: Study, entry: Round | None) -> tuple[str, tuple[str, ...], str]:
        """What a study waits for: a name for it, whom, and the words."""
        status, name = study.status, study.spec.name
        if status is Status.RUNNING and entry is not None:
            whom, until = awaited(state, study, entry), self._until(state, entry.deadline_ms)
            what = f"{_round(study, entry.number)} waits for {_AWAITED.get(entry.phase, '')} {', '.join(whom)}{until}"
            return f"{name} {entry.number} {entry.attempt} {entry.phase.value}", whom, what
        if status is Status.PROPOSED and (whom := undecided(state, study)):
            return f"{name} stewards", whom, f"waits for the stewards of {', '.join(whom)}"
        whom, until = awaited_to_open(state, study), self._until(state, study.progress.deadline_ms)
        return f"{name} {status.value}", whom, f"waits for the agents of {', '.join(whom)}{until}"

    def _until(self, state: State, deadline_ms: int) -> str:
        if not deadline_ms:
            return ""
        if self._now_ms() <= deadline_ms + _LATE_MS:
            return f", until {utc(deadline_ms)}"
        last = utc(standings.time_ms(state))
        return f", until {utc(deadline_ms)}, which is past: the last block is of {last} (`hmchain node status`)"


def _round(study: Study, number: int) -> str:
    if study.spec.is_count:
        return "the count of people"
    return f"round {number} of {study.spec.rounds}" if number else "the round of class counts"


def _standing(study: Study) -> str:
    """A study's status in words."""
    progress = study.progress
    match progress.status:
        case Status.PROPOSED:
            return f"proposed by {progress.proposer}; `hmchain study list` shows what it asks for"
        case Status.AGREEING:
            return "approved by all stewards; the agents agree on keys"
        case Status.CONFIRMING:
            return "the agents confirm their keys"
        case Status.RUNNING:
            return f"it runs, {_round(study, progress.round)} is under way"
        case Status.PAUSED:
            return "paused"
        case Status.FINISHED:
            return f"finished ({progress.reason})"
        case Status.REFUSED:
            return "refused by a steward"
        case Status.CLOSED:
            return f"closed ({progress.reason}); docs/errors.md explains the reason"
        case _:
            assert_never(progress.status)
