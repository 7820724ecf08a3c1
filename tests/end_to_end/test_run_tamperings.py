"""A changed file in a run's folder is noticed by `hmchain audit verify`, or named as not checked; no command lies.

The list is that of 44 changes which a stranger tried on a run, each of which some command once showed as true.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hmchain.application.site.keyring import key_file
from hmchain.canonical import Record, decode, encode
from hmchain.keys import SigningKey, WrappingKey, save_key
from hmchain.ledger import lthash
from hmchain.ledger.contracts.data.requests import Decided, Handling
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.contracts.learning.studies import Progress
from hmchain.ledger.contracts.members.membership import Membership
from hmchain.ledger.contracts.members.standings import Standing
from support.finished_run import Captured, answer, text
from support.finished_run import run_directory as run_directory
from support.sampling import one_in
from support.tampering_table import commands, tables

__all__ = ["run_directory"]

Change = Callable[[Path], object]
STATES = "ledger/validators/{}.db"
NAMES = ("east", "north", "south", "west")


@pytest.fixture
def run(run_directory: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(run_directory, tmp_path / "run"))
    east = "hospitals/east/"
    (folder / east / "cards").mkdir()
    kept = (east + "catalogue.db", east + "cards/scans-1.json", east + "cards/scans-1.html")
    for place in ("curve.json", "exposure.json", "baselines.npz", "run.json", *kept):
        (folder / place).write_bytes(b"{}")
    return folder


# -- ways to change a file ---------------------------------------------------------------------------------------------


def sql(place: str, *statements: str) -> Change:
    def change(run: Path) -> None:
        with closing(sqlite3.connect(run / place)) as db:
            for statement in statements:
                db.execute(statement)
            db.commit()

    return change


def record(table: str, kind: type[Record], change: Callable[[Any], Record], names: tuple[str, ...] = NAMES) -> Change:
    """Change the records of a table in states, and make the commitment beside them fit."""

    def apply(run: Path) -> None:
        for name in names:
            with closing(sqlite3.connect(run / STATES.format(name))) as db:
                first, after = table.encode() + b"\0", table.encode() + b"\1"
                found = db.execute("SELECT key, value FROM state WHERE key >= ? AND key < ?", (first, after)).fetchall()
                assert found
                for key, value in found:
                    changed = encode(change(decode(value, kind)))
                    db.execute("UPDATE state SET value = ? WHERE key = ?", (changed, key))
                lanes = lthash.updated(lthash.empty(), (), db.execute("SELECT key, value FROM state").fetchall())
                db.execute("UPDATE meta SET value = ? WHERE name = 'lanes'", (lthash.to_bytes(lanes),))
                db.commit()

    return apply


def plain(table: str, name: str = "east") -> Change:
    """Change a record in one state, and nothing else."""
    where = f"key >= CAST('{table}' AS BLOB) AND key < CAST('{table}~' AS BLOB)"
    return sql(STATES.format(name), f"UPDATE state SET value = x'00' WHERE {where}")


def flipped(place: str, column: str = "") -> Change:
    """Flip a bit in the middle of a file, or of a column of block 9."""

    def change(run: Path) -> None:
        path = run / place
        if not column:
            path.write_bytes(_flip(path.read_bytes()))
            return
        with closing(sqlite3.connect(path)) as db:
            (data,) = db.execute(f"SELECT {column} FROM blocks WHERE height = 9").fetchone()
            db.execute(f"UPDATE blocks SET {column} = ? WHERE height = 9", (_flip(data),))
            db.commit()

    return change


def _flip(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)


def edited(place: str, old: str, new: str) -> Change:
    def change(run: Path) -> None:
        content = (run / place).read_text("utf-8")
        assert old in content
        (run / place).write_text(content.replace(old, new, 1), "utf-8")

    return change


def header(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the JSON in the header of the model file, the weights untouched."""

    def apply(run: Path) -> None:
        path = run / "model.safetensors"
        data = path.read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        outer = json.loads(data[8 : 8 + size])
        ((name, content),) = outer["__metadata__"].items()
        inner = json.loads(content)
        change(inner)
        outer["__metadata__"][name] = json.dumps(inner)
        text_ = json.dumps(outer).encode()
        path.write_bytes(struct.pack("<Q", len(text_)) + text_ + data[8 + size :])

    return apply


def origin(**fields: object) -> Change:
    return header(lambda inner: inner["origin"].update(fields))


def signs(run: Path) -> None:
    """Flip the sign of every weight."""
    path = run / "model.safetensors"
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", data[:8])
    for at in range(8 + size + 3, len(data), 4):
        data[at] ^= 0x80
    path.write_bytes(data)


