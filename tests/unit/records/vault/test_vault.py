"""The vault: records sealed one by one, versions that are committed to, and erasure that survives a crash."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from hmchain import merkle
from hmchain.keys import UnwrapError, WrappingKey
from hmchain.records.envelope import EnvelopeError, EnvelopeKeyError
from hmchain.records.objects import MissingObjectError, ObjectStore, StoreUnavailableError, TamperedObjectError
from hmchain.records.vault import (
    MissingRecordError,
    RecordExistsError,
    Vault,
    VaultError,
    VaultKeyError,
    VersionClosedError,
)
from support.vault_file import rows

KEY = WrappingKey.generate()
SECRET = b"Jane Roe, born 1971-02-03"
RECORDS = {f"record {i}": SECRET + bytes([i]) for i in range(5)}


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.directory(tmp_path / "objects", durable=False)


@pytest.fixture
def vault(tmp_path: Path, store: ObjectStore) -> Vault:
    return Vault.create(tmp_path / "vault", store, KEY)


def test_records_come_back(vault: Vault, store: ObjectStore) -> None:
    digest = vault.put("brain", 1, "a", SECRET)
    assert vault.get("brain", 1, "a") == b"".join(vault.get_stream("brain", 1, "a")) == SECRET
    assert list(store.list()) == [digest]
    assert vault.has("brain", 1, "a") and not vault.has("brain", 2, "a")
    vault.put_many("brain", 2, RECORDS)
    assert vault.records("brain", 2) == sorted(RECORDS)
    assert dict(vault.read("brain", 2)) == RECORDS
    assert vault.records("brain", 3) == []
    assert vault.versions() == [("brain", 1), ("brain", 2)]


def test_a_vault_is_there_after_a_restart(vault: Vault, tmp_path: Path, store: ObjectStore) -> None:
    vault.put_many("brain", 1, RECORDS)
    bound = vault.commit("brain", 1)
    vault.close()
    with Vault.open(tmp_path / "vault", store, KEY) as again:
        assert dict(again.read("brain", 1)) == RECORDS
        assert again.commit("brain", 1) == bound


def test_nothing_is_stored_in_the_clear_and_only_the_owner_may_read(vault: Vault, tmp_path: Path) -> None:
    vault.put_many("brain", 1, RECORDS)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > len(RECORDS)
    assert not any(SECRET in path.read_bytes() for path in files)
    for path in (tmp_path / "vault").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_vault_opens_only_with_its_key(vault: Vault, tmp_path: Path, store: ObjectStore) -> None:
    with pytest.raises(VaultKeyError):
        Vault.open(tmp_path / "vault", store, WrappingKey.generate())


def test_create_and_open_do_not_stand_in_for_each_other(vault: Vault, tmp_path: Path, store: ObjectStore) -> None:
    with pytest.raises(VaultError, match="exists"):
        Vault.create(tmp_path / "vault", store, KEY)
    with pytest.raises(VaultError, match="does not exist"):
        Vault.open(tmp_path / "elsewhere", store, KEY)


def test_creation_cut_short_can_be_done_again(tmp_path: Path, store: ObjectStore) -> None:
    (tmp_path / "vault").mkdir()
    sqlite3.connect(tmp_path / "vault" / "vault.sqlite").execute("PRAGMA journal_mode = WAL")
    with pytest.raises(VaultError, match="create it"):
        Vault.open(tmp_path / "vault", store, KEY)
    Vault.create(tmp_path / "vault", store, KEY).put("brain", 1, "a", SECRET)


def test_a_damaged_file_is_a_named_error(tmp_path: Path, store: ObjectStore) -> None:
    (tmp_path / "vault.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(VaultError, match="damaged"):
        Vault.open(tmp_path, store, KEY)


def test_a_record_of_a_version_is_put_once(vault: Vault) -> None:
    vault.put("brain", 1, "a", b"first")
    with pytest.raises(RecordExistsError):
        vault.put_many("brain", 1, {"b": b"new", "a": b"second"})
    assert dict(vault.read("brain", 1)) == {"a": b"first"}


def test_a_batch_is_kept_whole_or_not_at_all(vault: Vault, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise StoreUnavailableError("the object store fails")

    monkeypatch.setattr(store, "put_many", fail)
    with pytest.raises(StoreUnavailableError):
        vault.put_many("brain", 1, RECORDS)
    assert vault.records("brain", 1) == []


def test_progress_is_told(vault: Vault) -> None:
    seen: list[tuple[int, int]] = []
    vault.put_many("brain", 1, {str(i): b"x" for i in range(1100)}, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (1100, 1100)
    assert len(seen) > 1


def test_missing_and_tampered_ciphertext_are_told_apart(vault: Vault, tmp_path: Path, store: ObjectStore) -> None:
    altered, lost = vault.put_many("brain", 1, {"a": b"x", "b": b"y"})
    (tmp_path / "objects" / altered.hex()[:2] / altered.hex()).write_bytes(b"z")
    store.delete(lost)
    with pytest.raises(TamperedObjectError):
        vault.get("brain", 1, "a")
    with pytest.raises(MissingObjectError):
        vault.get("brain", 1, "b")
    with pytest.raises(MissingRecordError):
        vault.get("brain", 1, "c")


def test_a_wrapped_key_opens_its_own_record_only(vault: Vault, tmp_path: Path) -> None:
    """Rows swapped inside the database give no other record's content."""
    vault.put_many("brain", 1, {"a": b"x", "b": b"y"})
    swap = "UPDATE records SET {0} = (SELECT {0} FROM records WHERE record = 'b') WHERE record = 'a'"
    rows(tmp_path / "vault", swap.format("blob"))
    with pytest.raises(UnwrapError):
        vault.get("brain", 1, "a")
    rows(tmp_path / "vault", swap.format("wrapped"))
    with pytest.raises(UnwrapError):
        vault.get("brain", 1, "a")


