"""Typed values from JSON, TOML and MessagePack, by decoders that are built one at a time; parts of untyped ones.

At the first decoder that needs a Struct msgspec keeps what it learned of it, and lets other threads see that half
made: two threads that meet a type together for the first time end the process. So no other place builds a decoder.
"""

from __future__ import annotations

import difflib
import re
import threading
from types import UnionType
from typing import Any, TypeVar, get_args

import msgspec

T = TypeVar("T")

_UNKNOWN = re.compile("unknown field `([^`]*)`")
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
    try:
        return msgspec.toml.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise
    except (ValueError, RecursionError) as error:  # of the parser in Python, whose words are about Python
        raise msgspec.DecodeError("a number has too many digits, or it is nested too deep") from error


def from_msgpack(data: bytes, kind: type[T] | UnionType) -> T:
    """Decode MessagePack as `kind`."""
    return msgpack_decoder(kind).decode(data)


def converted(value: Any, kind: type[T] | UnionType, *, strict: bool = True) -> T:
    """Make a `kind` of lists, dictionaries, strings and numbers."""
    json_decoder(kind)
    return msgspec.convert(value, kind, strict=strict)


def mapping(value: Any) -> dict[str, Any]:
    """An object of an untyped document; empty for what is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of an untyped document; nothing of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def in_words(error: Exception, kind: type[Any] | UnionType) -> str:
    """The reason why something is no `kind`; of an entry that there is not, with the one that may be meant."""
    said = str(error)
    found = _UNKNOWN.search(said)
    near = difflib.get_close_matches(found[1], sorted(_fields(kind)), n=1) if found else []
    return f"{said}: did you mean `{near[0]}`?" if near else said


def _fields(kind: Any) -> set[str]:
    """The names of all fields of a type, and of the types in it."""
    names: set[str] = set()
    left, seen = [kind], set[int]()
    while left:
        each = left.pop()
        left += get_args(each)
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and id(each) not in seen:
            seen.add(id(each))
            fields = msgspec.structs.fields(each)
            names |= {field.encode_name for field in fields}
            left += [field.type for field in fields]
    return names


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
