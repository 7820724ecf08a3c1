"""How many rounds fail, and how long does a block take, under three ways to choose who proposes? A simulation.

4 to 1000 validators, of which one is silent, or as many are faulty as may be (a third): silent from the start;
intermittent, up and down so often that no jail acts; churn, away for long and back again. Proposers follow a round
robin of equal powers, chance, or this package's rules: its own code of scores, jail, powers and proposer priorities,
fed block by block as the ledger does. There is no network: a round takes CometBFT's timeouts as a node sets them, and a
fixed delay for each step of votes. Figures are of the second half of a run, when a jail that comes has come.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from msgspec.structs import replace

from hmchain.ledger import proposer, reputation
from hmchain.ledger.contracts.members.attendance import FAILED_TURNS_MIN, SPAN_MS_MAX, TURN_MS_MAX
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import EFFECT_DELAY_BLOCKS
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.reputation import Standing

SEED = 20_241_124
SIZES, SIZES_QUICK = (4, 7, 13, 31, 100, 301, 1000), (4, 10, 31)
BLOCKS_MIN, BLOCKS_PER_VALIDATOR = 6000, 20
DELAY_MS = 25
"""One step of votes between distant hospitals."""

Faulty = Callable[[int], frozenset[int]]
"""Who is silent at a height."""


# -- faults ------------------------------------------------------------------------------------------------------------


def one_silent(n: int, chance: random.Random) -> Faulty:
    """The same one, always."""
    faulty = frozenset([chance.randrange(n)])
    return lambda height: faulty


def third_silent(n: int, chance: random.Random) -> Faulty:
    """The same third, always."""
    faulty = frozenset(chance.sample(range(n), reputation.faults_tolerated(n)))
    return lambda height: faulty


def intermittent(n: int, chance: random.Random) -> Faulty:
    """Each of a third is away for 3 n blocks, there for 3 n, and so on: never long enough for a jail."""
    return _alternating(n, chance, 3 * n, 3 * n)


def churn(n: int, chance: random.Random) -> Faulty:
    """Each of a third is away for 15 n blocks and back for 5 n: jailed, back, jailed again."""
    return _alternating(n, chance, 15 * n, 5 * n)


def _alternating(n: int, chance: random.Random, down: int, up: int) -> Faulty:
    phases = {v: chance.randrange(down + up) for v in chance.sample(range(n), reputation.faults_tolerated(n))}
    return lambda height: frozenset(v for v, phase in phases.items() if (height + phase) % (down + up) < down)


FAULTS: dict[str, Callable[[int, random.Random], Faulty]] = {
    "one silent": one_silent,
    "a third silent": third_silent,
    "a third intermittent": intermittent,
    "a third in churn": churn,
}


# -- rules -------------------------------------------------------------------------------------------------------------


class Rule(Protocol):
    """A way to choose proposers."""

    def turns(self, height: int) -> Iterator[int]:
        """The proposers of rounds 0, 1, ... of a height, without end."""

    def decided(self, block: Block) -> None:
        """The next block."""


@dataclass(frozen=True)
class Block:
    """What a decided block tells the rules."""

    height: int
    time_ms: int
    proposer: int
    missing: frozenset[int]
    """Whose votes on the block before it lacks."""
    last_turns: tuple[int, ...]
    """Who had a turn to propose the block before; the last one did."""
    back: frozenset[int]
    """Who was away before it and is back."""


class RoundRobin:
    """Everyone in turn, as CometBFT's rule is where all powers are equal."""

    def __init__(self, n: int, chance: random.Random) -> None:
        self.n = n

    def turns(self, height: int) -> Iterator[int]:
        """One after the other; a failed round passes the turn on, and the next height starts after its first."""
        position = height - 1
        while True:
            yield position % self.n
            position += 1

    def decided(self, block: Block) -> None:
        """Nothing is remembered."""


class Chance(RoundRobin):
    """Drawn anew for each round, all alike."""

    def __init__(self, n: int, chance: random.Random) -> None:
        super().__init__(n, chance)
        self._chance = chance

    def turns(self, height: int) -> Iterator[int]:
        """Draws without memory."""
        while True:
            yield self._chance.randrange(self.n)


