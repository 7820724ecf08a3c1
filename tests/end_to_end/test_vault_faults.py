"""A vault under real faults: no room on the disk, processes killed at any step, several writers, a dying S3 server.

A kill is a SIGKILL to a process of its own, just before one of its calls that changes something: a write, a sync, a
rename, a deletion, a statement of SQLite. The steps of an operation are gone through one by one.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.records.objects import DiskFullError, ObjectStore, StoreUnavailableError
from hmchain.records.vault import MissingRecordError, SecretKeyProvider, Vault
from support.s3_server import S3Server, running_s3
from support.vault_file import rows

pytestmark = pytest.mark.network

KEY = SecretKeyProvider(SecretKey(bytes(range(32))))
CONTENTS = {f"record {i}": bytes([i]) * 2000 * i for i in range(8)}
_CHANGES = {"fsync", "rename", "replace", "unlink", "mkdir", "write"}


def opened(folder: Path) -> Vault:
    store = ObjectStore.directory(folder / "objects")
    exists = (folder / "vault").exists()
    return (Vault.open if exists else Vault.create)(folder / "vault", store, KEY)


def filled(folder: Path) -> None:
    with opened(folder) as vault:
        for version in (1, 2):
            for record, content in CONTENTS.items():
                vault.put("ct", version, record, content, "patient " + record[-1])
        vault.commit("ct", 1)


def all_of(vault: Vault, version: int) -> dict[str, bytes]:
    return dict(vault.read("ct", version))


# --- killed at any step


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed before its change number `step`; False if it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            hook = _killer(step)
            threading.setprofile(hook)
            sys.setprofile(hook)
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.WEXITSTATUS(status) == 0, "the work failed by itself"
    return False


def _killer(step: int) -> Callable[[FrameType, str, object], None]:
    steps = count()

    def hook(_: FrameType, event: str, called: object) -> None:
        if event == "c_call" and _changes(called) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def _changes(called: object) -> bool:
    name, owner = getattr(called, "__name__", ""), getattr(called, "__self__", None)
    if isinstance(owner, sqlite3.Connection):
        return name in ("execute", "executemany")
    return name in _CHANGES and (isinstance(owner, io.FileIO) or getattr(called, "__module__", "") == "posix")


def at_every_step(
    tmp_path: Path, work: Callable[[Path], object], check: Callable[[Path], object], stride: int = 1
) -> int:
    """Kill the work at each of its steps, on a copy of the same vault, and look at what is left; returns the steps."""
    filled(tmp_path / "first")
    for step in range(0, 10_000, stride):
        folder = tmp_path / "copy"
        shutil.copytree(tmp_path / "first", folder)
        killed = killed_at(step, lambda: work(folder))  # noqa: B023  (called before the loop goes on)
        check(folder)
        shutil.rmtree(folder)
        if not killed:
            return step
    raise AssertionError("the work has no end")


def test_a_put_that_is_killed_is_whole_or_nothing(tmp_path: Path) -> None:
    new = {f"new {i}": bytes([100 + i]) * 3000 for i in range(5)}

    def work(folder: Path) -> None:
        with opened(folder) as vault:
            vault.put_many("ct", 3, new)

    def check(folder: Path) -> None:
        with opened(folder) as vault:
            assert all_of(vault, 3) in ({}, new)
            assert all_of(vault, 1) == CONTENTS
            assert vault.verify().sound
            if not vault.records("ct", 3):
                vault.put_many("ct", 3, new)
            assert all_of(vault, 3) == new

    assert at_every_step(tmp_path, work, check) > 25


def test_a_stream_that_is_killed_is_whole_or_nothing(tmp_path: Path) -> None:
    content = bytes(3 << 20)

    def work(folder: Path) -> None:
        with opened(folder) as vault, vault.writer("ct", 3) as writer:
            writer.put("small", b"x")
            writer.put_stream("large", "", [content])

    def check(folder: Path) -> None:
        with opened(folder) as vault:
            assert set(vault.records("ct", 3)) <= {"small", "large"}
            assert all_of(vault, 3).get("large", content) == content
            assert vault.verify().sound
            assert all(path.stat().st_size for path in (folder / "objects").glob("??/*")), "never half an object"

    assert at_every_step(tmp_path, work, check) > 10


def test_an_erasure_that_is_killed_is_finished_or_not_begun(tmp_path: Path) -> None:
    def wrapped(folder: Path) -> list[bytes]:
        with opened(folder):
            found = rows(folder / "vault", "SELECT wrapped FROM records WHERE subject = 'patient 3'")
        return [key for (key,) in found]

    filled(tmp_path / "look")
    assert len(wrapped(tmp_path / "look")) == 2

    def work(folder: Path) -> None:
        with opened(folder) as vault:
            vault.erase_subject("patient 3")

    def check(folder: Path) -> None:
        keys = wrapped(folder)  # opening finishes what was begun
        files = b"".join(path.read_bytes() for path in (folder / "vault").iterdir())
        with opened(folder) as vault:
            assert len(keys) in (0, 2)
            assert all(key in files for key in keys)
            assert vault.verify() == vault.verify(ciphertext_only=True)
            assert vault.verify().sound
            assert vault.verify().unnamed == 0, "no ciphertext of an erased record is left"
            if not keys:
                with pytest.raises(MissingRecordError):
                    vault.get("ct", 1, "record 3")

    assert at_every_step(tmp_path, work, check) > 10


def test_a_rotation_that_is_killed_loses_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hmchain.records.vault.hierarchy.WRAPPED_AT_ONCE", 5)

    def work(folder: Path) -> None:
        with opened(folder) as vault:
            vault.rotate()

    def check(folder: Path) -> None:
        with opened(folder) as vault:
            assert all_of(vault, 1) == all_of(vault, 2) == CONTENTS
            before = vault.commit("ct", 1)
            vault.rotate()
            assert rows(folder / "vault", "SELECT count(*) FROM keks") == [(1,)]
            assert vault.commit("ct", 1) == before
            assert vault.verify().sound

    assert at_every_step(tmp_path, work, check) > 15


# --- no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if made.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_what_was_kept_stays(small_disk: Path) -> None:
    rng = Random(1)
    with opened(small_disk) as vault:
        vault.put("ct", 1, "first", b"x")
        with pytest.raises(DiskFullError, match="no room"), vault.writer("ct", 1) as writer:
            for i in range(10_000):
                writer.put(f"{i:05d}", rng.randbytes(2000))
        kept = len(vault.records("ct", 1))
        assert 0 < kept < 2000
        assert vault.verify().sound
        with pytest.raises(DiskFullError, match="no room"):
            vault.put_stream("ct", 1, "large", "", (bytes(1 << 20) for _ in range(8)))
        assert not list((small_disk / "objects" / "incoming").iterdir()), "what did not fit takes no room"
        assert vault.get("ct", 1, "first") == b"x"


def test_a_disk_too_full_to_note_a_key_keeps_no_record(small_disk: Path) -> None:
    with opened(small_disk) as vault:
        vault.put("ct", 1, "first", b"x")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(bytes(1 << 10))
        with pytest.raises(DiskFullError):
            for i in range(1000):
                vault.put("ct", 1, f"{i:05d}", b"tiny %d" % i)
        kept = vault.records("ct", 1)
        filler.unlink()
        assert [record for record, _ in vault.read("ct", 1)] == kept
        vault.put("ct", 1, "after", b"y")
        assert vault.verify().sound
    with opened(small_disk) as vault:
        assert vault.get("ct", 1, "after") == b"y"


# --- several writers

_WRITER = """
import sys
from pathlib import Path
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import RecordExistsError, SecretKeyProvider, Vault
folder, location, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = ObjectStore.open(location)
with Vault.open(folder / "vault", store, SecretKeyProvider(SecretKey(bytes(range(32))))) as vault:
    sys.stdin.readline()
    won = 0
    for i in range(60):
        try:
            vault.put("ct", 1, f"{i:03d}", b"content %d" % (i % 20), "patient " + name)
            won += 1
        except RecordExistsError:
            pass
        if i % 20 == 10:
            vault.rotate()
