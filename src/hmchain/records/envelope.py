"""Chunked, key-committing authenticated encryption of one object.

An envelope is a header and chunks. The header names the suite, binds the caller's context and commits to the key; each
chunk is sealed with AES-256-GCM under a key made for this envelope alone, as in the STREAM construction (Hoang et al.,
CRYPTO 2015): the nonce is the chunk's number and whether it is the last, so that chunks cannot be dropped, repeated or
reordered, and the header is part of what every chunk authenticates.

    magic 4 | version 1 | suite 1 | chunk bytes 4 | salt 32 | key commitment 32 | context digest 32 | chunks

AES-GCM does not commit to its key: one ciphertext can be made to open under two keys to two plaintexts (Dodis et al.,
CRYPTO 2018), which would let two readers of one digest see different objects. Hence the commitment.
"""

from __future__ import annotations

import hmac
import io
import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hmchain.canonical import digest
from hmchain.errors import KeyMaterialError, StorageError
from hmchain.keys import SecretKey

CHUNK_BYTES = 256 << 10
"""Plaintext bytes a chunk: from here on larger chunks are no faster, and this is what a stream holds in memory."""
CHUNK_BYTES_MAX = 16 << 20
TAG_BYTES = 16

_MAGIC = b"HMCE"
_VERSION = 1
_AES_256_GCM = 1
_HEADER = struct.Struct(">4sBBI32s32s32s")
HEADER_BYTES = _HEADER.size
_SALT_BYTES = 32
_NONCE = struct.Struct(">3xQ?")

Buffer = bytes | bytearray | memoryview


class EnvelopeError(StorageError):
    """An envelope was altered or cut short, belongs to another context, or is none."""

    code = "envelope"


class EnvelopeKeyError(KeyMaterialError):
    """An envelope is sealed under another key."""

    code = "envelope_key"


@dataclass(frozen=True)
class _Sealer:
    """The key and the header of one envelope."""

    header: bytes
    chunk_bytes: int
    cipher: AESGCM

    @classmethod
    def new(cls, key: SecretKey, context: bytes, salt: bytes) -> _Sealer:
        header = _HEADER.pack(
            _MAGIC, _VERSION, _AES_256_GCM, CHUNK_BYTES, salt, key.commitment(), _context_digest(context)
        )
        return cls(header, CHUNK_BYTES, _cipher(key, salt))

    @classmethod
    def of(cls, header: bytes, key: SecretKey, context: bytes) -> _Sealer:
        if len(header) != HEADER_BYTES:
            raise EnvelopeError("an object is too short to be an envelope")
        magic, version, suite, chunk_bytes, salt, commitment, bound = _HEADER.unpack(header)
        if magic != _MAGIC or version != _VERSION or suite != _AES_256_GCM:
            raise EnvelopeError("an object is not an envelope that this version reads")
        if not 0 < chunk_bytes <= CHUNK_BYTES_MAX:
            raise EnvelopeError("an envelope has chunks of an impossible size")
        if not hmac.compare_digest(commitment, key.commitment()):
            raise EnvelopeKeyError("an envelope is sealed under another key", "use the key of its dataset or study")
        if not hmac.compare_digest(bound, _context_digest(context)):
            raise EnvelopeError("an envelope belongs to another context", "it may have been put in another's place")
        return cls(header, chunk_bytes, _cipher(key, salt))

    def seal_into(self, plaintext: Buffer, index: int, last: bool, out: Buffer) -> None:
        position = _NONCE.pack(index, last)
        self.cipher.encrypt_into(position, plaintext, self.header + position, out)

    def seal(self, plaintext: Buffer, index: int, last: bool) -> bytes:
        position = _NONCE.pack(index, last)
        return self.cipher.encrypt(position, plaintext, self.header + position)

    def open_into(self, sealed: Buffer, index: int, last: bool, out: Buffer) -> None:
        position = _NONCE.pack(index, last)
        try:
            self.cipher.decrypt_into(position, sealed, self.header + position, out)
        except (InvalidTag, ValueError) as error:
            raise _altered() from error

    def open(self, sealed: Buffer, index: int, last: bool) -> bytes:
        position = _NONCE.pack(index, last)
        try:
            return self.cipher.decrypt(position, sealed, self.header + position)
        except (InvalidTag, ValueError) as error:
            raise _altered() from error


def sealed_size(plaintext_bytes: int) -> int:
    """The size of the envelope of so many bytes."""
    return HEADER_BYTES + plaintext_bytes + TAG_BYTES * _chunks(plaintext_bytes, CHUNK_BYTES)


def opened_size(envelope_bytes: int) -> int:
    """How many bytes an envelope of so many holds."""
    sealed = envelope_bytes - HEADER_BYTES
    return max(0, sealed - TAG_BYTES * _chunks(sealed, CHUNK_BYTES + TAG_BYTES))


