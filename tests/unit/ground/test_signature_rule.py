"""Which signatures hold: every member must agree, and libraries differ about odd ones (docs/decisions/0015).

The odd ones are built here from the curve's arithmetic (RFC 8032, section 5.1), so that a library with another rule, or
a new release of this one, fails by name.
"""

from __future__ import annotations

import hashlib
from itertools import count

import pytest

from hmchain.keys import ED25519, PublicKey

Point = tuple[int, int]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY: Point = (0, 1)

MESSAGE = b"a transaction"
SECRET, NONCE = 12345, 67890


def add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    return x % P, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def multiply(factor: int, point: Point) -> Point:
    result = IDENTITY
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def point_of(y: int) -> Point | None:
    """The point with an even x, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P:
        return None
    return (P - x if x & 1 else x), y


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def point_of_order_8() -> Point:
    for y in count(2):
        point = point_of(y)
        if point and multiply(4, torsion := multiply(ORDER, point)) != IDENTITY:
            return torsion
    raise AssertionError


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER


def signed(r: bytes, key: bytes, message: bytes = MESSAGE, nonce: int = NONCE, secret: int = SECRET) -> bytes:
    return r + ((nonce + challenge(r, key, message) * secret) % ORDER).to_bytes(32, "little")


def holds(key: bytes, signature: bytes, message: bytes = MESSAGE) -> bool:
    return PublicKey(ED25519, key).verify(signature, message)


BASE = point_of(4 * pow(5, -1, P) % P)
assert BASE is not None
TORSION = point_of_order_8()
KEY, R = encode(multiply(SECRET, BASE)), encode(multiply(NONCE, BASE))
SMALL = [encode(multiply(factor, TORSION)) for factor in range(8)]


def test_a_plain_signature_holds_for_its_message_only() -> None:
    assert holds(KEY, signed(R, KEY))
    assert not holds(KEY, signed(R, KEY), b"another")


def test_a_second_form_of_a_signature_does_not_hold() -> None:
    r, s = signed(R, KEY)[:32], int.from_bytes(signed(R, KEY)[32:], "little")
    assert not holds(KEY, r + (s + ORDER).to_bytes(32, "little"))
    assert not holds(KEY, signed(R, KEY)[:63] + bytes([signed(R, KEY)[63] | 0x80]))


@pytest.mark.parametrize("small", SMALL, ids=range(8))
def test_a_key_that_would_sign_everything_signs_nothing(small: bytes) -> None:
    """With a key of small order one signature fits every eighth message at least, so it proves nothing."""
    for number in range(64):
        assert not holds(small, R + NONCE.to_bytes(32, "little"), b"message %d" % number)


@pytest.mark.parametrize("small", SMALL, ids=range(8))
def test_a_signature_without_a_nonce_does_not_hold(small: bytes) -> None:
    assert not holds(KEY, signed(small, KEY, nonce=0))


def test_a_key_in_another_encoding_is_none() -> None:
    assert not holds((P + 1).to_bytes(32, "little"), R + NONCE.to_bytes(32, "little"))
    assert not holds(b"\xff" * 32, signed(R, KEY))


def test_what_holds_only_with_the_cofactor_does_not() -> None:
    mixed = encode(add(multiply(NONCE, BASE), TORSION))
    assert not holds(KEY, signed(mixed, KEY))


def test_a_key_with_a_part_of_small_order_holds_where_the_plain_equation_does() -> None:
    key = encode(add(multiply(SECRET, BASE), TORSION))
    found = set()
    for number in range(64):
        message = b"message %d" % number
        plain_equation = challenge(R, key, message) % 8 == 0
        assert holds(key, signed(R, key, message), message) == plain_equation
        found.add(plain_equation)
    assert found == {True, False}


@pytest.mark.parametrize("key", [b"", KEY[:31], KEY + b"\0", bytes(64)])
def test_a_key_of_another_size_holds_nothing(key: bytes) -> None:
    assert not holds(key, signed(R, KEY))


@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_a_signature_of_another_size_does_not_hold(size: int) -> None:
    assert not holds(KEY, (signed(R, KEY) * 2)[:size])


def test_another_algorithm_is_not_known() -> None:
    assert not PublicKey("ed448", KEY).verify(signed(R, KEY), MESSAGE)