class Reputation:
    """This package's rules, with the pure functions that `contracts.standings` calls, in the same order.

    The contract itself writes its records anew with every block, too slow for a thousand validators; a test holds that
    both give the same powers and proposers.
    """

    def __init__(
        self,
        n: int,
        chance: random.Random,
        rules: Parameters | None = None,
        address: Callable[[int], bytes] = lambda v: proposer.address(v.to_bytes(32, "big")),
    ) -> None:
        self.n = n
        self.rules = rules or Parameters()
        self.names = [f"v{number:04}" for number in range(n)]
        self.standings = [Standing(power=power) for power in reputation.next_powers([Standing()] * n).powers]
        self._addresses = {name: address(v) for v, name in enumerate(self.names)}
        powers = [(name, known.power) for name, known in zip(self.names, self.standings, strict=True)]
        self.validators = proposer.update((), powers, self._addresses)
        self._advanced = proposer.advance(self.validators)
        self.jailed_first: int | None = None
        self._pending: dict[int, list[tuple[str, int]]] = {}
        self._blocks = self._started = 0
        self._time_ms = self._started_ms = 0
        self._silent: dict[int, tuple[int, int, set[int]]] = {}  # block and time of the last vote, and who says so
        self._tallies: dict[int, tuple[int, Counter[int]]] = {}
        self._turns: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()

    def turns(self, height: int) -> Iterator[int]:
        """By priority, which grows with power."""
        moves = [a.priority - b.priority for a, b in zip(self._advanced, self.validators, strict=True)]
        yield moves.index(
            min(moves)
        )  # who proposes falls by the total, and is known from the step that is needed anyway
        for name in islice(proposer.turns(self.validators), 1, None):
            yield int(name[1:])

    def decided(self, block: Block) -> None:
        """Count votes and turns, jail, close an epoch, send powers, move on to the next height."""
        self._count(block)
        for v in sorted(block.back):
            if self.standings[v].jailed:
                self.standings[v] = reputation.unjail(self.standings[v])
                self._silent.pop(v, None)
        jailed = self._jail(block)
        blocks, elapsed_ms = self._blocks - self._started, block.time_ms - self._started_ms
        over = reputation.epoch_is_over(blocks, elapsed_ms, self.n, self.rules.epoch_blocks_min, self.rules.epoch_ms)
        if over:
            self._close_epoch(block.time_ms)
        waits = any(s.power == reputation.POWER_JAILED and not s.jailed for s in self.standings)
        if jailed or over or waits:
            self._send_powers(block.height, epoch_ends=over)
        changes = self._pending.pop(block.height + 1, [])
        self.validators = proposer.update(self._advanced, changes, self._addresses)
        self._advanced = proposer.advance(self.validators)

    def _count(self, block: Block) -> None:
        if not self._blocks:
            self._time_ms = self._started_ms = block.time_ms
        span_ms = min(block.time_ms - self._time_ms, SPAN_MS_MAX)
        missing = [v for v in block.missing if not self.standings[v].jailed]
        if block.last_turns:
            for number, v in enumerate(block.last_turns):
                self._turns[v] += min(span_ms, TURN_MS_MAX)
                failed = number < len(block.last_turns) - 1
                self._failed[v] += failed * min(span_ms, TURN_MS_MAX)
                self._failures[v] += failed
            carried_ms, missed = self._tallies.get(block.proposer, (0, Counter()))
            missed.update(dict.fromkeys(missing, span_ms))
            self._tallies[block.proposer] = carried_ms + span_ms, missed
        known = {v: seen for v, seen in self._silent.items() if v in block.missing}
        for v in missing:
            known.setdefault(v, (self._blocks, self._time_ms, set()))[2].add(block.proposer)
        self._silent = known
        self._blocks += 1
        self._time_ms = block.time_ms

    def _jail(self, block: Block) -> bool:
        jailed = False
        for v, (last, time_ms, witnesses) in sorted(self._silent.items()):
            known = self.standings[v]
            away = self._blocks - last, block.time_ms - time_ms, len(witnesses)
            if not known.jailed and reputation.absent(
                *away, self.n, self.rules.jail_blocks_per_member, self.rules.jail_ms
            ):
                self.standings[v] = reputation.jail(known, block.height, block.time_ms)
                self.jailed_first = self.jailed_first or block.height
                jailed = True
        self._silent = {v: seen for v, seen in self._silent.items() if not self.standings[v].jailed}
        return jailed

    def _close_epoch(self, time_ms: int) -> None:
        share_ms = (time_ms - self._started_ms) // self.n
        for v, known in enumerate(self.standings):
            misses = [
                (missed[v], max(1, share_ms, carried_ms))
                for other, (carried_ms, missed) in self._tallies.items()
                if other != v and missed[v]
            ]
            rate = reputation.median_miss_rate(misses, self.n - 1)
            failed = self._failed[v] if self._failures[v] >= FAILED_TURNS_MIN else 0
            turns = failed, max(share_ms, self._turns[v])
            self.standings[v] = reputation.close_epoch(known, rate, *turns, time_ms)
        self._started, self._started_ms, self._tallies = self._blocks, time_ms, {}
        self._turns, self._failed, self._failures = Counter(), Counter(), Counter()

    def _send_powers(self, height: int, *, epoch_ends: bool) -> None:
        powers = reputation.next_powers(self.standings, epoch_ends=epoch_ends).powers
        changes = []
        for v, power in enumerate(powers):
            if power != self.standings[v].power:
                changes.append((self.names[v], power))
                self.standings[v] = replace(self.standings[v], power=power)
        if changes:
            self._pending[height + EFFECT_DELAY_BLOCKS] = changes


