"""A machine is lost: backup, its key and a replica give everything back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.security import log
from hmchain.application.security.checking import checked
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.keyring import earlier_key_file, earlier_key_files
from hmchain.interfaces.cli.main import main
from hmchain.keys import SecretKey, WrappingKey, load_key, save_key
from support.steward import NUMBER, Captured, Steward, contents
from support.steward import scans as scans
from support.steward import steward as steward

pytestmark = pytest.mark.network

__all__ = ["scans", "steward"]

FORMER = WrappingKey(bytes(64), bytes(32))
"""The wrapping key that the hospital had before: documents were sealed to it."""


@pytest.fixture
def saved(steward: Steward, scans: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A backup, its key and a replica of a hospital with two projects, a registered version and a quarantine."""
    steward.run("extract", str(scans), "--into", "head", "--title", "Head CT")
    steward.run("extract", str(scans), "--into", "neck", "--project", "other")
    steward.run("register", "head", "--leave-waiting")
    steward.run("opt-out", "--patient", f"{NUMBER}-77")
    keys = steward.folder / "keys"
    save_key(FORMER, earlier_key_file(keys, FORMER))
    made = steward.run("vault", "backup", str(tmp_path / "north.backup"))
    steward.run("vault", "mirror", str(tmp_path / "replica"))
    key = tmp_path / "kept apart" / "backup.key"
    key.parent.mkdir()
    shutil.copy(made["key"], key)
    return Path(made["file"]), key, tmp_path / "replica"


def shown(hospital: Steward) -> Any:
    listed = [hospital.run("show", name, "--limit", "1000") for name in ("head", "neck")]
    return listed, hospital.run("quarantine", "list", "--names"), hospital.run("verify", "head")


