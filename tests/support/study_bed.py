"""A whole consortium with a dummy trainer, a clock moved by hand and repeatable secrets: a study in a moment.

The trainer knows nothing of images: its update is a fixed random vector of hospital and round, so that the plumbing,
the attacks and the arithmetic can be tested without learning anything.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from hmchain.application.agent.agent import UNFORESEEN
from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.application.agent.faults import AgentBehaviour, phases_of
from hmchain.application.agent.phases import HONEST
from hmchain.application.agent.protocols import Learner, ReadyLearner
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.founding import founding, validator_keys
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.quantise import layer_steps, to_fixed
from hmchain.application.site.keyring import Keyring
from hmchain.canonical import encode
from hmchain.keys import SecretKey, SigningKey, WrappingKey
from hmchain.ledger import arithmetic, contracts, reputation, vectors
from hmchain.ledger.arithmetic import ModelRule
from hmchain.ledger.blocks import Block, BlockResult, Event
from hmchain.ledger.contracts.data import permits
from hmchain.ledger.contracts.data.applying import CloseRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, Schema
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RevokeApproval
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.rounds import Contribution, Round
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, ProposeStudy, Status, Study, StudySpec
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.engines.ledger import signed
from hmchain.ledger.genesis import NOTICE_MS
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.state import State
from support.opened import OPENED, closed

STUDY = "tumours"
NAMES = ("east", "north", "south", "west", "centre", "coast", "island")
SALT = bytes(range(32))
START_MS = 1_700_000_000_000
YEAR_MS = 365 * 86_400_000
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
SIZES = (300, 200, 100)
"""Coordinates of the layers: a vector of three chunks, the last one padded."""
CLIP_NORM = 4.0
DEADLINES = Deadlines(60_000, 10_000, 10_000, 10_000, 10_000, 10_000)

F32 = npt.NDArray[np.float32]


def repeatable_keys(name: str) -> Keyring:
    """A hospital's keys, the same in every run."""
    chance = random.Random(f"keys of {name}")
    signing = [SigningKey(chance.randbytes(32)) for _ in range(4)]
    wrapping = WrappingKey(chance.randbytes(64), chance.randbytes(32))
    return Keyring(signing[0], signing[1], signing[2], signing[3], wrapping, SecretKey(chance.randbytes(32)), wrapping)


@dataclass
class DummyTrainer:
    """A fixed update for each hospital and round, and an AUC that the test sets."""

    order: int
    auc: Callable[[int], float] = lambda order: 0.9
    fitted: list[int] = field(default_factory=list)
    """Rounds it was asked to train, counted from 0."""

    def delta(self, round_: int, size: int) -> F32:
        return np.random.default_rng((7, self.order, round_)).normal(0, 0.01, size).astype(np.float32)

    def fit(self, weights: F32, round: int) -> SimpleNamespace:
        self.fitted.append(round)
        return SimpleNamespace(weights=weights + self.delta(round, len(weights)))

    def evaluate(self, weights: F32, split: str) -> SimpleNamespace:
        return SimpleNamespace(examples=40, accuracy=0.8, auc=self.auc(self.order))


def initial(study: str = STUDY) -> F32:
    """A study's first model: no two share one."""
    return np.random.default_rng((11, *study.encode())).normal(0, 0.1, sum(SIZES)).astype(np.float32)


def make_spec(names: tuple[str, ...], rounds_: int = 3, **changes: object) -> StudySpec:
    name = str(changes.get("name", STUDY))
    model = arithmetic.padded(to_fixed(initial(name)))
    spec = StudySpec(
        name=STUDY,
        purpose="DUO:0000006",
        schema=SCHEMA,
        uses=tuple(DatasetUse(name, "brain", 1) for name in names),
        architecture=encode("dummy"),
        code=bytes(32),
        training=b"",
        rule=ModelRule(layer_steps(SIZES, CLIP_NORM), 1 << 15, 1 << 16, len(names), rounds_),
        clip_norm_millionths=round(CLIP_NORM * 1_000_000),
        rounds=rounds_,
        initial_root=vectors.model_root(model, model * 0),
        initial_weights=vectors.weights_root(model),
        deadlines=DEADLINES,
        gate_tolerance_permyriad=500,
        colluders=reputation.faults_tolerated(len(names)),
    )
    return replace(spec, **changes)


