"""A participant in a running study: what it does in each phase of a round (design section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

import numpy as np

from hmchain import blake3_tree
from hmchain.application.agent import closing, exchange, faults, results, turns
from hmchain.application.agent.closing import Best, GateChoice
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.memory import AttemptMemory, SumMemory, SumRefusedError
from hmchain.application.agent.repair import Repairs
from hmchain.application.agent.results import Results
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import Random, StudyKeys, StudyKeyStore
from hmchain.application.agent.updates import UpdateMaker, class_counts
from hmchain.application.learning.aggregation import Aggregate, Base, Fraud, Part, Roots, aggregate, find_fraud
from hmchain.application.learning.quantise import UpdateError, to_fixed
from hmchain.blake3_tree import Domain
from hmchain.errors import HMChainError, StorageError
from hmchain.keys import SecretKey
from hmchain.ledger import arithmetic, contracts, vectors
from hmchain.ledger.arithmetic import I64, U32, LostPair, SumOutOfRangeError
from hmchain.ledger.contracts.learning import approvals, participation, rounds, summing
from hmchain.ledger.contracts.learning.disputes import DisputeChunk, Leaf
from hmchain.ledger.contracts.learning.participation import (
    Attest,
    CommitUpdate,
    Confirm,
    GateReveal,
    GateVote,
    PostAggregate,
    Reveal,
    Tick,
)
from hmchain.ledger.contracts.learning.rounds import Contribution, Phase, Posted, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.engines.ledger import Node
from hmchain.records.envelope import Buffer

if TYPE_CHECKING:
    from hmchain.application.agent.agent import Learner

SALT_BYTES = 32
_MASKED_PHASES = (Phase.COMMIT, Phase.ATTEST, Phase.REVEAL)
"""In which an update may still lose a mask."""


class Participant:
    """One organisation in one running study."""

    def __init__(
        self,
        organisation: str,
        node: Node,
        exchange: Exchange,
        store: AgentStore,
        keys: StudyKeyStore,
        learner: Learner,
        coins: SecretKey,
        random: Random,
    ) -> None:
        self.behaviour = AgentBehaviour.HONEST
        self._organisation = organisation
        self._node = node
        self._exchange = exchange
        self._store = store
        self._keys = keys
        self._memory = SumMemory(store)
        self._learner = learner
        self._maker = UpdateMaker(organisation, node.chain_id, store, keys, exchange, learner, coins)
        self._random = random
        self._round: int | None = None
        self._published: set[bytes] = set()
        self._repairs = Repairs(exchange)
        self._results = Results(exchange, store)
        self._sits_out: tuple[int, int] | None = None
        self._base: tuple[bytes, Base] | None = None
        self._vectors: dict[bytes, U32] = {}
        self._result: tuple[tuple[int, int], Aggregate] | None = None
        self._prior_known = False

    # Driving

    @property
    def sits_out(self) -> bool:
        """Whether it trained an update in this round that cannot be sent."""
        return self._sits_out is not None

    def publish(self, study: Study, entry: Round) -> None:
        """Upload one's own update once its digest is on the ledger; give lost objects back to the store."""
        if entry.phase in (Phase.COMMIT, Phase.ATTEST):
            own = rounds.contribution(self._node.state, entry, self._organisation)
            made = self._maker.kept(entry)
            bound = own is not None and made is not None and own.object == made.object
            if bound and made is not None and made.object not in self._published:
                self._store.settle()  # on whatever ledger a power cut lets it wake, it makes no other under these seeds
                self._exchange.publish(made.object)
                self._published.add(made.object)
        self._repairs.make(self._node.state, study, entry, self._node.now_ms())

    def act(self, study: Study, entry: Round) -> list[contracts.Body]:
        """What the round's phase asks of this participant now."""
        self._enter_round(study, entry)
        self._learn_prior(study)
        attempts = self._attempts(study)
        if not attempts.is_left_out(entry, self._organisation) and entry.phase in _MASKED_PHASES:
            attempts.require(entry, self._node.state.height)
        return list(self._next(study, entry))

    def _next(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        match entry.phase:
            case Phase.COMMIT:
                return self._commit(study, entry)
            case Phase.ATTEST:
                return self._attest(study, entry)
            case Phase.REVEAL:
                return self._reveal(study, entry)
            case Phase.AGGREGATE:
                return self._aggregate(study, entry)
            case Phase.VERIFY:
                return self._verify(study, entry)
            case Phase.GATE_COMMIT:
                return self._vote(study, entry)
            case Phase.GATE_REVEAL:
                return self._open_vote(study, entry)
            case Phase.FINAL:
                return iter(())
            case _:
                assert_never(entry.phase)

    def tick(self, study: Study, entry: Round) -> list[contracts.Body]:
        """Say that the phase's deadline has passed: whose turn it is at once, the others one after the other."""
        turn = (study.order(self._organisation) - self._node.state.height) % len(study.spec.uses)
        return [Tick(entry.study)] if self._node.now_ms() > entry.deadline_ms + turn * turns.STEP_MS else []

    def _is_turn(self, entry: Round, span_ms: int, first: Sequence[str] = ()) -> bool:
        return self._organisation in first or turns.is_late(entry, span_ms, self._node.now_ms())

    # Commit and attest

    def _commit(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        own = rounds.contribution(self._node.state, entry, self._organisation)
        asked = (
            self._is_authorised(study)
            and self._organisation in entry.expected
            and self._sits_out != (entry.number, entry.attempt)
        )
        if own is not None or not asked:
            yield from self._attest(study, entry)
            return
        made = self._maker.kept(entry)
        if made is None:
            try:
                made, vector = self._maker.make(study, entry, self._base_model(study, entry), self.behaviour)
            except (UpdateError, SumRefusedError):
                self._sits_out = (entry.number, entry.attempt)  # training again would give the same
                raise
            self._vectors[made.object] = vector
        yield CommitUpdate(
            entry.study, entry.number, entry.attempt, entry.base_root,
            made.digest, made.object, made.self_hash, made.pair_hashes,
        )  # fmt: skip

    def _attest(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        sound = [
            update.organisation
            for update in rounds.contributions(self._node.state, entry)
            if update.organisation != self._organisation
            and self._organisation not in update.attested
            and self._should_attest(study, entry, update)
            and self._vector(study, entry, update) is not None
        ]
        if sound:
            self._attempts(study).vouched(entry, self._node.state.height)
            yield Attest(entry.study, entry.number, entry.attempt, tuple(sound))

    def _should_attest(self, study: Study, entry: Round, update: Contribution) -> bool:
        """Whether one is among the c + 1 after its maker, which check it first, or they were not enough."""
        participants, needed = len(study.spec.uses), study.spec.witnesses
        if (study.order(self._organisation) - study.order(update.organisation)) % participants <= needed:
            return True
        return (
            len(update.attested) < needed
            and entry.phase == Phase.ATTEST
            and self._is_turn(entry, study.spec.deadlines.attest_ms)
        )

    def _vector(self, study: Study, entry: Round, update: Contribution) -> U32 | None:
        """A participant's masked update if it can be fetched and, by oneself or c + 1 others, was found sound."""
        if update.object not in self._vectors:
            context = exchange.update_context(entry.study, entry.number, entry.attempt, update.organisation)
            root = None if update.organisation in entry.frozen else update.digest
            try:
                self._vectors[update.object] = self._exchange.open_update(
                    update.object, self._object_key(study), context, root, study.rule(entry.number)
                )
            except HMChainError:
                return None
        return self._vectors[update.object]

    # Reveal

    def _reveal(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        own = rounds.contribution(self._node.state, entry, self._organisation)
        made = self._maker.kept(entry)
        if own is None or own.self_seed or made is None or self._organisation not in entry.frozen:
            return
        if own.digest != made.digest or self.behaviour is AgentBehaviour.WITHHOLD_SEED:
            return
        history = summing.history(self._node.state, made.key, entry.study)
        candidate = rounds.summands(study, entry, entry.frozen)
        self._memory.allow(made.key, history.sets, candidate, study.spec.colluders, entry.number, made.data)
        self._attempts(study).opened(entry, self._node.state.height)
        seeds = self._keys_of(study).seeds(entry.number, entry.attempt, entry.base_root)
        outside = [order for order, name in enumerate(study.spec.participants) if name not in entry.frozen]
        lost = tuple(LostPair(order, seeds.pairs[order]) for order in outside)
        yield Reveal(entry.study, entry.number, entry.attempt, seeds.self_seed, lost)

    # Aggregate and verify

    def _aggregate(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        try:
            result = self._recompute(study, entry)
        except SumOutOfRangeError as error:
            yield from self._refuse_sum(study, entry, error, study.spec.deadlines.aggregate_ms)
            return
        if result is None or entry.master != self._organisation or self.behaviour is AgentBehaviour.SILENT_MASTER:
            return
        if self.behaviour in faults.FORGERIES:
            survivors = rounds.survivors(self._node.state, study, entry)
            base = self._base_model(study, entry)
            result = faults.forge(self.behaviour, result, base, survivors, study.rule(entry.number))
        roots, key = result.roots, self._object_key(study)
        is_hidden = self.behaviour is AgentBehaviour.HIDE_AGGREGATE
        objects = results.hidden(entry, result, key) if is_hidden else self._results.post(entry, result, key)
        posted = Posted(self._organisation, roots.masked_sum, roots.sum, roots.model, roots.weights, *objects)
        yield PostAggregate(entry.study, entry.number, entry.attempt, posted)

    def _refuse_sum(
        self, study: Study, entry: Round, error: SumOutOfRangeError, span_ms: int
    ) -> Iterator[contracts.Body]:
        """Show that the sum holds garbage; the master may be in league with whoever sent it."""
        if self._is_turn(entry, span_ms, (entry.master,)):
            yield self._dispute(study, entry, error.coordinate // arithmetic.CHUNK_COORDINATES, None)

    def _verify(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        posted = entry.posted
        if posted is None or posted.master == self._organisation or self._organisation in entry.confirmed:
            return
        span_ms = study.spec.deadlines.verify_ms
        try:
            result = self._recompute(study, entry)
        except SumOutOfRangeError as error:
            yield from self._refuse_sum(study, entry, error, span_ms)
            return
        others = [name for name in entry.ranking if name != entry.master]
        first = others[: study.spec.witnesses]
        if result is None or not self._is_turn(entry, span_ms, first):
            return
        own, key, is_late = result.roots, self._object_key(study), self._is_turn(entry, span_ms)
        theirs = Roots(posted.masked_root, posted.sum_root, posted.model_root, posted.weights_root)
        if own != theirs:
            posted_part = self._results.posted_part
            found = find_fraud(result, theirs, lambda part: _bytes(posted_part(study, entry, part, key)))
            if isinstance(found, Fraud):
                yield self._dispute(study, entry, found.chunk, found)
        elif (address := self._results.located(study, entry, result, key, late=is_late)) is not None:
            # The right roots are not enough: without the object nobody could start from this model later.
            roots = (own.masked_sum, own.sum, own.model, own.weights)
            yield Confirm(entry.study, entry.number, entry.attempt, *roots, address)

    def _recompute(self, study: Study, entry: Round) -> Aggregate | None:
        """One's own full aggregation of the frozen set; None while an object is out of reach."""
        attempt = (entry.number, entry.attempt)
        if self._result is None or self._result[0] != attempt:
            vectors = [self._vector(study, entry, update) for update in self._frozen_updates(entry)]
            present = [vector for vector in vectors if vector is not None]
            if len(present) < len(entry.frozen):
                return None
            survivors = rounds.survivors(self._node.state, study, entry)
            model, momentum, _ = self._base_model(study, entry)
            self._result = (attempt, aggregate(present, survivors, model, momentum, study.rule(entry.number)))
        return self._result[1]

    def _frozen_updates(self, entry: Round) -> list[Contribution]:
        updates = rounds.contributions(self._node.state, entry)
        return [update for update in updates if update.organisation in entry.frozen]

    def _dispute(self, study: Study, entry: Round, chunk: int, fraud: Fraud | None) -> DisputeChunk:
        """One chunk of every object, with paths: all that the state machine needs to judge."""
        masked = []
        for update in self._frozen_updates(entry):
            vector = self._vector(study, entry, update)
            if vector is None:
                raise StorageError(f"the update of {update.organisation} is gone", "fetch it from another attester")
            masked.append(_leaf(vectors.vector_bytes(vector), chunk, vectors.UPDATE))
        model, momentum, _ = self._base_model(study, entry)
        base = _leaf(vectors.model_bytes(model, momentum), chunk, vectors.MODEL)
        which = fraud.part.value if fraud else Part.SUM.value
        posted = Leaf(fraud.posted_leaf, fraud.posted_path) if fraud else Leaf(b"", ())
        place = (entry.study, entry.number, entry.attempt, entry.rank)
        return DisputeChunk(*place, chunk, tuple(masked), base, which, posted)

    # The gate

    def _vote(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        ballot = rounds.gate_ballot(self._node.state, entry, self._organisation)
        if ballot is not None or self._organisation not in entry.expected:
            return
        choice = self._choice(study, entry)
        if choice is not None:
            commitment = participation.vote_commitment(
                entry.study, entry.number, self._organisation, choice.accept, choice.salt
            )
            yield GateVote(entry.study, entry.number, commitment)

    def _open_vote(self, study: Study, entry: Round) -> Iterator[contracts.Body]:
        ballot = rounds.gate_ballot(self._node.state, entry, self._organisation)
        choice = self._store.get(closing.gate_name(entry.study, entry.number), GateChoice)
        if ballot is not None and not ballot.verdict and choice is not None:
            yield GateReveal(entry.study, entry.number, choice.accept, choice.salt)

    def _choice(self, study: Study, entry: Round) -> GateChoice | None:
        """Judge the new model on one's own validation data, once; the same answer after a restart."""
        choice = self._store.get(closing.gate_name(entry.study, entry.number), GateChoice)
        if choice is not None:
            return choice
        if not self._is_authorised(study) and not self._learner.has_read:
            return None  # a revocation lets the round end, and no data be decrypted; a missing vote counts as accept
        result = self._recompute(study, entry)
        if result is None:
            return None
        weights = result.weights[: study.spec.rule.size]
        auc = self._learner.trainer.evaluate(weights, "validation").auc
        score = 0 if np.isnan(auc) else round(auc * 10_000)
        best = self._store.get(closing.best_name(entry.study), Best)
        reference = best.auc_permyriad if best else 0
        accept = score + study.spec.gate_tolerance_permyriad >= reference or bool(np.isnan(auc))
        if self.behaviour is AgentBehaviour.REJECT_ALWAYS:
            accept = False
        choice = GateChoice(entry.number, accept, self._random(SALT_BYTES), score)
        self._store.note(closing.gate_name(entry.study, entry.number), choice)
        return choice

    # Models and rounds

    def _base_model(self, study: Study, entry: Round) -> Base:
        """What the round starts from, checked against the root on the ledger."""
        if self._base is None or self._base[0] != entry.base_root:
            self._base = (entry.base_root, self._load_base(study, entry))
        return self._base[1]

    def _load_base(self, study: Study, entry: Round) -> Base:
        if entry.number == 0:
            zeros = np.zeros(study.rule(0).padded_size, np.int64)
            return Base.of(zeros, zeros)
        if not entry.base_object:
            model = arithmetic.padded(to_fixed(self._learner.initial))
            return Base.of(model, np.zeros_like(model))
        if (result := self._result_with(entry.base_root)) is not None:
            return Base(result.model, result.momentum, result.weight_bits)
        made = rounds.round_(self._node.state, entry.study, entry.base_round)
        return Base.of(*self._made_model(study, made, entry.base_root))

    def _made_model(self, study: Study, made: Round | None, root: bytes) -> tuple[I64, I64]:
        """Model and momentum that a round made, from the object that its master stored or a copy of it."""
        number, objects = (made.number, made.objects) if made else (0, ())
        context, key = exchange.model_context(study.spec.name, number), self._object_key(study)
        return self._exchange.open_model(objects, key, context, study.rule(number), root)

    def _result_with(self, model_root: bytes) -> Aggregate | None:
        """One's own last result, if that is the model with this root."""
        if self._result is None:
            return None
        result = self._result[1]
        return result if result.root(Part.MODEL) == model_root else None

    def _learn_prior(self, study: Study) -> None:
        """Take the global class shares from the sum of round 0."""
        counts = rounds.round_(self._node.state, study.spec.name, 0)
        if self._prior_known or counts is None or counts.outcome != Verdict.ACCEPTED or counts.posted is None:
            return
        if (result := self._result_with(counts.posted.model_root)) is not None:
            means = result.model
        else:
            means, _ = self._made_model(study, counts, counts.posted.model_root)
        self._learner.use_counts(class_counts(study, means))
        self._prior_known = True

    def _enter_round(self, study: Study, entry: Round) -> None:
        """On a new round, and after a start: erase and withdraw what belonged to the rounds before."""
        if entry.number == self._round:
            return
        closing.close_rounds(self._node.state, entry.study, entry.number, self._store, self._keys, self._exchange)
        self._vectors.clear()
        self._published.clear()
        self._sits_out = None
        self._round = entry.number

    def _is_authorised(self, study: Study) -> bool:
        specification, now_ms = study.progress.specification, self._node.now_ms()
        return approvals.authorised(self._node.state, self._organisation, specification, now_ms)

    def _attempts(self, study: Study) -> AttemptMemory:
        return AttemptMemory(self._store, study.spec.name)

    def _object_key(self, study: Study) -> SecretKey:
        return SecretKey(self._keys_of(study).study_key)

    def _keys_of(self, study: Study) -> StudyKeys:
        return self._keys.require(study.spec.name)


def _bytes(part: Buffer | None) -> bytes | None:
    return None if part is None else bytes(part)


def _leaf(data: memoryview, chunk: int, domain: Domain) -> Leaf:
    start = chunk * domain.leaf_bytes
    return Leaf(bytes(data[start : start + domain.leaf_bytes]), tuple(blake3_tree.path(data, chunk, domain)))
