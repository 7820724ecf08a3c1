"""A changed file in a node's folder is noticed by `hmchain audit verify`, or named as not checked."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain import merkle
from hmchain.application.node import folder_audit
from hmchain.application.site import network as network_file
from hmchain.canonical import decode, encode
from hmchain.errors import AuditError
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.report.reader import ReportReader
from hmchain.keys import SigningKey, WrappingKey, save_key
from hmchain.ledger import lthash
from hmchain.ledger.blocks import Block, BlockResult, Commit, Event
from hmchain.ledger.contracts.members.membership import Membership
from hmchain.ledger.engines.cometbft.archive import NoVotesError
from support.kept_node import NAME, make_node
from support.ledger_network import genesis, member, signing_key
from support.tampering_table import commands, tables

NOTHING = bytes(32)
ROLES = ("steward", "scientist", "agent", "validator", "wrapping")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_node(tmp_path_factory.mktemp("made") / "node")


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "node"))


def verified(node: Path, passphrase: str | None = None) -> folder_audit.FolderAudit:
    return folder_audit.verify(node, node / "ledger", ReportReader(), genesis().digest, passphrase=passphrase)


Change = Callable[[Path], object]


def sql(place: str, statement: str) -> Change:
    def change(node: Path) -> None:
        with closing(sqlite3.connect(node / place)) as db:
            db.executescript(statement)

    return change


def written(place: str, content: bytes) -> Change:
    return lambda node: (node / place).write_bytes(content)


def edited(place: str, old: str, new: str) -> Change:
    def change(node: Path) -> None:
        text = (node / place).read_text("utf-8")
        assert old in text
        (node / place).write_text(text.replace(old, new, 1), "utf-8")

    return change


def other_key(role: str) -> Change:
    def change(node: Path) -> None:
        path = node / "keys" / f"{role}.key"
        path.unlink()
        save_key(WrappingKey.generate() if role == "wrapping" else SigningKey.generate(), path)

    return change


def retitled(node: Path) -> None:
    """A member's title in the state, and the commitment beside the records made to fit."""
    with closing(sqlite3.connect(node / "ledger" / "state.db")) as db:
        where = "key >= CAST('members' AS BLOB) ORDER BY key"
        key, value = db.execute(f"SELECT key, value FROM state WHERE {where}").fetchone()
        record = decode(value, Membership)
        changed = encode(replace(record, member=replace(record.member, title="Elsewhere")))
        db.execute("UPDATE state SET value = ? WHERE key = ?", (changed, key))
        pairs = db.execute("SELECT key, value FROM state").fetchall()
        lanes = lthash.to_bytes(lthash.updated(lthash.empty(), (), pairs))
        db.execute("UPDATE meta SET value = ? WHERE name = 'lanes'", (lanes,))
        db.commit()


def cut_headers(node: Path) -> None:
    path = node / "ledger" / "headers.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))