def another(spec: StudySpec, name: str, **changes: object) -> StudySpec:
    """The same study under another name, and so with another first model."""
    other = make_spec(spec.participants, name=name)
    first = {"initial_root": other.initial_root, "initial_weights": other.initial_weights}
    return replace(spec, name=name, **first, **changes)


@dataclass
class Bed:
    """A consortium of dummy hospitals."""

    directory: Path
    names: tuple[str, ...]
    now_ms: int = START_MS
    consortium: Consortium = field(init=False)
    trainers: dict[str, DummyTrainer] = field(default_factory=dict)
    auc: Callable[[int], float] = lambda order: 0.9
    learners: int = 0
    """How often a learner was made."""
    events: list[tuple[int, Event]] = field(default_factory=list)
    codes: list[tuple[int, str, str]] = field(default_factory=list)
    """Of every refused transaction: height, kind of body, code."""
    notice_ms: int = NOTICE_MS
    """That the genesis demands for a change of the rules."""
    protocol: int = FOUNDING
    asked: dict[str, tuple[str, StudySpec]] = field(default_factory=dict)
    """Whose scientist asked for which study."""
    counts: dict[str, int] = field(default_factory=dict)
    """Records a hospital publishes; 512 if nothing is said."""
    reread: dict[str, bytes] = field(default_factory=dict)
    """Which records a hospital has where it erased some: a name for them, and so many are gone of the first class."""

    def __post_init__(self) -> None:
        self._random = {name: random.Random(f"hmchain {name}") for name in self.names}

    @classmethod
    def found(cls, directory: Path, n: int = 4, **settings: object) -> Bed:
        bed = cls(directory, tuple(sorted(NAMES[:n])), **settings)
        titles = {name: name.title() for name in bed.names}
        keys = {name: repeatable_keys(name) for name in bed.names}  # they are in the chain id, that in every secret
        for name, keyring in keys.items():
            keyring.save(directory / "hospitals" / name / "keys")
        genesis = founding("test", titles, keys, bed.clock(), salt=SALT, protocol=bed.protocol)
        genesis = replace(genesis, notice_ms=bed.notice_ms)
        ledger = EmbeddedLedger.create(directory / "ledger", genesis, validator_keys(keys), clock_ms=bed.clock)
        bed.adopt(Consortium(directory, ledger, keys, bed.learn))
        OPENED.append(bed)
        return bed

    def adopt(self, consortium: Consortium) -> None:
        self.consortium = consortium
        self.everyone = dict(consortium.hospitals)
        """Those that are asleep too."""
        consortium.on_block = self._note
        for name, hospital in consortium.hospitals.items():
            hospital.agent.random = self._random[name].randbytes

    def clock(self) -> int:
        return self.now_ms

    def learn(self, hospital: Hospital, spec: StudySpec) -> Learner:
        self.learners += 1
        order = spec.participants.index(hospital.organisation)
        trainer = self.trainers.setdefault(hospital.organisation, DummyTrainer(order, self.auc))
        data = self.reread.get(hospital.organisation, b"")
        counts = np.array([100 + order - len(data), 50])
        return ReadyLearner(trainer, counts, lambda counts: None, initial(spec.name), data=data)

    def _note(self, block: Block, result: BlockResult) -> None:
        height = block.header.height
        for receipt in result.receipts:
            self.events += [(height, event) for event in receipt.events]
            if receipt.code != "ok":
                self.codes.append((height, "", receipt.code))
        self.events += [(height, event) for event in result.events]

    # What people do

    def prepare(self, rounds_: int = 3, **changes: object) -> StudySpec:
        """Publish every hospital's dataset and propose a study of them."""
        for name, hospital in self.consortium.hospitals.items():
            count = self.counts.get(name, 512)
            self.consortium.require(hospital.as_steward(RegisterDataset("brain", SCHEMA)))
            self.consortium.require(hospital.as_steward(PublishVersion("brain", 1, bytes(32), count)))
        spec = make_spec(self.names, rounds_, **changes)
        self.ask(spec)
        return spec

    def ask(self, spec: StudySpec, by: str = "") -> None:
        """Ask for a study: by a request of its name; under protocol 2 by proposing it."""
        by = by or self.names[0]
        self.asked[spec.name] = by, spec
        if self.protocol == 2:
            self.require(by, "scientist", ProposeStudy(spec))
            return
        self.consortium.require(*self.consortium.hospitals[by].ask(spec, self.now_ms + 3 * YEAR_MS))

    def allow(self, name: str, until_ms: int = START_MS + YEAR_MS, study: str = STUDY) -> None:
        """Let a steward allow a request."""
        self.consortium.require(*self.consortium.hospitals[name].allow(study, until_ms))

    def approve(self, *names: str, expires_ms: int = START_MS + YEAR_MS, study: str = STUDY) -> None:
        """Let stewards allow a study; once all have, its scientist proposes it under the permit."""
        by, spec = self.asked[study]
        for name in names or spec.participants:
            if self.protocol == 2:
                self.require(name, "steward", ApproveStudy(study, spec.digest, expires_ms))
            else:
                self.allow(name, expires_ms, study)
        permit = None if self.protocol == 2 else permits.permit(self.state, study, self.now_ms)
        if permit and len(permit.allowed) == len(spec.uses) and studies.study(self.state, study) is None:
            self.require(by, "scientist", ProposeUnderPermit(spec, study))

    def propose(self, spec: StudySpec, by: str = "") -> str:
        """The code that asking for a study gets, or proposing it once all that it names allow it."""
        by = by or self.names[0]
        if self.protocol == 2:
            return self.submit(by, "scientist", ProposeStudy(spec))
        request = f"request-{len(self.asked)}"
        asked = replace(spec, name=request)
        self.asked[request] = by, asked
        codes = self.consortium.submit(*self.consortium.hospitals[by].ask(asked, self.now_ms + 3 * YEAR_MS))
        if refused := [code for code in codes if code != "ok"]:
            return refused[0]
        for name in spec.participants:
            self.allow(name, study=request)
        return self.submit(by, "scientist", ProposeUnderPermit(spec, request))

    def revoke(self, name: str, study: str = STUDY) -> None:
        """Let a steward take back what was allowed."""
        if self.protocol == 2:
            self.require(name, "steward", RevokeApproval(study))
        else:
            self.consortium.require(*self.consortium.hospitals[name].disallow(study))

    def close_request(self, study: str = STUDY) -> None:
        """The applicant wants no more of it."""
        self.require(self.asked[study][0], "scientist", CloseRequest(study, "finished"))

    def require(self, name: str, role: str, body: contracts.Body) -> None:
        assert self.submit(name, role, body) == "ok"

    def submit(self, name: str, role: str, body: contracts.Body) -> str:
        hospital = self.consortium.hospitals[name]
        sign = {"steward": hospital.as_steward, "scientist": hospital.as_scientist}
        return self.consortium.submit(sign[role](body) if role in sign else self.signed(name, body))[0]

    def signed(self, name: str, body: contracts.Body) -> bytes:
        """A transaction of a hospital's agent, which need not be what the agent would do."""
        hospital = self.consortium.hospitals[name]
        return signed(hospital.keys.agent, hospital.node, body)

    def behave(self, name: str, behaviour: AgentBehaviour) -> None:
        self.agent(name).phases = phases_of(behaviour)

    def hand(self, name: str, **phases: Callable[..., object]) -> None:
        """Hand an agent phases of a test's own beside the honest ones."""
        self.agent(name).phases = dataclasses.replace(HONEST, **phases)  # type: ignore[arg-type]

    # Time

    def step(self) -> bool:
        """One step of everyone; where nobody has anything to do, time passes."""
        busy = self.consortium.step()
        troubles = [hospital.agent.troubles for hospital in self.consortium.hospitals.values()]
        assert not any(UNFORESEEN in told for each in troubles for told in each.values()), troubles
        self.now_ms += 10 if busy else 500
        return busy

    def run(self, until: Callable[[], bool] | None = None, steps_max: int = 1_000) -> None:
        """Step until `until`, or until the study has ended or paused."""
        for _ in range(steps_max):
            ended = self.study.status in (*studies.OVER, Status.PAUSED)
            if until() if until else ended:
                return
            self.step()
        raise AssertionError(f"nothing came of it in {steps_max} steps: {self.study.status}, {self.round}")

    def until(self, number: int, phase: str) -> None:
        """Run to the moment when a round has just entered a phase."""
        self.run(lambda: self.running and (self.round.number, self.round.phase) == (number, phase))

    def reopen(self, backup: Path | None = None) -> None:
        """Kill every process and start them again from their files, the ledger's put back from a backup if given."""
        phases = {name: self.agent(name).phases for name in self.names}
        self.consortium.close()
        if backup is not None:
            shutil.rmtree(self.directory / "ledger")
            shutil.copytree(backup, self.directory / "ledger")
        self.adopt(Consortium.open(self.directory, clock_ms=self.clock, learn=self.learn))
        for name, each in phases.items():
            self.agent(name).phases = each

    def back_up(self, place: Path) -> Path:
        """Copy everybody's ledger, which no process writes meanwhile."""
        self.consortium.close()
        shutil.copytree(self.directory / "ledger", place)
        self.adopt(Consortium.open(self.directory, clock_ms=self.clock, learn=self.learn))
        return place

    def lose_files(self, name: str, put_back: bytes = b"") -> None:
        """A hospital's agent loses its file and its cache; an older file is put back if one is given."""
        self.consortium.close()
        folder = self.directory / "hospitals" / name
        for path in folder.glob("agent.db*"):
            path.unlink()
        if put_back:
            (folder / "agent.db").write_bytes(put_back)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        self.adopt(Consortium.open(self.directory, clock_ms=self.clock, learn=self.learn))

    @contextmanager
    def asleep(self, *names: str) -> Iterator[None]:
        """These agents do nothing for a while."""
        hospitals = self.consortium.hospitals
        self.consortium.hospitals = {name: h for name, h in hospitals.items() if name not in names}
        yield
        self.consortium.hospitals = hospitals

    # What the ledger says

    @property
    def state(self) -> State:
        return self.consortium.ledger.state

    @property
    def study(self) -> Study:
        return studies.require_study(self.state, STUDY)

    @property
    def running(self) -> bool:
        return self.study.status == Status.RUNNING

    @property
    def round(self) -> Round:
        return rounds.current(self.state, self.study)

    def at(self, number: int) -> Round:
        found = rounds.round_(self.state, STUDY, number)
        assert found is not None
        return found

    def contributions(self, entry: Round | None = None) -> dict[str, Contribution]:
        found = rounds.contributions(self.state, entry or self.round)
        return {update.organisation: update for update in found}

    def agent(self, name: str):  # type: ignore[no-untyped-def]
        return self.consortium.hospitals[name].agent

    def opening_desk(self, name: str) -> Desk:
        """What a hospital's agent knows while the study opens."""
        agent = self.agent(name)
        return Desk(name, agent.node, StudyKeyStore(agent.store), agent.random, self.study)

    def desk(self, name: str) -> RoundDesk:
        """What a hospital's agent knows in the round that runs."""
        participant = self.agent(name).participant(self.study)
        assert participant is not None
        return participant.desk

    def kinds(self, *prefixes: str) -> list[tuple[str, ...]]:
        """Events of some kinds, as (kind, keys after the study's name)."""
        return [(event.kind, *event.keys[1:]) for _, event in self.events if event.kind.startswith(prefixes)]

    def close(self) -> None:
        closed(self)
        self.consortium.close()