def test_objects_swapped_in_the_database_do_not_open(vault: Vault, tmp_path: Path) -> None:
    vault.put_many("brain", 1, {"a": b"x", "b": b"y"})
    one, two = (row[0] for row in rows(tmp_path / "vault", "SELECT digest FROM blobs ORDER BY id"))
    for digest, place in ((b"", 1), (one, 2), (two, 1)):
        rows(tmp_path / "vault", "UPDATE blobs SET digest = ? WHERE id = ?", (digest, place))
    with pytest.raises((EnvelopeKeyError, EnvelopeError)):
        vault.get("brain", 1, "a")


def test_a_root_binds_the_ciphertext_and_says_nothing_without_its_key(vault: Vault) -> None:
    digests = vault.put_many("brain", 1, RECORDS)
    bound = vault.commit("brain", 1)
    assert len(bound.leaves) == len(set(bound.leaves)) == len(digests)
    assert not set(bound.leaves) & set(digests)
    assert bound.merkle_root == merkle.root(bound.leaves)
    assert len(bound.root) == 32
    assert bound.root != bound.merkle_root
    vault.put_many("brain", 2, RECORDS)
    assert vault.commit("brain", 2).root != bound.root


def test_a_version_is_closed_by_its_commitment(vault: Vault) -> None:
    vault.put("brain", 1, "a", b"x")
    vault.commit("brain", 1)
    with pytest.raises(VersionClosedError):
        vault.put("brain", 1, "b", b"y")
    with pytest.raises(MissingRecordError):
        vault.commit("brain", 2)


def test_erasure_destroys_keys_ciphertext_and_the_key_of_the_root(
    vault: Vault, tmp_path: Path, store: ObjectStore
) -> None:
    vault.put_many("brain", 1, RECORDS)
    vault.put_many("brain", 2, RECORDS)
    vault.put_many("lung", 1, RECORDS)
    vault.commit("brain", 1)
    wrapped = [row[0] for row in rows(tmp_path / "vault", "SELECT wrapped FROM records WHERE record = 'record 3'")]
    ((kept,), *_) = rows(tmp_path / "vault", "SELECT wrapped FROM records WHERE record = 'record 1'")
    objects = len(list(store.list()))

    assert vault.erase("brain", "record 3") == 2

    assert len(list(store.list())) == objects  # the other dataset has the same image
    for version in (1, 2):
        with pytest.raises(MissingRecordError):
            vault.get("brain", version, "record 3")
    with pytest.raises(VersionClosedError):
        vault.commit("brain", 1)
    vault.put("brain", 2, "another", b"a version that nobody committed to stays open")
    assert vault.commit("brain", 2).root
    assert vault.get("lung", 1, "record 3") == RECORDS["record 3"]
    assert vault.get("brain", 1, "record 1") == RECORDS["record 1"]
    vault.close()
    left = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    assert kept in left
    assert sum(key in left for key in wrapped) == 1, "only the other dataset's copy is left"


def test_erasing_what_is_not_there_changes_nothing(vault: Vault) -> None:
    vault.put("brain", 1, "a", b"x")
    assert vault.erase("brain", "b") == 0
    assert vault.commit("brain", 1).leaves


def test_an_erasure_cut_short_is_finished_when_the_vault_is_opened(
    vault: Vault, tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = vault.put("brain", 1, "a", b"x")

    def fail(_: object) -> None:
        raise StoreUnavailableError("the object store fails")

    with monkeypatch.context() as patch:
        patch.setattr(store, "delete_many", fail)
        with pytest.raises(StoreUnavailableError):
            vault.erase("brain", "a")
    with pytest.raises(MissingRecordError):
        vault.get("brain", 1, "a")
    assert store.exists(digest)
    vault.close()
    Vault.open(tmp_path / "vault", store, KEY).close()
    assert not store.exists(digest)


def test_messages_hold_no_record_ids(vault: Vault) -> None:
    patient = "roe-jane-1971"
    vault.put("brain", 1, patient, b"x")
    with pytest.raises(RecordExistsError) as exists:
        vault.put("brain", 1, patient, b"x")
    with pytest.raises(MissingRecordError) as missing:
        vault.get("brain", 2, patient)
    assert patient not in f"{exists.value}{missing.value}"
