"""Envelopes: sealed content that opens with its key and context alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.keys import SecretKey
from hmchain.records.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    EnvelopeError,
    EnvelopeKeyError,
    open_envelope,
    open_stream,
    opened_size,
    proven_size,
    seal,
    seal_stream,
    sealed_size,
)

KEY = SecretKey(bytes(range(32)))
CONTEXT = b"dataset 1"


# --- envelopes

sizes = st.sampled_from(
    [0, 1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 7]
)


def content(size: int) -> bytes:
    return hashlib.shake_128(size.to_bytes(8, "big")).digest(size)


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


@given(sizes, st.binary(max_size=20))
@settings(max_examples=30)
def test_what_is_sealed_opens(size: int, context: bytes) -> None:
    plaintext = content(size)
    sealed = seal(plaintext, KEY, context)
    assert len(sealed) == sealed_size(size) and opened_size(len(sealed)) == size
    assert open_envelope(sealed, KEY, context) == plaintext


@given(sizes, st.integers(50, 3 * CHUNK_BYTES), st.integers(50, 3 * CHUNK_BYTES))
@settings(max_examples=30, deadline=None)
def test_streams_and_whole_objects_are_one_format(size: int, in_step: int, out_step: int) -> None:
    plaintext = content(size)
    sealed = b"".join(seal_stream(pieces(plaintext, in_step), KEY, CONTEXT))
    assert open_envelope(sealed, KEY, CONTEXT) == plaintext
    assert b"".join(open_stream(pieces(seal(plaintext, KEY, CONTEXT), out_step), KEY, CONTEXT)) == plaintext
    assert proven_size(pieces(seal(plaintext, KEY, CONTEXT), out_step), KEY, CONTEXT) == size


def test_a_stream_holds_one_chunk_at_a_time() -> None:
    taken = 0

    def source() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield bytes(CHUNK_BYTES)

    sealed = seal_stream(source(), KEY, CONTEXT)
    next(sealed)
    next(sealed)
    assert taken <= 2


def test_envelopes_of_one_key_and_plaintext_share_nothing() -> None:
    one, two = seal(b"same", KEY, CONTEXT), seal(b"same", KEY, CONTEXT)
    assert one[HEADER_BYTES:] != two[HEADER_BYTES:]


Opener = Callable[[bytes, SecretKey, bytes], bytes]
openers = pytest.mark.parametrize(
    "opener",
    [
        open_envelope,
        lambda data, key, context: b"".join(open_stream([data], key, context)),
        lambda data, key, context: content(proven_size([data], key, context)),
    ],
    ids=["whole", "stream", "proven"],
)


@openers
def test_another_key_is_refused(opener: Opener) -> None:
    with pytest.raises(EnvelopeKeyError):
        opener(seal(b"x", KEY, CONTEXT), SecretKey.generate(), CONTEXT)


@openers
def test_another_context_is_refused(opener: Opener) -> None:
    with pytest.raises(EnvelopeError, match="another context"):
        opener(seal(b"x", KEY, b"dataset 1"), KEY, b"dataset 2")


@openers
def test_any_flipped_bit_is_found(opener: Opener) -> None:
    sealed = seal(b"twelve bytes", KEY, CONTEXT)
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1 << (place % 8)
        with pytest.raises((EnvelopeError, EnvelopeKeyError)):
            opener(bytes(altered), KEY, CONTEXT)


@openers
@pytest.mark.parametrize(
    "cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 15, HEADER_BYTES + 16, HEADER_BYTES + 100]
)
def test_truncation_is_found(opener: Opener, cut: int) -> None:
    with pytest.raises(EnvelopeError):
        opener(seal(bytes(1000), KEY, CONTEXT)[:cut], KEY, CONTEXT)


@openers
def test_chunks_cannot_be_dropped_repeated_or_reordered(opener: Opener) -> None:
    step = CHUNK_BYTES + TAG_BYTES
    sealed = seal(content(3 * CHUNK_BYTES), KEY, CONTEXT)
    header, (a, b, c) = sealed[:HEADER_BYTES], pieces(sealed[HEADER_BYTES:], step)
    assert opener(header + a + b + c, KEY, CONTEXT) == content(3 * CHUNK_BYTES)
    for forged in (a + b, a, b + c, b + a + c, a + c + b, a + a + b + c, a + b + c + c, a + b + b, a + b + c + b"x"):
        with pytest.raises(EnvelopeError):
            opener(header + forged, KEY, CONTEXT)


@openers
def test_chunks_of_two_envelopes_do_not_mix(opener: Opener) -> None:
    one, two = seal(b"one", KEY, CONTEXT), seal(b"two", KEY, CONTEXT)
    with pytest.raises(EnvelopeError):
        opener(one[:HEADER_BYTES] + two[HEADER_BYTES:], KEY, CONTEXT)


def multiply(left: int, right: int) -> int:
    """Multiplication in GHASH's field (NIST SP 800-38D, 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if right >> bit & 1:
            product ^= left
        left = left >> 1 ^ (0xE1 << 120 if left & 1 else 0)
    return product


def invert(value: int) -> int:
    """value^(2^128 - 2), its inverse in the field."""
    result, power = 1 << 127, value
    for _ in range(127):
        power = multiply(power, power)
        result = multiply(result, power)
    return result


def two_key_ciphertext(one: bytes, two: bytes, nonce: bytes) -> bytes:
    """A ciphertext and tag that AES-GCM accepts under both keys (Dodis et al., CRYPTO 2018, section 3)."""

    def block(key: bytes, data: bytes) -> int:
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return int.from_bytes(encryptor.update(data), "big")

    # With one free block C1 and the length block L, the tag is C1 H^3 + C2 H^2 + L H + E(nonce | 1). C2 is arbitrary;
    # C1 follows from asking for the same tag under both keys.
    h1, h2 = block(one, bytes(16)), block(two, bytes(16))
    mask1, mask2 = (block(key, nonce + b"\0\0\0\1") for key in (one, two))
    lengths, second = 2 * 128, int.from_bytes(b"an honest block!", "big")

    def known(h: int, mask: int) -> int:
        square = multiply(h, h)
        return multiply(second, square) ^ multiply(lengths, h) ^ mask

    cubes = multiply(h1, multiply(h1, h1)) ^ multiply(h2, multiply(h2, h2))
    first = multiply(known(h1, mask1) ^ known(h2, mask2), invert(cubes))
    tag = multiply(first, multiply(h1, multiply(h1, h1))) ^ known(h1, mask1)
    return b"".join(part.to_bytes(16, "big") for part in (first, second, tag))


def test_one_aes_gcm_ciphertext_two_keys_two_plaintexts() -> None:
    """protocol attack: one AES-GCM ciphertext, two keys, two plaintexts."""
    one, two = SecretKey(b"1" * 32), SecretKey(b"2" * 32)
    nonce = bytes(12)
    forged = two_key_ciphertext(one.raw, two.raw, nonce)
    readings = {AESGCM(key.raw).decrypt(nonce, forged, None) for key in (one, two)}
    assert len(readings) == 2, "bare AES-GCM does accept both keys"

    # The envelope's header takes one commitment, so at most one of the keys gets as far as the chunks.
    for key, other in ((one, two), (two, one)):
        header = seal(b"", key, CONTEXT)[:HEADER_BYTES]
        with pytest.raises(EnvelopeKeyError):
            open_envelope(header + forged, other, CONTEXT)
