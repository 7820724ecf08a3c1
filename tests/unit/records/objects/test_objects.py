"""Objects and envelopes: one suite over every backend, then what tampering, crashes and a full disk do."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from hmchain.keys import SecretKey
from hmchain.records.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    EnvelopeError,
    EnvelopeKeyError,
    open_envelope,
    open_stream,
    seal,
    seal_stream,
    sealed_size,
)
from hmchain.records.objects import (
    DiskFullError,
    LocationError,
    MissingObjectError,
    ObjectStore,
    StoreCredentialsError,
    StoreUnavailableError,
    TamperedObjectError,
    WrongSizeError,
)
from support.s3_server import S3Server, running_s3

KEY = SecretKey(bytes(range(32)))
CONTEXT = b"dataset 1"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["memory", "directory", "directory, not durable", "s3"])
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


def file_of(folder: Path, digest: bytes) -> Path:
    return folder / digest.hex()[:2] / digest.hex()


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
    assert [store.get(digest) for digest in digests] == objects
    assert sorted(store.list()) == sorted(digests)


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


# --- a directory


def test_a_tampered_object_is_named(tmp_path: Path) -> None:
    store = ObjectStore.directory(tmp_path)
    digest = store.put(b"ciphertext")
    file_of(tmp_path, digest).write_bytes(b"Ciphertext")
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        store.get(digest)
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        list(store.get_stream(digest))
    assert b"".join(bytes(piece) for piece in store.get_stream(digest, verify=False)) == b"Ciphertext"


def test_an_object_torn_by_a_crash_is_healed_by_the_next_put(tmp_path: Path) -> None:
    store = ObjectStore.directory(tmp_path)
    digest = store.put(b"ciphertext")
    file_of(tmp_path, digest).write_bytes(b"")
    assert store.put(b"ciphertext") == digest
    assert store.get(digest) == b"ciphertext"
    file_of(tmp_path, digest).write_bytes(b"torn")
    assert store.put_stream([b"ciphertext"]) == digest
    assert store.get(digest) == b"ciphertext"


def test_what_a_dead_process_left_under_a_passing_name_goes_after_a_day(tmp_path: Path) -> None:
    store = ObjectStore.directory(tmp_path)
    old, young = tmp_path / "incoming" / "old", tmp_path / "incoming" / "young"
    for path, age in ((old, 25), (young, 1)):
        path.write_bytes(b"half an object")
        os.utime(path, (time.time() - age * 3600,) * 2)
    assert list(ObjectStore.directory(tmp_path).list()) == list(store.list()) == []
    assert not old.exists() and young.exists()


def test_what_another_wrote_unsynced_is_synced_when_it_is_put_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ObjectStore.directory(tmp_path, durable=False).put(b"x")
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_ino), sync(handle)))
    digest = ObjectStore.directory(tmp_path).put(b"x")
    assert file_of(tmp_path, digest).stat().st_ino in synced


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    store = ObjectStore.directory(tmp_path / "objects")
    digest = store.put(b"x")
    shutil.rmtree(tmp_path / "objects")
    for ask in (lambda: store.put(b"y"), lambda: store.put_stream([b"y"]), lambda: list(store.list()), store.check):
        with pytest.raises(StoreUnavailableError):
            ask()
    with pytest.raises(MissingObjectError):
        store.get(digest)


def test_files_that_are_no_objects_are_not_listed(tmp_path: Path) -> None:
    store = ObjectStore.directory(tmp_path)
    digest = store.put(b"x")
    (tmp_path / "README").write_text("not an object")
    file_of(tmp_path, digest).with_name("abc").write_text("neither")
    assert list(store.list()) == [digest]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file was synced")
def test_put_returns_after_file_and_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def record(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        sync(handle)

    store = ObjectStore.directory(tmp_path)
    monkeypatch.setattr(os, "fsync", record)
    digest = store.put(b"x")
    path, incoming = file_of(tmp_path.resolve(), digest), tmp_path.resolve() / "incoming"
    assert Path(synced[0]).parent == incoming, "synced before it has its name"
    assert synced[1:] == [str(path.parent), str(path.parent.parent)]
    assert list(incoming.iterdir()) == []


def test_disk_full(tmp_path: Path) -> None:
    """A real refusal of the operating system: a process that may write no file beyond 64 KiB."""
    script = """
