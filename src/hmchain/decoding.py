"""Typed values from JSON, TOML and MessagePack, by decoders that are built one at a time.

At the first decoder that needs a Struct msgspec keeps what it learned of it, and lets other threads see that half
made: two threads that meet a type together for the first time end the process. So no other place builds a decoder.
"""

from __future__ import annotations

import threading
from types import UnionType
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_building = threading.Lock()
_of_json: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}
_of_msgpack: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def from_json(data: bytes | str, kind: type[T] | UnionType, *, strict: bool = True) -> T:
    """Decode JSON as `kind`; without `strict`, numbers may stand as strings.

    Raises `msgspec.DecodeError`, of which `msgspec.ValidationError` is one, as the others here do.
    """
    return json_decoder(kind, strict=strict).decode(data)


def from_toml(data: bytes | str, kind: type[T] | UnionType) -> T:
    """Decode TOML as `kind`."""
    json_decoder(kind)
    return msgspec.toml.decode(data, type=kind)


def from_msgpack(data: bytes, kind: type[T] | UnionType) -> T:
    """Decode MessagePack as `kind`."""
    return msgpack_decoder(kind).decode(data)


def converted(value: Any, kind: type[T] | UnionType, *, strict: bool = True) -> T:
    """Make a `kind` of lists, dictionaries, strings and numbers."""
    json_decoder(kind)
    return msgspec.convert(value, kind, strict=strict)


def json_decoder(kind: type[T] | UnionType, *, strict: bool = True) -> msgspec.json.Decoder[T]:
    """The decoder of `kind` from JSON."""
    with _building:
        if (decoder := _of_json.get((kind, strict))) is None:
            decoder = _of_json[kind, strict] = msgspec.json.Decoder(kind, strict=strict)
    return decoder


def msgpack_decoder(kind: type[T] | UnionType) -> msgspec.msgpack.Decoder[T]:
    """The decoder of `kind` from MessagePack."""
    with _building:
        if (decoder := _of_msgpack.get(kind)) is None:
            decoder = _of_msgpack[kind] = msgspec.msgpack.Decoder(kind)
    return decoder