NOTICED: dict[str, tuple[Change, str]] = {
    "state: a record": (sql("ledger/state.db", "UPDATE state SET value = x'00'"), "its own commitment"),
    "state: a record, made to fit": (retitled, "not the state that the members signed"),
    "state: its height": (sql("ledger/state.db", "UPDATE meta SET value = x'03' WHERE name = 'height'"), "state.db"),
    "state: garbage": (written("ledger/state.db", b"garbage"), "no sound state database"),
    "state: a table of the same name without a key": (
        sql("ledger/state.db", "ALTER TABLE state RENAME TO o; CREATE TABLE state (key BLOB, value BLOB NOT NULL);"
            "INSERT INTO state SELECT * FROM o; DROP TABLE o;"),
        "its own commitment",
    ),
    "log: the last block cut": (sql("ledger/blocks.db", "DELETE FROM blocks WHERE height = 6"), "block 6"),
    "log: a block deleted": (sql("ledger/blocks.db", "DELETE FROM blocks WHERE height = 3"), "block 3"),
    "log: two blocks swapped": (
        sql("ledger/blocks.db", "UPDATE blocks SET height = 9 WHERE height = 2; UPDATE blocks SET height = 2 WHERE"
            " height = 3; UPDATE blocks SET height = 3 WHERE height = 9;"),
        "block 2",
    ),
    "log: a block flipped": (sql("ledger/blocks.db", "UPDATE blocks SET block = x'00' WHERE height = 4"), "block 4"),
    "log: receipts": (sql("ledger/blocks.db", "UPDATE blocks SET result = x'929090' WHERE height = 4"), "block 4"),
    "log: garbage": (written("ledger/blocks.db", b"garbage"), "blocks.db"),
    "index: redirected": (
        sql("ledger/blocks.db", "UPDATE transactions SET height = 1 WHERE height = 5"), "holds transactions of no block"
    ),
    "index: text for a height": (
        sql("ledger/blocks.db", "UPDATE transactions SET height = 'x' WHERE height = 5"), "index .* is damaged"
    ),
    "log: two rows of one height": (
        sql("ledger/blocks.db", "ALTER TABLE blocks RENAME TO b; CREATE TABLE blocks (height INTEGER, block BLOB NOT"
            " NULL, decided BLOB NOT NULL, result BLOB NOT NULL); INSERT INTO blocks SELECT * FROM b;"
            " INSERT INTO blocks SELECT * FROM b WHERE height = 6; DROP TABLE b;"),
        "other tables",
    ),
    "index: a row gone": (sql("ledger/blocks.db", "DELETE FROM transactions WHERE height = 5"), "lacks transactions"),
    "index: a view": (
        sql("ledger/blocks.db", "ALTER TABLE transactions RENAME TO t; CREATE VIEW transactions AS SELECT * FROM t;"),
        "other tables",
    ),
    "genesis: a title": (edited("ledger/genesis.json", '"A"', '"B"'), "starts from genesis"),
    "headers: a hash": (edited("ledger/headers.jsonl", '"app_hash":"', '"app_hash":"0'), "malformed|block 1"),
    "headers: garbage": (written("ledger/headers.jsonl", b"{"), "headers.jsonl is damaged"),
    "headers: gone": (lambda node: (node / "ledger/headers.jsonl").unlink(), "without the votes"),
    "object": (written(f"objects/{NAME[:2]}/{NAME}", b"other"), "not what its name says"),
    "cached object": (written(f"hospitals/a/cache/{NAME}", b"other"), "not what its name says"),
    "settings: another organisation": (edited("node.toml", '"a"', '"b"'), "names another hospital than a"),
    "settings: garbage": (written("node.toml", b"="), "node.toml"),
    "introduction: a title": (edited("member.json", '"A"', '"B"'), "another title of a"),
    "introduction: another hospital": (lambda node: _introduce(node, member("b")), "another hospital than b"),
    "introduction: a key": (lambda node: _introduce(node, replace(member("a"), agent=bytes(32))), "no such agent key"),
    "network: a title": (edited("network.json", '"B"', '"Z"'), "another network's"),
    "node key of another": (other_key("node"), "member.json introduces"),
    **{f"{role} key of another": (other_key(role), f"not a's {role} key")
       for role in ROLES},
    "key: garbage": (written("keys/steward.key", b"garbage"), "not a key file"),
}  # fmt: skip

STATE, LOG, INDEX = "state: ", "log: ", "index: "
ROWS = {
    "the state: a record, its height, its table, garbage": (STATE,),
    "the log: a block, its receipts, one gone, two exchanged, the last cut off, garbage": (LOG,),
    "the index: redirected, text, a view, a row gone": (INDEX,),
    "the genesis": ("genesis: ",),
    "the signed headers": ("headers: ",),
    "an object": ("object", "cached object"),
    "settings, introduction or network file": ("settings: ", "introduction: ", "network: "),
    "a key of another, or garbage": ("node key", "key: ", *(f"{role} key" for role in ROLES)),
}
"""What the auditor's guide says of these changes, by its own words: how the names of the changes begin."""

NAMED = (
    "engine/data/blockstore.db/1", "engine/data/priv_validator_state.json", "hospitals/a/agent.db",
    "hospitals/a/vault/vault.db", "hospitals/a/records/ab/cd", "hospitals/a/catalogue.db",
    "hospitals/a/cards/mri-1.html", "node.log", "ledger/snapshots/5/0", "keys/local.key", "strange",
)  # fmt: skip
"""Changed or gone, nobody notices: so they are named."""


