"""A ledger in one file, for somebody who has no node: genesis, log of blocks, signed headers, and their checksums.

It is a zip file, which anybody can unpack: what comes out is a ledger's folder. The checksums tell what the mail did to
it; whether what it says is true is an audit's to say, which believes none of it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hmchain.application.site.run import ledger_in
from hmchain.errors import HMChainError, InputError
from hmchain.files import replacing
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.beginning import BEFORE, FOUNDING
from hmchain.ledger.engines.block_store import BLOCKS
from hmchain.ledger.engines.cometbft import archive
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING, CHUNK_FILE_BYTES_MAX
from hmchain.ledger.genesis import GENESIS_BYTES_MAX
from hmchain.ledger.readers.replay import DamagedLedgerError
from hmchain.plain import Progress, size

CHECKSUMS, WORDS = "SHA256SUMS", "README.txt"
FILES = (genesis_file.FILE, archive.FILE, BLOCKS)
"""Everything that a ledger needs to be audited, and nothing else; where it begins with a snapshot, that comes too."""

_PIECE_BYTES = 1 << 20
_WORDS_BYTES_MAX, _SUMS_BYTES_MAX, _SUM_BYTES_MAX = 64 << 10, 4 << 10, 128
"""Of the words for people, of the checksums of `FILES`, and of each other one."""
_LEDGERS_MAX = 100
"""The ledger itself, and those of the chains that it was founded again from."""
_GROWTH_MAX, _SMALL_BYTES = 50, 1 << 20
"""So many times its size a file may have unpacked, or so many bytes: digests and signatures can't be packed."""
_CHUNK = re.compile(rf"((?:{BEFORE}/)*(?:{BEGINNING}|{FOUNDING}))/([1-9][0-9]{{0,17}})/(0|[1-9][0-9]{{0,3}})")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)
"""What reading a zip file raises of one that is broken."""
_NEVER = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold: the same ledger gives the same file
_READ_ONLY = 0o444
_WAY_OUT = "give the folder of a ledger, or a file that `hmchain node export-ledger FILE` wrote"


class LedgerFileError(InputError):
    """A file is no ledger that a node exported, or cannot be written."""

    code = "ledger_file"


@contextmanager
def ledger_at(place: Path) -> Iterator[Path]:
    """The directory of the ledger at a place: a folder's, or that of a ledger's file, unpacked until the block ends.

    Raises `LedgerFileError` for another file, `DamagedLedgerError` for one that is not what was written.
    """
    if place.is_file():
        with unpacked(place) as directory:
            yield directory
    else:
        yield ledger_in(place)


@contextmanager
def unpacked(file: Path) -> Iterator[Path]:
    """A ledger's file, unpacked into a passing folder. Raises as `ledger_at`."""
    with tempfile.TemporaryDirectory(prefix="hmchain-") as scratch:
        place = Path(scratch) / file.name
        place.mkdir()
        try:
            with zipfile.ZipFile(file) as packed:
                _unpack(packed, file, place)
        except BROKEN as error:
            raise LedgerFileError(f"{file} is no ledger's file, or was cut short", _WAY_OUT) from error
        try:
            yield place
        except HMChainError as error:
            error.what, error.hint = (_named(text, place, file) for text in (error.what, error.hint))
            error.args = (error.what,)
            raise


def _named(text: str, place: Path, file: Path) -> str:
    """A text with the files of a passing folder, which nobody finds afterwards, called by where they came from."""
    inside = re.sub(rf"{re.escape(str(place))}/([\w/]+(?:\.\w+)?)", lambda found: f"{found[1]} in {file}", text)
    return inside.replace(str(place), str(file))


def _unpack(packed: zipfile.ZipFile, file: Path, place: Path) -> None:
    names = packed.namelist()
    ledgers = [name for depth in range(_LEDGERS_MAX) if (name := f"{BEFORE}/" * depth) + genesis_file.FILE in names]
    chunks = [name for name in names if _CHUNK.fullmatch(name)]
    whole = [ledger + name for ledger in ledgers for name in FILES]
    sums = _SUMS_BYTES_MAX * max(1, len(ledgers)) + _SUM_BYTES_MAX * len(chunks)
    most = dict.fromkeys(chunks, CHUNK_FILE_BYTES_MAX) | {CHECKSUMS: sums, WORDS: _WORDS_BYTES_MAX}
    most |= {ledger + genesis_file.FILE: GENESIS_BYTES_MAX for ledger in ledgers}
    expected = sorted(names) == sorted((*whole, *chunks, CHECKSUMS, WORDS)) and _are_snapshots(chunks)
    if not ledgers or not expected or not all(map(is_ours, packed.infolist())):
        raise LedgerFileError(f"{file} is no ledger's file", _WAY_OUT)
    contents = (*whole, *chunks)
    needed, free = sum(packed.getinfo(name).file_size for name in contents), shutil.disk_usage(place).free
    _require_bounds(packed, file, most, needed)
    if needed > free:
        what = f"{file} needs {needed >> 20:,} MiB to be unpacked, and {place.parent} has {free >> 20:,}"
        raise LedgerFileError(what, "free some space, or name a larger place in TMPDIR")
    lines = (line.partition("  ") for line in _text(packed, file, sums).splitlines())
    promised = {name: digest for digest, _, name in lines}
    for name in contents:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if _copied(packed, name, place / name, file) != promised.get(name):
            raise _damaged(name, file)