def key_of_another(role: str) -> Change:
    def change(run: Path) -> None:
        path = key_file(run / "hospitals" / "east" / "keys", role)
        path.unlink()
        save_key(WrappingKey.generate() if role == "wrapping" else SigningKey.generate(), path)

    return change


def first(pattern: str) -> Callable[[Path], Path]:
    return lambda run: sorted(path for path in run.glob(pattern) if path.is_file())[0]


def all_gone(run: Path) -> None:
    shutil.rmtree(run / "ledger" / "validators")


def swapped(run: Path) -> None:
    one, other = sorted(path for path in run.glob("hospitals/*/records/**/*") if path.is_file())[:2]
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)


# -- the table ---------------------------------------------------------------------------------------------------------

STATUS, LIST, MODELS = ("study", "status"), ("study", "list"), ("model", "list")
TRACE, BLOCKS, SHOW = ("audit", "trace"), ("ledger", "blocks"), ("model", "show")
PREDICT, REPORT = ("model", "predict", "scan.png"), ("report", "--render")

STATE_READERS = (STATUS, LIST, MODELS)
NOTICED: dict[str, tuple[Change, str, tuple[tuple[str, ...], ...]]] = {
    "a refusal made an approval, in one state": (plain("handlings"), "its own commitment", STATE_READERS),
    "a refusal made an approval": (
        record("handlings", Handling, lambda each: replace(each, status=Decided.APPROVED, reason="")), "signed at",
        STATE_READERS,
    ),
    "reputation": (record("standings", Standing, lambda each: replace(each, consensus=1)), "signed at", STATE_READERS),
    "fraud": (record("standings", Standing, lambda each: replace(each, barred=True)), "signed at", STATE_READERS),
    "power": (record("standings", Standing, lambda each: replace(each, power=1)), "signed at", STATE_READERS),
    "model root": (record("models", Model, lambda each: replace(each, root=bytes(32))), "signed at", STATE_READERS),
    "study status": (
        record("progress", Progress, lambda each: replace(each, status="closed")),
        "signed at", STATE_READERS,
    ),
    "a title": (
        record("members", Membership, lambda each: replace(each, member=replace(each.member, title="X"))),
        "signed at", STATE_READERS,
    ),
    "a title, in a state that is not read": (
        record("members", Membership, lambda each: replace(each, member=replace(each.member, title="X")), ("west",)),
        "west.db", (),
    ),
    "text for bytes": (sql(STATES.format("east"), "UPDATE state SET value = 'x'"), "read through", STATE_READERS),
    "text for a block": (sql("ledger/blocks.db", "UPDATE blocks SET block = '' WHERE height = 9"), "block 9", (TRACE,)),
    "state garbage": (lambda run: (run / STATES.format("east")).write_bytes(b"x"), "no sound", STATE_READERS),
    "block flipped": (flipped("ledger/blocks.db", "block"), "block 9", (TRACE,)),
    "votes flipped": (flipped("ledger/blocks.db", "decided"), "block 9", ()),
    "receipts flipped": (flipped("ledger/blocks.db", "result"), "block 9", (TRACE,)),
    "block deleted": (sql("ledger/blocks.db", "DELETE FROM blocks WHERE height = 9"), "block 9", (TRACE,)),
    "blocks swapped": (
        sql("ledger/blocks.db", "UPDATE blocks SET height = -1 WHERE height = 9",
            "UPDATE blocks SET height = 9 WHERE height = 10", "UPDATE blocks SET height = 10 WHERE height = -1"),
        "block 9", (TRACE,),
    ),
    "ten blocks cut": (
        sql("ledger/blocks.db", "DELETE FROM transactions WHERE height > (SELECT max(height) - 10 FROM blocks)",
            "DELETE FROM blocks WHERE height > (SELECT max(height) - 10 FROM blocks)"),
        "the last blocks were cut off", (STATUS, TRACE, BLOCKS),
    ),
    "index redirected": (
        sql("ledger/blocks.db", "UPDATE transactions SET height = 2, position = 0 WHERE height = 9"), "index", (),
    ),
    "index view": (
        sql("ledger/blocks.db", "ALTER TABLE transactions RENAME TO kept",
            "CREATE VIEW transactions AS SELECT digest, 2 AS height, 0 AS position FROM kept"),
        "other tables", (),
    ),
    "index row deleted": (sql("ledger/blocks.db", "DELETE FROM transactions WHERE height = 9"), "index", ()),
    "genesis: a title": (edited("ledger/genesis.json", "East", "Elsewhere"), "block 1", (STATUS, TRACE, BLOCKS)),
    "model: a weight": (flipped("model.safetensors"), "model.safetensors", (SHOW, PREDICT)),
    "model: all signs": (signs, "model.safetensors", (SHOW, PREDICT)),
    "model: classes": (
        header(lambda inner: inner["preprocessing"]["classes"].reverse()), "model.safetensors", (SHOW, PREDICT)
    ),
    "model: prior": (
        header(lambda inner: inner["preprocessing"].update(prior_q16=[1, 65535])), "model.safetensors", (SHOW, PREDICT)
    ),
    "model: purpose": (origin(purpose="DUO:0000042"), "model.safetensors", (SHOW, PREDICT)),
    "model: genesis": (origin(genesis="00" * 32), "model.safetensors", (SHOW, PREDICT)),
    "model: chain": (origin(chain_id="other"), "model.safetensors", (SHOW, PREDICT)),
    "model: code": (origin(code="00" * 32), "model.safetensors", (SHOW, PREDICT)),
    "model: round": (origin(round=1), "model.safetensors", (SHOW, PREDICT)),
    "model: root": (origin(model_root="00" * 32), "model.safetensors", (SHOW, PREDICT)),
    "model: study": (origin(study="other"), "model.safetensors", (PREDICT,)),
    "model: no origin": (header(lambda inner: inner.update(origin=None)), "model.safetensors", (PREDICT,)),
    "summary: genesis": (edited("summary.json", 'genesis_digest": "', 'genesis_digest": "0'), "its genesis", (REPORT,)),
    "summary: model": (edited("summary.json", 'model_digest": "', 'model_digest": "0'), "its model", (REPORT,)),
    "object altered": (lambda run: first("objects/*/*")(run).write_bytes(b"x"), "not what its name says", ()),
    **{f"{role} key of another": (key_of_another(role), f"not east's {role} key", ())
       for role in ("steward", "scientist", "agent", "validator", "wrapping")},
}  # fmt: skip

