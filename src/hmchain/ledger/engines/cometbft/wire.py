"""The protobuf that CometBFT signs and hashes: fields in order, zeros and empty values left out.

Written by hand, since an audit must run without the library, and in the one form that every validator signs.
"""

from __future__ import annotations

_VARINT_BITS = 64


def varint(value: int) -> bytes:
    """A whole number in groups of seven bits; a negative one as its two's complement."""
    out = bytearray()
    value &= (1 << _VARINT_BITS) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of a whole number; nothing for 0."""
    return varint(field << 3) + varint(value) if value else b""


def fixed(field: int, value: int) -> bytes:
    """A field of a whole number in eight bytes; nothing for 0."""
    return varint(field << 3 | 1) + value.to_bytes(8, "little", signed=True) if value else b""


def message(field: int, content: bytes) -> bytes:
    """A field of a message, also of an empty one."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def octets(field: int, content: bytes) -> bytes:
    """A field of bytes or text; nothing for empty ones."""
    return message(field, content) if content else b""