def seal(plaintext: Buffer, key: SecretKey, context: bytes, *, root: bytes | None = None) -> bytes:
    """Seal `plaintext` under `key`; whoever opens it must give the same `context`.

    With a `root`, a digest that its caller computed of this very plaintext, the salt follows from it: who has the same
    plaintext makes the same envelope. A salt never meets two plaintexts as long as no two have one root.
    """
    sealer = _Sealer.new(key, context, _fresh_salt() if root is None else _salt_of(key, context, root))
    with memoryview(plaintext).cast("B") as source:
        sealed = _Output(sealed_size(len(source)))
        sealed.view[:HEADER_BYTES] = sealer.header
        count = _chunks(len(source), CHUNK_BYTES)
        for index in range(count):
            piece = source[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            start = HEADER_BYTES + index * (CHUNK_BYTES + TAG_BYTES)
            with sealed.view[start : start + len(piece) + TAG_BYTES] as out:
                sealer.seal_into(piece, index, index == count - 1, out)
    return sealed.finish()


def open_envelope(data: Buffer, key: SecretKey, context: bytes, size: int | None = None) -> bytes:
    """Return the plaintext of an envelope, which has `size` bytes if that is given.

    Raises `EnvelopeKeyError` if it is sealed under another key, `EnvelopeError` if it was altered, cut short, belongs
    to another context or holds more or fewer bytes: whoever seals it chooses its chunks, and so how many there are.
    """
    with memoryview(data).cast("B") as source:
        opener = _Sealer.of(bytes(source[:HEADER_BYTES]), key, context)
        body, step = source[HEADER_BYTES:], opener.chunk_bytes + TAG_BYTES
        count = _chunks(len(body), step)
        if size not in (None, len(body) - count * TAG_BYTES):
            raise EnvelopeError("an object does not hold as many bytes as it must", "its sender must make another")
        plaintext = _Output(max(0, len(body) - count * TAG_BYTES))
        for index in range(count):
            sealed = body[index * step : (index + 1) * step]
            start = index * opener.chunk_bytes
            with plaintext.view[start : start + max(0, len(sealed) - TAG_BYTES)] as out:
                opener.open_into(sealed, index, index == count - 1, out)
    return plaintext.finish()


def seal_stream(
    pieces: Iterable[Buffer], key: SecretKey, context: bytes, *, root: bytes | None = None
) -> Iterator[bytes]:
    """Seal a stream of pieces of any size, in the memory of one chunk; the joined output is what `seal` makes."""
    sealer = _Sealer.new(key, context, _fresh_salt() if root is None else _salt_of(key, context, root))
    yield sealer.header
    for index, (piece, last) in enumerate(_rechunk(pieces, CHUNK_BYTES)):
        yield sealer.seal(piece, index, last)


def open_stream(pieces: Iterable[Buffer], key: SecretKey, context: bytes) -> Iterator[bytes]:
    """Open a stream of pieces of any size, in the memory of one chunk.

    Each chunk that is yielded is authentic and in its place; only the end of the iteration proves that none is missing.
    Raises as `open_envelope` does.
    """
    opener, body = _begun(pieces, key, context)
    for index, (sealed, last) in enumerate(_rechunk(body, opener.chunk_bytes + TAG_BYTES)):
        yield opener.open(sealed, index, last)


def proven_size(pieces: Iterable[Buffer], key: SecretKey, context: bytes) -> int:
    """Open a stream of pieces to its end and keep nothing of it; returns how many bytes it holds.

    One chunk is held, in the same memory for all: to get and clear it anew costs more than the decryption. Raises as
    `open_envelope` does.
    """
    opener, body = _begun(pieces, key, context)
    held, size = bytearray(), 0
    for index, (sealed, last) in enumerate(_rechunk(body, opener.chunk_bytes + TAG_BYTES)):
        if (count := max(0, len(sealed) - TAG_BYTES)) > len(held):
            held = bytearray(count)
        with memoryview(held)[:count] as out:
            opener.open_into(sealed, index, last, out)
        size += count
    return size


def _begun(pieces: Iterable[Buffer], key: SecretKey, context: bytes) -> tuple[_Sealer, Iterable[Buffer]]:
    """What opens the envelope that a stream holds, and the stream behind its header."""
    incoming = iter(pieces)
    first: Buffer = next(incoming, b"")
    while len(first) < HEADER_BYTES and (piece := next(incoming, None)) is not None:
        first = bytes(first) + bytes(piece)
    view = memoryview(first).cast("B")
    return _Sealer.of(bytes(view[:HEADER_BYTES]), key, context), chain([view[HEADER_BYTES:]], incoming)


class _Output:
    """A `bytes` object that is written in place before anyone sees it: a copy costs as much as the encryption.

    `BytesIO` hands its buffer out without copying once no view of it is left.
    """

    def __init__(self, size: int) -> None:
        self._buffer = io.BytesIO(bytes(size))
        self.view = self._buffer.getbuffer()

    def finish(self) -> bytes:
        self.view.release()
        return self._buffer.getvalue()


def _cipher(key: SecretKey, salt: bytes) -> AESGCM:
    # A key of its own for every envelope, so that chunk numbers can be nonces even where many share a study's key.
    return AESGCM(key.derive("hmchain envelope", salt).raw)


def _fresh_salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


def _salt_of(key: SecretKey, context: bytes, root: bytes) -> bytes:
    # Through the key, so that nobody without it can tell whether an envelope holds what they guess.
    return key.derive("hmchain envelope salt", _context_digest(context), root).raw


def _altered() -> EnvelopeError:
    return EnvelopeError("an envelope was altered or cut short", "restore the object from a copy")


def _context_digest(context: bytes) -> bytes:
    return digest("hmchain envelope context", context)


def _chunks(size: int, step: int) -> int:
    """Chunks of `step` that hold `size` bytes; one, empty, for nothing."""
    return max(1, -(-size // step))


def _rechunk(pieces: Iterable[Buffer], size: int) -> Iterator[tuple[Buffer, bool]]:
    """Cut a stream into chunks of `size` bytes, and say which is the last; only the last may be shorter."""
    held = bytearray()
    for piece in pieces:
        view = memoryview(piece).cast("B")
        while len(held) + len(view) > size:
            missing = size - len(held)
            if held:
                held += view[:missing]
                yield held, False
                held = bytearray()
            else:
                yield view[:missing], False
            view = view[missing:]
        held += view
    yield held, True