print(won)
"""


def race(folder: Path, location: str) -> None:
    """Three processes put the same records, of few contents, and rotate the key; each record has one winner."""
    names = ("a", "b", "c")
    command = [sys.executable, "-c", _WRITER, str(folder), location]
    writers = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = [int(writer.communicate(timeout=120)[0]) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sum(answers) == 60
    with Vault.open(folder / "vault", ObjectStore.open(location), KEY) as vault:
        assert all_of(vault, 1) == {f"{i:03d}": b"content %d" % (i % 20) for i in range(60)}
        assert sum(vault.erase_subject("patient " + name).records for name in names) == 60
        scrub = vault.verify()
        assert (scrub.blobs, scrub.unnamed) == (0, 0), "who came second took its ciphertext away"


def test_several_processes_write_one_vault(tmp_path: Path) -> None:
    opened(tmp_path).close()
    race(tmp_path, str(tmp_path / "objects"))


# --- bit flips


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    filled(tmp_path)
    rng = Random(7)
    files = sorted((tmp_path / "objects").glob("??/*"))
    with opened(tmp_path) as vault:
        for _ in range(60):
            path = rng.choice(files)
            data = bytearray(path.read_bytes())
            place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
            data[place] ^= bit
            path.write_bytes(data)
            assert {damage.problem for damage in vault.verify().damaged} == {"altered"}
            for damage in vault.verify(ciphertext_only=True).damaged:
                with pytest.raises(HMChainError):
                    vault.get(damage.dataset, damage.version, damage.record)
                with pytest.raises(HMChainError):
                    list(vault.get_stream(damage.dataset, damage.version, damage.record))
            data[place] ^= bit
            path.write_bytes(data)
        assert vault.verify().sound


# --- an S3 server


def s3_vault(folder: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Vault:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore.open(f"s3://{server.bucket}/vault")
    return (Vault.open if (folder / "vault").exists() else Vault.create)(folder / "vault", store, KEY)


def test_a_vault_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several writers; then the server dies while a record is written and while one is read, and comes back."""
    large = bytes(range(256)) * (40 << 12)
    with ExitStack() as server:
        started = server.enter_context(running_s3(tmp_path / "s3"))
        s3_vault(tmp_path, started, monkeypatch).close()
        race(tmp_path, f"s3://{started.bucket}/vault")
        with s3_vault(tmp_path, started, monkeypatch) as vault:
            vault.put_stream(
                "ct", 2, "large", "patient 1", (large[i : i + 999_999] for i in range(0, 40 << 20, 999_999))
            )
            vault.put("ct", 2, "small", b"x", "patient 2")

            def dying() -> Iterator[bytes]:
                yield large[: 9 << 20]
                pieces = vault.get_stream("ct", 2, "large")
                assert next(pieces) == large[: 256 << 10]
                server.close()
                with pytest.raises(StoreUnavailableError, match="does not answer"):
                    list(pieces)
                yield large[: 9 << 20]

            with pytest.raises(StoreUnavailableError, match="does not answer"):
                vault.put_stream("ct", 2, "cut", "", dying())
            with pytest.raises(StoreUnavailableError):
                vault.erase_subject("patient 2")
            assert vault.records("ct", 2) == ["large"]
    with running_s3(tmp_path / "s3") as again, s3_vault(tmp_path, again, monkeypatch) as vault:
        assert b"".join(vault.get_stream("ct", 2, "large")) == large
        scrub = vault.verify()
        assert scrub.sound and scrub.unnamed == 0, "the erasure was finished when the vault was opened"
        replica = ObjectStore.directory(tmp_path / "replica")
        assert vault.mirror(replica).copied == 1
        assert vault.repair(replica).restored == 0


