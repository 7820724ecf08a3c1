"""Looks for planted identifiers in whatever came out: in clear, encoded, compressed, or hashed without a key."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hmchain.records.deidentification.canary.planting import Canary, PlantedItem
from hmchain.records.deidentification.outcome import Clean, Outcome, PassedOver

DEPTH_MAX = 3
VIEWS_MAX = 2000
VIEW_BYTES_MAX = 64 << 20

_CHARSETS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1", "iso2022_jp", "gb18030", "koi8-r", "cp500")
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_GZIP = b"\x1f\x8b\x08"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_NOT_AN_ARCHIVE = (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError)
_ESCAPE = re.compile(rb"\x1b[$(].")
_DEFLATED_DICOM = b"1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class Survivor:
    """A canary that came out."""

    item: str
    canary: Canary
    where: str
    """`record`, or the part of the outcome that is shown: `attributes`, `actions`, `record id`, `reason` ..."""


def survivors(planted: PlantedItem, outcomes: Iterable[Outcome]) -> list[Survivor]:
    """The canaries of `planted` that are still in `outcomes`; reads every record's bytes to the end."""
    found: list[Survivor] = []
    for outcome in outcomes:
        for where, data in _parts(outcome):
            found += [Survivor(planted.item.name, canary, where) for canary in scan(data, planted.canaries)]
    return found


def scan(data: bytes, canaries: Sequence[Canary]) -> list[Canary]:
    """The canaries of which any spelling is in `data`, or in what is compressed or encoded within it."""
    left = list(canaries)
    found: list[Canary] = []
    for view in views(data):
        folded = view.lower()
        hits = [canary for canary in left if _occurs(canary, view, folded)]
        found += hits
        left = [canary for canary in left if canary not in hits]
        if not left:
            break
    return found


def views(data: bytes, depth: int = DEPTH_MAX) -> Iterator[bytes]:
    """`data`, and all that unpacks from it, to a depth of `depth`."""
    waiting, given, seen = [(data, depth)], 0, set()
    while waiting and given < VIEWS_MAX:
        view, levels = waiting.pop()
        name = hashlib.sha256(view).digest()
        if name in seen:
            continue
        seen.add(name)
        given += 1
        yield view
        if levels:
            waiting += [(inner, levels - 1) for inner in _unpack(view)]


def _parts(outcome: Outcome) -> Iterator[tuple[str, bytes]]:
    if isinstance(outcome, PassedOver):
        yield "reason", outcome.reason.encode()
        return
    if not isinstance(outcome, Clean):
        yield "reason", f"{outcome.code}\n{outcome.reason}".encode()
        return
    yield "record", b"".join(bytes(piece) for piece in outcome.pieces())
    yield "record id", outcome.record.encode()
    yield "subject", outcome.subject.encode()
    yield "attributes", "\n".join(f"{name}={value}" for name, value in outcome.attributes.items()).encode()
    yield "actions", "\n".join(f"{action.element} {action.done}" for action in outcome.actions).encode()


def _occurs(canary: Canary, view: bytes, folded: bytes) -> bool:
    if canary.alone:
        return any(pattern.search(folded) for pattern in _alone(canary.forms))
    exact, caseless = _patterns(canary.forms)
    return any(pattern in view for pattern in exact) or any(pattern in folded for pattern in caseless)


@functools.lru_cache(maxsize=4096)
def _alone(forms: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    """A short canary by itself, one byte a character or two."""
    found = []
    for form in forms:
        for charset, pad in (("ascii", b""), ("utf-16-le", rb"\x00"), ("utf-16-be", rb"\x00")):
            inner = re.escape(form.lower().encode(charset))
            before, after = (rb"[0-9a-z.]", rb"[0-9a-z]") if not pad else (rb"[0-9a-z]\x00", rb"\x00?[0-9a-z]")
            found.append(re.compile(rb"(?<!" + before + rb")" + inner + rb"(?!" + after + rb")"))
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def _patterns(forms: tuple[str, ...]) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Byte strings to look for as they are, and those to look for in lower case."""
    exact: set[bytes] = set()
    caseless: set[bytes] = set()
    for form in forms:
        for spelling in {form, form.upper()}:
            exact |= {base64.b64encode(bytes(skip) + spelling.encode())[-(-skip * 4 // 3) : -4] for skip in range(3)}
        for charset in _CHARSETS:
            with suppress(UnicodeEncodeError):
                caseless.add(_ESCAPE.sub(b"", form.encode(charset)).lower())
        plain = form.encode()
        caseless |= {plain[::-1].lower(), plain.hex().encode()}
        caseless |= {hashlib.new(name, plain).hexdigest().encode() for name in ("md5", "sha1", "sha256")}
    return frozenset(pattern for pattern in exact if len(pattern) >= 6), frozenset(caseless)


def _unpack(data: bytes) -> Iterator[bytes]:
    """Find what is compressed or encoded somewhere in `data`."""
    for match in _ZLIB.finditer(data):
        yield from _inflate(data[match.start() :], zlib.MAX_WBITS)
    start = data.find(_GZIP)
    while start >= 0:
        yield from _inflate(data[start:], 16 + zlib.MAX_WBITS)
        start = data.find(_GZIP, start + 1)
    if _DEFLATED_DICOM in data[:1024] and data[128:132] == b"DICM":
        yield from _inflate(data[144 + int.from_bytes(data[140:144], "little") :], -zlib.MAX_WBITS)
    yield from _archived(data)
    if data[:4] == b"PAR1":
        yield from _table(data)
    for match in _BASE64.finditer(data):
        with suppress(binascii.Error):
            text = match.group().rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
            yield base64.b64decode(text + b"=" * (-len(text) % 4))
    for match in _HEX.finditer(data):
        yield bytes.fromhex(match.group().decode())


def _inflate(data: bytes, window: int) -> Iterator[bytes]:
    """Inflate the stream that begins `data`, as far as it goes."""
    stream = zlib.decompressobj(window)
    with suppress(zlib.error):
        inflated = stream.decompress(data, VIEW_BYTES_MAX)
        if inflated:
            yield inflated


def _archived(data: bytes) -> Iterator[bytes]:
    if b"PK\x03\x04" not in data:
        return
    with suppress(*_NOT_AN_ARCHIVE), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            yield entry.filename.encode("utf-8", "replace") + entry.comment
            with archive.open(entry) as file:
                yield file.read(VIEW_BYTES_MAX)


def _table(data: bytes) -> Iterator[bytes]:
    """A Parquet file's values and metadata as text; its pages are compressed in ways of their own."""
    import polars

    yield polars.read_parquet(io.BytesIO(data)).write_csv().encode()
    yield repr(polars.read_parquet_metadata(io.BytesIO(data))).encode()
