"""The agent's log as its operator reads it: when, what lasts, that it is over, and nothing over and over."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.node import agent_log
from hmchain.application.node.agent_log import AgentLog
from hmchain.clock import span


class Clock:
    """Seconds since a time of our own."""

    def __init__(self) -> None:
        self.now = 0.0

    def ms(self) -> int:
        return 1_796_000_000_000 + round(1000 * self.now)

    def seconds(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def log(tmp_path: Path, clock: Clock, said: list[str]) -> AgentLog:
    return AgentLog(tmp_path / "agent.log", said.append, clock_ms=clock.ms, seconds=clock.seconds)


def texts(said: list[str]) -> list[str]:
    return [line.partition(" UTC  ")[2] for line in said]


def test_each_line_has_its_time_and_is_on_the_terminal_and_in_the_file(
    log: AgentLog, said: list[str], tmp_path: Path
) -> None:
    log.tell("round 3 of 60 accepted")
    log.tell("an odd\nname \x1b[31m")
    assert said[0] == "2026-11-30 00:53:20 UTC  round 3 of 60 accepted"
    assert (tmp_path / "agent.log").read_text().splitlines() == said and len(said) == 2


def test_b5_the_operator_reads_once_that_the_node_is_away_and_that_it_is_back(
    log: AgentLog, clock: Clock, said: list[str]
) -> None:
    for _ in range(35):
        log.lasts("node", "no node answers")
        clock.now += 1
    log.ended("node", "the node is back")
    log.ended("node", "the node is back")
    assert texts(said) == ["no node answers", "the node is back after 35 s"]


def test_what_lasts_for_days_is_said_ever_more_rarely(log: AgentLog, clock: Clock, said: list[str]) -> None:
    for _ in range(2 * 24 * 60):
        log.lasts("store", "the object store does not answer")
        clock.now += 60
    assert len(said) < 20
    assert texts(said)[1:3] == [
        "the object store does not answer (for 1 min 00 s now)",
        "the object store does not answer (for 3 min 00 s now)",
    ]


def test_what_changes_is_said_and_what_flickers_is_not(log: AgentLog, clock: Clock, said: list[str]) -> None:
    for second in range(40):
        log.lasts("study", f"waits for {'south' if second < 20 else 'south, west'}")
        clock.now += 1
    assert texts(said) == ["waits for south", "waits for south, west"]
    for second in range(20):
        log.lasts("other", f"object {second} is away")
        clock.now += 1
    assert len(said) == 2 + 4


def test_what_passes_at_once_is_not_mentioned(log: AgentLog, clock: Clock, said: list[str]) -> None:
    log.lasts("study", "an object is not there", patience_seconds=3)
    clock.now += 1
    log.ended("study", "it goes on")
    assert not said
    for _ in range(5):
        log.lasts("study", "an object is not there", patience_seconds=3)
        clock.now += 1
    log.ended("study", "it goes on")
    assert texts(said) == ["an object is not there", "it goes on after 5.0 s"]


def test_the_file_is_rotated_as_the_nodes_is(log: AgentLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_log, "rotate", lambda path: path.exists() and path.rename(path.with_suffix(".log.1")))
    log.tell("one")
    log.tell("two")
    assert "one" in (tmp_path / "agent.log.1").read_text() and "two" in (tmp_path / "agent.log").read_text()


def test_a_disk_without_room_for_the_log_stops_nobody(tmp_path: Path, said: list[str]) -> None:
    AgentLog(tmp_path / "missing" / "agent.log", said.append).tell("one")
    assert len(said) == 1


def test_lengths_of_time_read_as_people_say_them() -> None:
    assert [span(each) for each in (0.04, 9.96, 59.6, 125, 11_220)] == [
        "0.0 s", "10 s", "1 min 00 s", "2 min 05 s", "3 h 07 min",
    ]  # fmt: skip
