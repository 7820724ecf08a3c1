"""A node's folder: made, joined, backed up and restored, without any process."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from hmchain.application.node import backup, home, joining, restoration
from hmchain.application.node.backup import BackupError
from hmchain.application.node.joining import WrongNetworkError
from hmchain.application.node.restoration import RestorationPlanError
from hmchain.application.node.status import node_status
from hmchain.application.site import network as network_file
from hmchain.application.site.network import BadAddressError, Introduction, Network
from hmchain.application.site.node import NodeExistsError, NodeFolder, NodeRunningError, NotJoinedError
from hmchain.application.site.settings import NodeSettings, NodeSettingsError
from hmchain.keys import SigningKey, load_key
from hmchain.ledger import genesis, proposer
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft.damage import SignedRecordError
from hmchain.ledger.readers import members
from hmchain.ledger.state import State
from support.ledger_network import member
from support.paths import REPOSITORY

TITLE = "North 'Main' Hospital, Höhe & Tal"


def settings(name: str = "north", port: int = 26656) -> NodeSettings:
    return NodeSettings(organisation=name, title=TITLE, address=f"{name}.example.org:{port}")


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "node")
    joining.init(folder, settings())
    return folder


def founded(folder: NodeFolder) -> Network:
    own = network_file.load_introduction(folder.introduction)
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    return network_file.found([own, *others], "net", 5)


def test_settings_come_back_as_they_were_written(folder: NodeFolder, tmp_path: Path) -> None:
    assert folder.settings() == settings()
    assert folder.settings().rpc_url == "http://127.0.0.1:26657"
    odd = replace(settings(), title='North "Main" Hospital \\ Höhe')  # which no ledger takes
    other = NodeFolder(tmp_path / "other")
    other.write_settings(odd)
    assert other.settings() == odd


def test_the_reference_shows_the_whole_file_as_it_is_written(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "reference" / "cli.md").read_text("utf-8")
    shown = page.partition("### node.toml")[2].partition("```toml\n")[2].partition("```")[0]
    folder = NodeFolder(tmp_path / "node")
    folder.write_settings(
        NodeSettings(organisation="north", title="North Hospital", address="node.north.example.org:26656")
    )
    assert folder.toml.read_text("utf-8") == shown
    whole, needed = folder.settings(), ("organisation", "title", "address")
    folder.toml.write_text("\n".join(line for line in shown.splitlines() if line.startswith(needed)))
    assert folder.settings() == whole  # the others have the values shown


def test_what_leaves_the_node_is_public(folder: NodeFolder) -> None:
    public = folder.introduction.read_bytes() + folder.toml.read_bytes()
    for path in folder.keys.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_bytes())["body"].encode() not in public
    introduction = network_file.load_introduction(folder.introduction)
    node_key = load_key(SigningKey, folder.node_key)
    assert introduction.node_id == proposer.address(node_key.public.raw).hex()


def test_a_node_is_made_once(folder: NodeFolder) -> None:
    before = folder.introduction.read_bytes()
    with pytest.raises(NodeExistsError):
        joining.init(folder, settings("south"))
    assert folder.introduction.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("organisation = 5", "organisation"),
        ("colour = 'red'", "colour"),
        ("organisation = ", "Invalid value"),
        ("log_level = 'loud'", "loud"),
        ("peers = ['garbage:5']", "garbage:5"),
        ("peers = ['aa@host:5']", "aa@host:5"),
        (f"peers = ['{'a' * 40}@host']", "host"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(folder: NodeFolder, line: str, what: str) -> None:
    name = line.split(" ")[0]
    kept = [entry for entry in folder.toml.read_text().splitlines() if not entry.startswith(name)]
    folder.toml.write_text("\n".join([*kept, line]))
    with pytest.raises((NodeSettingsError, BadAddressError), match=what):
        folder.settings()


def test_a_folder_without_a_node_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NodeSettingsError, match="hmchain node init"):
        NodeFolder(tmp_path).settings()
    with pytest.raises(BadAddressError):
        NodeSettings(organisation="north", title="", address="north")


@pytest.mark.parametrize(
    ("name", "title", "what"),
    [("North", "North", "'North' cannot name"), ("", "x", "'' cannot"), ("n", " ", "title"), ("n", "x" * 121, "title")],
)
def test_a_name_that_no_network_takes_makes_no_node(tmp_path: Path, name: str, title: str, what: str) -> None:
    place = tmp_path / "node"
    with pytest.raises(NodeSettingsError, match=what) as told:
        joining.init(NodeFolder(place), NodeSettings(organisation=name, title=title, address="north:1"))
    assert told.value.hint.startswith("give ") and not place.exists()


def test_joining_checks_digest_and_keys(folder: NodeFolder, tmp_path: Path) -> None:
    made = founded(folder)
    with pytest.raises(NotJoinedError):
        folder.joined()
    with pytest.raises(WrongNetworkError, match="not the one that was agreed on"):
        joining.adopt(folder, made, bytes(32))
    stranger = NodeFolder(tmp_path / "stranger")
    joining.init(stranger, settings())  # the same name, other keys
    with pytest.raises(WrongNetworkError, match="other keys"):
        joining.adopt(stranger, made)
    joining.adopt(folder, made, made.genesis.digest)
    assert folder.joined() == made
    joining.adopt(folder, made)  # again changes nothing
    later = network_file.found([network_file.load_introduction(folder.introduction)], "other", 9)
    with pytest.raises(WrongNetworkError, match="another network"):
        joining.adopt(folder, later)


@pytest.mark.network
@pytest.mark.process
def test_one_process_at_a_time_and_the_other_is_named(folder: NodeFolder) -> None:
    code = (
        "import sys, pathlib; from hmchain.application.site.node import *\n"
        "with NodeFolder(pathlib.Path(sys.argv[1])).held(): pass"
    )
    command = [sys.executable, "-c", code, str(folder.path)]
    with folder.held():
        refused = subprocess.run(command, capture_output=True, text=True)
    assert NodeRunningError.__name__ in refused.stderr and "in use by process" in refused.stderr
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_who_voted_twice_no_longer_counts_for_what_a_network_survives(folder: NodeFolder) -> None:
    own = network_file.load_introduction(folder.introduction)
    made = network_file.found([own, *(Introduction(member(name), name * 40, f"{name}:1") for name in "abc")], "net", 5)
    state = State()
    genesis.initialise(state, made.genesis)
    assert members.tolerated(members.validators(state, {})) == 1
    standings.offence(state, "b", 1, double_sign=True)
    assert [each.tombstoned for each in members.validators(state, {})] == [False, True, False, False]
    assert members.tolerated(members.validators(state, {})) == 0
    state.close()


# -- backups -----------------------------------------------------------------------------------------------------------

SIGNED = "priv_validator_state.json"


def signed(height: int) -> str:
    """CometBFT's record of a precommit."""
    message = bytes([0x16, 0x08, 0x02, 0x11]) + height.to_bytes(8, "little") + b"\x2a"
    return json.dumps({"height": str(height), "round": 0, "step": 3, "signbytes": message.hex().upper()})