def test_what_has_rotten_in_a_replica_in_a_bucket_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = Random(4).randbytes(20 << 20)
    with running_s3(tmp_path / "s3") as server, ExitStack() as stack:
        s3_vault(tmp_path, server, monkeypatch).close()  # sets the server's keys
        replica = ObjectStore.open(f"s3://{server.bucket}/replica")
        store = ObjectStore.directory(tmp_path / "objects")
        vault = stack.enter_context(Vault.create(tmp_path / "local", store, KEY))
        small = vault.put("ct", 1, "small", b"x" * 9000, "patient 1")
        vault.put_stream("ct", 1, "large", "patient 2", [large])
        assert vault.mirror(replica).copied == 2
        bucket = replica.backend.store  # type: ignore[union-attr]
        for name in [entry["path"] for page in bucket.list() for entry in page]:
            data = bytearray(bucket.get(name).bytes())
            data[len(data) // 2] ^= 1
            bucket.put(name, bytes(data[:-1] if small.hex() in name else data), mode="overwrite")
        done = vault.mirror(replica)
        assert (done.checked, done.repaired) == (2, 2)
        assert vault.mirror(replica, deep=True).repaired == 0
        store.delete_many(list(store.list()))
        assert vault.repair(replica).restored == 2
        assert vault.get("ct", 1, "large") == large
