"""What a power cut may leave of the files that a process wrote.

`record` has strace write down every call by which a process, SQLite in it included, changes files. `Disk` plays them on
a model of a file system that promises what POSIX does and nothing else: a file's content is there up to its last
fsync, and a folder's names up to the folder's.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from support.paths import TESTS

CALLS = (
    "openat,creat,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,lseek,rename,renameat,renameat2,link,linkat,"
    "symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync"
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?[^<>]*$")
_UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
_HANDLE = re.compile(r"(\d+)<([^>]*)>")
_STRING = re.compile(r'"([^"]*)"(\.\.\.)?')
_HEX = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Call:
    """A call that succeeded."""

    name: str
    arguments: str
    result: int
    opened: str
    """The path of the handle that it gave."""

    @property
    def strings(self) -> list[bytes]:
        """Its arguments that are paths or data."""
        found = _STRING.findall(self.arguments)
        assert not any(cut for _, cut in found), "strace cut a string short"
        return [_raw(text) for text, _ in found]

    @property
    def handle(self) -> tuple[int, Path]:
        """Number and path of the handle that it is for."""
        found = _HANDLE.match(self.arguments)
        assert found is not None, self
        return int(found[1]), Path(_raw(found[2]).decode())

    @property
    def last_number(self) -> int:
        """Its last argument, a length or an offset."""
        return int(self.arguments.rpartition(", ")[2])


def _raw(text: str) -> bytes:
    """Bytes as strace writes them: each in hexadecimal, or as they are."""
    return bytes.fromhex("".join(_HEX.findall(text))) if "\\x" in text else text.encode()


def record(script: Path, arguments: Sequence[str], trace: Path) -> list[Call]:
    """Run a Python script under strace, and give its calls in the order in which they ended."""
    command = ["strace", "-f", "-y", "-xx", "-s", str(1 << 28), "-e", f"trace={CALLS}", "-o", str(trace)]
    command += [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)})
    assert done.returncode == 0, done.stderr[-3000:]
    return list(_calls(trace.read_text().splitlines()))


def _calls(lines: Sequence[str]) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for line in lines:
        if (found := _UNFINISHED.match(line)) is not None:
            begun[found[1]] = found[2]
            continue
        if (found := _RESUMED.match(line)) is not None:
            line = f"{found[1]} {begun.pop(found[1])}{found[2]}"
        if (found := _LINE.match(line)) is not None and int(found[4]) >= 0:
            yield Call(found[2], found[3], int(found[4]), _raw(found[5] or "").decode())


class Left(Enum):
    """What is left of that which no sync has brought to the disk."""

    NOTHING = "nothing"
    NAMES = "names, of files that lack what was written to them"
    CONTENTS = "contents, of files whose names are the old ones"
    SOME = "some of both, by chance"


@dataclass
class Node:
    """A file or a folder: what programs see, and what is on the disk for sure."""

    folder: bool
    content: bytes = b""
    on_disk: bytes = b""
    written: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Since it was synced: where and what; None cuts it off there."""
    names: dict[str, Node] = field(default_factory=dict)
    names_on_disk: dict[str, Node] = field(default_factory=dict)

    def change(self, place: int, data: bytes | None) -> None:
        self.written.append((place, data))
        self.content = _changed(self.content, place, data)

    def sync(self) -> None:
        self.on_disk, self.written, self.names_on_disk = self.content, [], dict(self.names)

    def content_left(self, left: Left, chance: random.Random) -> bytes:
        if left is Left.CONTENTS:
            return self.content
        found = self.on_disk
        for place, data in self.written if left is Left.SOME else ():
            if chance.random() < 0.5:
                found = _changed(found, place, data)
        return found

    def names_left(self, left: Left, chance: random.Random) -> dict[str, Node]:
        kept = left is Left.NAMES or (left is Left.SOME and chance.random() < 0.5)
        return self.names if kept else self.names_on_disk


def _changed(content: bytes, place: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:place].ljust(place, b"\0")
    return content[:place].ljust(place, b"\0") + data + content[place + len(data) :]


