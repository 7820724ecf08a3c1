"""The chains of keys that mask seeds come from.

Two hospitals agree on one secret a study; each also keeps a random secret of its own. Each secret starts a chain that
is ratcheted with every round and attempt, and old keys are erased, so that a key stolen later opens nothing that went
before (as in the symmetric ratchet of Signal's Double Ratchet). A seed is an HKDF *sibling* of the keys that follow,
not their parent: a revealed seed says nothing of another.

A chain holds two keys: one for the attempts of the present round, one for the rounds to come. Both only move forward,
so hospitals that skipped an attempt and hospitals that did not still meet at the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hmchain.canonical import digest
from hmchain.errors import StudyError
from hmchain.keys import Redacted, hkdf

SECRET_BYTES = 32


class RatchetError(StudyError):
    """A chain was asked for a round or attempt whose key is erased."""

    code = "ratchet"


@dataclass(frozen=True, repr=False)
class SeedChain(Redacted):
    """One chain at one round and attempt. Start it with `pair_chain` or `self_chain`; round and attempt count from 0.

    Immutable: `advance` returns the later chain, and whoever keeps the earlier one on disk erases it when the round is
    final.
    """

    context: bytes
    """Digest of chain id, study and the parties: seeds of other studies or pairs differ even under one secret."""
    round: int
    attempt: int
    attempt_key: bytes
    """Present key, 32 bytes, secret."""
    rounds_key: bytes
    """From which all later rounds follow, 32 bytes, secret."""

    def seed(self, model_root: bytes) -> bytes:
        """The mask seed of this round and attempt over the model with this root: 32 bytes."""
        return hkdf(self.attempt_key, self._info("mask seed", model_root))

    def advance(self, round: int, attempt: int) -> SeedChain:
        """The chain at a later (or the same) round and attempt.

        Raises `RatchetError` if it lies before the present one.
        """
        if (round, attempt) < (self.round, self.attempt) or attempt < 0:
            raise RatchetError(
                f"round {round}, attempt {attempt} lies before round {self.round}, attempt {self.attempt}",
                "its key is erased; sit this attempt out",
            )
        chain = self
        while chain.round < round:
            chain = _enter_round(chain.context, chain.round + 1, chain.rounds_key)
        while chain.attempt < attempt:
            key = hkdf(chain.attempt_key, chain._info("next attempt"))
            chain = replace(chain, attempt=chain.attempt + 1, attempt_key=key)
        return chain

    def _info(self, label: str, *more: bytes) -> bytes:
        place = self.round.to_bytes(8, "big") + self.attempt.to_bytes(8, "big")
        return digest(f"hmchain ratchet {label}", self.context, place, *more)


def pair_chain(secret: bytes, chain_id: str, study: bytes, orders: tuple[int, int]) -> SeedChain:
    """The chain of two hospitals, given in either order, from their `pair_secret`."""
    low, high = sorted(orders)
    return _start(secret, "pair", chain_id, study, low.to_bytes(4, "big") + high.to_bytes(4, "big"))


def self_chain(secret: bytes, chain_id: str, study: bytes, order: int) -> SeedChain:
    """A hospital's own chain, from 32 random bytes that it tells nobody."""
    return _start(secret, "self", chain_id, study, order.to_bytes(4, "big"))


def pair_secret(halves: Mapping[int, bytes]) -> bytes:
    """The secret of two hospitals from the random half of each, by order of organisation: 32 bytes.

    Each half travels wrapped to the other hospital's key for this study, inside a signed transaction.
    """
    if len(halves) != 2:
        raise ValueError("a pair secret has two halves")
    return _combine("hmchain pair secret", halves)


def study_key(contributions: Mapping[int, bytes]) -> bytes:
    """The key that a study's objects are encrypted under, from one random contribution of each participant: 32 bytes.

    One honest contribution makes it unpredictable to whoever is not told.
    """
    if not contributions:
        raise ValueError("a study key has at least one contribution")
    return _combine("hmchain study key", contributions)


def _combine(label: str, parts: Mapping[int, bytes]) -> bytes:
    orders = sorted(parts)
    if any(len(parts[order]) != SECRET_BYTES for order in orders):
        raise ValueError(f"a contribution to a key has {SECRET_BYTES} bytes")
    return hkdf(
        b"".join(parts[order] for order in orders), digest(label, *(order.to_bytes(4, "big") for order in orders))
    )


def _start(secret: bytes, kind: str, chain_id: str, study: bytes, parties: bytes) -> SeedChain:
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a chain starts from {SECRET_BYTES} secret bytes")
    context = digest("hmchain ratchet", kind.encode(), chain_id.encode(), study, parties)
    return _enter_round(context, 0, secret)


def _enter_round(context: bytes, round: int, key: bytes) -> SeedChain:
    # `key` itself is not kept: the keys of this round and of those to come are siblings.
    number = round.to_bytes(8, "big")
    attempt_key = hkdf(key, digest("hmchain ratchet attempts", context, number))
    rounds_key = hkdf(key, digest("hmchain ratchet rounds", context, number))
    return SeedChain(context, round, 0, attempt_key, rounds_key)
