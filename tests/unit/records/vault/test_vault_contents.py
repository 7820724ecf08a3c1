"""Contents of the vault: streams, batches, deduplication, and erasing patients whose contents are shared."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.keys import WrappingKey
from hmchain.records.envelope import CHUNK_BYTES, EnvelopeError
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import (
    MissingRecordError,
    RecordExistsError,
    StoredRecord,
    Vault,
    VersionClosedError,
    verify_record_proof,
)
from hmchain.records.vault.intake import Intake, NewRecord, PendingRecord
from support.vault_file import rows

KEY = WrappingKey.generate()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.directory(tmp_path / "objects", durable=False)


@pytest.fixture
def vault(tmp_path: Path, store: ObjectStore) -> Iterator[Vault]:
    with Vault.create(tmp_path / "vault", store, KEY) as vault:
        yield vault


def objects(store: ObjectStore) -> int:
    return len(list(store.list()))


# --- streams


@given(st.lists(st.binary(max_size=3 * CHUNK_BYTES // 2), max_size=5))
@settings(max_examples=20, deadline=None)
def test_a_stream_is_the_record_that_its_pieces_make(pieces: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, Vault.create(Path(folder), ObjectStore.memory(), KEY) as vault:
        vault.put_stream("ct", 1, "a", "", pieces)
        assert vault.get("ct", 1, "a") == b"".join(pieces)
        assert b"".join(vault.get_stream("ct", 1, "a")) == b"".join(pieces)


def test_streams_need_the_same_memory_for_any_size(vault: Vault) -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        vault.put_stream("ct", 1, str(size), "", (bytes([i % 251]) * (1 << 18) for i in range(size >> 18)))
        read = sum(len(piece) for piece in vault.get_stream("ct", 1, str(size)))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read == size
        return highest

    small, large = peak(16 << 20), peak(96 << 20)
    assert large < 12 << 20
    assert large < small + (4 << 20)


def test_a_source_may_use_one_buffer_for_all_pieces(vault: Vault) -> None:
    def source() -> Iterator[memoryview]:
        buffer = bytearray(300_000)
        for i in range(20):
            buffer[:] = bytes([i]) * len(buffer)
            yield memoryview(buffer)

    vault.put_stream("ct", 1, "a", "", source())
    assert vault.get("ct", 1, "a") == b"".join(bytes([i]) * 300_000 for i in range(20))


def test_a_stream_that_breaks_leaves_nothing(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise ConnectionResetError("the PACS is gone")

    with pytest.raises(ConnectionResetError), vault.writer("ct", 1) as writer:
        writer.put_stream("a", "", broken())
    with pytest.raises(ConnectionResetError, match="PACS"):
        vault.put_stream("ct", 1, "a", "", broken())
    assert objects(store) == 0
    assert not any(path.is_file() for path in (tmp_path / "objects").rglob("*"))
    assert vault.records("ct", 1) == []


def test_an_altered_stream_is_an_error_before_the_altered_piece_is_given(vault: Vault, tmp_path: Path) -> None:
    digest = vault.put_stream("ct", 1, "a", "", [bytes(4 * CHUNK_BYTES)])
    path = tmp_path / "objects" / digest.hex()[:2] / digest.hex()
    with path.open("r+b") as file:
        file.seek(3 * CHUNK_BYTES)
        file.write(b"\xff")
    given_out = 0
    with pytest.raises(EnvelopeError):
        for piece in vault.get_stream("ct", 1, "a"):
            given_out += len(piece)
            assert piece == bytes(len(piece))
    assert given_out == 2 * CHUNK_BYTES


# --- batches


def test_a_writer_keeps_batches_and_tells_of_them(vault: Vault, store: ObjectStore) -> None:
    told: list[StoredRecord] = []
    with vault.writer("ct", 1, told.extend) as writer:
        for i in range(1100):
            writer.put(f"{i:04d}", bytes([i % 256, i >> 8]), subject=f"patient {i % 7}")
        assert writer.kept == len(told) == 1024
        assert not vault.has("ct", 1, "1099"), "not before it is durable"
    assert [kept.record for kept in told] == vault.records("ct", 1)
    assert {kept.digest for kept in told} == set(store.list())
    assert vault.subjects("ct", 1) == [f"patient {i}" for i in range(7)]


def test_large_records_make_a_batch_of_their_own(vault: Vault) -> None:
    with vault.writer("ct", 1) as writer:
        for i in range(3):
            writer.put(str(i), bytes([i]) * (9 << 20))
        assert writer.kept == 2


def test_a_block_that_raises_keeps_whole_batches_only(vault: Vault) -> None:
    with pytest.raises(KeyboardInterrupt), vault.writer("ct", 1) as writer:
        for i in range(1100):
            writer.put(f"{i:04d}", bytes([i % 256, i >> 8]))
        raise KeyboardInterrupt
    assert vault.records("ct", 1) == [f"{i:04d}" for i in range(1024)]
    with vault.writer("ct", 1) as writer:  # run again: what is there is known, what is not is put
        for i in range(1100):
            if not vault.has("ct", 1, f"{i:04d}"):
                writer.put(f"{i:04d}", bytes([i % 256, i >> 8]))
    assert len(vault.records("ct", 1)) == 1100


def test_a_writer_refuses_what_put_refuses(vault: Vault) -> None:
    vault.put("ct", 1, "a", b"x")
    with vault.writer("ct", 1) as writer:
        with pytest.raises(RecordExistsError):
            writer.put("a", b"x")
        writer.put("b", b"y")
        with pytest.raises(RecordExistsError):
            writer.put("b", b"y")
    vault.commit("ct", 1)
    with vault.writer("ct", 1) as writer, pytest.raises(VersionClosedError):
        writer.put("c", b"z")


def test_a_version_that_closes_while_records_are_queued_does_not_take_them(vault: Vault) -> None:
    vault.put("ct", 1, "a", b"x")
    with pytest.raises(VersionClosedError), vault.writer("ct", 1) as writer:
        writer.put("b", b"y")
        bound = vault.commit("ct", 1)
    assert vault.records("ct", 1) == ["a"]
    assert vault.commit("ct", 1) == bound


# --- deduplication


def test_the_same_content_is_stored_once(vault: Vault, store: ObjectStore) -> None:
    content = bytes(3000)
    one = vault.put("ct", 1, "a", content)
    assert vault.put("ct", 2, "a", content) == one
    assert vault.put_stream("mr", 1, "b", "", [content[:1000], content[1000:]]) == one
    assert set(vault.put_many("us", 1, {"c": content, "d": content, "e": b"other"})[:2]) == {one}
    assert objects(store) == 2
    for place in (("ct", 1, "a"), ("ct", 2, "a"), ("mr", 1, "b"), ("us", 1, "d")):
        assert vault.get(*place) == content


def test_equal_contents_have_unrelated_leaves_and_roots(vault: Vault) -> None:
    """A leaf that gave equality away would tell an auditor of one record which others are the same image."""
    vault.put_many("ct", 1, {"a": b"same", "b": b"same"})
    vault.put_many("ct", 2, {"a": b"same", "b": b"same"})
    first, second = vault.commit("ct", 1), vault.commit("ct", 2)
    assert len({*first.leaves, *second.leaves}) == 4
    assert first.merkle_root != second.merkle_root and first.root != second.root


def test_two_hospitals_digest_one_content_differently(tmp_path: Path) -> None:
    tags, addresses = set(), set()
    for name in ("one", "two"):
        with Vault.create(tmp_path / name, ObjectStore.memory(), KEY) as vault:
            addresses.add(vault.put("ct", 1, "a", b"same"))
            tags.add(rows(tmp_path / name, "SELECT content FROM blobs")[0][0])
    assert len(tags) == len(addresses) == 2


def test_a_record_has_a_wrapped_key_of_its_own_and_only_that_is_erased(
    vault: Vault, store: ObjectStore, tmp_path: Path
) -> None:
    vault.put("ct", 1, "a", b"same", "patient 1")
    vault.put("ct", 1, "b", b"same", "patient 2")
    keys = dict(rows(tmp_path / "vault", "SELECT record, wrapped FROM records"))
    assert keys["a"] != keys["b"]

    done = vault.erase_subject("patient 1")

    assert (done.records, done.versions) == (1, (("ct", 1),))
    assert objects(store) == 1
    assert vault.get("ct", 1, "b") == b"same"
    files = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    assert keys["a"] not in files and keys["b"] in files
    vault.erase_subject("patient 2")
    assert objects(store) == 0
    assert rows(tmp_path / "vault", "SELECT count(*) FROM blobs") == [(0,)]


def test_content_that_was_erased_can_come_again(vault: Vault, store: ObjectStore) -> None:
    first = vault.put("ct", 1, "a", b"same")
    vault.erase("ct", "a")
    assert vault.put("ct", 2, "a", b"same") != first
    assert vault.get("ct", 2, "a") == b"same"


def test_content_whose_ciphertext_is_lost_is_sealed_again(vault: Vault, store: ObjectStore) -> None:
    """The bytes in our hands must not be thrown away in favour of a file that is gone."""
    store.delete(vault.put("ct", 1, "a", b"same"))
    vault.put("ct", 1, "b", b"same")
    assert vault.get("ct", 1, "b") == b"same"
    assert [(damage.record, damage.problem) for damage in vault.verify().damaged] == [("a", "missing")]


def test_content_that_is_erased_between_sealing_and_entering_is_sealed_after_all(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("ct", 1, "a", b"same")
    seal, sealed = Intake.seal, list[PendingRecord]()

    def seal_and_wait(intake: Intake, entries: Sequence[NewRecord]) -> list[PendingRecord]:
        monkeypatch.undo()
        sealed.extend(seal(intake, entries))
        vault.erase("ct", "a")
        return list(sealed)

    with vault.writer("ct", 2) as writer:
        writer.put("b", b"same")
        monkeypatch.setattr(Intake, "seal", seal_and_wait)
    assert [pending.sealed for pending in sealed] == [None]
    assert vault.get("ct", 2, "b") == b"same"


# --- patients


def test_a_patient_is_erased_from_all_datasets_and_versions(vault: Vault, store: ObjectStore) -> None:
    for dataset in ("ct", "mr"):
        for version in (1, 2):
            for record, subject in (("a", "patient 1"), ("b", "patient 2"), ("c", "")):
                vault.put(dataset, version, record, f"{dataset}{version}{record}".encode(), subject)
    vault.put("us", 1, "b", b"only of the other", "patient 2")
    vault.commit("ct", 1)

    done = vault.erase_subject("patient 1")

    assert (done.records, done.versions) == (4, (("ct", 1), ("ct", 2), ("mr", 1), ("mr", 2)))
    assert vault.records("ct", 1) == ["b", "c"]
    with pytest.raises(MissingRecordError):
        vault.get("mr", 2, "a")
    with pytest.raises(VersionClosedError):
        vault.commit("ct", 1)
    assert len(vault.commit("us", 1).leaves) == 1
    assert objects(store) == 9
    assert vault.erase_subject("patient 1").records == 0


def test_nobody_is_not_a_patient(vault: Vault) -> None:
    vault.put("ct", 1, "a", b"x")
    with pytest.raises(MissingRecordError, match="no patient"):
        vault.erase_subject("")
    assert vault.has("ct", 1, "a")


# --- proofs


def test_one_record_is_proven_against_the_root_on_the_ledger(vault: Vault, store: ObjectStore) -> None:
    vault.put_many("ct", 1, {f"record {i}": bytes([i]) for i in range(11)})
    root = vault.commit("ct", 1).root
    for i in range(11):
        proof = vault.prove("ct", 1, f"record {i}")
        assert verify_record_proof(proof, root)
        assert store.exists(proof.ciphertext)
        assert not verify_record_proof(proof, bytes(32))


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "mr"}, {"version": 2}, {"version": -1}, {"record": "record 3"}, {"ciphertext": bytes(32)},
        {"salt": bytes(16)}, {"salt": b""}, {"index": 4}, {"index": -1}, {"size": 100}, {"size": 0}, {"path": ()},
        {"merkle_root": bytes(32)}, {"root_key": bytes(32)},
    ],
    ids=str,
)  # fmt: skip
def test_a_proof_with_anything_changed_proves_nothing(vault: Vault, change: dict[str, object]) -> None:
    vault.put_many("ct", 1, {f"record {i}": bytes([i]) for i in range(11)})
    root = vault.commit("ct", 1).root
    proof = vault.prove("ct", 1, "record 2")
    assert not verify_record_proof(msgspec.structs.replace(proof, **change), root)


def test_what_is_not_committed_to_or_was_erased_has_no_proof(vault: Vault) -> None:
    vault.put_many("ct", 1, {"a": b"x", "b": b"y"})
    with pytest.raises(MissingRecordError):
        vault.prove("ct", 1, "a")
    vault.commit("ct", 1)
    with pytest.raises(MissingRecordError):
        vault.prove("ct", 1, "c")
    vault.erase("ct", "b")
    with pytest.raises(VersionClosedError):
        vault.prove("ct", 1, "a")
