"""Readers of a ledger believe no cache: what a person is shown was compared with what the members signed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from hmchain.application.node import rebuilding
from hmchain.canonical import encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError
from hmchain.ledger.engines.cometbft.archive import Archive
from hmchain.ledger.readers.logs import DamagedBlockError, SignedLog
from hmchain.ledger.readers.signers import Headers, NoHeaders, Witnesses
from hmchain.ledger.readers.states import DamagedStateError, NoStateError, StaleStateError, open_state, opened
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support.abci_chain import Chain
from support.abci_headers import headers_of, signed
from support.ledger_network import Network, genesis
from support.ledger_state_damage import retitle


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = Network.found(tmp_path_factory.mktemp("kept") / "ledger")
    network.fill(5)
    network.ledger.close()
    return network.directory


@pytest.fixture
def ledger(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "ledger"))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Chain]:
    """A node's ledger, its headers kept; the last block is empty."""
    chain = Chain.found(tmp_path / "node")
    chain.fill(3)
    chain.block()
    genesis_file.save(chain.founding, chain.directory / "genesis.json")
    Archive(headers_of(chain)).save(chain.directory)
    yield chain
    chain.app.close()


# -- the embedded engine -----------------------------------------------------------------------------------------------


def test_a_sound_state_names_who_signed_it(ledger: Path) -> None:
    with open_state(ledger) as found:
        assert (found.state.height, found.whole, found.words) == (5, True, "signed by 4 of 4 founders")


def test_a_state_of_no_block_is_compared_with_the_genesis(tmp_path: Path) -> None:
    Network.found(tmp_path / "new").ledger.close()
    with open_state(tmp_path / "new") as found:
        assert found.whole and found.state.height == 0
    retitle(tmp_path / "new" / "validators" / "a.db", consistent=True)
    with pytest.raises(DamagedStateError, match="not the one that the genesis gives"), open_state(tmp_path / "new"):
        pass


@pytest.mark.parametrize(
    ("consistent", "what"), [(False, "its own commitment"), (True, "not the state that was signed at block 5")]
)
def test_a_changed_record_is_not_shown(consistent: bool, what: str, ledger: Path) -> None:
    retitle(ledger / "validators" / "a.db", consistent=consistent)
    with pytest.raises(DamagedStateError, match=what) as caught, open_state(ledger):
        pass
    assert "a.db" in caught.value.what and "hmchain ledger rebuild" in caught.value.hint


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = x'0000000000000003' WHERE name = 'height'",
        "DELETE FROM state WHERE key IN (SELECT key FROM state LIMIT 1)",
        "CREATE TABLE extra (key)",
        "DROP TABLE meta",
    ],
)
def test_other_changes_of_a_state_are_found(statement: str, ledger: Path) -> None:
    for path in sorted((ledger / "validators").glob("[b-d].db")):
        path.unlink()
    with closing(sqlite3.connect(ledger / "validators" / "a.db")) as db:
        db.execute(statement)
        db.commit()
    with pytest.raises(DamagedStateError), open_state(ledger):
        pass


def test_records_that_stand_65536_times_are_found(ledger: Path) -> None:
    """They add up to nothing in LtHash: a table without its primary key is no state."""
    path = ledger / "validators" / "a.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "ALTER TABLE state RENAME TO old; CREATE TABLE state (key BLOB, value BLOB NOT NULL);"
            "INSERT INTO state SELECT * FROM old; DROP TABLE old;"
        )
    with pytest.raises(DamagedStateError, match="its own commitment"), open_state(ledger):
        pass


def replayed(directory: Path, height: int) -> Path:
    """The state after block `height`, as it once was on the disk."""
    path, founding = directory / "before.db", genesis_file.load(directory / "genesis.json")
    with (
        closing(BlockStore(directory / "blocks.db", read_only=True)) as store,
        closing(State(path)) as state,
    ):
        genesis_file.initialise(state, founding)
        machine = Machine(state, founding.chain_id)
        machine.commit(0)
        for stored in store.blocks(1, height):
            machine.execute(stored.block.input)
            machine.commit(stored.height)
    return path


