"""One hospital's part in studies: read the ledger, do what is next, answer with transactions.

An agent keeps nothing that it could not find again in the ledger, its own store and the data: `publish` and `step` ask
what the state calls for and may be called at any time, by a process that was started a moment ago.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import assert_never

from hmchain.application.agent import allowances, answers, closing
from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.kept import rounding_secret
from hmchain.application.agent.own_word import is_own_word, warnings
from hmchain.application.agent.participant import Participant
from hmchain.application.agent.phases import HONEST, Phases, lapse, leave
from hmchain.application.agent.phases.confirm import deny
from hmchain.application.agent.phases.join import is_due
from hmchain.application.agent.pins import (
    NotApprovedError,
    TooFewColludersError,
    UnpinnedError,
    require_first_model,
    require_floor,
)
from hmchain.application.agent.protocols import Learner, LearnerFactory, Leaving, Outgoing, Random
from hmchain.application.agent.store import AgentStore, AgentStoreError
from hmchain.application.agent.study_keys import PairAgreementError, StudyKeyStore
from hmchain.application.learning.trainers.allowance import Allowance, UsedUpError
from hmchain.application.learning.trainers.worker import StillAtWorkError, TrainerEndedError
from hmchain.canonical import encode
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.ledger import contracts
from hmchain.ledger.contracts.learning import opening, permitted, rounds, studies
from hmchain.ledger.contracts.learning.counting import SitOut
from hmchain.ledger.contracts.learning.studies import Status, Study, StudySpec
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.ledger import Node, Signer, signed
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore

Closing = Callable[[State, Study, AgentStore, StudyKeyStore, Exchange], None]
UNFORESEEN = "this study met an error that nobody foresaw"


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
    phases: Phases = HONEST
    """What it does in each phase; a dishonest agent has others (`agent.faults`)."""
    leaving: Leaving | None = None
    """Told of what leaves the hospital, before it does."""
    random: Random = secrets.token_bytes
    colluders_min: int = 0
    """The hospital's own floor: studies that withstand fewer colluders are refused."""
    confirmed: Collection[bytes] = ()
    """Steward's keys that others gave the hospital by a vote and that its operator confirmed on this machine."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Studies this agent takes no part in, with the reason."""
    troubles: dict[str, str] = field(default_factory=dict)
    """Studies that wait for something, with the last error."""
    news: list[str] = field(default_factory=list)
    """Happenings to tell people, from any thread; who tells one takes it out."""

    def __post_init__(self) -> None:
        self.keys = StudyKeyStore(self.store)
        """The secrets of its studies."""
        self._learners: dict[str, Learner] = {}
        self.allowances: dict[str, Allowance] = {}
        """Of the studies that it looked at, as far as it has: `allowance` gives that of any."""
        self._participants: dict[str, Participant] = {}
        self._closed: set[str] = set()
        self._finished: set[str] = set()
        """Of those, the ones whose objects it can still open: until their permits are over."""
        self._agreed: set[str] = set()
        self._mine: list[Study] = []
        self._seen: set[str] = set(self.keys.studies())
        self._read_at = -1
        self._warned: set[bytes] = set()

    def publish(self) -> None:
        """Upload what the ledger already binds; done before `step`, so that others find it."""
        with suppress(AgentStoreError):  # the disk is full: whatever needs room in it says so
            self.store.tend()
        for study in self.open_studies():
            with self._waiting(study):
                if study.status is Status.RUNNING and (participant := self.participant(study)):
                    participant.publish(self.phases)

    def step(self) -> list[bytes]:
        """Do what is next in every study and return signed transactions; empty if there is nothing to do."""
        bodies: list[contracts.Body] = []
        for study in self.open_studies():
            with self._waiting(study):
                bodies += leave.leave(self._desk(study))
                bodies += self._act(study) or self.phases.lapse(self._desk(study))
        return [signed(self.signer, self.node, body, self.random) for body in bodies]

    @property
    def hears_its_own(self) -> bool:
        """Whether what its organisation decides on the ledger is the organisation's own word."""
        return is_own_word(self.node.state, self.organisation, self.confirmed)

    def study_key(self, study: str) -> SecretKey | None:
        """The key of a study's objects, once pairs are agreed."""
        return self.keys.object_key(study)

    @property
    def coins(self) -> SecretKey:
        """The hospital's secret for all that training leaves to chance."""
        return rounding_secret(self.store, self.random)

    def _act(self, study: Study) -> list[contracts.Body]:
        if lost := list(lapse.lost(self._desk(study))):
            return list[contracts.Body](lost)
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
                return self._leave(study, closing.discard if self._is_spent(study) else closing.finish)
            case Status.REFUSED | Status.CLOSED:
                return self._leave(study, closing.discard)
            case _:
                assert_never(study.status)

    def open_studies(self) -> list[Study]:
        """The studies this organisation is named in that are not over, or of which there is something to close here."""
        state = self.node.state
        if self._read_at != state.height:
            self._read_at = state.height
            self._seen |= set(studies.open_studies(state, self.organisation))
            found = (studies.study(state, name) for name in sorted(self._seen - self._closed))
            self._mine = [study for study in found if study is not None]
            self._erase_spent()
            self._let_go()
            self._warn()
        return [study for study in self._mine if study.spec.name not in self._closed]

    @contextmanager
    def _waiting(self, study: Study) -> Iterator[None]:
        """What one study brings about holds that one up, not the agent: it is tried again at every step."""
        try:
            yield
        except StillAtWorkError:  # as a trainer usually is: nothing to tell
            pass
        except TrainerEndedError:  # it is among the news, and holds up nobody
            self.troubles.pop(study.spec.name, None)
        except UsedUpError as error:
            self.troubles.pop(study.spec.name, None)
            self.refusals[study.spec.name] = str(error)
        except HMChainError as error:  # an object out of reach, a full disk
            self.troubles[study.spec.name] = str(error)
        except Exception as error:  # a participant may send what no line here foresees
            self.troubles[study.spec.name] = unforeseen(error)

    def _join(self, study: Study) -> list[contracts.Body]:
        desk = self._desk(study)
        learner = self.learner(study.spec) if is_due(desk) else None
        if learner is None:
            return []
        try:
            return list(self.phases.join(desk, learner))
        except UnpinnedError as error:
            self.refusals[desk.name] = str(error)
            self._learners.pop(desk.name)
            return []

    def _agree(self, study: Study) -> list[contracts.Body]:
        halves = list(self.phases.agree(self._desk(study)))
        if halves and study.spec.name not in self._agreed:
            self._agreed.add(study.spec.name)
            self._leaves(study.spec.name, Outgoing.STUDY_KEYS, sum(len(encode(each)) for each in halves))
        return list[contracts.Body](halves)

    def _confirm(self, study: Study) -> list[contracts.Body]:
        desk = self._desk(study)
        try:
            return list(self.phases.confirm(desk))
        except PairAgreementError as error:
            self.refusals[desk.name] = str(error)
            return [deny(desk)]

    def _take_part(self, study: Study) -> list[contracts.Body]:
        participant = self.participant(study)
        if participant is None:
            return []
        bodies: list[contracts.Body] = []
        with self._waiting(study):
            bodies = participant.act(self.phases)
            if any(isinstance(body, SitOut) for body in bodies) and not participant.sat_out:
                participant.sat_out = True
                self.news.append(f"count {study.spec.name}: {answers.TOO_FEW}")
        if bodies and participant.desk.sits_out is None:
            self.troubles.pop(study.spec.name, None)
        return bodies or list(self.phases.tick(participant.desk))

    def _leave(self, study: Study, close: Closing) -> list[contracts.Body]:
        """A study is over: erase and withdraw what it leaves here."""
        name = study.spec.name
        if name in self.keys.studies():
            close(self.node.state, study, self.store, self.keys, self.exchange(name))
        if self.keys.object_key(name) is not None:
            self._finished.add(name)
        self.keys.forget_drawn(name)
        self._participants.pop(name, None)
        if (learner := self._learners.pop(name, None)) is not None:
            learner.let_go()
        self._closed.add(name)
        return []

    def _erase_spent(self) -> None:
        """Erase the keys of finished studies whose permits are over."""
        for name in sorted(self._finished):
            study = studies.study(self.node.state, name)
            if study is not None and self._is_spent(study):
                with self._waiting(study):
                    closing.discard(self.node.state, study, self.store, self.keys, self.exchange(name))
                    self._finished.discard(name)
                    self.troubles.pop(name, None)

    def _is_spent(self, study: Study) -> bool:
        """Whether all of a study's permits are over, by the members' time: no erased key comes back.

        A machine whose clock is ahead for a moment destroys nothing.
        """
        return permitted.is_spent(self.node.state, study, standings.time_ms(self.node.state))

    def _let_go(self) -> None:
        """Hold no records for studies that may not use them any more, though their sums are still owed seeds."""
        state, now_ms = self.node.state, self.node.now_ms()
        for study in self._mine:
            learner = self._learners.get(study.spec.name)
            allowance = self.allowance(study.spec)
            allowance.asked = allowances.asked_for(state, study.spec)  # it may have been decided on anew
            with self._waiting(study):
                allowance.look()
            is_used_up = bool(allowance.over)
            if learner is not None and (is_used_up or permitted.is_out(state, study, self.organisation, now_ms)):
                with self._waiting(study):
                    learner.let_go()

    def _warn(self) -> None:
        """Tell people, once, of a steward's key that others give their hospital."""
        for key, said in warnings(self.node.state, self.organisation, self.confirmed):
            if key not in self._warned:
                self._warned.add(key)
                self.news.append(said)

    def participant(self, study: Study) -> Participant | None:
        """This organisation in a running study, as the ledger has it now; None if it takes no part."""
        name = study.spec.name
        if name not in self._participants:
            desk = self._round_desk(study)
            if desk is None:
                return None
            self._participants[name] = Participant(desk)
        participant = self._participants[name]
        participant.desk.look(study)
        return participant

    def _desk(self, study: Study) -> Desk:
        return Desk(
            self.organisation, self.node, self.keys, self.random, study,
            confirmed=self.confirmed, allowance=self.allowance(study.spec),
        )  # fmt: skip

    def _round_desk(self, study: Study) -> RoundDesk | None:
        name, learner = study.spec.name, self.learner(study.spec)
        if learner is None:
            return None
        agreements = opening.agreements(self.node.state, name)
        try:
            self.keys.keys(self.node.chain_id, name, study.order(self.organisation), agreements)
        except PairAgreementError as error:
            self.refusals[name] = str(error)
            return None
        entry = rounds.current(self.node.state, study)
        return RoundDesk(
            self.organisation, self.node, self.keys, self.random, study,
            entry, self.exchange(name), self.store, learner, self.coins,
            confirmed=self.confirmed, allowance=self.allowance(study.spec),
        )  # fmt: skip

    def exchange(self, study: str) -> Exchange:
        """The objects of a study: its cache, and the store that is shared."""
        return Exchange(self.objects, self.cache and self.cache / study, self.relay, partial(self._leaves, study))

    def _leaves(self, study: str, what: Outgoing, size: int) -> None:
        if self.leaving is not None:
            taking_part = self._participants.get(study)
            self.leaving(what, study, taking_part.desk.entry.number if taking_part else 0, size)

    def allowance(self, spec: StudySpec) -> Allowance:
        """What a study may take of this machine, and what it has taken, here and before a restart."""
        if spec.name not in self.allowances:
            self.allowances[spec.name] = allowances.opened(self.store, self.node.state, spec)
        return self.allowances[spec.name]

    def learner(self, spec: StudySpec) -> Learner | None:
        """The learner of a study, made once; None if the study pins anything that is not ours."""
        if spec.name not in self._learners and spec.name not in self.refusals:
            try:
                require_floor(spec, self.colluders_min)
                learner = self.learner_factory(spec)
                with suppress(NotApprovedError):  # then it loads no code, and checks the model once it does
                    if not spec.is_count:
                        require_first_model(spec, learner)
                self._learners[spec.name] = learner
                if said := self.allowance(spec).words:  # before this agent was started
                    self.refusals[spec.name] = said
            except (UnpinnedError, TooFewColludersError) as error:
                self.refusals[spec.name] = str(error)
        return self._learners.get(spec.name)


def unforeseen(error: Exception) -> str:
    """What is told of an error that is none of ours: its kind and place, since its text may quote anything."""
    place = extract_tb(error.__traceback__)[-1]
    return f"{UNFORESEEN}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno} (please report it)"