class Disk:
    """The files below one folder, which is there for good, while calls are played one after the other."""

    def __init__(self, root: Path) -> None:
        self._root, self._top = root, Node(folder=True)
        self._places: dict[int, tuple[Path, int]] = {}
        self._appends: set[int] = set()
        self.told: list[str] = []
        """What the process said on its standard output: others rely on it from then on."""

    def play(self, call: Call) -> None:
        """Do what a call did."""
        if call.name in ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "lseek"):
            self._change(call)
        elif call.name in ("fsync", "fdatasync"):
            if (node := self._find(call.handle[1])) is not None:
                node.sync()
        elif call.name in ("openat", "creat"):
            self._open(call)
        elif any(self._is_inside(path) for path in self._paths(call)):
            self._rename(call)

    def left(self, left: Left, seed: int) -> dict[Path, bytes | None]:
        """What a power cut now leaves: content by path, None for a folder."""
        chance, found = random.Random(seed), dict[Path, bytes | None]()

        def walk(path: Path, node: Node) -> None:
            if not node.folder:
                found[path] = node.content_left(left, chance)
                return
            found[path] = None
            for name, below in sorted(node.names_left(left, chance).items()):
                walk(path / name, below)

        walk(Path(), self._top)
        return found

    def _change(self, call: Call) -> None:
        number, path = call.handle
        if number == 1 and call.name == "write":
            self.told += b"".join(call.strings).decode().splitlines()
        node = self._find(path)
        if node is None:
            return
        data = b"".join(call.strings)[: call.result]
        if call.name == "lseek":
            self._places[number] = (path, call.result)
        elif call.name == "ftruncate":
            node.change(call.last_number, None)
        elif call.name == "fallocate":
            raise NotImplementedError("the model knows no fallocate")
        elif call.name in ("pwrite64", "pwritev"):
            node.change(call.last_number, data)
        else:
            known, place = self._places.get(number, (path, 0))
            place = len(node.content) if number in self._appends else place if known == path else 0
            node.change(place, data)
            self._places[number] = (path, place + len(data))

    def _open(self, call: Call) -> None:
        path = self._paths(call)[0]
        if not self._is_inside(path):
            return
        self._places[call.result] = (path, 0)
        self._appends.discard(call.result)
        if "O_APPEND" in call.arguments:
            self._appends.add(call.result)
        node = self._find(path)
        if node is None:
            folder, name = self._holder(path)
            folder.names[name] = Node(folder=False)
        elif ("O_TRUNC" in call.arguments or call.name == "creat") and node.content:
            node.change(0, None)

    def _rename(self, call: Call) -> None:
        paths = self._paths(call)
        folder, name = self._holder(paths[-1])
        if call.name.startswith("mkdir"):
            folder.names[name] = Node(folder=True)
        elif call.name.startswith("rename"):
            before, old = self._holder(paths[0])
            assert "RENAME_" not in call.arguments, call
            folder.names[name] = before.names.pop(old)
        elif call.name.startswith("link"):
            before, old = self._holder(paths[0])
            folder.names[name] = before.names[old]
        elif call.name.startswith("unlink") or call.name == "rmdir":
            del folder.names[name]
        else:
            raise NotImplementedError(f"the model knows no {call.name}")

    def _paths(self, call: Call) -> list[Path]:
        texts = [Path(text.decode()) for text in call.strings]
        parents = [Path(_raw(text).decode()) for _, text in re.findall(r"(AT_FDCWD|\d+)<([^>]*)>", call.arguments)]
        if len(parents) == len(texts):
            return [parent / text for parent, text in zip(parents, texts, strict=True)]
        return texts

    def _is_inside(self, path: Path) -> bool:
        return path != self._root and path.is_relative_to(self._root)

    def _find(self, path: Path) -> Node | None:
        if path == self._root:
            return self._top
        if not self._is_inside(path):
            return None
        node: Node | None = self._top
        for part in path.relative_to(self._root).parts:
            node = None if node is None else node.names.get(part)
        return node

    def _holder(self, path: Path) -> tuple[Node, str]:
        folder = self._find(path.parent)
        assert folder is not None, f"{path} is in a folder that nobody made"
        return folder, path.name


def cuts(calls: Sequence[Call], root: Path) -> Iterator[tuple[str, tuple[str, ...], dict[Path, bytes | None]]]:
    """Every different state in which a power cut may leave the folder `root`, with what was told before, and where."""
    disk, seen = Disk(root), set[tuple[object, ...]]()
    for number, call in enumerate(calls):
        disk.play(call)
        for left in Left:
            found, told = disk.left(left, number), tuple(disk.told)
            if (key := (told, tuple(found.items()))) not in seen:
                seen.add(key)
                yield f"after call {number} ({call.name}), with {left.value} left", told, found


def put(files: dict[Path, bytes | None], folder: Path) -> None:
    """Make a folder of what a power cut left."""
    for path, content in files.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