RULES: dict[str, Callable[[int, random.Random], Rule]] = {
    "round robin": RoundRobin, "random": Chance, "reputation": Reputation,
}  # fmt: skip


# -- simulation --------------------------------------------------------------------------------------------------------


def failed_round_ms(timing: Timing, number: int) -> int:
    """A round whose proposer is silent: everyone waits, votes for nothing twice, and waits for stragglers."""
    waits = timing.propose + number * (timing.propose // 2) + timing.vote + number * (timing.vote // 2)
    return waits + 2 * DELAY_MS


def decided_round_ms(timing: Timing) -> int:
    """Proposal, two steps of votes, and the pause in which late votes come."""
    return 3 * DELAY_MS + timing.commit


@dataclass
class Outcome:
    """Runs of one kind."""

    n: int
    faults: str
    rule: str
    failed: list[int] = field(default_factory=list)
    """Failed rounds of each height of the second half."""
    times_ms: list[int] = field(default_factory=list)
    jailed_first: int | None = None
    """Height at which the first jail acted, in the first run that had one."""

    @property
    def failed_per_100(self) -> float:
        """Failed rounds in 100 blocks."""
        return 100 * statistics.fmean(self.failed)

    @property
    def block_ms(self) -> float:
        """Mean time of a block."""
        return statistics.fmean(self.times_ms)


def simulate(
    n: int, rule: Rule, faulty: Faulty, blocks: int, note: Callable[[Block], None] = lambda block: None
) -> Iterator[tuple[int, int]]:
    """Decide so many blocks; yields the failed rounds and the time (ms) of each."""
    timing = Timing()
    now_ms, away, turns = 0, frozenset[int](), ()
    for height in range(1, blocks + 1):
        before, away = away, faulty(height)
        missing, last_turns = before if height > 1 else frozenset[int](), turns
        tried = []
        for candidate in rule.turns(height):
            tried.append(candidate)
            if candidate not in away:
                break
        turns = tuple(tried)
        failed = len(turns) - 1
        taken_ms = sum(failed_round_ms(timing, number) for number in range(failed)) + decided_round_ms(timing)
        now_ms += taken_ms
        block = Block(height, now_ms, turns[-1], missing, last_turns, before - away)
        note(block)
        rule.decided(block)
        yield failed, taken_ms


def draws(n: int) -> int:
    """How often the faulty are drawn anew: in a small network it matters beside whom they sit."""
    return max(1, min(5, 150 // n))


def outcome(n: int, faults: str, rule: str) -> Outcome:
    """One kind of run, always the same."""
    found = Outcome(n, faults, rule)
    blocks = max(BLOCKS_MIN, BLOCKS_PER_VALIDATOR * n)
    for draw in range(draws(n)):
        chance = random.Random(f"{SEED} {n} {faults} {draw}")
        faulty = FAULTS[faults](n, chance)
        chosen = RULES[rule](n, chance)
        for failed, taken_ms in islice(simulate(n, chosen, faulty, blocks), blocks // 2, None):
            found.failed.append(failed)
            found.times_ms.append(taken_ms)
        found.jailed_first = found.jailed_first or getattr(chosen, "jailed_first", None)
    return found
