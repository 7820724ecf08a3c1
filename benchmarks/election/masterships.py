"""Does it pay to be dishonest? Masterships of attackers over those of honest hospitals, on the ledger's own contracts.

A consortium of n hospitals, of which some attack, runs studies of many rounds; blocks go through `contracts.standings`,
rounds through `contracts.round_flow`, with seeds, freezes, voids, takeovers and elections as they are. There is no
learning and no cryptography: an update is a record. Each hospital's node is down for 20 minutes now and then.

`drawn` counts whom the election drew, `led` who did the sum; each is the attackers' share over an honest hospital's,
per head. Chance is taken out of both, so that few rounds say much: a draw that nobody could foresee counts as what it
gives on average (having it repeated keeps its effect), and each run is compared with its twin, in which the same
hospitals, with the same seeds and outages, are honest; a twin's ratio is 1 but for chance.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec.structs import replace

from hmchain.canonical import Record, digest
from hmchain.keys import WrappingKey
from hmchain.ledger import election, reputation
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import ABSENT, COMMIT, BlockInput, Vote
from hmchain.ledger.context import AGENT, STEWARD, Context, Credential
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import approvals, conduct, round_flow, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Ballot, Contribution, Phase, Posted, Round, Verdict
from hmchain.ledger.contracts.learning.studies import DatasetUse, Progress, Status, Study, StudySpec
from hmchain.ledger.contracts.members import attendance, standings
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.proposer import proposers_of_rounds
from hmchain.ledger.reputation import Outcome
from hmchain.ledger.state import State

SEED = 20_241_124
SIZES = (4, 7, 13, 31)
ROUND_MS = 6 * 60_000
BLOCKS_A_ROUND = 2
OUTAGE_MS = 20 * 60_000
OUTAGE_EVERY = 40
"""Rounds from one outage to the next, of whomsoever."""
TOY_ROUNDS = 20
MEAN_MAX, LOWER_END_MAX = 1.05, 1.0
"""What a row may be: its mean, and the lower end of its 95 % interval."""

STUDENT = {4: 3.182, 6: 2.571, 8: 2.365, 12: 2.201}
"""97.5 % points of Student's t, by the number of runs."""
WRAPPING = WrappingKey(bytes(64), bytes([1] * 32)).public
"""One for everybody: nothing is wrapped here."""

K = TypeVar("K", bound=Record)


@dataclass(frozen=True)
class Strategy:
    """What attackers do; several at once, all the time or in every other study."""

    silent: bool = False
    """Their masters don't answer."""
    withholds: bool = False
    """The last to reveal keeps its seed where the next draw favours an honest hospital."""
    garbage: bool = False
    """They void an attempt, with nobody to blame, where one of them is second in rank."""
    launders: bool = False
    """They run toy studies among themselves after each round."""
    slanders: bool = False
    """Their blocks leave out the votes of f honest validators, and they send transactions when it is their turn."""
    floods: bool = False
    """They fill blocks while an honest node is down."""
    on_off: bool = False
    """In every other study they are honest."""


STRATEGIES = {
    "silent": Strategy(silent=True),
    "garbage": Strategy(garbage=True),
    "withholder": Strategy(withholds=True),
    "launderer": Strategy(withholds=True, launders=True),
    "slanderer": Strategy(slanders=True),
    "flooder": Strategy(floods=True),
    "all but silent": Strategy(withholds=True, garbage=True, launders=True, slanders=True, floods=True),
    "on and off": Strategy(withholds=True, garbage=True, launders=True, slanders=True, floods=True, on_off=True),
    "silent, on and off": Strategy(silent=True, garbage=True, slanders=True, floods=True, on_off=True),
}


def blank(kind: type[K], **known: object) -> K:
    """A record with the fields that matter here; the others are zero."""
    hints = get_type_hints(kind)
    rest = {
        field.name: _zero(hints[field.name])
        for field in msgspec.structs.fields(kind)
        if field.name not in known and field.required
    }
    return kind(**rest | known)


def _zero(kind: Any) -> object:
    if isinstance(kind, type) and issubclass(kind, Record):
        return blank(kind)
    return {int: 0, str: "", bytes: bytes(32), bool: False}.get(kind, ())


