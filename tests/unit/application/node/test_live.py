"""A ledger that stays open for questions: followed block by block, or standing still."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hmchain.application.node.live import BLOCKS_MAX, NothingSentError, Place, open_live
from hmchain.application.node.live_node import NodeLedger
from hmchain.errors import LedgerError
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from hmchain.ledger.engines.ledger import submit
from support.followed_node import FollowedNode
from support.kept_node import make_node
from support.ledger_network import Network
from support.ledger_state_damage import retitle
from support.study_bed import SCHEMA

PATIENCE_SECONDS = 20


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FollowedNode]:
    found = FollowedNode(tmp_path / "node")
    found.chain.fill(3)
    found.start()
    yield found
    found.close()


@pytest.fixture
def live(node: FollowedNode) -> Iterator[NodeLedger]:
    with node.followed() as found:
        yield found


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what a thread does; each look at the played node wakes it."""
    waited = threading.Event()
    for _ in range(PATIENCE_SECONDS * 50):
        if condition():
            return
        waited.wait(0.02)
    raise AssertionError(what)


def datasets(live: NodeLedger) -> list[str]:
    with live.reader() as ledger:
        return [each.name for each in ledger.datasets()]


def test_a_run_stands_still(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(3)
    network.ledger.close()
    with open_live(tmp_path / "ledger") as live:
        with live.reader() as ledger:
            assert [block.height for block in ledger.blocks()] == [1, 2, 3]
            assert live.now_ms() == ledger.blocks()[-1].time_ms
        assert (live.height, live.organisation, live.words, live.wait(3, 0)) == (3, "", "", 3)
        with pytest.raises(NothingSentError):
            _ = live.ledger


def test_a_node_is_followed(node: FollowedNode, live: NodeLedger) -> None:
    assert (live.height, live.organisation, live.words, len(datasets(live))) == (3, "a", "", 3)
    node.chain.fill(2, first=3)
    assert live.wait(4, PATIENCE_SECONDS) == 5 and len(datasets(live)) == 5
    node.chain.block()
    assert live.wait(5, PATIENCE_SECONDS) == 6
    with live.reader() as ledger:
        assert [block.height for block in ledger.blocks()] == [1, 2, 3, 4, 5], "an empty block is not logged"
        assert ledger.verified.words == "signed by 4 of 4 founders" and ledger.blocks()[3].vouched


def test_whoever_listens_is_told_of_each_block(node: FollowedNode, live: NodeLedger) -> None:
    told = threading.Event()
    with live.listening(told.set):
        node.chain.fill(1, first=3)
        assert told.wait(PATIENCE_SECONDS)
    assert live.wait(3, PATIENCE_SECONDS) == 4


def test_what_was_verified_stays_readable_while_the_node_is_down(node: FollowedNode, live: NodeLedger) -> None:
    node.stop()
    until(lambda: "does not run" in live.words, "nobody says that the node does not run")
    assert len(datasets(live)) == 3 and "up to block 3" in live.words
    with pytest.raises(NoEndpointError):
        _ = live.ledger
    node.chain.fill(1, first=3)
    node.start()
    assert live.wait(3, PATIENCE_SECONDS) == 4
    until(lambda: not live.words, live.words)


def test_who_fell_behind_by_an_empty_block_follows_on(node: FollowedNode, live: NodeLedger) -> None:
    node.stop()
    until(lambda: bool(live.words), "nobody says that the node does not run")
    node.chain.block()
    node.chain.fill(1, first=3)
    node.chain.block()
    node.start()
    until(lambda: live.height == 6 and not live.words, live.words)
    assert len(datasets(live)) == 4


def test_a_stopped_node_is_shown_and_followed_when_it_starts(node: FollowedNode) -> None:
    node.stop()
    with node.followed() as live:
        assert "does not run" in live.words and len(datasets(live)) == 3
        node.start()
        until(lambda: not live.words, live.words)
        node.chain.fill(1, first=3)
        assert live.wait(3, PATIENCE_SECONDS) == 4 and len(datasets(live)) == 4


def test_headers_that_an_audit_left_vouch_for_a_stopped_node(tmp_path: Path) -> None:
    with open_live(make_node(tmp_path / "node")) as live, live.reader() as ledger:
        assert live.words == "the node does not run; this is the ledger up to block 6"
        assert ledger.verified.is_signed


def test_a_change_of_the_nodes_state_is_told_and_not_shown(node: FollowedNode, live: NodeLedger) -> None:
    retitle(node.folder.state, consistent=True)
    node.chain.fill(1, first=3)
    until(lambda: "cannot be believed" in live.words, live.words)
    with live.reader() as ledger:
        assert {each.title for each in ledger.members()} == {"A", "B", "C", "D"}


def test_whoever_sends_waits_while_others_read(node: FollowedNode, live: NodeLedger) -> None:
    ledger = live.ledger
    wire = node.chain.send("a", RegisterDataset("sent", SCHEMA))
    codes: list[str] = []
    sender = threading.Thread(target=lambda: codes.extend(submit(ledger, [wire])))
    sender.start()
    until(lambda: "sent" in datasets(live), "the block did not come")
    sender.join(PATIENCE_SECONDS)
    assert codes == ["ok"]


def test_who_reads_may_send_too(node: FollowedNode, live: NodeLedger) -> None:
    with live.reader():
        assert submit(live.ledger, [node.chain.send("a", RegisterDataset("sent", SCHEMA))]) == ["ok"]
    assert "sent" in datasets(live)


def test_what_happened_is_told_from_any_place_on(node: FollowedNode, live: NodeLedger) -> None:
    node.chain.fill(2, first=3)
    live.wait(4, PATIENCE_SECONDS)
    names = [f"d{number}" for number in range(5)]

    def heard(after: Place) -> list[str]:
        return [each.event.dataset for each in live.events(after).events]  # type: ignore[attr-defined]

    assert heard(Place(0, 0)) == names and heard(Place(2, 0)) == names[2:]
    assert heard(Place(4, 0)) == names[4:] and heard(Place.end_of(5)) == []
    assert live.events().events == () and live.events().until == Place.end_of(5)
    first = live.events(Place(0, 0), limit=2)
    assert [each.place for each in first.events] == [Place(1, 0), Place(2, 0)] and first.until == Place(2, 0)
    assert [each.place.height for each in live.events(first.until, limit=2).events] == [3, 4]
    assert [each.place.height for each in live.events(Place.end_of(3), limit=1).events] == [4]


def test_the_whole_log_is_compared_once_while_others_read(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(3)
    network.ledger.close()
    with open_live(tmp_path / "ledger") as live:
        with live.reader() as ledger:
            found = ledger.require_whole()
            assert (found.height, found.words) == (3, "") and ledger.require_whole() is found
        with live.aside() as ledger:
            assert ledger.require_whole() == found


def test_a_log_that_was_altered_is_not_whole(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(3)
    network.ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger" / "blocks.db")) as log, log:
        log.execute("UPDATE blocks SET result = zeroblob(10) WHERE height = 2")
    with open_live(tmp_path / "ledger") as live, live.reader() as ledger:
        for _ in range(2):
            with pytest.raises(LedgerError, match="block 2"):
                ledger.require_whole()


def test_who_reads_from_the_beginning_holds_the_ledger_for_some_blocks_at_a_time(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(BLOCKS_MAX + 5)
    network.ledger.close()
    with open_live(tmp_path / "ledger") as live:
        first = live.events(Place(0, 0))
        rest = live.events(first.until)
    assert (first.until.height, rest.until.height) == (BLOCKS_MAX, BLOCKS_MAX + 5)
    assert len({each.place for each in (*first.events, *rest.events)}) == BLOCKS_MAX + 5
