"""What CometBFT's last words say of its files, and the record of what its validator has signed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hmchain.ledger.engines.cometbft.damage import (
    DATA,
    SIGNED,
    SignedRecordError,
    StateSyncError,
    TwinError,
    check_signed,
    diagnose,
    signed_nothing_above,
)

# A prevote and a proposal as CometBFT 0.38.25 recorded them, and what a new validator has.
PREVOTE = {
    "height": "31",
    "round": 2,
    "step": 2,
    "signature": "c2lnbmF0dXJl",
    "signbytes": "2F0801111F0000000000000019020000000000000022",
}
PROPOSAL = {"height": "7", "round": 0, "step": 1, "signature": "", "signbytes": "890108201107000000000000002A0B08B1"}
FRESH = {"height": "0", "round": 0, "step": 0}

BEGINS = "the node begins"
PANIC = """panic: leveldb/table: corruption on data-block (pos=65982): checksum mismatch [file={file}]

goroutine 1 [running]:
github.com/cometbft/cometbft/{part}
	/go/pkg/mod/github.com/cometbft/cometbft@v0.38.25{source}:696 +0x12b
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / DATA).mkdir()
    return tmp_path


def record(home: Path, content: object) -> Path:
    path = home / DATA / SIGNED
    path.write_text(json.dumps(content))
    return path


# -- the record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "height"), [(PREVOTE, 31), (PROPOSAL, 7), (FRESH, 0)])
def test_a_whole_record_tells_the_height(home: Path, content: object, height: int) -> None:
    record(home, content)
    assert check_signed(home) == height


@pytest.mark.parametrize(
    "change",
    [{"height": "30"}, {"height": "95"}, {"round": 0}, {"step": 3}, {"step": 0}, {"signbytes": ""}, {"signbytes": "z"}],
)
def test_a_record_that_contradicts_itself_is_refused(home: Path, change: dict[str, object]) -> None:
    record(home, PREVOTE | change)
    with pytest.raises(SignedRecordError, match="--signs-above"):
        check_signed(home)


def test_any_flipped_bit_of_what_counts_is_noticed(home: Path) -> None:
    """Of height, round, step, and the message up to its round; the rest CometBFT checks when it uses it."""
    counts = ("height", "round", "step", "signbytes")
    path = record(home, {key: PREVOTE[key] for key in counts})
    good = path.read_bytes()
    for place in range(good.index(b"31"), good.index(b"0022")):
        for bit in range(8):
            data = bytearray(good)
            data[place] ^= 1 << bit
            path.write_bytes(data)
            try:
                assert check_signed(home) == 31, (place, bit)
            except SignedRecordError:
                continue


@pytest.mark.parametrize("content", [b"", b'{"height": "3', b"\xff\xfe", b"[]", b'{"height": "x"}'])
def test_a_damaged_record_is_named(home: Path, content: bytes) -> None:
    (home / DATA / SIGNED).write_bytes(content)
    with pytest.raises(SignedRecordError, match=f"{SIGNED} is damaged"):
        check_signed(home)


def test_a_missing_record_is_named(home: Path) -> None:
    with pytest.raises(SignedRecordError, match=f"{SIGNED} is missing"):
        check_signed(home)


def test_the_record_that_replaces_a_lost_one(home: Path) -> None:
    (home / DATA / SIGNED).write_bytes(signed_nothing_above(40))
    assert check_signed(home) == 41  # where nothing is signed yet: CometBFT refuses every height below


# -- CometBFT's last words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "source", "database"),
    [
        ("store.LoadBlockStoreState({0x13783c0?})", "/store/store.go", "blockstore.db"),
        ("state.dbStore.loadState({0x13783c0?})", "/state/store.go", "state.db"),
    ],
)
def test_a_damaged_file_is_named_with_its_database(home: Path, part: str, source: str, database: str) -> None:
    for each in ("blockstore.db", "state.db"):
        (home / DATA / each).mkdir()
        (home / DATA / each / "000002.ldb").touch()
    log = home / "node.log"
    log.write_text(f"{BEGINS}\n{PANIC.format(file='000002.ldb', part=part, source=source)}")
    found = diagnose(home, log, BEGINS)
    assert found is not None and found.what.startswith(f"{home / DATA / database / '000002.ldb'} is damaged")


@pytest.mark.parametrize(
    ("databases", "named"), [(["state.db"], "data/state.db/MANIFEST-4"), (["a.db", "b.db"], "data")]
)
def test_a_file_that_only_one_database_has_needs_no_trace(home: Path, databases: list[str], named: str) -> None:
    for each in databases:
        (home / DATA / each).mkdir()
        (home / DATA / each / "MANIFEST-4").touch()
    (home / "node.log").write_text("ERROR: leveldb: manifest corrupted (field 'comparer'): missing [file=MANIFEST-4]")
    found = diagnose(home, home / "node.log", BEGINS)
    assert found is not None and found.what.startswith(f"{home / named} is damaged: leveldb: manifest corrupted")


@pytest.mark.parametrize(
    "words",
    [
        "ERROR: failed to create node: error on replay: app block height (45) is higher than core (39)",
        "panic: state (49) and store (0) height mismatch, stores were left in an inconsistent state",
        "panic: StoreBlockHeight (49) > StateBlockHeight + 1 (43)",
        "ERROR: error on replay: app block height (0) is too far below block store base (16)",
    ],
)
def test_lost_blocks_are_noticed(home: Path, words: str) -> None:
    (home / "node.log").write_text(f"{BEGINS}\n{words}\n")
    found = diagnose(home, home / "node.log", BEGINS)
    assert found is not None and str(home / DATA) in found.what and "blocks are missing" in found.what


def test_what_an_earlier_run_said_is_past(home: Path) -> None:
    log = home / "node.log"
    log.write_text(f"{BEGINS}\npanic: StoreBlockHeight (49) > StateBlockHeight + 1 (43)\n{BEGINS}\nall is well\n")
    assert diagnose(home, log, BEGINS) is None
    assert diagnose(home, home / "no.log", BEGINS) is None


def test_a_twin_is_named_before_any_damage(home: Path) -> None:
    said = (
        f"{BEGINS}\napp ERROR finalize_block: {TwinError(31)}\npanic: StoreBlockHeight (49) > StateBlockHeight (43)\n"
    )
    (home / "node.log").write_text(said)
    found = diagnose(home, home / "node.log", BEGINS)
    assert isinstance(found, TwinError) and str(found) == str(TwinError(31))


@pytest.mark.parametrize(
    "words",
    [
        "ERROR: failed to start node: failed to start state sync: failed to set up light client state provider: "
        "expected header's hash 00, but got AB",
        'E[2026-11-25|14:06:02.499] State sync failed                            module=statesync err="no witnesses"',
    ],
)
def test_a_snapshot_that_does_not_come_is_named(home: Path, words: str) -> None:
    (home / "node.log").write_text(f"{BEGINS}\n{words}\n")
    assert isinstance(diagnose(home, home / "node.log", BEGINS), StateSyncError)
