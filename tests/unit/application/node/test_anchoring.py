"""When an agent anchors its hospital's log: at once where it matters, else after a while; never over another log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.node import anchoring
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.node.anchoring import AGE_MS, LINES_MAX, Anchoring
from hmchain.application.security import log
from hmchain.application.security.events import Event, Kind
from hmchain.ledger import genesis as founding
from hmchain.ledger.context import AGENT, Context, Credential
from hmchain.ledger.contracts.members import anchors
from hmchain.ledger.contracts.members.anchors import AnchorLog
from hmchain.ledger.state import State
from support.ledger_network import START_MS, genesis


class Bed:
    """A hospital's log, an agent that looks at it, and the ledger's state."""

    def __init__(self, place: Path, protocol: int = 4) -> None:
        self.path, self.state = place / "log", State()
        founding.initialise(self.state, genesis(protocol=protocol))
        self.state.commit(0)
        self.now_ms, self.seconds, self.said = START_MS, 0.0, list[str]()
        tell = AgentLog(place / "agent.log", self.said.append, seconds=lambda: self.seconds)
        self.agent = Anchoring(self.path, "a", lambda: self.now_ms, tell, lambda: self.seconds)

    def look(self) -> AnchorLog | None:
        """What is due, some time later; it is anchored."""
        self.seconds += 60.0
        found = self.agent.due(self.state)
        if found is not None:
            context = Context(self.state, "test", 1, self.now_ms, Credential("a", AGENT))
            anchors.HANDLERS[AnchorLog](context, found)
        return found

    def write(self, kind: Kind, count: int = 1) -> None:
        for _ in range(count):
            log.record(self.path, Event(kind))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.state.close()


def test_the_first_event_is_anchored_and_none_again(bed: Bed) -> None:
    assert bed.look() is None
    bed.write(Kind.SIGN_IN)
    assert bed.look() == AnchorLog(*log.head(bed.path))
    bed.now_ms += 10 * AGE_MS
    assert bed.look() is None


def test_what_somebody_might_hide_is_anchored_at_once_and_the_rest_after_a_while(bed: Bed) -> None:
    bed.write(Kind.SIGN_IN)
    bed.look()
    bed.write(Kind.SIGN_OUT)
    assert bed.look() is None
    bed.write(Kind.DATA_EXPORTED)
    assert bed.look() == AnchorLog(*log.head(bed.path))
    bed.write(Kind.SIGN_OUT)
    assert bed.look() is None
    bed.now_ms += AGE_MS
    assert bed.look() == AnchorLog(*log.head(bed.path))


def test_many_events_wait_no_longer(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchoring, "LINES_MAX", 5)
    assert LINES_MAX > 5
    bed.write(Kind.SIGN_IN)
    bed.look()
    bed.write(Kind.SIGN_OUT, 4)
    assert bed.look() is None
    bed.write(Kind.SIGN_OUT)
    assert bed.look() is not None


def test_another_log_is_told_of_and_not_anchored(bed: Bed) -> None:
    """The file was taken away, and what was done since makes a chain of its own."""
    bed.write(Kind.SIGN_IN, 3)
    bed.look()
    bed.path.unlink()
    bed.write(Kind.DATA_EXPORTED, 9)
    assert bed.look() is None
    assert any("not the one that was anchored" in line for line in bed.said)
    bed.look()
    assert [each.typed.what for each in log.read(bed.path) if each.typed.kind is Kind.ALARM] == ["log"]


def test_a_network_of_protocol_3_has_no_anchors(tmp_path: Path) -> None:
    bed = Bed(tmp_path, protocol=3)
    bed.write(Kind.DATA_EXPORTED)
    assert bed.look() is None
