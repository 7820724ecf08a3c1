"""Typed values from JSON, TOML and MessagePack, by decoders that are built one at a time; parts of untyped ones.

At the first decoder that needs a Struct msgspec keeps what it learned of it, and lets other threads see that half
made: two threads that meet a type together for the first time end the process. So no other place builds a decoder.
"""

from __future__ import annotations

import difflib
import math
import re
import threading
from types import UnionType
from typing import Any, TypeVar, get_args

import msgspec

T = TypeVar("T")

_UNKNOWN = re.compile("unknown field `([^`]*)`")
_OTHER_TYPE = re.compile(r"Expected `([^`]*)`, got `([^`]*)` - at `([^`]*)`")
_TYPES = {
    "int": ("a whole number", "a whole number"), "float": ("a number", "a number"),
    "str": ('a text in "quotes"', "a text"), "bool": ("true or false", "true or false"),
    "array": ("a list in [ ]", "a list"), "object": ("a table", "a table"),
    "date": ("a day such as 2027-06-30, without quotes", "a day"),
}  # fmt: skip
"""What a type is called where it should stand, and where it does."""
_WRITTEN = 'texts stand in "quotes", days as 2027-06-30, numbers as 0.5'
_building = threading.Lock()
_of_json: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}
_of_msgpack: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
_json_of_clients = msgspec.json.Decoder(float_hook=lambda written: _number(_finite(written)))


def told(**schema: Any) -> msgspec.Meta:
    """What a description of a type in JSON says of a field beside its type, and nothing is refused for.

    Who reads the value holds it to the same, and says what is wrong in words of its own.
    """
    return msgspec.Meta(extra_json_schema=schema)


def from_json(data: bytes | str, kind: type[T] | UnionType, *, strict: bool = True) -> T:
    """Decode JSON as `kind`; without `strict`, numbers may stand as strings.

    Raises `msgspec.DecodeError`, of which `msgspec.ValidationError` is one, as the others here do.
    """
    try:
        return json_decoder(kind, strict=strict).decode(data)
    except RecursionError as error:
        raise msgspec.DecodeError("JSON is nested too deep") from error


def from_clients(data: bytes | str, kind: type[T] | UnionType) -> T:
    """Decode JSON as `kind`, with whole numbers as JSON Schema has them (validation, 6.1.1): 90.0 is one too."""
    try:
        value = _json_of_clients.decode(data)
    except RecursionError as error:
        raise msgspec.DecodeError("JSON is nested too deep") from error
    return converted(value, kind)


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
    try:
        return msgpack_decoder(kind).decode(data)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deep") from error


def converted(value: Any, kind: type[T] | UnionType, *, strict: bool = True) -> T:
    """Make a `kind` of lists, dictionaries, strings and numbers."""
    json_decoder(kind)
    return msgspec.convert(value, kind, strict=strict)


def _finite(written: str) -> float:
    """A number of any type as Python reads it: msgspec itself takes a hundred times as long for 1e308."""
    value = float(written)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def mapping(value: Any) -> dict[str, Any]:
    """An object of an untyped document; empty for what is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of an untyped document; nothing of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def in_words(error: Exception, kind: type[Any] | UnionType, above: str = "") -> str:
    """The reason why a file or table is no `kind`, for who wrote it by hand; entries are those of a table `above`.

    Of an entry that there is not, with the one that may be meant.
    """
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8: save it as UTF-8"
    said = str(error).removeprefix("Object contains ").removeprefix("Object ").replace("$.", above)
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        twice = said.replace("Cannot overwrite a value", "an entry stands twice")
        return twice if twice != said else f"{said}: {_WRITTEN}"
    if other := _OTHER_TYPE.search(said):
        wanted = " or ".join(_TYPES.get(each, (each,))[0] for each in other[1].split(" | ") if each != "null")
        return f"`{other[3]}` is {_TYPES.get(other[2], ('', other[2]))[1]}, and should be {wanted}"
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
            decoder = _of_json[kind, strict] = msgspec.json.Decoder(kind, strict=strict, float_hook=_finite)
    return decoder


def msgpack_decoder(kind: type[T] | UnionType) -> msgspec.msgpack.Decoder[T]:
    """The decoder of `kind` from MessagePack."""
    with _building:
        if (decoder := _of_msgpack.get(kind)) is None:
            decoder = _of_msgpack[kind] = msgspec.msgpack.Decoder(kind)
    return decoder
