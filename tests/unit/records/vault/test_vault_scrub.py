"""Looking after a vault: scrub, repair from a replica, mirror, backup, sweep."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from hmchain.keys import WrappingKey
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Damage, Vault, VaultError, scrub
from support.vault_file import rows

KEY = WrappingKey.generate()
CONTENTS = {f"{i:02d}": bytes([i]) * (i * 30_000) for i in range(12)}


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.directory(tmp_path / "objects", durable=False)


@pytest.fixture
def replica(tmp_path: Path) -> ObjectStore:
    return ObjectStore.directory(tmp_path / "replica", durable=False)


@pytest.fixture
def vault(tmp_path: Path, store: ObjectStore) -> Iterator[Vault]:
    with Vault.create(tmp_path / "vault", store, KEY) as vault:
        vault.put_many("ct", 1, CONTENTS)
        yield vault


def file_of(store: ObjectStore, record: str) -> Path:
    folder: Path = store.backend.path  # type: ignore[union-attr]
    chosen = "SELECT b.digest FROM blobs b JOIN records r ON r.blob = b.id WHERE r.record = ?"
    ((digest,),) = rows(folder.parent / "vault", chosen, (record,))
    return folder / digest.hex()[:2] / digest.hex()


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def test_a_sound_vault_is_read_whole(vault: Vault, store: ObjectStore) -> None:
    vault.put("ct", 2, "twin", CONTENTS["05"])
    told: list[tuple[int, int]] = []
    scrub = vault.verify(lambda done, of: told.append((done, of)))
    assert scrub.sound and scrub.unnamed == 0
    assert (scrub.records, scrub.blobs) == (13, 12)
    assert scrub.bytes == sum(len(store.get(digest)) for digest in store.list())
    assert told[-1] == (12, 12)
    assert vault.verify(ciphertext_only=True) == scrub


@pytest.mark.parametrize("ciphertext_only", [False, True])
@pytest.mark.parametrize("place", [0, 40, 200, -1], ids=["magic", "header", "first chunk", "last tag"])
def test_a_flipped_bit_is_found_and_named(vault: Vault, store: ObjectStore, place: int, ciphertext_only: bool) -> None:
    flip(file_of(store, "07"), place)
    assert vault.verify(ciphertext_only=ciphertext_only).damaged == (Damage("ct", 1, "07", "altered"),)


def test_missing_and_cut_objects_are_named_for_every_record_that_needs_them(vault: Vault, store: ObjectStore) -> None:
    vault.put("ct", 2, "twin", CONTENTS["05"])
    file_of(store, "05").unlink()
    cut = file_of(store, "06")
    cut.write_bytes(cut.read_bytes()[:-1])
    file_of(store, "08").write_bytes(b"")
    assert set(vault.verify().damaged) == {
        Damage("ct", 1, "05", "missing"),
        Damage("ct", 2, "twin", "missing"),
        Damage("ct", 1, "06", "altered"),
        Damage("ct", 1, "08", "altered"),
    }


def test_damaged_and_foreign_keys_are_told_from_damaged_ciphertext(vault: Vault, tmp_path: Path) -> None:
    vault.put("ct", 2, "twin", CONTENTS["05"])
    change = partial(rows, tmp_path / "vault")
    change("UPDATE records SET wrapped = zeroblob(60) WHERE record IN ('03', 'twin')")
    change("UPDATE blobs SET context = zeroblob(32) WHERE id = (SELECT blob FROM records WHERE record = '09')")
    assert set(vault.verify().damaged) == {
        Damage("ct", 1, "03", "key"),
        Damage("ct", 1, "09", "key"),
        Damage("ct", 2, "twin", "key"),
    }
    assert vault.verify(ciphertext_only=True).sound


def test_a_replica_mends_what_it_has(vault: Vault, store: ObjectStore, replica: ObjectStore) -> None:
    assert vault.mirror(replica).copied == 12
    vault.put("ct", 2, "new", b"not mirrored yet")
    file_of(store, "05").unlink()
    flip(file_of(store, "06"), 300)
    file_of(store, "new").unlink()
    told: list[tuple[int, int]] = []

    repair = vault.repair(replica, lambda done, of: told.append((done, of)))

    assert repair.restored == 2
    assert repair.lost == (Damage("ct", 2, "new", "missing"),)
    assert told[-1] == (13, 13)
    assert dict(vault.read("ct", 1)) == CONTENTS
    assert vault.repair(replica).restored == 0


def test_a_replica_that_lies_mends_nothing(vault: Vault, store: ObjectStore, replica: ObjectStore) -> None:
    vault.mirror(replica)
    good, copy = file_of(store, "05"), file_of(replica, "05")
    good.unlink()
    flip(copy, 100)
    assert vault.repair(replica).lost == (Damage("ct", 1, "05", "missing"),)
    assert not good.exists()


def rot(replica: ObjectStore, vault: Vault) -> None:
    """One object altered, one cut short, one emptied."""
    flip(file_of(replica, "05"), 100)
    cut = file_of(replica, "06")
    cut.write_bytes(cut.read_bytes()[:-7])
    file_of(replica, "08").write_bytes(b"")


def test_what_has_rotten_in_a_replica_is_replaced(vault: Vault, store: ObjectStore, replica: ObjectStore) -> None:
    vault.mirror(replica)
    rot(replica, vault)
    done = vault.mirror(replica)
    assert (done.copied, done.checked, done.repaired, done.damaged) == (0, 12, 3, ())
    for record in CONTENTS:
        file_of(store, record).unlink()
    assert vault.repair(replica).restored == 12
    assert dict(vault.read("ct", 1)) == CONTENTS


def test_of_a_large_replica_sizes_and_a_part_are_checked_and_all_if_asked(
    vault: Vault, replica: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.mirror(replica)
    rot(replica, vault)
    monkeypatch.setattr(scrub, "CHECKED_BYTES_MIN", 0)
    monkeypatch.setattr(scrub, "CHECKED_SHARE_MIN", 0.0)
    done = vault.mirror(replica)
    assert (done.checked, done.repaired) == (2, 2), "other sizes show without reading all"
    done = vault.mirror(replica, deep=True)
    assert (done.checked, done.repaired) == (12, 1)
    assert vault.mirror(replica, deep=True).repaired == 0


def test_each_mirroring_reads_about_as_much_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scrub.share_read(0) == scrub.share_read(200 << 20) == 1.0
    assert scrub.share_read(1 << 30) == 0.25 and scrub.share_read(1 << 40) == 0.02


def test_rot_on_both_sides_is_named_and_a_good_copy_is_never_replaced(
    vault: Vault, store: ObjectStore, replica: ObjectStore
) -> None:
    vault.mirror(replica)
    flip(file_of(store, "05"), 100)
    flip(file_of(replica, "05"), 200)
    cut = file_of(store, "06")
    cut.write_bytes(cut.read_bytes()[:-7])
    done = vault.mirror(replica)
    assert (done.repaired, done.damaged) == (0, (Damage("ct", 1, "05", "altered"),))
    assert vault.repair(replica).restored == 1 and vault.get("ct", 1, "06") == CONTENTS["06"]


def test_a_mirror_follows_erasures_and_leaves_the_rest_alone(
    vault: Vault, store: ObjectStore, replica: ObjectStore
) -> None:
    other = replica.put(b"somebody else's")
    vault.mirror(replica)
    vault.erase("ct", "03")
    file_of(store, "04").unlink()
    flip(file_of(store, "06"), 300)
    vault.put("ct", 2, "new", b"new")

    done = vault.mirror(replica)

    assert (done.copied, done.removed, done.damaged) == (1, 1, ())
    assert set(store.list()) <= set(replica.list())
    assert replica.exists(other)
    assert vault.mirror(replica).removed == 0


def test_damage_is_not_copied_to_a_new_replica(vault: Vault, store: ObjectStore, replica: ObjectStore) -> None:
    file_of(store, "04").unlink()
    flip(file_of(store, "06"), 300)
    done = vault.mirror(replica)
    assert set(done.damaged) == {Damage("ct", 1, "04", "missing"), Damage("ct", 1, "06", "altered")}
    assert done.copied == len(list(replica.list())) == 10


def test_a_vault_comes_back_from_its_backup_and_a_replica(vault: Vault, replica: ObjectStore, tmp_path: Path) -> None:
    vault.mirror(replica)
    vault.backup(tmp_path / "backup.sqlite")
    assert stat.S_IMODE((tmp_path / "backup.sqlite").stat().st_mode) == 0o600
    with pytest.raises(VaultError, match="another place"):
        vault.backup(tmp_path / "backup.sqlite")
    (tmp_path / "again").mkdir()
    (tmp_path / "backup.sqlite").rename(tmp_path / "again" / "vault.sqlite")
    with Vault.open(tmp_path / "again", replica, KEY) as again:
        assert dict(again.read("ct", 1)) == CONTENTS


def test_what_a_crash_left_is_swept_up_after_a_day(vault: Vault, store: ObjectStore) -> None:
    old, young = store.put(b"left by a crash"), store.put(b"of a put that is under way")
    folder: Path = store.backend.path  # type: ignore[union-attr]
    before = time.time() - 25 * 3600
    for digest in store.list():
        if digest != young:
            os.utime(folder / digest.hex()[:2] / digest.hex(), (before, before))
    assert vault.verify().unnamed == 2
    assert vault.sweep() == 1
    assert not store.exists(old) and store.exists(young)
    assert vault.verify().sound


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + bytes(4096) + data[4196:],
        lambda data: data[:4096] + bytes(len(data) - 4096),
        lambda data: b"",
    ],
    ids=["cut short", "first page", "all but the first page", "empty"],
)
def test_a_damaged_file_is_a_named_error_and_no_traceback(
    vault: Vault, store: ObjectStore, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    vault.close()
    path = tmp_path / "vault" / "vault.sqlite"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VaultError), Vault.open(tmp_path / "vault", store, KEY) as again:
        again.verify()