def _are_snapshots(chunks: list[str]) -> bool:
    """True of the names of all chunks of one snapshot a place, and of none."""
    found: dict[str, list[tuple[str, int]]] = {}
    for each in filter(None, map(_CHUNK.fullmatch, chunks)):
        found.setdefault(each[1], []).append((each[2], int(each[3])))
    return all(
        len({height for height, _ in of}) == 1 and sorted(number for _, number in of) == list(range(len(of)))
        for of in found.values()
    )


def is_ours(entry: zipfile.ZipInfo) -> bool:
    """True of an entry that is packed as we pack: others are left to no decoder."""
    return entry.compress_type in _METHODS and not entry.flag_bits & _ENCRYPTED


def _require_bounds(packed: zipfile.ZipFile, file: Path, most: Mapping[str, int], needed: int) -> None:
    """Refuse what would be more than a ledger has, before any of it is unpacked; no entry gives more than it says."""
    for entry in packed.infolist():
        if entry.file_size > most.get(entry.filename, entry.file_size):
            what = f"{entry.filename} in {file} would have {size(entry.file_size)}, and a ledger's has"
            raise LedgerFileError(f"{what} {size(most[entry.filename])} at most", _WAY_OUT)
    packed_size = file.stat().st_size
    if needed > max(_GROWTH_MAX * packed_size, _SMALL_BYTES):
        what = f"{file} has {size(packed_size)} and would have {size(needed)} unpacked"
        raise LedgerFileError(f"{what}: no ledger is packed so small", _WAY_OUT)


def _text(packed: zipfile.ZipFile, file: Path, most: int) -> str:
    try:
        with packed.open(CHECKSUMS) as source:
            return source.read(most).decode("ascii")  # no more of it is unpacked, whatever it says
    except BROKEN as error:
        raise _damaged(CHECKSUMS, file) from error


def _copied(packed: zipfile.ZipFile, name: str, target: Path, file: Path) -> str:
    """Take a file out; returns its SHA-256."""
    digest = hashlib.sha256()
    try:
        with packed.open(name) as source, target.open("wb") as sink:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                sink.write(piece)
            whole = sink.tell() == packed.getinfo(name).file_size
    except BROKEN as error:
        raise _damaged(name, file) from error
    if not whole:
        raise _damaged(name, file)
    return digest.hexdigest()


def _damaged(name: str, file: Path) -> DamagedLedgerError:
    return DamagedLedgerError(f"{name} in {file} is not what was written", "have it sent again")


def write(file: Path, sources: Mapping[str, Path], words: str, progress: Progress) -> None:
    """Pack a ledger's files, each under its name, with `words` for people. Raises `LedgerFileError` if there is one."""
    done, total = 0, sum(path.stat().st_size for path in sources.values())
    checksums: list[str] = []
    try:
        with replacing(file, durable=True, new=True) as partial, zipfile.ZipFile(partial, "w") as packed:
            for name, path in sources.items():
                digest = hashlib.sha256()
                with path.open("rb") as source, packed.open(_entry(name), "w", force_zip64=True) as sink:
                    while piece := source.read(_PIECE_BYTES):
                        digest.update(piece)
                        sink.write(piece)
                        done += len(piece)
                        progress(done, total)
                checksums.append(f"{digest.hexdigest()}  {name}\n")
            packed.writestr(_entry(CHECKSUMS), "".join(checksums))
            packed.writestr(_entry(WORDS), words)
    except FileExistsError as error:
        raise exists(file) from error


def exists(file: Path) -> LedgerFileError:
    """The error for a name that is taken."""
    return LedgerFileError(f"{file} exists", "a ledger's file is never overwritten; choose another name")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NEVER)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = _READ_ONLY << 16
    return entry
