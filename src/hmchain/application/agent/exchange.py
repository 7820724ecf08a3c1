"""The store that hospitals share, as one participant uses it: objects go out, come in, and are kept for a while.

What was fetched is kept in a cache of one's own until the round is final: c + 1 hospitals attest that they hold an
object before it counts, so that no store can lose it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from hmchain.application.agent.cache import ObjectCache
from hmchain.application.agent.contents import (
    WrongObjectError,
    evidence_bytes,
    first_model,
    model_bytes,
    unpack_evidence,
    update_bytes,
)
from hmchain.application.agent.protocols import Outgoing
from hmchain.application.learning.aggregation import Part
from hmchain.keys import SecretKey
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import I64, U32, ModelRule
from hmchain.records.envelope import EnvelopeError, EnvelopeKeyError, open_envelope, sealed_size
from hmchain.records.objects import MissingObjectError, ObjectStore, address_of

T = TypeVar("T")

_MISSING = "who holds it puts it again; if it never comes, see that every member's node.toml names the same store"


class Exchange:
    """The shared store as one participant of one study uses it."""

    def __init__(
        self,
        store: ObjectStore,
        cache: Path | None,
        relay: ObjectStore | None = None,
        leaving: Callable[[Outgoing, int], None] | None = None,
    ) -> None:
        """`relay` is the same store for objects that need not survive a power cut there: others hold them too.

        `leaving` is told of what goes into the store, before it does.
        """
        self._store, self._relay = store, relay or store
        self._leaving = leaving or (lambda _, __: None)
        self.cache = ObjectCache(cache)
        self._useless: set[tuple[bytes, bytes]] = set()
        self._made: dict[bytes, bytes] = {}  # kept a moment ago and not published yet

    def keep(self, envelope: bytes) -> bytes:
        """Put an object of one's own into one's cache, and return its address."""
        address = address_of(envelope)
        self.cache.put(address, envelope)
        self._made[address] = envelope
        return address

    def publish(self, address: bytes, what: Outgoing = Outgoing.UPDATE, *, durably: bool = False) -> None:
        """Put an object that one keeps where everyone finds it; write-once, so doing it again is harmless."""
        envelope = self._made.pop(address, None) or self.cache.get(address)
        if envelope is not None:
            self._leaving(what, len(envelope))
            (self._store if durably else self._relay).put(envelope, address=address)

    def lend(self, envelope: bytes) -> bytes:
        """Put an object where everyone finds it for a while, without a copy of one's own; returns its address."""
        self._leaving(Outgoing.EVIDENCE, len(envelope))
        return self._relay.put(envelope)

    def fetch(self, address: bytes, size: int, *, keep: bool = True) -> bytes:
        """An object of `size` bytes from one's cache, else from the store, and then kept unless enough others do.

        One of another size is not read. Raises `MissingObjectError` and its kin.
        """
        envelope = self.cache.get(address)
        if envelope is None:
            try:
                envelope = self._store.get(address, size=size)
            except MissingObjectError as error:
                raise MissingObjectError(error.what, _MISSING) from error
            if keep:
                self.cache.put(address, envelope)
        return envelope

    def is_stored(self, address: bytes) -> bool:
        """Whether the store has an object that one keeps, byte for byte."""
        envelope = self._made.get(address) or self.cache.get(address)
        return envelope is not None and self._store.holds(address, envelope)

    def repair(self, address: bytes, size: int) -> None:
        """Give an object of `size` bytes back to a store that lost it, or part of it, if one's cache has it."""
        if self.cache.holds(address) and not self._is_whole(address, size):
            self.publish(address, Outgoing.COPY)

    def _is_whole(self, address: bytes, size: int) -> bool:
        try:
            return self._store.size(address) == size
        except MissingObjectError:
            return False

    def keep_only(self, addresses: Collection[bytes]) -> None:
        """Forget every cached object but these: the rounds of the others are final."""
        self.cache.keep_only(addresses)
        self._made.clear()

    def withdraw(self, address: bytes) -> None:
        """Delete one's own object from the store: its round is final and nobody needs it."""
        self._relay.delete(address)

    def open_update(self, address: bytes, key: SecretKey, context: bytes, root: bytes | None, rule: ModelRule) -> U32:
        """Fetch a masked update, check it against its digest on the ledger, and keep it: (padded d,) uint32.

        With `root` None it is neither checked nor kept: c + 1 others attested that they did. An honest one among them
        had the same plaintext, since the address names the ciphertext and an envelope opens in one way only.
        """

        def checked(data: bytes) -> U32:
            vector = np.frombuffer(data, "<u4").astype(np.uint32, copy=False)
            if root is not None and vectors.update_root(vector) != root:
                raise WrongObjectError("a masked update is not what its digest says", "its hospital must not be summed")
            return vector

        return self._open(address, key, context, update_bytes(rule), checked, keep=root is not None)

    def open_evidence(self, address: bytes, key: SecretKey, context: bytes, rule: ModelRule) -> dict[Part, memoryview]:
        """Fetch what a master stored beside its model."""
        return self._open(address, key, context, evidence_bytes(rule), lambda data: unpack_evidence(data, rule))

    def open_bytes(self, address: bytes, key: SecretKey, context: bytes, rule: ModelRule) -> bytes:
        """Fetch the bytes of a model and its momentum."""
        return self._open(address, key, context, model_bytes(rule), lambda data: data)

    def open_model(
        self, addresses: Sequence[bytes], key: SecretKey, context: bytes, rule: ModelRule, root: bytes
    ) -> tuple[I64, I64]:
        """Model and momentum from the first of these objects that holds them; see `first_model`."""
        return first_model(addresses, lambda address: self.open_bytes(address, key, context, rule), rule, root)

    def _open(
        self,
        address: bytes,
        key: SecretKey,
        context: bytes,
        size: int,
        checked: Callable[[bytes], T],
        *,
        keep: bool = True,
    ) -> T:
        """The `size` bytes that an object holds. What was none is not read again: no other bytes bear its name."""
        if (address, context) in self._useless:
            raise WrongObjectError("an object is not what its sender says", "its sender must publish another")
        envelope = self.fetch(address, sealed_size(size), keep=keep)
        try:
            return checked(open_envelope(envelope, key, context, size))
        except (EnvelopeError, EnvelopeKeyError, WrongObjectError):
            self._useless.add((address, context))
            raise
