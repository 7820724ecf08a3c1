"""Objects and envelopes: one suite over every backend, then what tampering, crashes and a full disk do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from hmchain.records.objects import (
    MissingObjectError,
    ObjectStore,
    TamperedObjectError,
    WrongSizeError,
)
from support.s3_server import S3Server, running_s3


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["memory", "directory", "directory, not durable", pytest.param("s3", marks=pytest.mark.process)])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    if request.param == "memory":
        return ObjectStore.memory()
    if request.param == "s3":
        return bucket(request.getfixturevalue("s3"), monkeypatch, tmp_path.name)
    return ObjectStore.directory(tmp_path / "objects", durable=request.param == "directory")


def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch, prefix: str, **changed: str) -> ObjectStore:
    """The server's bucket as a user opens it; `changed` overrides the environment."""
    for name, value in {**server.environment, **changed}.items():
        monkeypatch.setenv(name, value)
    return ObjectStore.open(f"s3://{server.bucket}/{prefix}")


# --- every backend


def test_an_object_comes_back_under_its_digest(store: ObjectStore) -> None:
    digest = store.put(b"ciphertext")
    assert digest == blake3(b"ciphertext").digest()
    assert store.get(digest) == b"ciphertext"
    assert store.exists(digest)


def test_an_object_of_another_size_than_expected_is_not_read(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put(b"pixels")
    assert store.size(digest) == 6 and store.get(digest, size=6) == b"pixels"
    monkeypatch.setattr(store.backend, "read", lambda name, limit: pytest.fail("read"))
    for size in (5, 7, 1 << 40):
        with pytest.raises(WrongSizeError, match=f"6 bytes in place of {size}"):
            store.get(digest, size=size)
    with pytest.raises(MissingObjectError):
        store.size(bytes(32))


def test_a_store_that_lies_about_a_size_is_read_no_further(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.put(b"pixels and much more")
    monkeypatch.setattr(store.backend, "size", lambda name: 6)
    read, got = store.backend.read, []
    monkeypatch.setattr(store.backend, "read", lambda *asked: got.append(read(*asked)) or got[-1])
    with pytest.raises(TamperedObjectError):
        store.get(digest, size=6)
    assert got == [b"pixels"]


def test_putting_the_same_object_again_changes_nothing(store: ObjectStore) -> None:
    assert store.put(b"x") == store.put(bytearray(b"x")) == store.put(memoryview(b"x"))
    assert list(store.list()) == [blake3(b"x").digest()]


def test_several_objects_at_once(store: ObjectStore) -> None:
    objects = [bytes([i]) * i for i in range(20)]
    digests = store.put_many(objects)
    sizes = dict(zip(digests, map(len, objects), strict=True))
    assert [store.get(digest) for digest in digests] == list(store.get_many(sizes).values()) == objects
    assert sorted(store.list()) == sorted(digests)
    with pytest.raises(WrongSizeError):
        store.get_many({**sizes, digests[3]: 4})


@pytest.mark.parametrize("size", [0, 1, 3 << 20, 20 << 20])
def test_an_object_comes_and_goes_in_pieces(store: ObjectStore, size: int) -> None:
    data = hashlib.shake_128(b"pieces").digest(size)
    digest = store.put_stream(pieces(data, 700_000))
    assert digest == blake3(data).digest()
    assert store.get(digest) == data
    assert b"".join(bytes(piece) for piece in store.get_stream(digest)) == data
    assert store.put_stream([data]) == store.put(data) == digest
    assert list(store.list()) == [digest]


def test_a_stream_that_breaks_leaves_nothing(store: ObjectStore) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise ValueError("the source is gone")

    with pytest.raises(ValueError, match="source"):
        store.put_stream(broken())
    assert list(store.list()) == []


def test_several_objects_are_deleted_at_once(store: ObjectStore) -> None:
    digests = store.put_many([b"x", b"y", b"z"])
    store.delete_many([*digests[:2], bytes(32)])
    assert list(store.list()) == digests[2:]


def test_objects_of_an_age_are_listed(store: ObjectStore) -> None:
    digest = store.put(b"x")
    assert list(store.list(older_than_s=3600)) == []
    assert list(store.list(older_than_s=-3600)) == [digest]


def test_threads_may_put_the_same_objects(store: ObjectStore) -> None:
    objects = [bytes([i]) * 10_000 for i in range(20)]
    with ThreadPoolExecutor(8) as threads:
        puts = list(threads.map(store.put, objects * 4))
    assert len(set(puts)) == len(list(store.list())) == 20
    assert all(store.get(digest) == data for digest, data in zip(puts[:20], objects, strict=True))


def test_a_store_that_works_says_nothing(store: ObjectStore) -> None:
    store.check()
    assert list(store.list()) == []


def test_a_missing_object_is_named(store: ObjectStore) -> None:
    digest = bytes(32)
    assert not store.exists(digest)
    with pytest.raises(MissingObjectError, match=digest.hex()):
        store.get(digest)
    with pytest.raises(MissingObjectError, match=digest.hex()):
        list(store.get_stream(digest))


def test_a_deleted_object_is_missing_and_deleting_again_is_no_error(store: ObjectStore) -> None:
    digest = store.put(b"x")
    store.delete(digest)
    store.delete(digest)
    assert not store.exists(digest)
    assert list(store.list()) == []


def test_an_address_is_a_digest_and_nothing_else(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        store.get(b"../../etc/passwd")


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


@pytest.mark.network
def test_one_bucket_is_one_place_however_its_server_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a hospital could keep its records where members exchange objects, and lose them to who erases there."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")

    def at(endpoint: str, location: str = "s3://hospitals/p") -> ObjectStore:
        return ObjectStore.open(location, endpoint=endpoint)

    store = at("http://127.0.0.1:9000")
    assert all(store.is_place_of(at(each)) for each in ("http://127.0.0.1:9000/", "http://localhost:9000"))
    assert store.is_place_of(at("http://127.0.0.1:9000", "s3://hospitals/p/"))
    assert not any(store.is_place_of(at(each)) for each in ("http://127.0.0.1:9001", "https://elsewhere.example:9000"))
    assert not store.is_place_of(at("http://127.0.0.1:9000", "s3://hospitals/q"))
    assert at("https://s3.example").is_place_of(at("https://S3.example:443/"))