ROWS: dict[str, tuple[str, ...]] = {
    "records of the states, which are made to fit": (
        "a refusal made an approval, in one state", "a refusal made an approval", "reputation", "fraud", "power",
        "model root", "study status", "a title",
    ),
    "a state that is not the newest": ("a title, in a state that is not read",),
    "a state: garbage, or text for bytes": ("state garbage", "text for bytes"),
    "the log: a block, its receipts, one gone, two exchanged": (
        "text for a block", "block flipped", "receipts flipped", "block deleted", "blocks swapped",
    ),
    "the log: votes in the middle": ("votes flipped",),
    "the log: the last blocks cut off": ("ten blocks cut",),
    "the index: a row redirected, exchanged or gone, a view in its place": (
        "index redirected", "index view", "index row deleted",
    ),
    "the genesis": ("genesis: a title",),
    "a model's weights, classes, prior or origin": (
        "model: a weight", "model: all signs", "model: classes", "model: prior", "model: purpose", "model: genesis",
        "model: chain", "model: code", "model: round", "model: root",
    ),
    "a model's study, or all of its origin": ("model: study", "model: no origin"),
    "the summary: genesis or model": ("summary: genesis", "summary: model"),
    "an object": ("object altered",),
    "a key of another person": tuple(change for change in NOTICED if change.endswith("key of another")),
}  # fmt: skip
"""What the auditor's guide says of these changes, by its own words."""

NAMED: dict[str, Callable[[Path], Path]] = {
    "curve": lambda run: run / "curve.json",
    "settings": lambda run: run / "run.json",
    "exposure": lambda run: run / "exposure.json",
    "baselines": lambda run: run / "baselines.npz",
    "what an agent keeps": first("hospitals/*/agent.db"),
    "vault": first("hospitals/*/vault/*"),
    "ciphertext of a record": first("hospitals/*/records/**/*"),
    "catalogue": first("hospitals/*/catalogue.db"),
    "a card's data": first("hospitals/*/cards/*.json"),
    "a card's page": first("hospitals/*/cards/*.html"),
    "local key": first("hospitals/*/keys/local.key"),
}
"""Each may be anything and nobody notices here, so an audit says that it did not look."""


def verify(capsys: Captured, run: Path, status: int = 0) -> Any:
    return answer(capsys, "audit", "verify", str(run), status=status)


def named(capsys: Captured, run: Path) -> set[str]:
    return {name for finding in verify(capsys, run)["files"]["not_checked"] for name in finding["files"]}