def test_the_log_that_the_ledger_has_anchors_of_goes_on(
    steward: Steward, saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    """A new machine begins a log of its own before the old one's is brought back."""
    file, key, replica = saved
    lines = list(log.read(steward.folder / "activity.db"))
    new = Steward(tmp_path / "new" / "north", capsys)
    new.run("init")
    shutil.rmtree(new.folder / "keys")
    new.run("vault", "restore", str(file), "--key", str(key), "--replica", str(replica))
    found = list(checked(log.read(new.folder / "activity.db"), {}, "north"))
    assert [each.link for each in found[:9]] == [each.link for each in lines[:9]]
    (begun, made) = log.read(new.folder / "activity.db.aside-1")
    assert begun.typed.kind is Kind.LOG_BEGUN and made.typed.what == "data init"


def test_another_hospitals_log_goes_on_nowhere_else(tmp_path: Path, capsys: Captured) -> None:
    """Its records came to a hospital of another name, which has a log of its own."""
    old, new = Steward(tmp_path / "old" / "north", capsys), Steward(tmp_path / "new" / "north", capsys)
    log.record(old.folder / "activity.db", Event(Kind.SIGN_IN), "south")
    old.run("init")
    key = old.run("vault", "backup", str(tmp_path / "south.backup"))["key"]
    new.run("vault", "restore", str(tmp_path / "south.backup"), "--key", key)
    assert log.whose(new.folder / "activity.db.aside-1") == "south"
    assert log.whose(new.folder / "activity.db") == ""


def test_a_lost_machine_is_made_good(
    steward: Steward, saved: tuple[Path, Path, Path], scans: Path, tmp_path: Path, capsys: Captured
) -> None:
    file, key, replica = saved
    before = shown(steward)
    steward.run("export", "head", "--output", str(tmp_path / "before"))
    shutil.rmtree(steward.folder)

    new = Steward(tmp_path / "new" / "north", capsys)
    done = new.run("vault", "restore", str(file), "--key", str(key), "--replica", str(replica))
    assert done["lost"] == 0 and done["objects"] > 24 and done["organisation"] == "north"
    assert new.run("vault", "verify")["sound"]
    assert [load_key(WrappingKey, path) for path in earlier_key_files(new.folder / "keys")] == [FORMER]
    assert shown(new) == before
    new.run("export", "head", "--output", str(tmp_path / "after"))
    assert contents(tmp_path / "before") == contents(tmp_path / "after")
    done = [each["what"] for each in new.run("log")["entries"]]  # goes on where the backup was made
    assert done == ["extract", "extract", "register", "opt-out", "backup", "restore", "export"]

    # Project keys came back: the same patients have the same pseudonyms, and nothing is extracted twice.
    again = new.run("extract", str(scans), "--into", "neck")
    assert (again["records"], again["resumed"]) == (0, 14)
    third = new.run("extract", str(scans), "--into", "head2", "--project", "head")
    assert third["records"] == 12
    records = [{entry["record"] for entry in new.run("show", name)["entries"]} for name in ("head", "head2")]
    assert records[0] == records[1]
    assert new.run("opt-out", "--patient", f"{NUMBER}-77", "--lift")["lifted"] == 1


def test_a_backup_tells_nothing_without_its_key(
    steward: Steward, saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    file, _, _ = saved
    data = file.read_bytes()
    subject = steward.run("show", "head")["entries"][0]["subject"]
    assert b"SQLite" not in data and b"Head CT" not in data and subject.encode() not in data
    assert file.stat().st_mode & 0o077 == 0 and not list(steward.folder.glob("backup-*"))
    save_key(SecretKey.generate(), tmp_path / "other.key")
    new = Steward(tmp_path / "new", capsys)
    error = new.run("vault", "restore", str(file), "--key", str(tmp_path / "other.key"), expect=4)["error"]
    assert error["code"] == "records_backup" and "another backup key" in error["what"]
    assert not (new.folder / "keys").exists() and not (new.folder / "vault").exists()


@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "none", "other"])
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    steward: Steward, saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured, damage: str
) -> None:
    file, key, _ = saved
    data = bytearray(file.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    made = {"cut": data[: len(data) // 2], "longer": data + b"x", "none": b"", "other": b"SQLite format 3\0" * 99}
    file.write_bytes(made.get(damage, data))
    new = Steward(tmp_path / "new", capsys)
    error = new.run("vault", "restore", str(file), "--key", str(key), expect=4)["error"]
    assert error["code"] == "records_backup" and error["hint"]
    assert not (new.folder / "keys").exists() and not (new.folder / "vault").exists()
    assert new.run("list", expect=2)["error"]["code"] == "no_hospital"


def test_nothing_is_written_over(
    steward: Steward, saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    file, key, _ = saved
    assert steward.run("vault", "backup", str(file), expect=4)["error"]["code"] == "records_backup"
    error = steward.run("vault", "restore", str(file), "--key", str(key), expect=2)["error"]
    assert error["code"] == "hospital_exists"
    other = Steward(tmp_path / "other", capsys)
    other.run("init")
    (other.folder / "agent.db").touch()
    error = other.run("vault", "restore", str(file), "--key", str(key), expect=2)["error"]
    assert error["code"] == "hospital_exists" and not (other.folder / "vault").exists()


def test_a_node_that_was_set_up_anew_takes_the_records_of_the_lost_one(
    saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    file, key, replica = saved
    node = tmp_path / "node"
    assert (
        main(
            ["node", "init", "north", "--title", "North", "--dir", str(node), "--address", "127.0.0.1:26656", "--json"]
        )
        == 0
    )
    capsys.readouterr()
    former = (node / "keys" / "wrapping.key").read_bytes()
    new = Steward(node, capsys)
    done = new.run("vault", "restore", str(file), "--key", str(key), "--replica", str(replica))
    assert done["folder"] == str(node / "hospitals" / "north") and done["lost"] == 0
    assert (node / "keys" / "wrapping.key.replaced").read_bytes() == former
    assert new.run("vault", "verify")["sound"] and new.run("verify", "head", "--offline")["records"] == 12


def test_records_that_no_replica_has_are_counted_as_lost(
    steward: Steward, saved: tuple[Path, Path, Path], tmp_path: Path, capsys: Captured
) -> None:
    file, key, replica = saved
    objects = sorted(path for path in replica.rglob("*") if path.is_file())
    objects[0].unlink()
    new = Steward(tmp_path / "new", capsys)
    done = new.run("vault", "restore", str(file), "--key", str(key), "--replica", str(replica), expect=4)
    assert done["lost"] >= 1 and done["objects"] == len(objects) - 1


def test_keys_in_a_backup_are_sealed_again_under_the_passphrase(
    tmp_path: Path, scans: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "correct horse")
    north = Steward(tmp_path / "north", capsys)
    north.run("init")
    north.run("extract", str(scans), "--into", "head")
    made = north.run("vault", "backup", str(tmp_path / "backup"))
    new = Steward(tmp_path / "new", capsys)
    new.run("vault", "restore", made["file"], "--key", made["key"], "--replica", str(north.folder / "records"))
    assert new.run("verify", "head", expect=2)["error"]["code"] == "not_registered"
    monkeypatch.delenv("HMCHAIN_PASSPHRASE")
    assert new.run("list", expect=5)["error"]["code"] == "wrong_passphrase"
