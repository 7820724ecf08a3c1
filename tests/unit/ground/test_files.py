"""Files are there whole or not at all, and one process at a time holds a lock."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from hmchain import files
from hmchain.errors import HMChainError, InputError


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_gives_way_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "folder" / "file"
    files.make_folder(path.parent)
    files.write_whole(path, b"old", durable=durable)
    files.write_whole(path, [b"ne", bytearray(b"w"), memoryview(b"er")], durable=durable, mode=files.PRIVATE)
    assert path.read_bytes() == b"newer" and stat.S_IMODE(path.stat().st_mode) == files.PRIVATE
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("new", [True, False])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "file"
    if not new:
        path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise HMChainError("no more")

    with pytest.raises(HMChainError, match="no more"):
        files.write_whole(path, pieces(), durable=True, new=new)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([] if new else [b"old"])


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_whole(path, b"first", durable=True, new=True)
    with pytest.raises(FileExistsError):
        files.write_whole(path, b"second", durable=True, new=True)
    assert path.read_bytes() == b"first" and list(tmp_path.iterdir()) == [path]


def test_what_a_dead_process_left_gives_way(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (tmp_path / "file.part").symlink_to(elsewhere)
    files.write_whole(tmp_path / "file", b"whole", durable=True)
    assert (tmp_path / "file").read_bytes() == b"whole" and elsewhere.read_bytes() == b"untouched"


def test_two_that_write_one_file_at_once_write_it_one_after_the_other(tmp_path: Path) -> None:
    """A command and an agent, or two commands: neither takes away what the other has half written."""
    path, seen = tmp_path / "file", set()

    def write(letter: bytes) -> None:
        for _ in range(100):
            files.write_whole(path, [letter * 1000] * 3, durable=False)
            seen.add(path.read_bytes())

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(write, (b"a", b"b")))
    assert seen <= {b"a" * 3000, b"b" * 3000} and list(tmp_path.iterdir()) == [path]


def test_one_holds_a_lock_and_others_hear_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert files.holder(path) is None
    with files.hold(path, HMChainError):
        assert files.holder(path) == f"process {os.getpid()}"
        with pytest.raises(HMChainError, match=f"process {os.getpid()}"):
            files.hold(path, HMChainError)
    assert files.holder(path) is None
    files.hold(path, HMChainError).close()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Somebody put a link to a key in its place: nothing is written into that, and nothing is made."""
    path, key = tmp_path / "lock", tmp_path / "key"
    key.write_text("a secret")
    for target in (key, tmp_path / "nothing"):
        path.symlink_to(target)
        with pytest.raises(OSError, match="symbolic"):
            files.hold(path, HMChainError)
        with pytest.raises(OSError, match="symbolic"):
            files.holder(path)
        path.unlink()
    assert key.read_text() == "a secret" and list(tmp_path.iterdir()) == [key]


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    height: int


def test_a_toml_file_is_read_into_a_type(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("# known to all\nheight = 5\n")
    assert files.read_toml(path, Settings, InputError) == Settings(5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"height = 'five'", "height"), (b"height =", "Invalid value"), (b"width = 5", "width"), (b"\xff", "UTF-8")],
)
def test_what_is_wrong_with_a_toml_file_is_the_callers_to_say(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        files.read_toml(path, Settings, InputError)
    with pytest.raises(FileNotFoundError):
        files.read_toml(tmp_path / "other.toml", Settings, InputError)


def test_a_pipe_or_a_device_is_refused_by_name_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(files.NoRegularFileError, match=str(place)):
            files.read(place)
    with pytest.raises(IsADirectoryError):
        files.read(tmp_path)
    (tmp_path / "file").write_bytes(b"four")
    assert files.read(tmp_path / "file", limit=4) == b"four"
    with pytest.raises(OSError, match="large"):
        files.read(tmp_path / "file", limit=3)
