"""A vote of the node's own key that its record does not know ends the node, before it signs a second one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.ledger.blocks import ABSENT, COMMIT, NIL
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED, NodeDamagedError, SignedRecord, TwinError
from hmchain.ledger.engines.cometbft.home import begin_record
from hmchain.ledger.engines.cometbft.sole_signer import SoleSigner, may_be_own
from support.abci_chain import Chain, address


def record(height: int, step: int = 3) -> SignedRecord:
    return SignedRecord(height, 0, step)


@pytest.mark.parametrize(
    ("height", "known", "live_from", "own"),
    [
        (7, record(7), None, True),
        (8, record(7), None, False),  # an older copy of the folder, or a twin
        (1, record(0, step=0), None, False),  # a key that is said to be new
        (9, record(11, step=0), None, True),  # signs nothing up to 10: an earlier life
        (10, record(11, step=0), 10, True),
        (10, record(11, step=0), 9, False),  # decided while this node looked on: somebody else lives
        (11, record(11, step=0), None, False),
    ],
)
def test_whose_a_vote_may_be(height: int, known: SignedRecord, live_from: int | None, own: bool) -> None:
    assert may_be_own(height, known, live_from) is own


@pytest.fixture
def home(tmp_path: Path) -> Path:
    begin_record(tmp_path / "engine")
    (tmp_path / "engine" / "config").mkdir()
    write_key(tmp_path / "engine", "a")
    return tmp_path / "engine"


def write_key(home: Path, name: str) -> None:
    key = {"address": address(name).hex().upper(), "priv_key": {"value": "secret"}}
    (home / "config" / "priv_validator_key.json").write_text(json.dumps(key))


def votes(flag: int = COMMIT) -> list[abci.VoteInfo]:
    return [abci.VoteInfo(validator=abci.Validator(address=address("a")), block_id_flag=flag)]


@pytest.mark.parametrize("flag", [COMMIT, NIL])
def test_a_foreign_vote_is_told_until_the_process_ends(home: Path, flag: int) -> None:
    signer = SoleSigner(home)
    signer.decided(5, votes(ABSENT))
    with pytest.raises(TwinError, match=r"block 5 is signed with this node's key.*--signs-above"):
        signer.decided(6, votes(flag))
    with pytest.raises(TwinError):
        signer.begin()  # CometBFT started again
    with pytest.raises(TwinError):
        signer.proposed(7, [])


def test_a_node_that_looks_on_hears_a_twin_before_it_signs(home: Path) -> None:
    """It signs nothing up to 20, and saw block 12 proposed first: a vote at 12 may be its former life's, not at 13."""
    (home / DATA / SIGNED).write_text(json.dumps({"height": "21", "round": 0, "step": 0}))
    signer = SoleSigner(home)
    signer.decided(11, votes())
    signer.proposed(12, votes())
    signer.proposed(13, votes())
    with pytest.raises(TwinError, match="block 13 "):
        signer.proposed(14, votes())


def test_a_rotated_key_is_watched_from_the_next_start_of_cometbft_on(home: Path) -> None:
    signer = SoleSigner(home)
    write_key(home, "b")
    signer.begin()
    signer.decided(6, votes())


def test_a_home_without_a_key_is_named(home: Path) -> None:
    (home / "config" / "priv_validator_key.json").write_text("{")
    with pytest.raises(NodeDamagedError, match="holds no key"):
        SoleSigner(home)


def test_the_application_ends_a_node_whose_record_was_put_back(home: Path, tmp_path: Path) -> None:
    chain = Chain.found(tmp_path / "ledger")
    chain.block()
    chain.app.close()
    chain.app = Application(chain.directory, chain.founding, clock_ms=chain.clock, sole_signer=SoleSigner(home))
    chain.app.info(abci.RequestInfo())
    with pytest.raises(TwinError, match="block 1 "):
        chain.block()
    with pytest.raises(TwinError):
        chain.app.info(abci.RequestInfo())
    chain.app.close()


def test_blocks_that_are_here_already_are_looked_through(home: Path, tmp_path: Path) -> None:
    """A backup brought the blocks, and the record beside them is from an older copy."""
    chain = Chain.found(tmp_path / "ledger")
    chain.fill(4)
    chain.app.close()
    (home / DATA / SIGNED).write_text(json.dumps({"height": "3", "round": 0, "step": 0}))
    chain.app = Application(chain.directory, chain.founding, clock_ms=chain.clock, sole_signer=SoleSigner(home))
    with pytest.raises(TwinError, match="block 3 "):
        chain.app.info(abci.RequestInfo())
    chain.app.close()