import resource, sys
from pathlib import Path
from hmchain.records.objects import DiskFullError, ObjectStore
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
store = ObjectStore.directory(Path(sys.argv[1]))
store.put(bytes(1 << 10))
try:
    store.put(bytes(1 << 20))
except DiskFullError as error:
    print(error, len(list(store.list())))
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "there is no room to write an object (free some space, then run again) 1\n"


class FailingStore(MemoryStore):
    """A store whose every write fails with the text of an error of the operating system."""

    message = ""

    def put(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise GenericError(self.message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Unable to copy data to file: No space left on device (os error 28)", DiskFullError),
        ("Disk quota exceeded (os error 122)", DiskFullError),
        ("connection refused to secret-host (os error 111)", StoreUnavailableError),
        ("HTTP status 500", StoreUnavailableError),
    ],
)
def test_failures_of_a_store_are_told_apart_and_keep_its_diagnostics_private(
    message: str, expected: type[Exception]
) -> None:
    failing = FailingStore()
    FailingStore.message = message
    with pytest.raises(expected) as caught:
        ObjectStore(failing).put(b"x")
    assert "secret-host" not in str(caught.value)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="cannot be made"):
        ObjectStore.directory(tmp_path / "file" / "objects")


# --- S3


def test_an_altered_object_of_a_bucket_is_named_and_healed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bucket(s3, monkeypatch, "altered")
    digest = store.put(b"ciphertext")
    s3.store("altered").put(f"{digest.hex()[:2]}/{digest.hex()}", b"Ciphertext")
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        store.get(digest)
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        list(store.get_stream(digest))
    assert store.put(b"ciphertext") == digest
    assert store.get(digest) == b"ciphertext"


