"""Objects in a directory: synced, healed, and what fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from hmchain.records.objects import (
    DiskFullError,
    MissingObjectError,
    ObjectStore,
    StoreUnavailableError,
    TamperedObjectError,
)
from hmchain.records.objects.folder import Folder


def file_of(folder: Path, digest: bytes) -> Path:
    return folder / digest.hex()[:2] / digest.hex()


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


def test_what_a_member_laid_under_a_name_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are on the ledger before their objects are in the store: a pipe waits for ever, a hole fills the memory."""
    store = ObjectStore.directory(tmp_path)
    digest = store.put(b"ciphertext")
    path, read = file_of(tmp_path, digest), Folder.read

    def bounded(folder: Folder, name: str, limit: int | None = None) -> bytes:
        assert limit is not None and limit <= 10
        return read(folder, name, limit)

    path.unlink()
    os.mkfifo(path)
    with pytest.raises(TamperedObjectError):
        store.get(digest, size=store.size(digest))
    with pytest.raises(TamperedObjectError):
        list(store.get_stream(digest))
    assert store.put(b"ciphertext") == digest and store.get(digest) == b"ciphertext"
    path.unlink()
    path.mkdir()
    other = store.put(b"other")
    store.delete_many([digest, other])
    assert not store.exists(other)
    path.rmdir()
    assert store.put(b"ciphertext") == digest
    os.truncate(path, 1 << 40)
    monkeypatch.setattr(Folder, "read", bounded)
    assert store.put(b"ciphertext") == digest and store.get(digest, size=10) == b"ciphertext"


@pytest.mark.parametrize("where", ["a shard", "incoming"])
def test_nothing_is_deleted_where_a_member_s_link_leads(tmp_path: Path, where: str) -> None:
    """Who may write to the members' store could else have a hospital delete its own records, or any other old file."""
    own, members = ObjectStore.directory(tmp_path / "own"), ObjectStore.directory(tmp_path / "members")
    digest = own.put(b"ciphertext")
    assert members.put(b"ciphertext") == digest
    kept = file_of(tmp_path / "own", digest)
    os.utime(kept, (1, 1))
    linked = file_of(tmp_path / "members", digest).parent if where == "a shard" else tmp_path / "members" / "incoming"
    shutil.rmtree(linked)
    linked.symlink_to(kept.parent)
    with pytest.raises(StoreUnavailableError):
        members.delete(digest) if where == "a shard" else ObjectStore.directory(tmp_path / "members")
    assert own.get(digest) == b"ciphertext"


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


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file was synced")
def test_what_passes_is_synced_forgotten_and_named_before_the_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Path]] = []
    sync, advise = os.fsync, os.posix_fadvise

    def note(what: str, handle: int) -> None:
        done.append((what, Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path.resolve())))

    monkeypatch.setattr(os, "fsync", lambda handle: (note("synced", handle), sync(handle)))
    monkeypatch.setattr(os, "posix_fadvise", lambda handle, *said: (note("forgotten", handle), advise(handle, *said)))
    store = ObjectStore.directory(tmp_path)
    done.clear()
    with store.passing() as place:
        digests = [*place.put_many([b"x", b"y"]), place.put_stream([b"z"])]
        assert [what for what, _ in done] == ["synced", "forgotten"] * 3
        assert {path.parent for _, path in done} == {Path("incoming")}, "each before it has its name"
        done.clear()
    names = {file_of(Path(), digest) for digest in digests}
    assert {path for _, path in done} == {Path(), *(name.parent for name in names)}, "then each folder once"
    done.clear()
    with store.passing() as place:
        assert [place.get(digest) for digest in digests] == [b"x", b"y", b"z"]
        assert [bytes(piece) for digest in digests for piece in place.get_stream(digest)] == [b"x", b"y", b"z"]
    assert {path for what, path in done if what == "forgotten"} == names
    done.clear()
    assert store.get(store.put(b"used again")) and not [path for what, path in done if what == "forgotten"]


@pytest.mark.process
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