def test_older_states_that_were_put_back_are_not_shown_as_the_newest(ledger: Path) -> None:
    before = replayed(ledger, 3)
    states = sorted((ledger / "validators").glob("*.db"))
    for path in states:
        path.write_bytes(before.read_bytes())
    with pytest.raises(StaleStateError, match="block 3, and the log goes on to block 5") as caught, open_state(ledger):
        pass
    assert "hmchain ledger rebuild" in caught.value.hint
    assert [found.state for found in rebuilding.rebuild(ledger)] == states
    with open_state(ledger) as found:
        assert found.whole and found.state.height == 5


def test_a_state_that_is_one_block_behind_says_so(ledger: Path) -> None:
    before = replayed(ledger, 4)
    for path in (ledger / "validators").glob("*.db"):
        path.write_bytes(before.read_bytes())
    with open_state(ledger) as found:
        assert (found.whole, found.words) == (False, "signed by 4 of 4 founders; block 5 follows it")


@pytest.mark.parametrize("value", [b"\xff" * 8, bytes(40), b"", "5"])
def test_a_height_that_is_none_is_named(value: bytes | str, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger / "validators" / "a.db")) as db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'height'", (value,))
        db.commit()
    with pytest.raises((DamagedStateError, StaleStateError)), opened(ledger / "validators" / "a.db", ledger):
        pass


def test_a_file_that_is_no_state_is_named(ledger: Path) -> None:
    (ledger / "validators" / "b.db").write_bytes(b"garbage")
    with pytest.raises(DamagedStateError, match=r"b\.db cannot be believed"), open_state(ledger):
        pass
    shutil.rmtree(ledger / "validators")
    with pytest.raises(NoStateError), open_state(ledger):
        pass


def test_a_state_without_its_block_or_its_votes_is_refused(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger / "blocks.db")) as log:
        log.execute("UPDATE blocks SET decided = (SELECT decided FROM blocks WHERE height = 4) WHERE height = 5")
        log.commit()
    with pytest.raises(BlockStoreError, match="block 5"), open_state(ledger):
        pass
    with closing(sqlite3.connect(ledger / "blocks.db")) as log:
        log.execute("DELETE FROM blocks WHERE height = 5")
        log.commit()
    with pytest.raises(DamagedStateError, match="the log of blocks does not hold"), open_state(ledger):
        pass


def test_what_is_damaged_is_made_anew(ledger: Path) -> None:
    retitle(ledger / "validators" / "a.db", consistent=True)
    (ledger / "validators" / "c.db").write_bytes(b"garbage")
    assert [each.state.name for each in rebuilding.rebuild(ledger)] == ["a.db", "c.db"]
    with open_state(ledger) as found:
        assert found.whole
    assert rebuilding.rebuild(ledger) == []
    assert len(list((ledger / "validators").glob("*.damaged-1"))) == 2


# -- CometBFT ----------------------------------------------------------------------------------------------------------


class Served:
    """A running node's headers."""

    def __init__(self, chain: Chain, last: int) -> None:
        self._headers = {each.header.height: each for each in headers_of(chain)}
        self.last, self.waited = last, 0

    def get(self, height: int):
        return self._headers.get(height) if height <= self.last else None

    def wait(self, height: int):
        self.waited += 1
        self.last = height
        return self.get(height)


def words(node: Chain, headers: Headers | None = None) -> str:
    with open_state(node.directory, headers) as found:
        return found.words


def test_a_nodes_state_is_held_against_the_next_header(node: Chain) -> None:
    assert words(node) == "signed by 4 of 4 founders"
    retitle(node.directory / "state.db", consistent=True)
    with pytest.raises(DamagedStateError, match="not the state that the members signed after block 4") as caught:
        words(node)
    assert "hmchain node start" in caught.value.hint


def test_a_block_that_changes_nothing_needs_no_further_header(node: Chain) -> None:
    assert words(node, Served(node, 4)) == "signed by 4 of 4 founders"


def test_a_header_that_is_being_made_is_waited_for(node: Chain) -> None:
    node.fill(1, first=7)
    served = Served(node, 5)
    assert (words(node, served), served.waited) == ("signed by 4 of 4 founders", 1)


