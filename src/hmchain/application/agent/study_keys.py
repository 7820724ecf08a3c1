"""The secrets of one participant in one study, from joining to the end.

Joining makes them, the agreement of pairs turns them into chains of mask seeds and the study key, and what came before
is erased: the ledger keeps the wrapped halves for ever, so the key that opens them must not stay (design section 6).
"""

from __future__ import annotations

from hmchain.application.agent.protocols import Random
from hmchain.application.agent.store import AgentStore
from hmchain.application.learning.masking import MaskSeeds
from hmchain.application.learning.ratchet import SeedChain, pair_chain, pair_secret, self_chain, study_key
from hmchain.canonical import Record, digest
from hmchain.errors import KeyMaterialError, StudyError
from hmchain.keys import Redacted, SecretKey, WrappedKey, WrappingKey
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.opening import HALF_BYTES, Agreement, Join

_LEFT = ("drawn", "keys", "masked", "object")
"""What stands behind a study's name in those of its entries that are to be erased, or whose objects withdrawn."""


class PairAgreementError(StudyError):
    """Another participant's half of a pair secret does not open."""

    code = "pair_agreement"


class JoinSecrets(Redacted, Record, frozen=True):
    """What a participant draws when it joins."""

    kem: bytes
    """Private key made for this study alone."""
    halves: tuple[bytes, ...]
    """By order: this side's half of each pair secret; at its own place its share of the study key."""
    opening_seed: bytes
    self_secret: bytes
    """Start of the chain of self-mask seeds."""

    @property
    def wrapping(self) -> WrappingKey:
        """The key made for this study."""
        return WrappingKey.from_secret_bytes(self.kem)


class Chain(Redacted, Record, frozen=True):
    """A `SeedChain` as it is kept."""

    context: bytes
    round: int
    attempt: int
    attempt_key: bytes
    rounds_key: bytes

    def open(self) -> SeedChain:
        """The chain again."""
        return SeedChain(self.context, self.round, self.attempt, self.attempt_key, self.rounds_key)

    @classmethod
    def of(cls, chain: SeedChain) -> Chain:
        """The form in which it is kept."""
        return cls(chain.context, chain.round, chain.attempt, chain.attempt_key, chain.rounds_key)


class StudyKeys(Redacted, Record, frozen=True):
    """What a participant holds while a study runs."""

    order: int
    study_key: bytes
    """Every object of the study is encrypted under it."""
    own: Chain
    pairs: tuple[Chain | None, ...]
    """By order; None at one's own place."""

    def seeds(self, round_: int, attempt: int, base_root: bytes) -> MaskSeeds:
        """The mask seeds of a round and attempt over a base model."""
        pairs = {
            order: chain.open().advance(round_, attempt).seed(base_root)
            for order, chain in enumerate(self.pairs)
            if chain is not None
        }
        return MaskSeeds(self.order, self.own.open().advance(round_, attempt).seed(base_root), pairs)

    def advanced(self, round_: int) -> StudyKeys:
        """The keys from `round_` on: with them no seed of an earlier round can be made again."""
        pairs = tuple(None if chain is None else Chain.of(chain.open().advance(round_, 0)) for chain in self.pairs)
        return StudyKeys(self.order, self.study_key, Chain.of(self.own.open().advance(round_, 0)), pairs)


def draw(participants: int, random: Random) -> JoinSecrets:
    """Draw the secrets for joining a study."""
    halves = tuple(random(HALF_BYTES) for _ in range(participants))
    return JoinSecrets(WrappingKey.generate().secret_bytes(), halves, random(HALF_BYTES), random(HALF_BYTES))


def wrap_halves(chain_id: str, study: str, order: int, drawn: JoinSecrets, joins: list[Join]) -> tuple[WrappedKey, ...]:
    """For each other participant: one's half of the pair secret and one's share of the study key, sealed to it."""
    return tuple(
        join.kem.wrap(drawn.halves[other] + drawn.halves[order], wrapping_info(chain_id, study, order, other))
        for other, join in enumerate(joins)
        if other != order
    )


