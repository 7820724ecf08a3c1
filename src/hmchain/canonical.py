"""Frozen values, one encoding, hashing.

A value has exactly one encoding: MessagePack of array-like Structs. MessagePack alone lets several byte strings decode
to one value (an integer in a wider form, say), so `decode` re-encodes and compares; what differs is refused.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from hmchain import decoding
from hmchain.errors import InputError

T = TypeVar("T")

PADDED_BYTES = 1024
"""A text's size is told to so much alone, where it is padded."""

_encoder = msgspec.msgpack.Encoder()


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of everything that is hashed, signed or kept in state.

    Frozen values cannot form cycles, so the garbage collector need not look at them (`gc=False`).
    """


R = TypeVar("R", bound=Record)


class NotCanonicalError(InputError):
    """Bytes that are not the one encoding of a value of the expected type."""

    code = "not_canonical"


def encode(value: Any) -> bytes:
    """Return the one encoding of `value` (a `Record`, or lists, tuples, ints, strings and bytes of them)."""
    return _encoder.encode(value)


def padded(value: R, unit: int = PADDED_BYTES) -> R:
    """The record with its field `padding` filled until its encoding is whole units: for what is sealed next.

    Bytes from 256 on take one more to say how many they are; so the last one is tried for, not counted. A unit has at
    most 60 KiB, beyond which they would take yet more.
    """
    lacking = -len(encode(replace(value, padding=b""))) % unit
    counts = (lacking, lacking - 1, lacking - 1 + unit)
    filled = (replace(value, padding=bytes(count)) for count in counts if count >= 0)
    return next(each for each in filled if len(encode(each)) % unit == 0)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode `data` as `kind`.

    Raises `NotCanonicalError` if it does not decode, or if encoding it again gives other bytes.
    """
    value = decode_trusted(data, kind)
    if _encoder.encode(value) != data:
        raise NotCanonicalError(f"a {_name(kind)} is not in its canonical encoding")
    return value


def decode_trusted(data: bytes, kind: type[T]) -> T:
    """Decode bytes that we wrote ourselves: as `decode`, without the second encoding."""
    try:
        return decoding.from_msgpack(data, kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonicalError(f"bytes do not decode as a {_name(kind)}{_unknown_word(error)}") from error


def _name(kind: type) -> str:
    """A union of types has no name."""
    return getattr(kind, "__name__", "value")


def _unknown_word(error: Exception) -> str:
    """Names a word that an enum does not have. Nothing else of the bytes is repeated: it may be secret."""
    found = re.match(r"Invalid enum value ('.*')", str(error))
    return f": {found[1]} is no word of it" if found else ""


def digest(label: str, *parts: bytes) -> bytes:
    """SHA-256 over a label and length-prefixed parts, so that no two lists of parts hash alike (32 bytes)."""
    name = label.encode()
    state = hashlib.sha256(len(name).to_bytes(2, "big") + name)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()
