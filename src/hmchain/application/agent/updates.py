"""Making one's masked update: train, clip, quantise, mask, and keep it before a word of it leaves.

Two vectors under the same seeds give away their difference. So one digest goes first, of which the ledger takes one an
attempt; the bytes leave once it has taken theirs, and after the disk has the record of them. An agent that finds its
digest on the ledger but not the bytes sits the attempt out, and nothing is ever trained again for a round and attempt
of which there is a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hmchain.application.agent import exchange
from hmchain.application.agent.closing import MaskedUpdate, masked_name
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.memory import SumMemory
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.application.learning.aggregation import Base
from hmchain.application.learning.masking import MaskSeeds, mask_update
from hmchain.application.learning.prior import summed_counts
from hmchain.application.learning.quantise import quantise_and_mask
from hmchain.application.learning.schedule import MILLION, generator
from hmchain.canonical import Record, digest, encode
from hmchain.keys import Redacted, SecretKey
from hmchain.ledger import sums, vectors
from hmchain.ledger.arithmetic import I32, I64, U32
from hmchain.ledger.contracts.learning import participation
from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.contracts.learning.studies import Study

if TYPE_CHECKING:
    from hmchain.application.agent.agent import Learner

COUNT_NOISE_EPSILON = 0.5
"""Two-sided geometric noise on each class count, by each hospital: epsilon 0.5 for one record (Ghosh et al., 2009)."""


class NoisedCounts(Redacted, Record, frozen=True):
    """Class counts of one dataset version with the one noise that they ever get."""

    counts: tuple[int, ...]


class UpdateMaker:
    """Makes one participant's updates, each once."""

    def __init__(
        self,
        organisation: str,
        chain_id: str,
        store: AgentStore,
        keys: StudyKeyStore,
        objects: exchange.Exchange,
        learner: Learner,
        coins: SecretKey,
    ) -> None:
        self._organisation = organisation
        self._chain_id = chain_id
        self._store = store
        self._keys = keys
        self._objects = objects
        self._learner = learner
        self._coins = coins
        self._kept: MaskedUpdate | None = None

    def kept(self, entry: Round) -> MaskedUpdate | None:
        """The update of the round's attempt, if it was made."""
        attempt = (entry.number, entry.attempt)
        if self._kept is None or (self._kept.round, self._kept.attempt) != attempt:
            self._kept = self._store.get(masked_name(entry.study, *attempt), MaskedUpdate)
        return self._kept

    def make(self, study: Study, entry: Round, base: Base, behaviour: AgentBehaviour) -> tuple[MaskedUpdate, U32]:
        """Make the update of the round's attempt. Only if none was `kept`.

        A power cut may take it: then another is made, and the ledger takes the digest of one of them. Raises
        `SumRefusedError` where the same was summed before, of other records.
        """
        sum_key, data = _sum_key(study, entry, base.weight_bits), self._learner.data if entry.number else b""
        SumMemory(self._store).require_same(sum_key, entry.number, data)
        order = study.order(self._organisation)
        seeds = self._keys.require(entry.study).seeds(entry.number, entry.attempt, entry.base_root)
        if behaviour is AgentBehaviour.GARBAGE_UPDATE:
            vector = mask_update(_garbage(study, entry), seeds)
        elif entry.number == 0:
            vector = mask_update(self._counts(study), seeds)
        else:
            vector = self._trained(study, entry, base.weight_bits, seeds)
        key = SecretKey(self._keys.require(entry.study).study_key)
        context = exchange.update_context(entry.study, entry.number, entry.attempt, self._organisation)
        envelope = exchange.seal_update(vector, key, context)
        made = MaskedUpdate(
            entry.number,
            entry.attempt,
            sum_key,
            data,
            vectors.update_root(vector),
            self._objects.keep(envelope),
            self._hash(entry, "self", seeds.self_seed),
            self._pair_hashes(entry, seeds, order, len(study.spec.uses)),
        )
        self._store.note(masked_name(entry.study, entry.number, entry.attempt), made)
        self._kept = made
        return made, vector

    def _trained(self, study: Study, entry: Round, weight_bits: U32, seeds: MaskSeeds) -> U32:
        """Train a round and return its update, quantised and masked."""
        start = weight_bits.view(np.float32)[: study.spec.rule.size]
        fitted = self._learner.trainer.fit(start, entry.number - 1)
        weight = study.weight(self._organisation)
        clip_norm = study.spec.clip_norm_millionths / MILLION
        coins = self._coins.derive("rounding", *_place(entry)).raw
        return quantise_and_mask(fitted.weights - start, study.spec.rule, clip_norm, weight, coins, seeds)[0]

    def _counts(self, study: Study) -> I32:
        """Class counts of one's training data with noise, in whole counts.

        One draw for a dataset version and its classes, in every attempt and in every study: the mean of several draws
        would tell the counts. So the noise's epsilon is spent once, however often the counts are summed. What was drawn
        is kept, since fewer records under the same noise would tell which ones were erased.
        """
        spec = study.spec
        use = spec.uses[study.order(self._organisation)]
        place = (use.dataset.encode(), use.version.to_bytes(8, "big"), encode(spec.schema.classes))
        name = f"counts/{digest('hmchain counted', *place).hex()}"
        if (drawn := self._store.get(name, NoisedCounts)) is not None:
            return np.array(drawn.counts, np.int32)
        random = generator(self._coins.derive("count noise", *place).raw)
        p = 1 - np.exp(-COUNT_NOISE_EPSILON)
        size = len(self._learner.class_counts)
        noise = random.geometric(p, size) - random.geometric(p, size)
        counts = np.clip(self._learner.class_counts + noise, 0, study.rule(0).quantum).astype(np.int32)
        self._store.put(name, NoisedCounts(tuple(counts.tolist())))
        return counts

    def _pair_hashes(self, entry: Round, seeds: MaskSeeds, own: int, participants: int) -> tuple[bytes, ...]:
        return tuple(
            b"" if order == own else self._hash(entry, "pair", seeds.pairs[order]) for order in range(participants)
        )

    def _hash(self, entry: Round, kind: str, seed: bytes) -> bytes:
        return participation.seed_hash(kind, entry.study, entry.number, entry.attempt, seed)


def class_counts(study: Study, means: I64) -> npt.NDArray[np.int64]:
    """Noised class counts of all participants together, from their mean in units of 1/1024 (round 0's "model")."""
    classes, participants = len(study.spec.schema.classes), len(study.spec.uses)
    return np.array(summed_counts(means[:classes].tolist(), participants), np.int64)


def _sum_key(study: Study, entry: Round, weight_bits: U32) -> bytes:
    """The key of the round's sum, made of the weights in hand."""
    if entry.number == 0:
        return sums.counts_key(study.spec.name, study.spec.initial_root)
    return sums.training_key(vectors.bits_root(weight_bits))


def _garbage(study: Study, entry: Round) -> I32:
    """An update far out of range, which the sum gives away."""
    return np.full(study.rule(entry.number).padded_size, np.iinfo(np.int32).max // 2, np.int32)


def _place(entry: Round) -> tuple[bytes, ...]:
    return entry.study.encode(), entry.number.to_bytes(8, "big"), entry.attempt.to_bytes(8, "big")