@pytest.fixture
def stopped(folder: NodeFolder) -> NodeFolder:
    """A node that ran and was stopped at block 3."""
    made = founded(folder)
    joining.adopt(folder, made)
    state = State(folder.state)
    genesis.initialise(state, made.genesis)
    state.commit(3)
    state.close()
    BlockStore(folder.ledger / "blocks.db").close()
    data = folder.engine / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "blocks").write_text("three blocks")
    (data / SIGNED).write_text(signed(3))
    return folder


def test_a_backup_brings_back_blocks_and_state_but_not_what_was_signed(stopped: NodeFolder, tmp_path: Path) -> None:
    data = stopped.engine / "data"
    kept = backup.snapshot(stopped, tmp_path / "backup.tar")
    assert kept[0] == 3
    (data / "blocks").write_text("five blocks")
    (data / SIGNED).write_text(signed(5))
    for path in stopped.ledger.glob("*.db*"):
        path.unlink()
    assert backup.restore(stopped, tmp_path / "backup.tar") == kept
    assert (data / "blocks").read_text() == "three blocks"
    assert (data / SIGNED).read_text() == signed(5)
    assert (stopped.path / "before-restore-1" / "data" / "blocks").read_text() == "five blocks"
    assert (stopped.ledger / "blocks.db").is_file()
    state = State(stopped.state)
    assert (state.height, state.commitment()) == kept
    state.close()