def test_the_tip_that_no_header_signs_is_shown_as_such(node: Chain) -> None:
    node.fill(1, first=7)
    with open_state(node.directory) as found:
        assert (found.words, found.whole) == ("not signed yet; up to block 4 signed by 4 of 4 founders", False)
    with open_state(node.directory, NoHeaders()) as found:
        assert "signed by nobody" in found.words and not found.whole
    retitle(node.directory / "state.db", consistent=True)
    for headers in (None, NoHeaders()):
        with pytest.raises(DamagedStateError, match="not the state that block 5 gave"):
            words(node, headers)


def test_the_state_of_a_block_is_not_shown_as_the_next_ones(node: Chain) -> None:
    """No header at hand follows the last block, and the one at hand still holds the state before it."""
    node.fill(1, first=7)
    before = replayed(node.directory, 4)
    with closing(sqlite3.connect(before)) as db:
        db.execute("UPDATE meta SET value = ? WHERE name = 'height'", ((5).to_bytes(8, "big"),))
        db.commit()
    for path in node.directory.glob("state.db*"):
        path.unlink()
    before.rename(node.directory / "state.db")
    with pytest.raises(DamagedStateError, match="not the state that block 5 gave"):
        words(node)


def test_too_few_signatures_vouch_for_nothing(node: Chain) -> None:
    *before, last = headers_of(node)
    Archive([*before, signed(last.header, "ab")]).save(node.directory)
    with pytest.raises(DamagedStateError, match="too few members signed header 5"):
        words(node)


# -- logs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def founders() -> Iterator[State]:
    with closing(State()) as state:
        genesis_file.initialise(state, genesis())
        yield state


def read(directory: Path, state: State, headers: Headers | None = None) -> tuple[SignedLog, BlockStore]:
    store = BlockStore(directory / "blocks.db", read_only=True)
    return SignedLog(directory, store, genesis(), Witnesses(genesis(), state), headers), store


def test_each_block_rests_on_signatures(ledger: Path, founders: State) -> None:
    log, store = read(ledger, founders)
    assert [log.signed(stored).names for stored in store.blocks()] == [("a", "b", "c", "d")] * 5  # type: ignore[union-attr]
    assert log.require_whole().height == 5
    store.close()


def test_where_too_few_founders_signed_the_members_of_the_state_count_and_that_is_said(
    ledger: Path, founders: State
) -> None:
    others = SimpleNamespace(chain_id=genesis().chain_id, members=genesis("efgh").members)
    with closing(BlockStore(ledger / "blocks.db", read_only=True)) as store:
        stored = store.get(2)
        assert stored is not None
        found = Witnesses(others, founders).of_commit(stored.block.header, stored.commit)  # type: ignore[arg-type]
    assert found is not None and found.words(2) == "signed by 4 of 4 members, as this state names them"


def test_a_block_that_others_signed_is_not_shown(ledger: Path, founders: State) -> None:
    with closing(BlockStore(ledger / "blocks.db", read_only=True)) as store:
        stored = store.get(2)
        assert stored is not None
        log = SignedLog(ledger, store, genesis("efgh"), Witnesses(genesis("efgh"), founders), None)
        with pytest.raises(DamagedBlockError, match="too few members signed block 2"):
            log.signed(stored)


def test_a_block_that_is_missing_ends_a_lineage(ledger: Path, founders: State) -> None:
    with closing(sqlite3.connect(ledger / "blocks.db")) as db:
        db.execute("DELETE FROM blocks WHERE height = 3")
        db.commit()
    log, store = read(ledger, founders)
    with pytest.raises(DamagedBlockError, match="block 3 is missing"):
        log.require_whole()
    store.close()


def test_a_nodes_blocks_are_held_against_their_headers(node: Chain, founders: State) -> None:
    log, store = read(node.directory, founders)
    assert log.require_whole().height == 4
    stored = store.get(2)
    assert stored is not None and log.signed(stored) is not None
    moved = replace(stored.block, header=replace(stored.block.header, time_ms=1))
    forged = type(stored)(
        2, encode(moved), encode(replace(stored.commit, block_hash=moved.header.hash)), stored.result_bytes
    )
    with pytest.raises(DamagedBlockError, match="its time is not that of its header"):
        log.signed(forged)
    store.close()
    log, store = read(node.directory, founders, NoHeaders())
    assert log.signed(stored) is None and log.require_whole().names == ()
    store.close()
