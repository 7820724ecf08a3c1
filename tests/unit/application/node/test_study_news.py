"""The lines of the agent's log about studies, of studies that ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hmchain.application.node.agent_log import AgentLog
from hmchain.application.node.study_news import LASTING_SECONDS, StudyNews
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.protocols import FOUNDING
from support.study_bed import STUDY, Bed


@pytest.fixture
def protocol() -> int:
    return FOUNDING


@pytest.fixture
def bed(tmp_path: Path, protocol: int) -> Iterator[Bed]:
    bed = Bed.found(tmp_path, protocol=protocol)
    yield bed
    bed.close()


class Reader:
    """North's operator, who reads what its agent says after each of its steps."""

    def __init__(self, bed: Bed, file: Path) -> None:
        self.bed, self.said = bed, list[str]()
        log = AgentLog(file, self.said.append, clock_ms=bed.clock, seconds=self.seconds)
        self.news = StudyNews("north", log, bed.clock, self.seconds)

    def seconds(self) -> float:
        return self.bed.now_ms / 1000

    def reads(self) -> list[str]:
        return [line.partition(f" UTC  study {STUDY}: ")[2] for line in self.said]

    def run(self, until: Callable[[], bool] | None = None) -> list[str]:
        def looked() -> bool:
            self.news.look(self.bed.state)
            return until() if until else self.bed.study.status in (Status.FINISHED, Status.PAUSED)

        self.bed.run(looked)
        return self.reads()


@pytest.fixture
def reader(bed: Bed, tmp_path: Path) -> Reader:
    return Reader(bed, tmp_path / "agent.log")


def test_a_study_is_a_line_a_round_from_its_proposal_to_its_end(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    reader.news.look(bed.state)
    bed.approve()
    said = reader.run()
    assert said[0] == f"proposed by {bed.names[0]}; `hmchain study list` shows what it asks for"
    assert said[-1] == "finished (completed)"
    told = [line for line in said if "accepted" in line]
    assert [line.partition(" accepted, master ")[0] for line in told] == [
        "the round of class counts", "round 1 of 3", "round 2 of 3", "round 3 of 3",
    ]  # fmt: skip
    assert all(line.endswith(" s") and "without" not in line for line in told)
    assert len(said) == len(set(said))


def test_who_is_missing_stands_in_the_rounds_line(bed: Bed, reader: Reader) -> None:
    bed.prepare(rounds_=2)
    bed.approve()
    reader.run(lambda: bed.running and (bed.round.number, bed.round.phase) == (1, "commit"))
    with bed.asleep("west"):
        reader.run(lambda: bed.at(1).outcome != "")
    (line,) = [line for line in reader.reads() if line.startswith("round 1 of 2 accepted")]
    assert ", without west, " in line


def test_b5_it_is_told_whose_update_is_waited_for_and_until_when(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    bed.approve()
    reader.run(lambda: bed.running and (bed.round.number, bed.round.phase) == (1, "commit"))
    with bed.asleep("west", "south"):
        began = reader.seconds()
        reader.run(lambda: reader.seconds() > began + LASTING_SECONDS + 5)
        (line,) = [line for line in reader.reads() if "waits for" in line]
        assert line.startswith("round 1 of 3 waits for the updates of south, west, until 20")
        reader.run(lambda: bed.round.attempt == 1)
    assert "attempt 1 of round 1 of 3 is void; it had waited for south, west; it is tried again" in reader.reads()


def test_a_network_that_decides_nothing_is_not_waited_for_in_silence(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    bed.approve()
    reader.run(lambda: bed.running and (bed.round.number, bed.round.phase) == (1, "commit"))
    bed.now_ms += 10 * 60_000
    reader.news.look(bed.state)
    assert "which is past: the last block is of 20" in reader.reads()[-1]


@pytest.mark.parametrize("protocol", [2])
def test_stewards_who_have_not_decided_are_named(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    bed.approve("north")
    reader.news.look(bed.state)
    bed.now_ms += 60_000
    reader.news.look(bed.state)
    others = ", ".join(name for name in bed.names if name != "north")
    assert reader.reads()[-1] == f"waits for the stewards of {others}"


def test_an_agent_that_starts_in_the_middle_tells_no_history(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    bed.approve()
    bed.until(2, "reveal")
    reader.news.look(bed.state)
    assert reader.reads() == ["it runs, round 2 of 3 is under way"]
    said = reader.run()
    assert "round 2 of 3 accepted" in said[1] and len(said) == 4


def test_rounds_that_were_missed_are_told_without_a_time(bed: Bed, reader: Reader) -> None:
    bed.prepare()
    bed.approve()
    bed.until(1, "reveal")
    reader.news.look(bed.state)
    bed.run()
    reader.news.look(bed.state)
    said = reader.reads()
    assert [line.partition(" accepted")[0] for line in said[1:4]] == [f"round {n} of 3" for n in (1, 2, 3)]
    assert not said[2].endswith(" s")


def test_a_rejected_round_and_a_pause_are_told(bed: Bed, reader: Reader) -> None:
    bed.prepare(rounds_=5)
    bed.approve()
    reader.run(lambda: bed.running and bed.round.number == 2)
    for trainer in bed.trainers.values():
        trainer.auc = lambda order: 0.1
    said = reader.run()
    assert any(line.startswith("round 2 of 5 rejected, master ") for line in said)
    assert said[-1] == "paused"