def test_every_restoration_keeps_what_it_replaced(stopped: NodeFolder, tmp_path: Path) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    blocks = stopped.engine / "data" / "blocks"
    for number in (1, 2, 3):
        blocks.write_text(f"before restoration {number}")
        backup.restore(stopped, tmp_path / "backup.tar")
    kept = [stopped.path / f"before-restore-{number}" / "data" / "blocks" for number in (1, 2, 3)]
    assert [path.read_text() for path in kept] == [f"before restoration {number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "content"),
    [("data/blocks", b"three blocks"), ("beginning/2/0", b"a state"), ("state.db", b"SQLite format")],
)
def test_a_flipped_bit_is_found_and_its_file_named(
    stopped: NodeFolder, tmp_path: Path, name: str, content: bytes
) -> None:
    """What CometBFT keeps has no other check before it is read."""
    beginning = stopped.ledger / "beginning" / "2"
    beginning.mkdir(parents=True)
    (beginning / "0").write_bytes(b"a state")
    file = tmp_path / "backup.tar"
    backup.snapshot(stopped, file)
    data = bytearray(file.read_bytes())
    data[data.index(content) + 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(BackupError, match=f"^{name} in .*backup.tar is damaged"):
        backup.restore(stopped, file)
    assert not list(stopped.path.glob("before-restore*"))


def test_a_file_that_was_taken_out_or_put_in_is_named(stopped: NodeFolder, tmp_path: Path) -> None:
    good, changed = tmp_path / "good.tar", tmp_path / "changed.tar"
    backup.snapshot(stopped, good)
    backup.unpack(good, tmp_path / "unpacked")
    (tmp_path / "unpacked" / "data" / "more").write_text("more")
    for name in ("data/more", "data/blocks"):
        with tarfile.open(changed, "w") as archive:
            archive.add(tmp_path / "unpacked", ".")
        with pytest.raises(BackupError, match=name):
            backup.restore(stopped, changed)
        (tmp_path / "unpacked" / "data" / "more").unlink(missing_ok=True)
        (tmp_path / "unpacked" / "data" / "blocks").unlink(missing_ok=True)


def test_a_backup_brings_back_the_beginning_of_a_log(stopped: NodeFolder, tmp_path: Path) -> None:
    """A node that joined from a snapshot: its log is not taken for a whole one afterwards."""
    beginning = stopped.ledger / "beginning" / "2"
    beginning.mkdir(parents=True)
    (beginning / "0").write_bytes(b"a state")
    backup.snapshot(stopped, tmp_path / "backup.tar")
    shutil.rmtree(beginning.parent)
    backup.restore(stopped, tmp_path / "backup.tar")
    assert (beginning / "0").read_bytes() == b"a state"


def test_a_backup_holds_no_key(stopped: NodeFolder, tmp_path: Path) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    content = (tmp_path / "backup.tar").read_bytes()
    for path in stopped.keys.iterdir():
        assert json.loads(path.read_bytes())["body"].encode() not in content
    with tarfile.open(tmp_path / "backup.tar") as archive:
        names = archive.getnames()
    assert not [name for name in names if "key" in name or SIGNED in name]


def test_a_running_node_is_not_backed_up(stopped: NodeFolder, tmp_path: Path) -> None:
    with stopped.held(), pytest.raises(NodeRunningError):
        backup.snapshot(stopped, tmp_path / "backup.tar")


def test_a_damaged_or_foreign_backup_changes_nothing(stopped: NodeFolder, tmp_path: Path) -> None:
    good = tmp_path / "good.tar"
    backup.snapshot(stopped, good)
    before = {path: path.read_bytes() for path in stopped.path.rglob("*") if path.is_file() and path.suffix != ".lock"}
    content = bytearray(good.read_bytes())
    record = content.index(b"North")  # in the state's record of the member
    content[record] ^= 1
    files = {"empty": b"", "cut": bytes(content[:3000]), "flipped": bytes(content)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BackupError):
            backup.restore(stopped, tmp_path / name)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        archive.add(good, "../../outside")
    with pytest.raises(BackupError):
        backup.restore(stopped, evil)
    with pytest.raises(BackupError, match="exists"):
        backup.snapshot(stopped, good)
    after = {path: path.read_bytes() for path in stopped.path.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert after == before


def test_another_networks_backup_is_refused(stopped: NodeFolder, tmp_path: Path) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    other = NodeFolder(tmp_path / "other")
    joining.init(other, settings("south"))
    joining.adopt(other, founded(other))
    with pytest.raises(BackupError, match="another network"):
        backup.restore(other, tmp_path / "backup.tar")


def test_a_backup_is_not_restored_beside_a_lost_record_of_signatures(stopped: NodeFolder, tmp_path: Path) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    (stopped.engine / "data" / SIGNED).unlink()
    with pytest.raises(SignedRecordError, match="--signs-above"):
        backup.restore(stopped, tmp_path / "backup.tar")
    assert (stopped.engine / "data" / "blocks").read_text() == "three blocks"


def test_a_backup_with_a_damaged_log_of_blocks_is_refused(stopped: NodeFolder, tmp_path: Path) -> None:
    blocks = stopped.ledger / "blocks.db"
    with closing(sqlite3.connect(blocks)) as database, database:
        database.execute("INSERT INTO blocks VALUES (2, x'00', x'00', x'00')")
    with pytest.raises(BackupError, match="block 2"):
        backup.snapshot(stopped, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


def test_a_backup_brings_back_a_node_whose_ledger_folder_is_gone(stopped: NodeFolder, tmp_path: Path) -> None:
    """What a restoration is for: the disk of the ledger was lost."""
    kept = backup.snapshot(stopped, tmp_path / "backup.tar")
    shutil.rmtree(stopped.ledger)
    assert backup.restore(stopped, tmp_path / "backup.tar") == kept
    assert genesis.load(stopped.genesis) == stopped.joined().genesis
    assert not stopped.restoring.exists()


def contents(folder: NodeFolder) -> dict[str, bytes]:
    """What matters of a node's folder."""
    places = [*folder.engine.rglob("*"), *folder.ledger.rglob("*")]
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in places if path.is_file()}


class Moves:
    """Changes of names, of which the `last` is refused, or after which the process is no more."""

    def __init__(self, last: int, error: type[BaseException]) -> None:
        self.left, self.error = last, error

    def __call__(self, source: Path, target: Path) -> None:
        self.left -= 1
        if self.left == 0 or (self.left < 0 and self.error is KeyboardInterrupt):
            raise self.error
        source.replace(target)


@pytest.mark.parametrize("last", range(1, 8))
def test_a_restoration_that_fails_halfway_changes_nothing(
    stopped: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    (stopped.engine / "data" / "blocks").write_text("five blocks")
    (stopped.ledger / "state.db-wal").write_text("of the old state")
    (stopped.ledger / "beginning").mkdir()
    before = contents(stopped)
    monkeypatch.setattr(restoration, "rename", Moves(last, OSError))
    with pytest.raises(OSError):
        backup.restore(stopped, tmp_path / "backup.tar")
    assert contents(stopped) == before
    assert not list(stopped.path.glob("before-restore*")) and not stopped.restoring.exists()


@pytest.mark.parametrize("last", range(3, 8))
def test_a_restoration_that_is_killed_halfway_is_finished_by_the_next_command(
    stopped: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    kept = backup.snapshot(stopped, tmp_path / "backup.tar")
    (stopped.engine / "data" / "blocks").write_text("five blocks")
    (stopped.ledger / "state.db-wal").write_text("of the old state")
    home.make_home(stopped)
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(restoration, "rename", Moves(last, KeyboardInterrupt))
        backup.restore(stopped, tmp_path / "backup.tar")
    assert restoration.is_unfinished(stopped)
    assert "`hmchain node start` finishes it" in node_status(stopped).damage
    assert restoration.finish(stopped) and not restoration.finish(stopped)
    assert (stopped.engine / "data" / "blocks").read_text() == "three blocks"
    assert (stopped.path / "before-restore-1" / "data" / "blocks").read_text() == "five blocks"
    assert not (stopped.ledger / "state.db-wal").exists() and not stopped.restoring.exists()
    state = State(stopped.state)
    assert (state.height, state.commitment()) == kept
    state.close()


@pytest.mark.parametrize(
    "plan", ['{"kept":"../outside","fresh":[]}', '{"kept":"before-restore-1","fresh":["../../key"]}', "{"]
)
def test_a_plan_that_leads_out_of_the_folder_moves_nothing(stopped: NodeFolder, plan: str) -> None:
    stopped.restoring.mkdir()
    (stopped.restoring / "plan.json").write_text(plan)
    before = contents(stopped)
    with pytest.raises(RestorationPlanError):
        restoration.finish(stopped)
    assert contents(stopped) == before and not (stopped.path.parent / "outside").exists()


def test_a_backup_that_the_disk_cannot_hold_changes_nothing(
    stopped: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.snapshot(stopped, tmp_path / "backup.tar")
    before = contents(stopped)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(BackupError, match=r"10 B free, less than .* unpacks to") as told:
        backup.restore(stopped, tmp_path / "backup.tar")
    assert "nothing was changed" in told.value.hint
    assert contents(stopped) == before and not list(stopped.path.glob("backup-*"))
