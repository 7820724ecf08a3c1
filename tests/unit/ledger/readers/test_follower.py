"""Agents read their node's ledger for days: from an own copy, by decided blocks, and no file changes that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members.membership import active_members
from hmchain.ledger.engines.block_store import BlockStoreError
from hmchain.ledger.engines.cometbft.light import SignedHeader
from hmchain.ledger.readers import follower as module
from hmchain.ledger.readers.follower import BehindError, Follower, UnsignedError, follow
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.states import DamagedStateError
from support.abci_chain import Chain
from support.abci_headers import headers_of, signed
from support.ledger_state_damage import retitle

TITLES = ["A", "B", "C", "D"]


class Running:
    """A running node's headers: of the blocks that it has, and of the next one while it is `ahead`."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.ahead = chain, 1
        self.changed: dict[int, SignedHeader] = {}

    def get(self, height: int) -> SignedHeader | None:
        if height in self.changed:
            return self.changed[height]
        known = headers_of(self.chain)[: self.chain.height + self.ahead]
        return known[height - 1] if 0 < height <= len(known) else None

    wait = get

    def get_each(self, heights: Sequence[int]) -> list[SignedHeader] | None:
        found = [header for height in heights if (header := self.get(height)) is not None]
        return found if len(found) == len(heights) else None


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Chain]:
    chain = Chain.found(tmp_path / "ledger")
    chain.fill(3)
    genesis_file.save(chain.founding, chain.directory / "genesis.json")
    yield chain
    chain.app.close()


@pytest.fixture
def headers(node: Chain) -> Running:
    return Running(node)


@pytest.fixture
def follower(node: Chain, headers: Running) -> Iterator[Follower]:
    """Of a node whose next block nobody decides yet."""
    found = follow(node.directory, headers)
    headers.ahead = 0
    yield found
    found.close()


def heights(follower: Follower) -> list[int]:
    return [stored.height for stored in iter(follower.next, None)]


def titles(follower: Follower) -> list[str]:
    return [member.title for member in active_members(follower.state)]


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()


def test_a_block_counts_as_soon_as_the_votes_for_it_are_known(node: Chain, follower: Follower) -> None:
    assert heights(follower) == []
    node.fill(2, first=3)
    node.block()
    node.fill(1, first=5)
    stored = follower.next()
    assert stored is not None and (stored.height, follower.state.height) == (4, 4)
    assert heights(follower) == [5, 7]
    node.block()
    assert heights(follower) == [] and follower.state.height == 8
    assert follower.state.commitment() == node.app.state.commitment()
    assert follower.state_of("a") is follower.state


@pytest.mark.parametrize("consistent", [False, True])
def test_a_state_that_is_changed_under_a_running_agent_is_noticed_and_never_acted_on(
    node: Chain, follower: Follower, consistent: bool
) -> None:
    node.fill(1, first=3)
    assert heights(follower) == [4]
    retitle(node.directory / "state.db", consistent=consistent)
    node.fill(1, first=4)
    assert follower.next() is not None and titles(follower) == TITLES
    with pytest.raises(DamagedStateError, match="not what the blocks up to 5 gave") as caught:
        follower.next()
    assert "state.db" in caught.value.what and "hmchain node start" in caught.value.hint
    assert titles(follower) == TITLES


def test_a_large_state_is_compared_part_by_part(
    node: Chain, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPARED_RECORDS", 5)
    records = len(list(follower.state.snapshot()))
    alter(node.directory / "state.db", "DELETE FROM state WHERE key = (SELECT max(key) FROM state)")
    with pytest.raises(DamagedStateError):
        for _ in range(records):
            node.block()
            follower.next()
            follower.next()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM blocks WHERE height = 4", "the state before block 5"),
        ("DELETE FROM blocks WHERE height >= 4", "transactions are not those"),
        ("UPDATE blocks SET block = x'00' WHERE height = 4", "block 4"),
        ("UPDATE blocks SET result = (SELECT result FROM blocks WHERE height = 3) WHERE height = 4", "block 4"),
    ],
)
def test_a_log_that_was_changed_stops_the_follower_before_it(
    node: Chain, follower: Follower, statement: str, what: str
) -> None:
    node.fill(2, first=3)
    before = follower.state.commitment()
    alter(node.directory / "blocks.db", statement)
    for _ in range(2):  # it goes no further, however often it is asked
        with pytest.raises((DamagedBlockError, BlockStoreError), match=what):
            heights(follower)
        assert (follower.state.commitment(), follower.state.height) == (before, 3)


