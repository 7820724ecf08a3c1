"""What one organisation knows of a study, and of the round that it is in. Nothing is decided here.

All of it can be found again in the ledger, the agent's own file, the store and the data: what is remembered in between
saves work, and a desk that was set up a moment ago does as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from hmchain.application.agent import contents, kept, turns
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.kept import MaskedUpdate
from hmchain.application.agent.memory import AttemptMemory, SumMemory
from hmchain.application.agent.own_word import is_own_word
from hmchain.application.agent.protocols import Learner, Random
from hmchain.application.agent.results import Results
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.application.learning.aggregation import Aggregate, Base, Part, Roots, aggregate
from hmchain.application.learning.masking import MaskSeeds
from hmchain.application.learning.prior import summed_counts
from hmchain.application.learning.quantise import to_fixed
from hmchain.application.learning.trainers.allowance import Allowance
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.ledger import arithmetic
from hmchain.ledger.arithmetic import I64, U32, SumOutOfRangeError
from hmchain.ledger.contracts.learning import approvals, permitted, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Contribution, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.engines.ledger import Node
from hmchain.ledger.state import State


@dataclass
class Desk:
    """One organisation's desk in one study: enough while the study opens."""

    organisation: str
    node: Node
    keys: StudyKeyStore
    random: Random
    study: Study
    confirmed: Collection[bytes] = field(default=(), kw_only=True)
    """Keys that others gave the organisation and that its operator confirmed here."""
    allowance: Allowance | None = field(default=None, kw_only=True)
    """What the study may take of this machine."""

    @property
    def state(self) -> State:
        """The ledger's, as this hospital's own node has it."""
        return self.node.state

    @property
    def name(self) -> str:
        """The study's."""
        return self.study.spec.name

    @property
    def order(self) -> int:
        """One's place in the order of masks."""
        return self.study.order(self.organisation)

    @property
    def is_lost(self) -> bool:
        """Whether nobody is to be waited for, since the study lost permits for good that it cannot do without."""
        state, study = self.state, self.study
        if not permitted.is_lost(state, study, self.node.now_ms()):
            return False
        return study.status in studies.OPENING or rounds.may_end(state, study) or rounds.is_voted_on(state, study)

    @property
    def may_agree(self) -> bool:
        """Whether keys may be agreed and confirmed. In a study from before permits the others wait for them anyway."""
        is_under = permitted.under(self.state, self.study.progress.specification) is not None
        return self.is_authorised or not is_under

    @property
    def is_authorised(self) -> bool:
        """Whether the hospital's permit, or its steward's approval, is in force, and is the hospital's own word.

        It is over here where the study took all of this machine that its request asked for.
        """
        if self.allowance is not None and self.allowance.over:
            return False
        if not is_own_word(self.state, self.organisation, self.confirmed):
            return False
        specification, now_ms = self.study.progress.specification, self.node.now_ms()
        return approvals.authorised(self.state, self.organisation, specification, now_ms)


