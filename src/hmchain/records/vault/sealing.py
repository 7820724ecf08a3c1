"""Contents become ciphertext in the object store, in this process or in one that helps it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from hmchain.keys import SecretKey
from hmchain.records.envelope import Buffer, seal, seal_stream
from hmchain.records.objects import ObjectStore

CONTEXT_BYTES = 32


@dataclass(frozen=True)
class SealedContent:
    """A content and its ciphertext in the object store, which no row of the vault names yet."""

    digest: bytes
    """Of the ciphertext, 32 bytes."""
    context: bytes
    """The random id that the envelope is bound to."""
    content: bytes
    """Keyed digest of the content."""
    key: SecretKey
    size: int
    """Bytes of the content."""


@dataclass(frozen=True)
class Sealer:
    """Seals contents for one vault. It can be handed to other processes: it opens no file of the vault's own."""

    store: ObjectStore
    content_key: bytes = field(repr=False)
    """Under which contents are digested."""

    def content(self, plaintext: Buffer) -> bytes:
        """The keyed digest of a content."""
        return blake3(plaintext, key=self.content_key).digest()

    def seal(self, contents: Sequence[Buffer], named: Sequence[bytes] | None = None) -> list[SealedContent]:
        """Seal contents; all lie durably in the object store when it returns. Raises an error of the store.

        `named` are their keyed digests, if these are known.
        """
        names = named or [self.content(content) for content in contents]
        keys = [(SecretKey.generate(), secrets.token_bytes(CONTEXT_BYTES)) for _ in contents]
        sealing = (seal(content, key, context) for content, (key, context) in zip(contents, keys, strict=True))
        return [
            SealedContent(digest, context, name, key, memoryview(content).nbytes)
            for digest, content, name, (key, context) in zip(
                self.store.put_many(sealing), contents, names, keys, strict=True
            )
        ]

    def seal_stream(self, pieces: Iterable[Buffer]) -> SealedContent:
        """Seal one content that comes in pieces, in constant memory. As `seal`."""
        state, size = blake3(key=self.content_key), 0

        def seen() -> Iterator[Buffer]:
            nonlocal size
            for piece in pieces:
                state.update(piece)
                size += memoryview(piece).nbytes
                yield piece

        key, context = SecretKey.generate(), secrets.token_bytes(CONTEXT_BYTES)
        digest = self.store.put_stream(seal_stream(seen(), key, context))
        return SealedContent(digest, context, state.digest(), key, size)
