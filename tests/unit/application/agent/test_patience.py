"""A hospital's machine crashes and starts again: the others wait where they must, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.agent.phases.lapse import patient_tick
from hmchain.application.agent.turns import AGENT_RESTART_MS, MACHINE_RESTART_MS
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import attendance
from hmchain.ledger.engines.validator import Behaviour
from support.study_bed import DEADLINES, SCHEMA, Bed


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


def late(bed: Bed, number: int, span_ms: int) -> None:
    """One hospital opens its seed so long after the freeze, if the others let it."""
    bed.until(number, Phase.REVEAL)
    with bed.asleep("south"):
        wait(bed, span_ms)


def machine_stops(bed: Bed) -> None:
    """A hospital's node falls silent, which the ledger sees with the next blocks that are not empty."""
    bed.consortium.ledger.set_behaviour("south", Behaviour.SILENT)
    others_write(bed, "a", "b")
    assert "south" in attendance.silences(bed.state)


def others_write(bed: Bed, *datasets: str) -> None:
    for name in datasets:
        bed.require("west", "steward", RegisterDataset(name, SCHEMA))


def test_an_agent_that_starts_again_in_the_reveal_costs_no_setback(bed: Bed) -> None:
    late(bed, 1, AGENT_RESTART_MS * 2 // 3)
    assert (bed.round.number, bed.round.phase) == (1, Phase.REVEAL)
    bed.run()
    assert bed.study.status is Status.FINISHED and bed.kinds("round.void") == []


def test_a_machine_that_starts_again_in_the_reveal_costs_no_setback(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    with bed.asleep("south"):
        machine_stops(bed)
        wait(bed, MACHINE_RESTART_MS * 2 // 3)
        assert (bed.round.number, bed.round.phase) == (1, Phase.REVEAL)
        bed.consortium.ledger.set_behaviour("south", Behaviour.HONEST)
        others_write(bed, "c", "d")
        wait(bed, 10_000)
        assert "south" not in attendance.silences(bed.state)
    bed.run()
    assert bed.study.status is Status.FINISHED and bed.kinds("round.void") == []


def test_who_is_late_on_purpose_holds_up_one_round_and_that_for_a_moment(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    began_ms = bed.now_ms
    late(bed, 1, AGENT_RESTART_MS * 3 // 4)
    assert bed.round.phase is Phase.REVEAL
    bed.reopen()
    late(bed, 2, DEADLINES.reveal_ms + 10_000)
    assert bed.kinds("round.void")
    with bed.asleep("south"):
        while bed.running and bed.round.number == 2 and bed.now_ms < began_ms + MACHINE_RESTART_MS:
            wait(bed, 5_000)
    assert bed.now_ms - began_ms < MACHINE_RESTART_MS // 2 and not bed.running


def test_a_machine_that_stops_in_every_round_is_waited_for_once(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    with bed.asleep("south"):
        machine_stops(bed)
        wait(bed, MACHINE_RESTART_MS * 2 // 3)
        assert bed.round.phase is Phase.REVEAL
    late(bed, 2, DEADLINES.reveal_ms + 10_000)
    assert "south" in attendance.silences(bed.state) and bed.kinds("round.void")


def test_a_hospital_that_stays_away_then_pauses_the_study_at_last(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    with bed.asleep("south"):
        while bed.running:
            wait(bed, AGENT_RESTART_MS // 2)
    assert bed.study.progress.setbacks == 2 and bed.kinds("round.void")


def test_a_round_does_not_wait_for_who_crashed_before_the_freeze(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    began_ms = bed.now_ms
    with bed.asleep("south"):
        bed.until(2, Phase.COMMIT)
        assert bed.now_ms - began_ms < DEADLINES.commit_ms + 2 * DEADLINES.gate_ms + 10_000
    bed.run()
    assert bed.study.status is Status.FINISHED and bed.study.progress.setbacks == 0
