"""The resources of a FHIR document, a bundle or lines of NDJSON; and excerpts, in which some stand by themselves.

An excerpt is what a person decides about where other parts of an item pass, or never can: the resources that are meant
come first, then what they are judged by: their patient, and the names that their bundle gives to others.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from hmchain import decoding

BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)
decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""A resource, its numbers as they are written."""
ITEM_BYTES_MAX = 512 << 20
"""A larger item is held; a bundle is in memory once, as bytes."""
_BUNDLES_DEEP_MAX = 8
_EXCERPT = b'{"resourceType":"Bundle","id":"excerpt-by-hmchain-'
_LEADING = re.compile(re.escape(_EXCERPT) + rb"(\d{1,9})\"", re.ASCII)


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw()


class _Document(msgspec.Struct):
    """Any resource, as far as must be known to tell a bundle."""

    resourceType: str = ""
    entry: list[_Entry] = []


class _Kind(msgspec.Struct):
    resourceType: str = ""


class _Identity(msgspec.Struct):
    resourceType: str = ""
    id: str = ""


_decode_document = decoding.json_decoder(_Document).decode
_decode_kind = decoding.json_decoder(_Kind).decode
_decode_identity = decoding.json_decoder(_Identity).decode


@dataclass(frozen=True)
class Raw:
    """One resource's bytes, the names that its bundle gives to others, and one for itself if it has no id."""

    data: bytes | msgspec.Raw = field(repr=False)
    aliases: Mapping[str, str]
    name: str = ""


def resources(data: bytes) -> Iterator[Raw]:
    """The resources of one document, of a bundle, or of lines that are a document each."""
    data = data.removeprefix(codecs.BOM_UTF8)
    document = _read(data)
    lines = data.split(b"\n") if document is None else []
    if any(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines):
        for line in lines:
            if line.strip():
                yield from _opened(line, _read(line))
    else:
        yield from _opened(data, document)


def kind_of(data: bytes | msgspec.Raw) -> str:
    """The type of a resource, however its letters are escaped; nothing if there is none."""
    try:
        return _decode_kind(data).resourceType
    except BAD_JSON:
        return ""


def _read(data: bytes | msgspec.Raw) -> _Document | None:
    try:
        return _decode_document(data)
    except BAD_JSON:
        return None


def _opened(
    data: bytes | msgspec.Raw, document: _Document | None, outer: Mapping[str, str] = {}, depth: int = 0
) -> Iterator[Raw]:
    """A bundle's entries, those of bundles within it among them, or the resource itself."""
    if document is None or document.resourceType != "Bundle":
        yield Raw(data, {})
        return
    own = {entry.fullUrl: name for entry in document.entry if entry.fullUrl and (name := _full_name(entry))}
    aliases = {**outer, **own}
    for entry in document.entry:
        if kind_of(entry.resource) == "Bundle" and depth < _BUNDLES_DEEP_MAX:
            inner = _read(entry.resource)
            if inner is not None and inner.resourceType == "Bundle":
                yield from _opened(entry.resource, inner, aliases, depth + 1)
                continue
        yield Raw(entry.resource, aliases, _name_in_bundle(entry))


def _full_name(entry: _Entry) -> str:
    """`Type/id` of an entry, the id being that of its `fullUrl` if the resource has none."""
    try:
        identity = _decode_identity(entry.resource)
    except BAD_JSON:
        return ""
    return f"{identity.resourceType}/{identity.id or _name_in_bundle(entry)}"


def _name_in_bundle(entry: _Entry) -> str:
    return re.split("[/:]", entry.fullUrl)[-1]


def leading(data: bytes) -> int | None:
    """The number of resources that an excerpt is about; None if it is none."""
    found = _LEADING.match(data)
    return int(found[1]) if found else None


def excerpt(meant: Sequence[Raw], patients: Iterable[Raw]) -> bytes:
    """Make an excerpt of some resources, and the patients whom they are about."""
    around: dict[str, str] = {}
    for raw in meant:
        data = bytes(raw.data)
        around |= {url: name for url, name in raw.aliases.items() if url.encode() in data}
    first, last = ([_entry(raw.name, bytes(raw.data)) for raw in some] for some in (meant, patients))
    stubs = [_stub(url, *name.split("/", 1)) for url, name in around.items()]  # not last: that is whom an id means
    head = b'%s%d","type":"collection","entry":[' % (_EXCERPT, len(meant))
    return head + b",".join([*first, *stubs, *last]) + b"]}"


def _entry(name: str, data: bytes) -> bytes:
    url = msgspec.json.encode(f"urn:uuid:{name}" if name else "")
    return b'{"fullUrl":%s,"resource":%s}' % (url, data.strip())


def _stub(url: str, kind: str, own: str) -> bytes:
    """An entry that says nothing but how a resource is called."""
    return msgspec.json.encode({"fullUrl": url, "resource": {"resourceType": kind, "id": own}})