def agree(chain_id: str, study: str, order: int, drawn: JoinSecrets, agreements: list[Agreement]) -> StudyKeys:
    """Open the others' halves and derive chains and study key.

    Raises `PairAgreementError` naming the participant whose half does not open.
    """
    kem = drawn.wrapping
    shares = {order: drawn.halves[order]}
    pairs: list[Chain | None] = []
    for other, agreement in enumerate(agreements):
        if other == order:
            pairs.append(None)
            continue
        info = wrapping_info(chain_id, study, other, order)
        opened = _unwrap(kem, agreement, order if order < other else order - 1, info)
        half, shares[other] = opened[:HALF_BYTES], opened[HALF_BYTES:]
        secret = pair_secret({order: drawn.halves[other], other: half})
        pairs.append(Chain.of(pair_chain(secret, chain_id, study.encode(), (order, other))))
    own = self_chain(drawn.self_secret, chain_id, study.encode(), order)
    return StudyKeys(order, study_key(shares), Chain.of(own), tuple(pairs))


def _unwrap(kem: WrappingKey, agreement: Agreement, place: int, info: bytes) -> bytes:
    try:
        opened = kem.unwrap(agreement.wrapped[place], info)
    except KeyMaterialError as error:
        raise PairAgreementError(f"the half of a pair secret from {agreement.organisation} does not open") from error
    if len(opened) != 2 * HALF_BYTES:
        raise PairAgreementError(f"the half of a pair secret from {agreement.organisation} has the wrong length")
    return opened


def wrapping_info(chain_id: str, study: str, sender: int, receiver: int) -> bytes:
    """Digest that binds a half to its chain, its study, its giver and its receiver."""
    parties = sender.to_bytes(4, "big") + receiver.to_bytes(4, "big")
    return digest("hmchain pair half", chain_id.encode(), study.encode(), parties)


class StudyKeyStore:
    """The secrets of all of an agent's studies, in its store."""

    def __init__(self, store: AgentStore) -> None:
        self._store = store
        self._keys: dict[str, StudyKeys] = {}

    def studies(self) -> list[str]:
        """The studies of which there are secrets here, or objects of one's own to withdraw."""
        parted = (name.split("/") for name in self._store.names())
        return sorted({study for study, *kinds in parted if kinds and kinds[0] in _LEFT})

    def drawn(self, study: str, participants: int, random: Random) -> JoinSecrets:
        """The secrets for joining, drawn once and the same after every restart."""
        name = f"{study}/drawn"
        found = self._store.get(name, JoinSecrets)
        if found is None:
            found = draw(participants, random)
            self._store.put(name, found)
        return found

    def keys(self, chain_id: str, study: str, order: int, agreements: list[Agreement]) -> StudyKeys:
        """The keys of a running study; the first call derives them and erases what they came from."""
        found = self._keys.get(study) or self._store.get(f"{study}/keys", StudyKeys)
        if found is None:
            drawn = self._store.get(f"{study}/drawn", JoinSecrets)
            if drawn is None:
                raise PairAgreementError(f"the secrets for study {study} are lost", "restore the agent's file")
            found = agree(chain_id, study, order, drawn, agreements)
            with self._store.batch():
                self._store.note(f"{study}/keys", found)
                self._store.erase(f"{study}/drawn")
            self._store.scrub()
        self._keys[study] = found
        return found

    def forget_drawn(self, study: str) -> None:
        """Erase what was drawn for joining: pairs are agreed, or the study never opened."""
        if self._store.get(f"{study}/drawn", JoinSecrets) is not None:
            with self._store.batch():
                self._store.erase(f"{study}/drawn")
            self._store.scrub()

    def forget(self, study: str) -> None:
        """Erase the keys of a study of which nothing came; in a batch of the store, which takes them off the disk."""
        self._keys.pop(study, None)
        self._store.erase(f"{study}/keys")

    def require(self, study: str) -> StudyKeys:
        """The keys of a study whose `keys` were derived. Raises `PairAgreementError` if there are none."""
        found = self._keys.get(study) or self._store.get(f"{study}/keys", StudyKeys)
        if found is None:
            raise PairAgreementError(f"the keys of study {study} are lost", "restore the agent's file")
        return found

    def object_key(self, study: str) -> SecretKey | None:
        """The key of a study's objects, or None before pairs were agreed."""
        found = self._keys.get(study) or self._store.get(f"{study}/keys", StudyKeys)
        return None if found is None else SecretKey(found.study_key)

    def finish_round(self, study: str, next_round: int) -> None:
        """A round is final: erase everything from which its seeds could be made."""
        found = self._store.get(f"{study}/keys", StudyKeys)  # what is known here may not have reached the disk
        if found is not None and found.own.round < next_round:
            self._keys[study] = found.advanced(next_round)
            self._store.note(f"{study}/keys", self._keys[study])


def opening_seed_hash(drawn: JoinSecrets) -> bytes:
    """What binds the opening seed."""
    return opening.seed_hash(drawn.opening_seed)