@dataclass
class RoundDesk(Desk):
    """The desk in a study that runs."""

    entry: Round
    exchange: Exchange
    store: AgentStore
    learner: Learner
    coins: SecretKey

    def __post_init__(self) -> None:
        self.sums = SumMemory(self.store)
        self.attempts = AttemptMemory(self.store, self.name)
        self.results = Results(self.exchange, self.store)
        self.published: set[bytes] = set()
        self.sits_out: tuple[int, int] | None = None
        """The attempt whose update was trained and cannot be sent: training again would give the same."""
        self._made: MaskedUpdate | None = None
        self._vectors: dict[bytes, U32] = {}
        self._base: tuple[bytes, Base] | None = None
        self._result: tuple[tuple[int, int], Aggregate | SumOutOfRangeError] | None = None
        self._prior_known = False

    def look(self, study: Study) -> None:
        """Turn to the study and its round as the ledger has them now."""
        self.study, self.entry = study, rounds.current(self.state, study)

    def clear(self) -> None:
        """Forget what belongs to the rounds before."""
        self.published.clear()
        self._vectors.clear()
        self.sits_out = None

    @property
    def place(self) -> tuple[int, int]:
        """Round and attempt."""
        return self.entry.number, self.entry.attempt

    def is_turn(self, first: Sequence[str] = ()) -> bool:
        """Whether one is among the first to answer in this phase, or they have taken long."""
        span_ms = rounds.span_ms(self.study.spec.deadlines, self.entry.phase)
        return self.organisation in first or turns.is_late(self.entry, span_ms, self.node.now_ms())

    # Keys

    @property
    def object_key(self) -> SecretKey:
        """The key of the study's objects."""
        return SecretKey(self.keys.require(self.name).study_key)

    @property
    def seeds(self) -> MaskSeeds:
        """The mask seeds of the attempt."""
        return self.keys.require(self.name).seeds(*self.place, self.entry.base_root)

    # Updates

    @property
    def own(self) -> Contribution | None:
        """One's own update, as the ledger binds it."""
        return rounds.contribution(self.state, self.entry, self.organisation)

    @property
    def made(self) -> MaskedUpdate | None:
        """The update of the attempt, if one was made."""
        if self._made is None or (self._made.round, self._made.attempt) != self.place:
            self._made = self.store.get(kept.masked_name(self.name, *self.place), MaskedUpdate)
        return self._made

    def take(self, made: MaskedUpdate, vector: U32) -> None:
        """Keep an update that one has just made."""
        self.store.note(kept.masked_name(self.name, made.round, made.attempt), made)
        self._made, self._vectors[made.object] = made, vector

    @property
    def frozen(self) -> list[Contribution]:
        """The updates of the frozen set, in order of organisation."""
        updates = rounds.contributions(self.state, self.entry)
        return [update for update in updates if update.organisation in self.entry.frozen]

    def vector(self, update: Contribution) -> U32 | None:
        """A participant's masked update if it can be fetched and, by oneself or c + 1 others, was found sound."""
        if update.object not in self._vectors:
            context = contents.update_context(self.name, *self.place, update.organisation)
            root = None if update.organisation in self.entry.frozen else update.digest
            rule = self.study.rule(self.entry.number)
            try:
                self._vectors[update.object] = self.exchange.open_update(
                    update.object, self.object_key, context, root, rule
                )
            except HMChainError:
                return None
        return self._vectors[update.object]

    # Models

    def base(self) -> Base:
        """What the round starts from, checked against the root on the ledger."""
        if self._base is None or self._base[0] != self.entry.base_root:
            self._base = (self.entry.base_root, self._load_base())
        return self._base[1]

    def result(self) -> Aggregate | SumOutOfRangeError | None:
        """One's own full aggregation of the frozen set, or why it has no sum; None while an object is out of reach."""
        if self._result is None or self._result[0] != self.place:
            vectors = [vector for update in self.frozen if (vector := self.vector(update)) is not None]
            if len(vectors) < len(self.entry.frozen):
                return None
            self._result = (self.place, self._aggregate(vectors))
        return self._result[1]

    @property
    def unconfirmed(self) -> Roots | None:
        """The roots that another master posted, as long as one has not confirmed them."""
        posted = self.entry.posted
        if posted is None or posted.master == self.organisation or self.organisation in self.entry.confirmed:
            return None
        return Roots(posted.masked_root, posted.sum_root, posted.model_root, posted.weights_root)

    def learn_prior(self) -> None:
        """Take the class shares of all participants together from the sum of round 0, once there is one."""
        counts = None if self._prior_known else rounds.round_(self.state, self.name, 0)
        if counts is None or counts.outcome is not Verdict.ACCEPTED or counts.posted is None:
            return
        root, classes = counts.posted.model_root, len(self.study.spec.schema.classes)
        result = self._result_with(root)
        means = result.model if result is not None else self._made_model(counts, root)[0]
        summed = summed_counts(means[:classes].tolist(), len(self.study.spec.uses))
        self.learner.use_counts(np.array(summed, np.int64))
        self._prior_known = True

    def _aggregate(self, vectors: list[U32]) -> Aggregate | SumOutOfRangeError:
        survivors = rounds.survivors(self.state, self.study, self.entry)
        model, momentum, _ = self.base()
        try:
            return aggregate(vectors, survivors, model, momentum, self.study.rule(self.entry.number))
        except SumOutOfRangeError as error:
            return error

    def _load_base(self) -> Base:
        entry = self.entry
        if entry.number == 0:
            zeros = np.zeros(self.study.rule(0).padded_size, np.int64)
            return Base.of(zeros, zeros)
        if not entry.base_object:
            model = arithmetic.padded(to_fixed(self.learner.initial))
            return Base.of(model, np.zeros_like(model))
        if (result := self._result_with(entry.base_root)) is not None:
            return Base(result.model, result.momentum, result.weight_bits)
        made = rounds.round_(self.state, self.name, entry.base_round)
        return Base.of(*self._made_model(made, entry.base_root))

    def _made_model(self, made: Round | None, root: bytes) -> tuple[I64, I64]:
        """Model and momentum that a round made, from the object that its master stored or a copy of it."""
        number, objects = (made.number, made.objects) if made else (0, ())
        context, rule = contents.model_context(self.name, number), self.study.rule(number)
        return self.exchange.open_model(objects, self.object_key, context, rule, root)

    def _result_with(self, model_root: bytes) -> Aggregate | None:
        """One's own last result, if that is the model with this root."""
        result = self._result[1] if self._result else None
        return result if isinstance(result, Aggregate) and result.root(Part.MODEL) == model_root else None
