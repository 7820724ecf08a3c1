"""Crashes of the application and of CometBFT, and files that they leave damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.validator import DivergenceError
from hmchain.ledger.state import StateError
from support.abci_chain import Chain, init_request


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain.found(tmp_path / "node")


def info(chain: Chain) -> abci.ResponseInfo:
    return chain.app.info(abci.RequestInfo())


# -- crashes -----------------------------------------------------------------------------------------------------------


def test_2_crash_between_finalize_and_commit(chain: Chain) -> None:
    chain.fill(3)
    request = chain.request(chain.send.dataset("d", "late"))
    expected = chain.app.finalize_block(request)
    chain.reopen()
    assert info(chain).last_block_height == 3
    assert chain.decide(request) == expected
    assert info(chain).last_block_height == 4


def test_2_crash_between_log_and_state(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.fill(3)
    request = chain.request(chain.send.dataset("d", "late"))
    expected = chain.app.finalize_block(request)

    def killed(height: int) -> None:
        raise StateError("killed")

    monkeypatch.setattr(chain.app.machine, "commit", killed)
    with pytest.raises(StateError):
        chain.app.commit(abci.RequestCommit())
    chain.reopen()
    assert (info(chain).last_block_height, chain.app.storage.blocks.height) == (3, 4)
    assert chain.decide(request) == expected
    assert [stored.height for stored in chain.app.storage.blocks.blocks()] == [1, 2, 3, 4]


def test_1_cometbft_alone_starts_again(chain: Chain) -> None:
    """The application lives on with an executed block that the new CometBFT process sends again."""
    chain.fill(2)
    request = chain.request(chain.send.dataset("d", "again"))
    expected = chain.app.finalize_block(request)
    assert info(chain).last_block_height == 2
    assert chain.decide(request) == expected


def test_1_cometbft_alone_starts_again_at_the_first_block(chain: Chain) -> None:
    """At height 0 it founds the chain again, before it sends the block that was executed and not committed."""
    request = chain.request(chain.send.dataset("d", "first"))
    expected = chain.app.finalize_block(request)
    assert info(chain).last_block_height == 0
    chain.app.init_chain(init_request(chain.founding))
    assert chain.decide(request) == expected


def test_whoever_asks_for_information_does_not_disturb_a_block(chain: Chain) -> None:
    """Anyone who reaches the RPC can ask, at any moment: also between a block's execution and its commit."""
    chain.fill(2)
    before = chain.app.state.commitment()
    answer = chain.app.finalize_block(chain.request(chain.send.dataset("d", "asked")))
    found = info(chain)
    assert (found.last_block_height, found.last_block_app_hash) == (2, before)
    chain.app.commit(abci.RequestCommit())
    assert info(chain).last_block_app_hash == answer.app_hash


def test_a_block_that_ran_otherwise_before_is_named(chain: Chain) -> None:
    chain.fill(2)
    request = chain.request(chain.send.dataset("d", "x"))
    chain.app.finalize_block(request)
    inputs, result = chain.app.executed or pytest.fail("nothing was executed")
    chain.app.storage.log(inputs, result, bytes(32))
    with pytest.raises(DivergenceError, match="block 3"):
        chain.app.commit(abci.RequestCommit())


@pytest.mark.parametrize("damaged", ["state.db", "blocks.db"])
def test_3_a_damaged_database_is_put_aside_and_played_again(chain: Chain, damaged: str) -> None:
    requests = [chain.request(chain.send.dataset("a", "d0")), None]
    answers = [chain.decide(requests[0])]  # type: ignore[arg-type]
    requests[1] = chain.request(chain.send.dataset("b", "d1"))
    answers.append(chain.decide(requests[1]))
    chain.app.close()
    path = chain.directory / damaged
    path.write_bytes(b"\xa5" * 3000)
    chain.app = chain.opened()
    assert info(chain).last_block_height == 0
    assert (chain.directory / "damaged-1" / damaged).exists()
    chain.app.init_chain(init_request(chain.founding))
    assert [chain.decide(request) for request in requests if request] == answers


@pytest.mark.parametrize("lost", ["emptied", "deleted", "older"])
def test_3_a_log_that_lost_blocks_is_noticed_and_made_anew(chain: Chain, lost: str) -> None:
    """SQLite takes an empty file for a new database, and an older copy is whole in itself."""
    chain.fill(2)
    chain.app.close()
    log = chain.directory / "blocks.db"
    older = log.read_bytes()
    chain.app = chain.opened()
    chain.fill(1, first=2)
    chain.app.close()
    if lost == "deleted":
        log.unlink()
    else:
        log.write_bytes(older if lost == "older" else b"")
    chain.app = chain.opened()
    assert info(chain).last_block_height == 0
    assert (chain.directory / "damaged-1" / "state.db").exists()


def test_a_chain_of_empty_blocks_has_an_empty_log(chain: Chain) -> None:
    chain.block()
    chain.block()
    assert chain.app.storage.blocks.height == 0
    chain.reopen()
    assert info(chain).last_block_height == 2


def test_3_a_changed_record_is_found(chain: Chain) -> None:
    chain.fill(2)
    chain.app.close()
    with sqlite3.connect(chain.directory / "state.db") as db:
        db.execute("UPDATE state SET value = x'00' WHERE key = (SELECT key FROM state LIMIT 1)")
    db.close()
    chain.app = chain.opened()
    assert info(chain).last_block_height == 0