def _introduce(node: Path, who) -> None:
    path = node / "member.json"
    network_file.save(replace(network_file.load_introduction(path), member=who), path)


def test_a_sound_folder_holds_and_every_file_is_accounted_for(node: Path) -> None:
    found = verified(node)
    checked = {name for finding in found.checked for name in finding.files}
    named = {name for finding in found.not_checked for name in finding.files}
    locks = {"node.lock"}
    everything = {path.relative_to(node).as_posix() for path in node.rglob("*") if path.is_file()}
    assert {name for name in everything if not name.endswith(("-wal", "-shm"))} == checked | named | locks
    assert set(NAMED) <= named - checked


@pytest.mark.parametrize("change", NOTICED)
def test_a_change_of_what_is_checked_is_noticed(change: str, node: Path) -> None:
    tamper, finding = NOTICED[change]
    tamper(node)
    with pytest.raises((AuditError, NoVotesError), match=finding):
        verified(node)


def test_the_auditor_s_guide_says_who_notices() -> None:
    _, said, _ = tables()
    assert list(said) == list(ROWS)
    for change in NOTICED:
        assert sum(change.startswith(begin) for row in ROWS.values() for begin in row) == 1, change


@pytest.mark.parametrize("change", [change for change in NOTICED if change.startswith((STATE, LOG))])
def test_whoever_reads_a_state_or_exports_a_log_notices_too(
    change: str, node: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said, _ = tables()
    (named,) = (commands(cell) for row, cell in said.items() if change.startswith(ROWS[row]))
    tries = {
        ("model", "list"): ("model", "list", str(node)),
        ("node", "export-ledger"): ("node", "export-ledger", str(tmp_path / "ledger.zip"), "--dir", str(node)),
    }
    tried = [arguments for command, arguments in tries.items() if command in named]
    NOTICED[change][0](node)
    assert tried and all(main(list(arguments)) in (6, 7) for arguments in tried)
    assert not (tmp_path / "ledger.zip").exists()
    capsys.readouterr()


@pytest.mark.parametrize("place", NAMED)
def test_a_change_of_what_is_not_checked_is_named_beforehand(place: str, node: Path) -> None:
    (node / place).write_bytes(b"changed")
    assert place in {name for finding in verified(node).not_checked for name in finding.files}


def test_what_is_no_plain_file_is_named_and_not_waited_for(node: Path) -> None:
    places = {f"objects/{NAME[:2]}/{'a' * 64}", "model.safetensors", "hospitals/a/cache/gone"}
    pipe, device, dangling = (node / place for place in sorted(places, key=len, reverse=True))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    dangling.symlink_to("/nowhere")
    (odd,) = (each for each in verified(node).not_checked if each.what.startswith("no plain file"))
    assert set(odd.files) == places


def rewrite(node: Path, height: int, change: Callable[[Block, BlockResult], tuple[Block, BlockResult]]) -> None:
    """Change a block of the log, and make the header that lies beside it fit."""
    with closing(sqlite3.connect(node / "ledger" / "blocks.db")) as db:
        row = db.execute("SELECT block, result, decided FROM blocks WHERE height = ?", (height,)).fetchone()
        block, result = change(decode(row[0], Block), decode(row[1], BlockResult))
        header = replace(block.header, transactions_root=merkle.root(block.transactions), receipts_root=result.root)
        decided = replace(decode(row[2], Commit), block_hash=header.hash)
        changed = (encode(replace(block, header=header)), encode(result), encode(decided), height)
        db.execute("UPDATE blocks SET block = ?, result = ?, decided = ? WHERE height = ?", changed)
        db.commit()


def test_what_no_header_holds_is_not_shown_as_signed(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Proposer, link and the block's own events stand in the log as anybody wrote them there."""

    def lie(block: Block, result: BlockResult) -> tuple[Block, BlockResult]:
        header = replace(block.header, proposer="d", previous=bytes(32))
        return replace(block, header=header), replace(result, events=(Event("round.fraud", ("mri", "1", "d")),))

    honest = _blocks(node, capsys)[3]
    rewrite(node, 4, lie)
    shown = _blocks(node, capsys)[3]
    told = [{"kind": "round.fraud", "keys": ["mri", "1", "d"]}]
    assert shown == {**honest, "unsigned_events": told} and shown["vouched"] == "signed by 4 of 4 founders"
    assert main(["ledger", "blocks", str(node)]) == 0
    out, err = capsys.readouterr()
    assert "round.fraud 1 d *" in out and "no header holds these" in err


def test_a_state_that_no_header_follows_with_is_not_shown(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(
        node, 4, lambda block, result: (replace(block, header=replace(block.header, state_commitment=NOTHING)), result)
    )
    assert main(["ledger", "blocks", str(node)]) == 6
    assert "another state after it" in capsys.readouterr().err


def test_a_height_beyond_all_blocks_is_shown_as_none_or_refused(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for height, status in ((1 << 63) - 1, 0), (1 << 63, 2):
        assert main(["ledger", "blocks", str(node), "--from", str(height), "--json"]) == status
    capsys.readouterr()


def test_a_lineage_says_up_to_where_it_is_signed(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = ["audit", "trace", str(node), "--dataset", "a/d0"]
    assert main(trace) == 0 and capsys.readouterr().err == ""
    cut_headers(node)
    assert main(trace) == 0
    assert "not signed yet; up to block 3 signed by 4 of 4 founders" in " ".join(capsys.readouterr().err.split())


def _blocks(node: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["ledger", "blocks", str(node), "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))


def test_headers_that_were_cut_leave_a_tip_that_nobody_signed(node: Path) -> None:
    cut_headers(node)
    assert verified(node).ledger.missing == ("the last 3 blocks, after 3: no header that is kept signs them",)


def test_sealed_keys_are_compared_with_the_passphrase_alone(node: Path) -> None:
    path = node / "keys" / "steward.key"
    path.unlink()
    save_key(signing_key("a", "steward"), path, "correct horse")
    assert "keys/steward.key" in {name for finding in verified(node).not_checked for name in finding.files}
    found = verified(node, "correct horse")
    assert "keys/steward.key" in {name for finding in found.checked for name in finding.files}


def test_the_command_names_both(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(node), "--genesis", genesis().digest.hex()]) == 0
    shown = capsys.readouterr().out
    assert "strange: no file of hmchain" in shown and "ledger/state.db: all records give the state" in shown
    assert main(["audit", "verify", str(node), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert {finding["what"] for finding in files["checked"]} and ["strange"] in [
        each["files"] for each in files["not_checked"]
    ]
    (node / "objects" / NAME[:2] / NAME).write_bytes(b"other")
    assert main(["audit", "verify", str(node)]) == 7


def moved(place: str, folder_instead: bool = False) -> Change:
    """Take a file away, or put a folder where it was: it is there, and cannot be read."""

    def change(node: Path) -> None:
        (node / place).unlink()
        if folder_instead:
            (node / place).mkdir()

    return change


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (moved("ledger/blocks.db"), 6, "unreadable"),
        (moved("ledger/blocks.db", folder_instead=True), 6, "unreadable"),
        (moved("ledger/genesis.json", folder_instead=True), 2, "no_run"),
        (moved("ledger/headers.jsonl"), 6, "no_votes"),
        (written("ledger/headers.jsonl", b""), 6, "no_votes"),
        (written("ledger/blocks.db", b"garbage"), 7, "damaged_ledger"),
    ],
)
def test_nobody_is_accused_for_what_cannot_be_read(
    change: Change, status: int, code: str, node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(node)
    assert main(["audit", "verify", str(node), "--json"]) == status
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_a_file_that_is_no_proof_is_told_from_one_that_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter").write_text("Dear auditor")
    for name, status in (("letter", 2), ("none", 4)):
        assert main(["audit", "proof", str(tmp_path / name), "--genesis", "00" * 32]) == status
    capsys.readouterr()
