"""One hospital's part in studies: read the ledger, do what is next, answer with transactions.

An agent keeps nothing that it could not find again in the ledger, its own store and the data: `publish` and `step` ask
what the state calls for and may be called at any time, by a process that was started a moment ago.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Protocol, assert_never

import numpy as np
import numpy.typing as npt

from hmchain.application.agent import repair
from hmchain.application.agent.closing import close_rounds, discard
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.participant import Participant
from hmchain.application.agent.phases.confirm import confirm, deny
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import (
    PairAgreementError,
    Random,
    StudyKeyStore,
    opening_seed_hash,
    wrap_halves,
)
from hmchain.application.learning.quantise import to_fixed
from hmchain.canonical import Record
from hmchain.errors import HMChainError, StudyError
from hmchain.keys import Redacted, SecretKey
from hmchain.ledger import arithmetic, contracts, vectors
from hmchain.ledger.contracts.learning import approvals, opening, rounds, studies
from hmchain.ledger.contracts.learning.opening import AgreePairs, JoinStudy
from hmchain.ledger.contracts.learning.participation import Tick
from hmchain.ledger.contracts.learning.studies import Status, Study, StudySpec
from hmchain.ledger.engines.ledger import Node, Signer, signed
from hmchain.records.objects import ObjectStore

if TYPE_CHECKING:
    from hmchain.application.learning.trainers.cnn_trainer import Trainer

UNFORESEEN = "this study met an error that nobody foresaw"
_TURN_MS = 1_000
"""How long each agent waits for the one before it to say that a study did not open in time."""


class UnpinnedError(StudyError):
    """A study asks for a model or code that this agent does not have: it takes no part."""

    code = "unpinned"


class TooFewColludersError(StudyError):
    """A study withstands fewer colluders than this hospital asks for: it takes no part."""

    code = "colluders_below_floor"


class Learner(Protocol):
    """What an agent trains with. `initial` needs no data; the hospital's own is read for the others, once."""

    @property
    def initial(self) -> npt.NDArray[np.float32]:
        """The first model that architecture and seed give."""

    @property
    def trainer(self) -> Trainer:
        """Trains and evaluates; reads the data."""

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """Training records of each class; reads the data."""

    def use_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Take the class counts of all participants together (noised), for prediction."""

    def read(self) -> None:
        """Read the data now, so that what is missing shows before others count on it."""

    @property
    def has_read(self) -> bool:
        """Whether the data is in memory."""

    @property
    def data(self) -> bytes:
        """Digest of the records that it trains on; reads them."""


@dataclass(frozen=True)
class ReadyLearner:
    """A learner whose data has been read."""

    trainer: Trainer
    class_counts: npt.NDArray[np.int64]
    use_counts: Callable[[npt.NDArray[np.int64]], None]
    initial: npt.NDArray[np.float32]

    has_read: bool = True
    data: bytes = b""

    def read(self) -> None:
        """Nothing is left to read."""


LearnerFactory = Callable[[StudySpec], Learner]
"""Builds the learner of a study, or raises `UnpinnedError` if the study pins a model or code that is not ours."""


class RoundingSecret(Redacted, Record, frozen=True):
    """From which batches, augmentation, stochastic rounding and count noise are drawn."""

    raw: bytes


@dataclass
class Agent:
    """The agent of one organisation."""

    organisation: str
    signer: Signer
    node: Node
    objects: ObjectStore
    store: AgentStore
    learner_factory: LearnerFactory
    cache: Path | None = None
    relay: ObjectStore | None = None
    """The store of `objects` for what need not survive a power cut there (see `Exchange`)."""
    behaviour: AgentBehaviour = AgentBehaviour.HONEST
    random: Random = secrets.token_bytes
    colluders_min: int = 0
    """The hospital's own floor: studies that withstand fewer colluders are refused."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Studies this agent takes no part in, with the reason."""
    troubles: dict[str, str] = field(default_factory=dict)
    """Studies that wait for something, with the last error."""

    def __post_init__(self) -> None:
        self._keys = StudyKeyStore(self.store)
        self._learners: dict[str, Learner] = {}
        self._participants: dict[str, Participant] = {}
        self._closed: set[str] = set()
        self._mine: list[Study] = []
        self._seen: set[str] = set(self._keys.studies())
        self._read_at = -1

    def publish(self) -> None:
        """Upload what the ledger already binds; done before `step`, so that others find it."""
        self.store.tend()
        for study in self._studies():
            with self._waiting(study):
                if study.status == Status.RUNNING and (participant := self._participant(study)):
                    participant.publish(study, rounds.current(self.node.state, study))

    def step(self) -> list[bytes]:
        """Do what is next in every study and return signed transactions; empty if there is nothing to do."""
        bodies: list[contracts.Body] = []
        for study in self._studies():
            with self._waiting(study):
                bodies += self._act(study) or self._lapse(study)
        return [signed(self.signer, self.node, body, self.random) for body in bodies]

    def study_key(self, study: str) -> SecretKey | None:
        """The key of a study's objects, once pairs are agreed."""
        return self._keys.object_key(study)

    def _act(self, study: Study) -> list[contracts.Body]:
        match study.status:
            case Status.PROPOSED:
                return self._join(study)
            case Status.AGREEING:
                return self._agree(study)
            case Status.CONFIRMING:
                return self._confirm(study)
            case Status.RUNNING:
                return self._take_part(study)
            case Status.PAUSED:
                return []
            case Status.FINISHED:
                return self._close(study)
            case Status.REFUSED | Status.CLOSED:
                return self._discard(study)
            case _:
                assert_never(study.status)

    def _studies(self) -> list[Study]:
        """The studies this organisation is named in that are not over, or of which there is something to close here."""
        state = self.node.state
        if self._read_at != state.height:
            self._read_at = state.height
            self._seen |= set(studies.open_studies(state, self.organisation))
            found = (studies.study(state, name) for name in sorted(self._seen - self._closed))
            self._mine = [study for study in found if study is not None]
        return [study for study in self._mine if study.spec.name not in self._closed]

    @contextmanager
    def _waiting(self, study: Study) -> Iterator[None]:
        """What one study brings about holds that one up, not the agent: it is tried again at every step."""
        try:
            yield
        except HMChainError as error:  # an object out of reach, a full disk
            self.troubles[study.spec.name] = str(error)
        except Exception as error:  # a participant may send what no line here foresees
            self.troubles[study.spec.name] = unforeseen(error)

    def _join(self, study: Study) -> list[contracts.Body]:
        name, state = study.spec.name, self.node.state
        joined = any(join.organisation == self.organisation for join in opening.joins(state, name))
        specification, now_ms = study.progress.specification, self.node.now_ms()
        if joined or not approvals.authorised(state, self.organisation, specification, now_ms):
            return []
        learner = self._learner(study.spec)
        if learner is None:
            return []
        try:
            learner.read()
        except UnpinnedError as error:
            self.refusals[name] = str(error)
            self._learners.pop(name)
            return []
        drawn = self._keys.drawn(name, len(study.spec.uses), self.random)
        public = drawn.wrapping.public
        return [JoinStudy(name, public, opening_seed_hash(drawn))]

    def _agree(self, study: Study) -> list[contracts.Body]:
        name, state = study.spec.name, self.node.state
        if any(agreement.organisation == self.organisation for agreement in opening.agreements(state, name)):
            return []
        drawn = self._keys.drawn(name, len(study.spec.uses), self.random)
        order = study.order(self.organisation)
        wrapped = wrap_halves(self.node.chain_id, name, order, drawn, opening.joins(state, name))
        return [AgreePairs(name, wrapped, drawn.opening_seed)]

    def _confirm(self, study: Study) -> list[contracts.Body]:
        try:
            return [*confirm(self.node.state, self.node.chain_id, self.organisation, self._keys, study)]
        except PairAgreementError as error:
            self.refusals[study.spec.name] = str(error)
            return [*deny(study)]

    def _lapse(self, study: Study) -> list[contracts.Body]:
        """Say that a study which does not open is over its time: one after the other, until somebody has.

        A deadline takes blocks too: where there are no others, these make them.
        """
        until_ms = study.progress.deadline_ms + study.order(self.organisation) * _TURN_MS
        is_late = study.status in studies.OPENING and self.node.now_ms() > until_ms
        return [Tick(study.spec.name)] if is_late else []

    def _take_part(self, study: Study) -> list[contracts.Body]:
        participant = self._participant(study)
        if participant is None:
            return []
        participant.behaviour = self.behaviour
        entry = rounds.current(self.node.state, study)
        bodies: list[contracts.Body] = []
        with self._waiting(study):
            bodies = participant.act(study, entry)
        if bodies and not participant.sits_out:
            self.troubles.pop(study.spec.name, None)
        return bodies or participant.tick(study, entry)

    def _close(self, study: Study) -> list[contracts.Body]:
        """A study is finished: erase its secrets but the key of its objects, and withdraw what nobody needs."""
        name = study.spec.name
        if self._keys.object_key(name) is not None:
            after = study.progress.round + 1
            kept = self._exchange(name)
            close_rounds(self.node.state, name, after, self.store, self._keys, kept)
            for address, size in repair.of_outcome(self.node.state, study):
                kept.repair(address, size)
        self._keys.forget_drawn(name)
        return self._leave(study)

    def _discard(self, study: Study) -> list[contracts.Body]:
        """A study is over and nothing came of it: erase and withdraw all there is of it."""
        name = study.spec.name
        if self._keys.object_key(name) is not None:
            discard(name, self.store, self._keys, self._exchange(name))
        self._keys.forget_drawn(name)
        return self._leave(study)

    def _leave(self, study: Study) -> list[contracts.Body]:
        self._participants.pop(study.spec.name, None)
        self._learners.pop(study.spec.name, None)
        self._closed.add(study.spec.name)
        return []

    def _participant(self, study: Study) -> Participant | None:
        name = study.spec.name
        if name not in self._participants:
            learner = self._learner(study.spec)
            if learner is None:
                return None
            agreements = opening.agreements(self.node.state, name)
            order = study.order(self.organisation)
            try:
                self._keys.keys(self.node.chain_id, name, order, agreements)
            except PairAgreementError as error:
                self.refusals[name] = str(error)
                return None
            self._participants[name] = Participant(
                self.organisation, self.node, self._exchange(name), self.store, self._keys, learner,
                self.coins, self.random,
            )  # fmt: skip
        return self._participants[name]

    def _exchange(self, study: str) -> Exchange:
        return Exchange(self.objects, self.cache and self.cache / study, self.relay)

    def _learner(self, spec: StudySpec) -> Learner | None:
        """The learner of a study, made once; None if the study pins anything that is not ours."""
        if spec.name not in self._learners and spec.name not in self.refusals:
            try:
                _require_floor(spec, self.colluders_min)
                self._learners[spec.name] = _checked(self.learner_factory(spec), spec)
            except (UnpinnedError, TooFewColludersError) as error:
                self.refusals[spec.name] = str(error)
        return self._learners.get(spec.name)

    @property
    def coins(self) -> SecretKey:
        """The hospital's secret for all that training and counting leave to chance; drawn once, kept for good."""
        found = self.store.get("rounding", RoundingSecret)
        if found is None:
            found = RoundingSecret(self.random(32))
            self.store.put("rounding", found)
        return SecretKey(found.raw)


def _require_floor(spec: StudySpec, colluders_min: int) -> None:
    if spec.colluders < colluders_min:
        raise TooFewColludersError(
            f"study {spec.name} withstands {spec.colluders} colluders, and this hospital asks for {colluders_min}",
            "have it proposed with more, or lower colluders_min in node.toml",
        )


def unforeseen(error: Exception) -> str:
    """What is told of an error that is none of ours: its kind and place, since its text may quote anything."""
    place = extract_tb(error.__traceback__)[-1]
    return f"{UNFORESEEN}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno} (please report it)"


def _checked(learner: Learner, spec: StudySpec) -> Learner:
    """Refuse a first model or a rule that is not the learner's: fraud in such a study could not be proven."""
    size, model = spec.rule.size, arithmetic.padded(to_fixed(learner.initial))
    pinned = (spec.initial_root, spec.initial_weights)
    if len(learner.initial) != size or (vectors.model_root(model, model * 0), vectors.weights_root(model)) != pinned:
        raise UnpinnedError(f"study {spec.name} does not start from the model that it names", "have it proposed again")
    return learner