def test_a_sound_run_holds_and_every_file_is_accounted_for(capsys: Captured, run: Path) -> None:
    found = verify(capsys, run)["files"]
    accounted = {name for part in ("checked", "not_checked") for finding in found[part] for name in finding["files"]}
    everything = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert not {name for name in everything - accounted if not name.endswith(("-wal", "-shm", "lock"))}


@pytest.mark.parametrize("change", one_in(4, NOTICED))
def test_what_was_changed_is_noticed_and_shown_by_nobody(
    change: str, capsys: Captured, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper, finding, commands = NOTICED[change]
    tamper(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HMCHAIN_RUN", str(run))
        shown = text(capsys, "audit", "verify", str(run), status=7)
        assert any(part in shown for part in finding.split("|")), shown
        monkeypatch.chdir(run)
        for command in commands:
            where = ("--dir", str(run)) if command[:2] in (LIST, PREDICT[:2]) else (str(run),)
            arguments = [*command, *where]
            assert _status(arguments, capsys) != 0, command


def test_the_auditor_s_guide_says_who_notices() -> None:
    said, _, _ = tables()
    assert list(said) == list(ROWS)
    assert sorted(change for changes in ROWS.values() for change in changes) == sorted(NOTICED)
    for row, changes in ROWS.items():
        noticed = {tuple(word for word in command if word != "scan.png") for change in changes
                   for command in NOTICED[change][2]}  # fmt: skip
        assert commands(said[row]) - {("ledger", "tx"), ("ledger", "proof")} == noticed, row


def _status(arguments: list[str], capsys: Captured) -> int:
    from hmchain.interfaces.cli.main import main

    status = main(arguments)
    capsys.readouterr()
    return status


@pytest.mark.parametrize("change", ROWS["the index: a row redirected, exchanged or gone, a view in its place"])
def test_whoever_asks_the_index_is_not_deceived(change: str, capsys: Captured, run: Path) -> None:
    with closing(sqlite3.connect(run / "ledger" / "blocks.db")) as db:
        (digest,) = db.execute("SELECT digest FROM transactions WHERE height = 9 AND position = 0").fetchone()
    NOTICED[change][0](run)
    for command in (("ledger", "tx"), ("ledger", "proof")):
        text(capsys, *command, digest.hex(), "--dir", str(run), status=6)


def test_a_redirected_index_shows_no_other_transaction(capsys: Captured, run: Path) -> None:
    with closing(sqlite3.connect(run / "ledger" / "blocks.db")) as db:
        (digest,) = db.execute("SELECT digest FROM transactions WHERE height = 9 AND position = 0").fetchone()
        db.execute("UPDATE transactions SET height = 2, position = 0 WHERE digest = ?", (digest,))
        db.commit()
    for command in (("ledger", "tx"), ("ledger", "proof")):
        shown = text(capsys, *command, digest.hex(), "--dir", str(run), status=6)
        assert "shows another transaction than" in shown


def test_states_that_are_gone_are_made_of_the_blocks(capsys: Captured, run: Path) -> None:
    """They are caches: the record holds without them."""
    shown = [answer(capsys, *command, str(run)) for command in (STATUS, TRACE, BLOCKS)]
    all_gone(run)
    verify(capsys, run)
    assert [answer(capsys, *command, str(run)) for command in (STATUS, TRACE, BLOCKS)] == shown


@pytest.mark.parametrize("change", ["state garbage", "reputation"])
def test_blocks_are_shown_as_they_are_beside_states_that_are_not(change: str, capsys: Captured, run: Path) -> None:
    shown = [answer(capsys, *command, str(run)) for command in (TRACE, BLOCKS)]
    NOTICED[change][0](run)
    assert [answer(capsys, *command, str(run)) for command in (TRACE, BLOCKS)] == shown


@pytest.mark.parametrize("what", NAMED)
def test_what_is_not_checked_is_named(what: str, capsys: Captured, run: Path) -> None:
    path = NAMED[what](run)
    path.write_bytes(b"changed")
    assert path.relative_to(run).as_posix() in named(capsys, run)


def test_exchanged_records_scores_and_strange_files_are_named(capsys: Captured, run: Path) -> None:
    swapped(run)
    edited("summary.json", '"auc"', '"auc"')(run)
    (run / "report.html").write_text("old")
    (run / "strange.bin").write_bytes(b"x")
    found = named(capsys, run)
    assert {"summary.json", "report.html", "strange.bin"} <= found
    assert any("/records/" in name for name in found)
