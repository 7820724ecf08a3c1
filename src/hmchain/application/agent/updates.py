"""Making one's masked update: train, clip, quantise, mask, and keep it before a word of it leaves.

Two vectors under the same seeds give away their difference. So one digest goes first, of which the ledger takes one an
attempt; the bytes leave once it has taken theirs, and after the disk has the record of them. An agent that finds its
digest on the ledger but not the bytes sits the attempt out, and nothing is ever trained again for a round and attempt
of which there is a record.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hmchain.application.agent import answers, contents
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.kept import MaskedUpdate
from hmchain.application.learning.masking import MaskSeeds, mask_update
from hmchain.application.learning.quantise import quantise_and_mask
from hmchain.application.learning.schedule import MILLION
from hmchain.ledger import sums, vectors
from hmchain.ledger.arithmetic import U32
from hmchain.ledger.contracts.learning import participation

Masking = Callable[[RoundDesk, MaskSeeds], U32]
"""Gives the vector of an attempt under its masks, (padded d,) uint32."""


def make(desk: RoundDesk, masked: Masking) -> MaskedUpdate:
    """Make the update of the round's attempt. Only if none was made.

    A power cut may take it: then another is made, and the ledger takes the digest of one of them. Raises
    `SumRefusedError` where the same was summed before, of other records.
    """
    desk.learner.renew(desk.place)
    entry, sum_key, data = desk.entry, _sum_key(desk), desk.learner.data if desk.entry.number else b""
    desk.sums.require_same(sum_key, entry.number, data)
    seeds = desk.seeds
    vector = masked(desk, seeds)
    context = contents.update_context(desk.name, *desk.place, desk.organisation)
    made = MaskedUpdate(
        entry.number,
        entry.attempt,
        sum_key,
        data,
        vectors.update_root(vector),
        desk.exchange.keep(contents.seal_update(vector, desk.object_key, context)),
        _bound(desk, "self", seeds.self_seed),
        _pair_hashes(desk, seeds),
    )
    desk.take(made, vector)
    return made


def masked(desk: RoundDesk, seeds: MaskSeeds) -> U32:
    """What is summed in the round: people or class counts in round 0, after it what was trained."""
    if desk.entry.number == 0:
        return mask_update(answers.vector(desk), seeds)
    spec = desk.study.spec
    start = desk.base().weight_bits.view(np.float32)[: spec.rule.size]
    fitted = desk.learner.trainer.fit(start, desk.entry.number - 1)
    weight = desk.study.weight(desk.organisation)
    clip_norm = spec.clip_norm_millionths / MILLION
    coins = desk.coins.derive("rounding", desk.name.encode(), *(number.to_bytes(8, "big") for number in desk.place)).raw
    return quantise_and_mask(fitted.weights - start, spec.rule, clip_norm, weight, coins, seeds)[0]


def _sum_key(desk: RoundDesk) -> bytes:
    """The key of the round's sum, made of the weights in hand."""
    if desk.entry.number == 0:
        return sums.counts_key(desk.name, desk.study.spec.initial_root)
    return sums.training_key(vectors.bits_root(desk.base().weight_bits))


def _pair_hashes(desk: RoundDesk, seeds: MaskSeeds) -> tuple[bytes, ...]:
    orders = range(len(desk.study.spec.uses))
    return tuple(b"" if order == desk.order else _bound(desk, "pair", seeds.pairs[order]) for order in orders)


def _bound(desk: RoundDesk, kind: str, seed: bytes) -> bytes:
    return participation.seed_hash(kind, desk.name, *desk.place, seed)