@pytest.mark.parametrize(
    ("location", "changed", "said"),
    [
        ("s3://hmchain/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses our credentials"),
        ("s3://hmchain/x", {"AWS_ACCESS_KEY_ID": "nobody"}, "refuses our credentials"),
        ("s3://no-such-bucket/x", {}, "no such bucket"),
        ("s3://hmchain/x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket", "server down"],
)
def test_what_is_wrong_with_a_server_is_said(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, location: str, changed: dict[str, str], said: str
) -> None:
    bucket(s3, monkeypatch, "x", **changed)
    store = ObjectStore.open(location)
    for ask in (store.check, lambda: store.get(bytes(32)), lambda: list(store.get_stream(bytes(32)))):
        with pytest.raises((StoreUnavailableError, MissingObjectError)) as caught:
            ask()
        if said != "no such bucket" or ask == store.check:  # of a missing bucket S3 says less where it has no body
            assert said in str(caught.value)
        assert s3.secret_key not in f"{caught.value!r}{caught.value.__cause__}"


def test_credentials_come_from_a_file_that_only_its_owner_reads(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in s3.environment:
        monkeypatch.delenv(name, raising=False)
    location, path = f"s3://{s3.bucket}/file", tmp_path / "s3.toml"
    with pytest.raises(StoreCredentialsError, match="AWS_ACCESS_KEY_ID"):
        ObjectStore.open(location)
    with pytest.raises(StoreCredentialsError, match="cannot be read"):
        ObjectStore.open(location, credentials=path)
    path.write_text(
        f'access_key_id = "{s3.access_key}"\nsecret_access_key = "{s3.secret_key}"\nendpoint = "{s3.endpoint}"\n'
    )
    path.chmod(0o640)
    with pytest.raises(StoreCredentialsError, match="chmod 600"):
        ObjectStore.open(location, credentials=path)
    path.chmod(0o600)
    store = ObjectStore.open(location, credentials=path)
    assert store.get(store.put(b"x")) == b"x"
    path.write_text(f'secret_access_key = "{s3.secret_key}"\nacces_key = [')
    with pytest.raises(StoreCredentialsError) as caught:
        ObjectStore.open(location, credentials=path)
    assert s3.secret_key not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["", "ftp://host/x", "s3://", "file://other/x", "file:///", "s3://key:secret@bucket/x", "s3://bucket/x?key=1"],
)
def test_a_location_that_is_none_is_refused(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(LocationError) as caught:
        ObjectStore.open(location)
    assert "secret" not in str(caught.value)


def test_paths_and_file_urls_are_directories(tmp_path: Path) -> None:
    digest = ObjectStore.open(str(tmp_path / "a b")).put(b"x")
    assert ObjectStore.open(f"file://{tmp_path}/a%20b").get(digest) == b"x"


def test_a_server_elsewhere_is_asked_over_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ACCESS_KEY_ID": "k",
        "SECRET_ACCESS_KEY": "s",
        "ENDPOINT_URL": "http://store.hospital",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(LocationError, match="https"):
        ObjectStore.open("s3://bucket")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    ObjectStore.open("s3://bucket")


# --- envelopes

sizes = st.sampled_from(
    [0, 1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 7]
)


def content(size: int) -> bytes:
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


@given(sizes, st.binary(max_size=20))
@settings(max_examples=30)
def test_what_is_sealed_opens(size: int, context: bytes) -> None:
    plaintext = content(size)
    sealed = seal(plaintext, KEY, context)
    assert len(sealed) == sealed_size(size)
    assert open_envelope(sealed, KEY, context) == plaintext


@given(sizes, st.integers(50, 3 * CHUNK_BYTES), st.integers(50, 3 * CHUNK_BYTES))
@settings(max_examples=30, deadline=None)
def test_streams_and_whole_objects_are_one_format(size: int, in_step: int, out_step: int) -> None:
    plaintext = content(size)
    sealed = b"".join(seal_stream(pieces(plaintext, in_step), KEY, CONTEXT))
    assert open_envelope(sealed, KEY, CONTEXT) == plaintext
    assert b"".join(open_stream(pieces(seal(plaintext, KEY, CONTEXT), out_step), KEY, CONTEXT)) == plaintext


def test_a_stream_holds_one_chunk_at_a_time() -> None:
    taken = 0

    def source() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield bytes(CHUNK_BYTES)

    sealed = seal_stream(source(), KEY, CONTEXT)
    next(sealed)
    next(sealed)
    assert taken <= 2


def test_envelopes_of_one_key_and_plaintext_share_nothing() -> None:
    one, two = seal(b"same", KEY, CONTEXT), seal(b"same", KEY, CONTEXT)
    assert one[HEADER_BYTES:] != two[HEADER_BYTES:]


Opener = Callable[[bytes, SecretKey, bytes], bytes]
openers = pytest.mark.parametrize(
    "opener",
    [open_envelope, lambda data, key, context: b"".join(open_stream([data], key, context))],
    ids=["whole", "stream"],
)


@openers
def test_another_key_is_refused(opener: Opener) -> None:
    with pytest.raises(EnvelopeKeyError):
        opener(seal(b"x", KEY, CONTEXT), SecretKey.generate(), CONTEXT)


@openers
def test_another_context_is_refused(opener: Opener) -> None:
    with pytest.raises(EnvelopeError, match="another context"):
        opener(seal(b"x", KEY, b"dataset 1"), KEY, b"dataset 2")


@openers
def test_any_flipped_bit_is_found(opener: Opener) -> None:
    sealed = seal(b"twelve bytes", KEY, CONTEXT)
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1 << (place % 8)
        with pytest.raises((EnvelopeError, EnvelopeKeyError)):
            opener(bytes(altered), KEY, CONTEXT)


@openers
@pytest.mark.parametrize(
    "cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 15, HEADER_BYTES + 16, HEADER_BYTES + 100]
)
def test_truncation_is_found(opener: Opener, cut: int) -> None:
    with pytest.raises(EnvelopeError):
        opener(seal(bytes(1000), KEY, CONTEXT)[:cut], KEY, CONTEXT)


@openers
def test_chunks_cannot_be_dropped_repeated_or_reordered(opener: Opener) -> None:
    step = CHUNK_BYTES + TAG_BYTES
    sealed = seal(content(3 * CHUNK_BYTES), KEY, CONTEXT)
    header, (a, b, c) = sealed[:HEADER_BYTES], pieces(sealed[HEADER_BYTES:], step)
    assert opener(header + a + b + c, KEY, CONTEXT) == content(3 * CHUNK_BYTES)
    for forged in (a + b, a, b + c, b + a + c, a + c + b, a + a + b + c, a + b + c + c, a + b + b, a + b + c + b"x"):
        with pytest.raises(EnvelopeError):
            opener(header + forged, KEY, CONTEXT)


@openers
def test_chunks_of_two_envelopes_do_not_mix(opener: Opener) -> None:
    one, two = seal(b"one", KEY, CONTEXT), seal(b"two", KEY, CONTEXT)
    with pytest.raises(EnvelopeError):
        opener(one[:HEADER_BYTES] + two[HEADER_BYTES:], KEY, CONTEXT)


def multiply(left: int, right: int) -> int:
    """Multiplication in GHASH's field (NIST SP 800-38D, 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if right >> bit & 1:
            product ^= left
        left = left >> 1 ^ (0xE1 << 120 if left & 1 else 0)
    return product


def invert(value: int) -> int:
    """value^(2^128 - 2), its inverse in the field."""
    result, power = 1 << 127, value
    for _ in range(127):
        power = multiply(power, power)
        result = multiply(result, power)
    return result


def two_key_ciphertext(one: bytes, two: bytes, nonce: bytes) -> bytes:
    """A ciphertext and tag that AES-GCM accepts under both keys (Dodis et al., CRYPTO 2018, section 3)."""

    def block(key: bytes, data: bytes) -> int:
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return int.from_bytes(encryptor.update(data), "big")

    # With one free block C1 and the length block L, the tag is C1 H^3 + C2 H^2 + L H + E(nonce | 1). C2 is arbitrary;
    # C1 follows from asking for the same tag under both keys.
    h1, h2 = block(one, bytes(16)), block(two, bytes(16))
    mask1, mask2 = (block(key, nonce + b"\0\0\0\1") for key in (one, two))
    lengths, second = 2 * 128, int.from_bytes(b"an honest block!", "big")

    def known(h: int, mask: int) -> int:
        square = multiply(h, h)
        return multiply(second, square) ^ multiply(lengths, h) ^ mask

    cubes = multiply(h1, multiply(h1, h1)) ^ multiply(h2, multiply(h2, h2))
    first = multiply(known(h1, mask1) ^ known(h2, mask2), invert(cubes))
    tag = multiply(first, multiply(h1, multiply(h1, h1))) ^ known(h1, mask1)
    return b"".join(part.to_bytes(16, "big") for part in (first, second, tag))


def test_one_aes_gcm_ciphertext_two_keys_two_plaintexts() -> None:
    """protocol attack: one AES-GCM ciphertext, two keys, two plaintexts."""
    one, two = SecretKey(b"1" * 32), SecretKey(b"2" * 32)
    nonce = bytes(12)
    forged = two_key_ciphertext(one.raw, two.raw, nonce)
    readings = {AESGCM(key.raw).decrypt(nonce, forged, None) for key in (one, two)}
    assert len(readings) == 2, "bare AES-GCM does accept both keys"

    # The envelope's header takes one commitment, so at most one of the keys gets as far as the chunks.
    for key, other in ((one, two), (two, one)):
        header = seal(b"", key, CONTEXT)[:HEADER_BYTES]
        with pytest.raises(EnvelopeKeyError):
            open_envelope(header + forged, other, CONTEXT)
