"""One hospital's part in studies: read the ledger, do what is next, answer with transactions.

An agent keeps nothing that it could not find again in the ledger, its own store and the data: `publish` and `step` ask
what the state calls for and may be called at any time, by a process that was started a moment ago.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.participant import Participant
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore, opening_seed_hash, wrap_halves
from hmchain.application.learning.trainer import Trainer
from hmchain.canonical import Record, encode
from hmchain.errors import StudyError
from hmchain.keys import SecretKey, SigningKey
from hmchain.ledger import contracts
from hmchain.ledger.contracts import approvals, opening, rounds, studies
from hmchain.ledger.contracts.opening import AgreePairs, JoinStudy
from hmchain.ledger.contracts.studies import Study, StudySpec
from hmchain.ledger.state import State
from hmchain.ledger.transactions import NONCE_BYTES, sign
from hmchain.records.objects import ObjectStore

EXPIRY_MS = 600_000


class Node(Protocol):
    """A hospital's own node of the ledger, as its agent reads it."""

    chain_id: str

    @property
    def state(self) -> State:
        """The committed state."""

    def now_ms(self) -> int:
        """The time the next block would have."""


class UnpinnedError(StudyError):
    """A study asks for a model or code that this agent does not have: it takes no part."""

    code = "unpinned"


@dataclass(frozen=True)
class Learner:
    """What an agent trains with: made from the hospital's own data when a study opens."""

    trainer: Trainer
    class_counts: npt.NDArray[np.int64]
    """Training records of each class."""
    use_prior: Callable[[npt.NDArray[np.float64]], None]
    """Take the global class shares, for prediction."""
    initial: npt.NDArray[np.float32]
    """The first model that architecture and seed give."""


LearnerFactory = Callable[[StudySpec], Learner]
"""Builds the learner of a study, or raises `UnpinnedError` if the study pins a model or code that is not ours."""


class RoundingSecret(Record, frozen=True):
    """From which the coin flips of stochastic rounding and count noise are drawn."""

    raw: bytes


@dataclass
class Agent:
    """The agent of one organisation."""

    organisation: str
    key: SigningKey
    node: Node
    objects: ObjectStore
    store: AgentStore
    learner_factory: LearnerFactory
    cache: Path | None = None
    behaviour: AgentBehaviour = AgentBehaviour.HONEST
    refusals: dict[str, str] = field(default_factory=dict)
    """Studies this agent takes no part in, with the reason."""

    def __post_init__(self) -> None:
        self._keys = StudyKeyStore(self.store)
        self._exchange = Exchange(self.objects, self.cache)
        self._participants: dict[str, Participant] = {}

    def publish(self) -> None:
        """Upload what the ledger already binds; done before `step`, so that others find it."""
        for study in self._studies(studies.RUNNING):
            if participant := self._participant(study):
                participant.publish(study, rounds.current(self.node.state, study))

    def step(self) -> list[bytes]:
        """Do what is next in every study and return signed transactions; empty if there is nothing to do."""
        bodies: list[contracts.Body] = []
        for study in self._studies(studies.PROPOSED):
            bodies += self._join(study)
        for study in self._studies(studies.AGREEING):
            bodies += self._agree(study)
        for study in self._studies(studies.RUNNING):
            if participant := self._participant(study):
                participant.behaviour = self.behaviour
                bodies += participant.act(study, rounds.current(self.node.state, study))
        return [signed(self.key, self.node, body) for body in bodies]

    def study_key(self, study: str) -> SecretKey | None:
        """The key of a study's objects, once pairs are agreed."""
        return self._keys.object_key(study)

    def _studies(self, status: str) -> list[Study]:
        return [
            study
            for study in studies.studies(self.node.state)
            if study.status == status and self.organisation in study.spec.participants
        ]

    def _join(self, study: Study) -> list[contracts.Body]:
        name, state = study.spec.name, self.node.state
        joined = any(join.organisation == self.organisation for join in opening.joins(state, name))
        if joined or not approvals.in_force(state, name, self.organisation, self.node.now_ms()):
            return []
        if self._learner(study.spec) is None:
            return []
        drawn = self._keys.drawn(name, len(study.spec.uses))
        public = drawn.wrapping.public
        return [JoinStudy(name, public, opening_seed_hash(drawn))]

    def _agree(self, study: Study) -> list[contracts.Body]:
        name, state = study.spec.name, self.node.state
        if any(agreement.organisation == self.organisation for agreement in opening.agreements(state, name)):
            return []
        drawn = self._keys.drawn(name, len(study.spec.uses))
        order = study.order(self.organisation)
        wrapped = wrap_halves(self.node.chain_id, name, order, drawn, opening.joins(state, name))
        return [AgreePairs(name, wrapped, drawn.opening_seed)]

    def _participant(self, study: Study) -> Participant | None:
        name = study.spec.name
        if name not in self._participants:
            learner = self._learner(study.spec)
            if learner is None:
                return None
            agreements = opening.agreements(self.node.state, name)
            order = study.order(self.organisation)
            self._keys.keys(self.node.chain_id, name, order, agreements)
            self._participants[name] = Participant(
                self.organisation, self.node, self._exchange, self.store, self._keys, learner, self._rounding()
            )
        return self._participants[name]

    def _learner(self, spec: StudySpec) -> Learner | None:
        try:
            return self.learner_factory(spec)
        except UnpinnedError as error:
            self.refusals[spec.name] = str(error)
            return None

    def _rounding(self) -> SecretKey:
        found = self.store.get("rounding", RoundingSecret)
        if found is None:
            found = RoundingSecret(secrets.token_bytes(32))
            self.store.put("rounding", found)
        return SecretKey(found.raw)


def signed(key: SigningKey, node: Node, body: contracts.Body) -> bytes:
    """A signed transaction that expires in ten minutes."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return sign(key, node.chain_id, encode(body), nonce, node.now_ms() + EXPIRY_MS)
