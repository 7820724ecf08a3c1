"""A hospital's machine crashes and starts again: the others wait where they must, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.agent.phases.lapse import patient_tick
from hmchain.application.agent.turns import RESTART_MS
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from support.study_bed import DEADLINES, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run")
    for name in bed.names:
        bed.hand(name, tick=patient_tick)
    bed.prepare(rounds_=2)
    bed.approve()
    yield bed
    bed.close()


def wait(bed: Bed, span_ms: int) -> None:
    """Time passes, as long as nobody has anything to do."""
    for _ in range(10):
        bed.step()
        bed.now_ms += span_ms // 10


def test_a_crash_between_freeze_and_reveal_costs_no_setback_if_the_machine_starts_again(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    with bed.asleep("south"):
        wait(bed, RESTART_MS // 2)
        assert (bed.round.number, bed.round.phase) == (1, Phase.REVEAL)
    bed.run()
    assert bed.study.status is Status.FINISHED and bed.kinds("round.void") == []


def test_a_hospital_that_stays_away_then_pauses_the_study_at_last(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    with bed.asleep("south"):
        while bed.running:
            wait(bed, RESTART_MS // 4)
    assert bed.study.progress.setbacks == 2 and bed.kinds("round.void")


def test_a_round_does_not_wait_for_who_crashed_before_the_freeze(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    began_ms = bed.now_ms
    with bed.asleep("south"):
        bed.until(2, Phase.COMMIT)
        assert bed.now_ms - began_ms < DEADLINES.commit_ms + 2 * DEADLINES.gate_ms + 10_000
    bed.run()
    assert bed.study.status is Status.FINISHED and bed.study.progress.setbacks == 0