@pytest.mark.parametrize(
    ("height", "change", "what"),
    [
        (4, {"app_hash": "AB" * 32}, "the state before block 4 is not the one that its members signed"),
        (4, {"data_hash": "AB" * 32}, "transactions are not those"),
        (4, {"time": "2020-01-01T00:00:00Z"}, "its time is not that of its header"),
        (4, {"proposer_address": "AB" * 20}, "as its proposer"),
        (4, {"last_commit_hash": "AB" * 32}, "holds other votes"),
        (4, {"chain_id": "other"}, "the header belongs to chain other"),
        (4, {"height": 5}, "another header"),
        (3, {"last_results_hash": "AB" * 32}, "names another block"),
    ],
)
def test_a_block_is_held_against_its_own_header_and_the_one_before(
    height: int, change: dict[str, object], what: str, node: Chain, headers: Running, follower: Follower
) -> None:
    node.fill(1, first=3)
    found = headers.get(height)
    assert found is not None
    headers.changed[height] = signed(replace(found.header, **change))
    with pytest.raises(DamagedBlockError, match=what):
        follower.next()
    assert follower.state.height == 3


@pytest.mark.parametrize("empty", [False, True])
def test_two_thirds_of_the_power_are_not_enough(empty: bool, node: Chain, headers: Running, follower: Follower) -> None:
    node.block() if empty else node.fill(1, first=3)
    found = headers.get(4)
    assert found is not None
    headers.changed[4] = signed(found.header, "ab")
    with pytest.raises(DamagedBlockError, match="no more than two thirds of the power"):
        follower.next()
    headers.changed[4] = signed(found.header, "abd")
    follower.next()
    assert follower.state.height == 4


def test_without_headers_nothing_counts_and_it_goes_on_once_they_are_there(
    node: Chain, headers: Running, follower: Follower
) -> None:
    node.fill(1, first=3)
    headers.ahead = -1
    with pytest.raises(UnsignedError, match="block 4"):
        follower.next()
    assert follower.state.height == 3
    headers.ahead = 0
    assert heights(follower) == [4]


def test_a_tip_that_no_header_signs_is_not_followed(node: Chain, headers: Running) -> None:
    headers.ahead = 0
    with pytest.raises(UnsignedError, match="the state of block 3 yet"):
        follow(node.directory, headers)


def test_b5_a_node_that_was_put_back_is_waited_for_and_that_is_said(node: Chain, follower: Follower) -> None:
    """Restored, recovered or made anew: its files are others now, and the one that is held is nobody's any more."""
    decided = [request for request, _ in node.decided]
    node.app.close()
    for path in [*node.directory.glob("state.db*"), *node.directory.glob("blocks.db*")]:
        path.unlink()
    again = Chain.of(node.directory, node.founding)
    for request in decided:
        with pytest.raises(BehindError, match=f"is at block {again.height}, and was at 3"):
            follower.next()
        again.decide(request)
    node.fill(0)
    assert heights(follower) == [] and follower.state.height == 3
    again.app.close()


def test_a_new_node_is_followed_from_its_genesis_on(tmp_path: Path) -> None:
    chain = Chain.found(tmp_path / "ledger")
    genesis_file.save(chain.founding, chain.directory / "genesis.json")
    found = follow(chain.directory, Running(chain))
    chain.fill(2)
    assert heights(found) == [1, 2] and found.state.commitment() == chain.app.state.commitment()
    found.close()
    chain.app.close()
