"""Every byte of a ledger, and the search in them for what people wrote: as it is, encoded, or hashed without a key."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import blake3

_WINDOW = 6
"""What is searched for is found by so many of its bytes, then compared whole."""
_BASE64_CUT = 2
"""Letters at either end of a base64 text that depend on what stands beside it."""


def _hash(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data).digest()


_HASHES: dict[str, Callable[[bytes], bytes]] = {
    **{name: _hash(name) for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")},
    "blake2b": lambda data: hashlib.blake2b(data).digest(),
    "blake2b-256": lambda data: hashlib.blake2b(data, digest_size=32).digest(),
    "blake2s": lambda data: hashlib.blake2s(data).digest(),
    "blake3": lambda data: blake3.blake3(data).digest(),
}


def forms(text: str) -> dict[bytes, str]:
    """The byte strings that tell a text, each with what it is. Raises `ValueError` for one that is too short."""
    if len(text) < _WINDOW:
        raise ValueError("so few letters stand in any ledger by chance")
    found: dict[bytes, str] = {}
    for spelling in _spellings(text):
        for encoding in ("utf-16-le", "utf-16-be", "latin-1", "utf-8"):
            data = spelling.encode(encoding, errors="ignore")
            found |= dict.fromkeys(_written(data), f"the text in {encoding}")
            for name, hashed in _HASHES.items():
                for ended in (data, data + b"\n", data + b"\0"):
                    found |= dict.fromkeys(_written(hashed(ended)), f"its {name}")
    return found


def _spellings(text: str) -> dict[str, None]:
    words = [text, *(text.replace(" ", between) for between in ("", ".", "-", "_"))]
    return dict.fromkeys(cased for each in words for cased in (each, each.lower(), each.upper(), each.title()))


def _written(data: bytes) -> Iterator[bytes]:
    """Bytes as they are, turned round, in hexadecimal, and in base64 wherever they begin in it."""
    yield from (data, data[::-1], data.hex().encode(), data.hex().upper().encode())
    for before in range(3):
        for encoded in (base64.b64encode(bytes(before) + data), base64.urlsafe_b64encode(bytes(before) + data)):
            core = encoded.rstrip(b"=")
            yield core[_BASE64_CUT + bool(before) * 2 : len(core) - _BASE64_CUT]


def told(pieces: Iterable[bytes], planted: Iterable[str]) -> list[tuple[str, str]]:
    """What of the `planted` some bytes tell, and how."""
    wanted = [(form, text, how) for text in planted for form, how in forms(text).items() if len(form) >= _WINDOW]
    begun: dict[bytes, list[tuple[bytes, str, str]]] = {}
    for form in wanted:
        begun.setdefault(form[0][:_WINDOW], []).append(form)
    return sorted({(text, how) for piece in pieces for text, how in _in(piece, begun)})


def _in(piece: bytes, begun: dict[bytes, list[tuple[bytes, str, str]]]) -> Iterator[tuple[str, str]]:
    for at in range(len(piece) - _WINDOW + 1):
        for form, text, how in begun.get(piece[at : at + _WINDOW], ()):
            if piece.startswith(form, at):
                yield text, how


def pieces(directory: Path) -> Iterator[bytes]:
    """Every byte of a ledger's directory: its files, and each cell of its tables whole, which pages cut in pieces."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".db":
            yield from _cells(path)


def _cells(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in file.execute(f'SELECT * FROM "{table}"'):
                yield from (cell for cell in row if isinstance(cell, bytes) and len(cell) >= _WINDOW)
                yield from (cell.encode() for cell in row if isinstance(cell, str))