@dataclass
class Shares:
    """What one run gave, chance taken out."""

    rounds: int = 0
    drawn: int = 0
    led: int = 0
    luck: float = 0.0
    """By how much draws whose outcome nobody could foresee favoured the attackers; on average not at all."""

    def ratio(self, count: int, attackers: int, n: int) -> float:
        """The attackers' share over an honest hospital's, per head."""
        likely = max(0.0, count - self.luck)
        return (likely / attackers) / ((self.rounds - likely) / (n - attackers))


class World:
    """One consortium."""

    def __init__(self, n: int, attackers: int, strategy: Strategy, seed: str) -> None:
        self.seed, self.chance = seed, random.Random(seed)
        self.names = [f"h{number:02}" for number in range(n)]
        self.attackers = frozenset(self.chance.sample(self.names, attackers))
        self.strategy, self.active = strategy, strategy
        self.f = reputation.faults_tolerated(n)
        self.shares = Shares()
        self.state = State()
        self.now_ms, self.height, self.study = 1_700_000_000_000, 0, ""
        self.voters: tuple[str, ...] = ()
        self.down_again_ms: dict[str, int] = {}
        self.last_round = 0
        self.victims = frozenset(sorted(set(self.names) - self.attackers)[: self.f])
        members = [_member(name) for name in self.names]
        genesis_file.initialise(self.state, genesis_file.found("study", self.now_ms, members, bytes(32)))
        self._commit()

    # -- blocks --------------------------------------------------------------------------------------------------------

    def block(self, step_ms: int, down: str = "") -> None:
        """The next non-empty block."""
        self.height += 1
        self.now_ms += step_ms
        turns = proposers_of_rounds(standings.validators_at(self.state, self.height), 2)
        round_, who = next((number, name) for number, name in enumerate(turns) if name != down)
        missing = {down} | (self.victims if self.active.slanders and who in self.attackers else frozenset())
        votes = tuple(Vote(name, ABSENT if name in missing else COMMIT) for name in self.voters)
        inputs = BlockInput(self.height, self.now_ms, who, self.last_round, votes, (), (b"x",))
        standings.begin_block(self.state, inputs)
        standings.end_block(self.state, inputs)
        self.voters = tuple(validator.id for validator in standings.validators_at(self.state, self.height))
        self.last_round = round_
        self._commit()

    def epochs(self, count: int) -> None:
        """So many epochs of a chain on which little happens, with outages: time enough to slander and to flood."""
        for _ in range(count):
            before = attendance.epoch(self.state)
            while attendance.epoch(self.state).started == before.started:
                self.blocks_of_a_round(reputation.EPOCH_MS // (5 * len(self.names)))
                self.mishap(8 * len(self.names))

    def blocks_of_a_round(self, length_ms: int = ROUND_MS) -> None:
        """The blocks in which a round's transactions are; slanderers add some of their own."""
        for _ in range(BLOCKS_A_ROUND):
            self.block(length_ms // (2 * BLOCKS_A_ROUND))
        if self.active.slanders:
            for _ in range(len(self.names)):  # they wait through empty blocks, which change nothing
                following = standings.validators_at(self.state, self.height + 1)
                if proposers_of_rounds(following, 0)[0] in self.attackers:
                    break
                self.height += 1
            self.block(length_ms // 2)
        else:
            self.now_ms += length_ms // 2

    def mishap(self, every: int) -> None:
        """Now and then somebody's node is down."""
        happens, whose = self.chance.randrange(every) == 0, self.chance.choice(self.names)
        if happens and self.now_ms >= self.down_again_ms.get(whose, 0):
            self.down_again_ms[whose] = self.now_ms + 2 * reputation.EPOCH_MS
            self.outage(whose)

    def outage(self, down: str) -> None:
        """Somebody's node is down for a while."""
        flooded = self.active.floods and down not in self.attackers
        blocks = 4 * len(self.names) if flooded else 4
        for _ in range(blocks):
            self.block(OUTAGE_MS // blocks, down)
        if standings.standing(self.state, down).jailed:
            standings.HANDLERS[Unjail](self._context(down, STEWARD), Unjail())

    def _commit(self) -> None:
        self.state.commit(self.height)

    # -- rounds --------------------------------------------------------------------------------------------------------

    def run(self, epochs: int, count: int, length: int) -> Shares:
        """So many epochs, then studies of so many rounds each, one after the other."""
        self.epochs(epochs)
        for number in range(count):
            self.active = Strategy() if self.strategy.on_off and number % 2 else self.strategy
            self.open(f"s{number}", length)
            while studies.require_study(self.state, self.study).status not in studies.OVER:
                self.round()
        self.state.close()
        return self.shares

    def open(self, name: str, length: int) -> None:
        """A study of everybody, from the moment that it opens."""
        self.study = name
        uses = tuple(DatasetUse(each, "images", 1) for each in self.names)
        spec = blank(
            StudySpec, name=name, schema=Schema("mri", 1, 64, 64, ("no", "yes")), uses=uses, rounds=length,
            colluders=self.f, initial_weights=self._bytes("initial"),
        )  # fmt: skip
        studies._SPECS.put(self.state, spec, name)
        known = {"status": Status.RUNNING, "weights": (1,) * len(uses), "specification": spec.digest}
        progress = blank(Progress, **known)
        studies._PROGRESS.put(self.state, progress, name)
        for each in self.names:
            approval = blank(approvals.Approval, status=approvals.APPROVED, expires_ms=1 << 62)
            approvals._APPROVALS.put(self.state, approval, spec.digest, each)
        seed = self._bytes("opening")
        self._draw(seed, conduct.candidates(self._context(), self._study), ())
        round_flow.open_first(self._context(), name, seed)

    def round(self) -> None:
        """One round of the study that is open, however many attempts it takes."""
        opened, tried = self._round, 0
        while self._running and self._round.number == opened.number:
            spoilt = self.active.garbage and tried == 0 and opened.ranking[1] in self.attackers
            self._attempt(spoilt=spoilt)
            tried += 1
            assert tried < 20, "a round that does not end"
            if studies.require_study(self.state, self.study).status == Status.PAUSED:
                studies.set_progress(self.state, self.study, status=Status.RUNNING, setbacks=0)
                round_flow.resume(self._context(), self.study)
        done = rounds.round_(self.state, self.study, opened.number)
        if done is not None and done.outcome:
            self.shares.rounds += 1
            self.shares.drawn += done.ranking[0] in self.attackers
            self.shares.led += done.master in self.attackers
        if self.active.launders:
            for name in self.attackers:
                for _ in range(TOY_ROUNDS):
                    conduct.record(self._context(name), "toy", name, Outcome.ACCEPTED)
        self.blocks_of_a_round()
        self.mishap(OUTAGE_EVERY)

    def _attempt(self, *, spoilt: bool) -> None:
        self._freeze()
        self._reveal()
        if self._round.phase != Phase.AGGREGATE:
            return
        if spoilt:
            round_flow.impossible(self._context(), self._study, self._round)
            return
        while self._running and self._round.phase == Phase.AGGREGATE:
            self._aggregate()
        if self._running and self._round.phase == Phase.GATE_COMMIT:
            for name in self._round.expected:
                ballot = blank(Ballot, organisation=name, verdict=Verdict.ACCEPTED)
                rounds.put_gate_ballot(self.state, self._round, ballot)
            round_flow.gate_revealed(self._context(), self._study, self._round, due=True)

    def _freeze(self) -> None:
        entry = self._round
        for name in entry.expected:
            others = tuple(other for other in self.names if other != name)
            update = blank(Contribution, organisation=name, attested=others, self_seed=b"")
            rounds.put_contribution(self.state, entry, update)
        round_flow.enter(self._context(), self._study, entry, Phase.ATTEST)
        round_flow.attested(self._context(), self._study, self._round, due=True)

    def _reveal(self) -> None:
        entry = self._round
        seeds = {name: self._bytes(name, entry.number, entry.attempt) for name in entry.frozen}
        keeper = self._keeper(entry, seeds)
        for update in rounds.contributions(self.state, entry):
            if update.organisation != keeper and update.organisation in seeds:
                opened = replace(update, self_seed=seeds[update.organisation])
                rounds.put_contribution(self.state, entry, opened)
        round_flow.revealed(self._context(), self._study, entry, due=True)

    def _keeper(self, entry: Round, seeds: dict[str, bytes]) -> str:
        """Who keeps its seed, if anybody does; it is the last to reveal, and knows whom the draw would favour."""
        if entry.next_seed or entry.number == self._study.spec.rounds:
            return ""
        counted = [name for name in entry.frozen if not conduct.of(self.state, self.study, name).muted]
        if counted:
            drawn = (*entry.last_masters, *entry.ranking[:1])[-self.f :] if self.f else ()
            seed = election.next_seed(self.study, entry.number + 1, [seeds[name] for name in counted])
            first = self._draw(seed, entry.candidates, drawn)
            able = sorted(self.attackers & set(counted))
            if self.active.withholds and able and first not in self.attackers:
                return able[0]
        return ""

    def _aggregate(self) -> None:
        entry = self._round
        if entry.master in self.attackers and self.active.silent:
            round_flow.silent_master(self._context(), self._study, entry)
            return
        root = self._bytes("model", entry.number)
        posted = blank(Posted, master=entry.master, model_root=root, weights_root=root, object=root)
        witnesses = tuple(name for name in self.names if name != entry.master)
        done = replace(entry, posted=posted, confirmed=witnesses)
        rounds.put(self.state, done)
        round_flow.confirmed(self._context(), self._study, done)

    def _draw(self, seed: bytes, candidates: Sequence[election.Candidate], drawn: Sequence[str]) -> str:
        """Whom a fresh seed draws; by how much that was luck is kept."""
        first = election.rank(seed, candidates, drawn, self.f)[0]
        rested = election.rested_of(candidates, drawn, self.f)
        weights = dict(zip((each.id for each in rested), election.weights(rested), strict=True))
        expected = sum(weight for name, weight in weights.items() if name in self.attackers) / sum(weights.values())
        # Who is drawn rests for f rounds: of a lucky draw so much is left when its consequences are over.
        rest = len(candidates) - self.f >= election.CANDIDATES_AFTER_EXCLUSION
        left = 1 - self.f / len(candidates) if rest else 1
        self.shares.luck += left * ((first in self.attackers) - expected)
        return first

    # -- the ledger ----------------------------------------------------------------------------------------------------

    def _context(self, name: str = "", role: str = AGENT) -> Context:
        return Context(self.state, "study", self.height, self.now_ms, Credential(name or self.names[0], role))

    def _bytes(self, *what: object) -> bytes:
        return digest("study", self.seed.encode(), self.study.encode(), *(str(part).encode() for part in what))

    @property
    def _study(self) -> Study:
        return studies.require_study(self.state, self.study)

    @property
    def _round(self) -> Round:
        return rounds.current(self.state, self._study)

    @property
    def _running(self) -> bool:
        return self._study.status == Status.RUNNING


def _member(name: str) -> Member:
    keys = [digest("study key", name.encode(), role) for role in (b"steward", b"scientist", b"agent", b"validator")]
    return Member(name, name, *keys, WRAPPING)


# -- figures -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One strategy of so many attackers in a consortium."""

    n: int
    attackers: int
    strategy: str
    drawn: tuple[float, float]
    """Mean of the ratio over runs, and the lower end of its 95 % interval."""
    led: tuple[float, float]
    rounds: int

    @property
    def holds(self) -> bool:
        """Whether it does not pay."""
        return all(mean <= MEAN_MAX and low <= LOWER_END_MAX for mean, low in (self.drawn, self.led))


@cache
def twin(n: int, attackers: int, run: int, epochs: int, count: int, length: int) -> Shares:
    """A run in which those who would attack are honest."""
    return World(n, attackers, Strategy(), f"{SEED} {n} {attackers} {run}").run(epochs, count, length)


def row(n: int, attackers: int, name: str, *, runs: int, count: int, length: int, epochs: int = 1) -> Row:
    """Several runs of one kind, always the same."""
    drawn, led, total, strategy = [], [], 0, STRATEGIES[name]
    epochs = epochs if strategy.slanders or strategy.floods else 0
    for run in range(runs):
        honest = twin(n, attackers, run, epochs, count, length)
        shares = World(n, attackers, strategy, f"{SEED} {n} {attackers} {run}").run(epochs, count, length)
        chance = honest.ratio(honest.drawn, attackers, n) - 1
        drawn.append(shares.ratio(shares.drawn, attackers, n) - chance)
        led.append(shares.ratio(shares.led, attackers, n) - chance)
        total += shares.rounds
    return Row(n, attackers, name, _interval(drawn), _interval(led), total)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and the lower end of the 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, -math.inf
    return mean, mean - STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values))


def rows(*, quick: bool) -> Iterable[Row]:
    """All rows; in the quick form the most attackers that there may be, in few runs."""
    size = {"runs": 4, "count": 2, "length": 10} if quick else {"runs": 8, "count": 2, "length": 30, "epochs": 3}
    for n in SIZES:
        f = reputation.faults_tolerated(n)
        for attackers in [f] if quick else range(1, f + 1):
            for name in STRATEGIES:
                yield row(n, attackers, name, **size)
