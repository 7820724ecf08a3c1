"""`hmchain node recover`: what goes, what stays, and what is never guessed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hmchain.application.node import home, joining
from hmchain.application.node.recovery import recover
from hmchain.application.node.signing_record import SignsAboveError
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder, NodeRunningError, NotJoinedError
from hmchain.application.site.settings import NodeSettings
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED, SignedRecordError
from support.ledger_network import member

RECORD = json.dumps({"height": "4", "round": 0, "step": 3, "signbytes": "16080211" + "04" + "00" * 7 + "2A"})


@pytest.fixture
def damaged(tmp_path: Path) -> NodeFolder:
    """A node that has joined, run, and was stopped."""
    folder = NodeFolder(tmp_path / "node")
    own = joining.init(folder, NodeSettings(organisation="north", title="North", address="north:1"))
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    joining.adopt(folder, network_file.found([own, *others], "net", 5))
    home.make_home(folder)
    for name in ("state.db", "blocks.db", "blocks.db-wal"):
        (folder.ledger / name).write_text("damaged")
    (folder.ledger / "snapshots" / "1000").mkdir(parents=True)
    (folder.engine / DATA / "blockstore.db").mkdir()
    (folder.engine / DATA / SIGNED).write_text(RECORD)
    return folder


def kept_files(folder: NodeFolder) -> dict[Path, bytes]:
    """What must be as before, whatever happens."""
    places = [*folder.keys.iterdir(), *(folder.engine / "config").iterdir(), folder.toml, folder.network]
    return {path: path.read_bytes() for path in [*places, folder.introduction, folder.ledger / "genesis.json"]}


def test_blocks_and_state_go_and_keys_and_signatures_stay(damaged: NodeFolder) -> None:
    before = kept_files(damaged)
    kept = recover(damaged)
    assert kept_files(damaged) == before
    assert [path.name for path in (damaged.engine / DATA).iterdir()] == [SIGNED]
    assert (damaged.engine / DATA / SIGNED).read_text() == RECORD
    assert (damaged.engine / DATA / SIGNED).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in damaged.ledger.iterdir()] == ["genesis.json"]
    assert {path.name for path in kept.iterdir()} == {DATA, "state.db", "blocks.db", "blocks.db-wal"}
    assert recover(damaged) != kept  # once more is no harm


def test_a_power_cut_in_the_middle_loses_no_signature(damaged: NodeFolder) -> None:
    """The new data folder is whole before the old one moves; whoever comes next finishes."""
    data = damaged.engine / DATA
    fresh = damaged.engine / f"{DATA}.new"
    fresh.mkdir()
    (fresh / SIGNED).write_text(RECORD)
    data.rename(damaged.path / "damaged-1")
    recover(damaged)
    assert (data / SIGNED).read_text() == RECORD


def test_a_lost_record_asks_for_a_height_and_a_whole_one_for_none(damaged: NodeFolder) -> None:
    with pytest.raises(SignsAboveError, match="up to block 4"):
        recover(damaged, 3)
    record = damaged.engine / DATA / SIGNED
    record.write_text(RECORD[:20])
    with pytest.raises(SignedRecordError, match="--signs-above"):
        recover(damaged)
    for slip in (-1, 10**12 + 1, int("9" * 20)):  # beyond an int64 too
        with pytest.raises(SignsAboveError, match="no height"):
            recover(damaged, slip)
        with pytest.raises(SignsAboveError, match="no height"):
            joining.adopt(damaged, damaged.joined(), signs_above=slip)
    assert (damaged.ledger / "state.db").exists()  # nothing has changed so far
    recover(damaged, 9)
    assert json.loads(record.read_text()) == {"height": "10", "round": 0, "step": 0}


def test_the_record_begins_with_the_keys_and_joining_makes_no_new_one(damaged: NodeFolder) -> None:
    """Blocks or no blocks: a key that came back from a backup may have signed anything."""
    network = damaged.joined()
    shutil.rmtree(damaged.engine)
    damaged.network.unlink()
    with pytest.raises(SignedRecordError, match="--signs-above"):
        joining.adopt(damaged, network)
    assert not damaged.network.exists() and not damaged.engine.exists()
    joining.adopt(damaged, network, signs_above=20)
    joining.adopt(damaged, network, signs_above=20)  # twice is no harm
    home.make_home(damaged)
    assert json.loads((damaged.engine / DATA / SIGNED).read_text())["height"] == "21"
    with pytest.raises(SignsAboveError, match="up to block 20"):
        joining.adopt(damaged, network, signs_above=5)


def test_a_record_that_is_older_than_what_was_signed_can_be_raised(damaged: NodeFolder) -> None:
    """The folder came back from an old copy; a record is never lowered."""
    recover(damaged, 9)
    assert json.loads((damaged.engine / DATA / SIGNED).read_text())["height"] == "10"


def test_a_new_record_takes_a_height(damaged: NodeFolder) -> None:
    """Everything but the keys was lost: `network join` again, then this."""
    (damaged.engine / DATA / SIGNED).write_text(json.dumps({"height": "0", "round": 0, "step": 0}))
    recover(damaged, 9)
    assert json.loads((damaged.engine / DATA / SIGNED).read_text())["height"] == "10"


def test_a_folder_whose_engine_is_gone_is_joined_again_first(damaged: NodeFolder) -> None:
    shutil.rmtree(damaged.engine)
    with pytest.raises(NotJoinedError, match="holds no home of CometBFT") as told:
        recover(damaged, 9)
    assert "`hmchain network join FILE`" in told.value.hint
    assert not damaged.engine.exists() and (damaged.ledger / "state.db").exists()


def test_a_running_node_is_left_alone(damaged: NodeFolder) -> None:
    before = (damaged.ledger / "state.db").read_bytes()
    with damaged.held(), pytest.raises(NodeRunningError):
        recover(damaged)
    assert (damaged.ledger / "state.db").read_bytes() == before


def test_a_node_of_no_network_has_nothing_to_recover(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "node")
    joining.init(folder, NodeSettings(organisation="north", title="North", address="north:1"))
    with pytest.raises(NotJoinedError):
        recover(folder)
