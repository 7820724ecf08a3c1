"""How many rounds fail, and how long does a block take, under three ways to choose who proposes? A simulation.

4 to 1000 validators, of which one is silent, or as many are faulty as may be (a third): silent from the start;
intermittent, up and down so often that no jail acts; churn, away for long and back again. Proposers follow a round
robin of equal powers, chance, or this package's rules: its own code of scores, jail, powers and proposer priorities,
fed block by block as the ledger does. There is no network: a round takes CometBFT's timeouts as a node sets them, and a
fixed delay for each step of votes. Figures are of the second half of a run, when a jail that comes has come.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from hmchain.application.report.markup import Markup, element
from hmchain.application.report.plot import Frame, at, axes, text, ticks
from hmchain.ledger import proposer, reputation
from hmchain.ledger.contracts.attendance import SPAN_MS_MAX
from hmchain.ledger.contracts.parameters import Parameters
from hmchain.ledger.contracts.standings import EFFECT_DELAY_BLOCKS
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.reputation import Standing

SEED = 20_241_124
SIZES, SIZES_QUICK = (4, 7, 13, 31, 100, 301, 1000), (4, 10, 31, 100)
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
                self._turns[v] += span_ms
                self._failed[v] += span_ms if number < len(block.last_turns) - 1 else 0
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
            turns = self._failed[v], max(share_ms, self._turns[v])
            self.standings[v] = reputation.close_epoch(known, rate, *turns, time_ms)
        self._started, self._started_ms, self._tallies = self._blocks, time_ms, {}
        self._turns, self._failed = Counter(), Counter()

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


# -- showing -----------------------------------------------------------------------------------------------------------

STYLE = """
.page { fill: #ffffff; stroke: #d6dce4; } text { fill: #1d2733; } .axis-name, .axes text { fill: #55636f; }
.axes line { stroke: #d6dce4; } .axes .base { stroke: #9aa8b8; } .name { font-weight: 600; }
.line { fill: none; stroke-width: 2; } .k0 { stroke: #8a6d00; } .k1 { stroke: #0072b2; } .k2 { stroke: #2c8066; }
@media (prefers-color-scheme: dark) {
  .page { fill: #12181f; stroke: #2d3844; } text { fill: #e5ebf1; } .axis-name, .axes text { fill: #a5b2bf; }
  .axes line { stroke: #2d3844; } .k0 { stroke: #e0b94a; } .k1 { stroke: #56b4e9; } .k2 { stroke: #57b698; }
}
"""
PANEL_WIDTH, PANEL_HEIGHT, HEAD = 240.0, 200.0, 56.0
MEASURES: tuple[tuple[str, Callable[[Outcome], float]], ...] = (
    ("failed rounds in 100 blocks", lambda found: found.failed_per_100),
    ("mean block time, ms", lambda found: found.block_ms),
)


def drawing(found: Sequence[Outcome]) -> str:
    """A picture of all outcomes: a column for each kind of fault, a row for each measure."""
    width, height = PANEL_WIDTH * len(FAULTS), PANEL_HEIGHT * len(MEASURES) + HEAD
    panels = [
        element(
            "g",
            _panel(name, [o for o in found if o.faults == faults], measure, _top(found, measure)),
            transform=f"translate({at(column * PANEL_WIDTH)} {at(HEAD + row * PANEL_HEIGHT)})",
        )
        for row, (name, measure) in enumerate(MEASURES)
        for column, faults in enumerate(FAULTS)
    ]
    keys = [
        (
            element("line", class_=f"line k{k}", x1=at(20 + 150 * k), x2=at(44 + 150 * k), y1="24", y2="24"),
            text(50 + 150 * k, 28, rule),
        )
        for k, rule in enumerate(RULES)
    ]
    heads = [text(48 + column * PANEL_WIDTH, HEAD + 6, faults, class_="name") for column, faults in enumerate(FAULTS)]
    page = element("rect", class_="page", x="0.5", y="0.5", width=at(width - 1), height=at(height - 1), rx="8")
    title = "Failed rounds and mean block time under three ways to choose proposers, with one or a third faulty"
    return element(
        "svg", element("title", title), element("style", Markup(STYLE)), page, keys, heads, panels,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {at(width)} {at(height)}", role="img", font_size="11",
        font_family="system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif",
    )  # fmt: skip


def _top(found: Sequence[Outcome], measure: Callable[[Outcome], float]) -> float:
    return 1.08 * max(map(measure, found))


def _panel(name: str, found: Sequence[Outcome], measure: Callable[[Outcome], float], top: float) -> Markup:
    sizes = sorted({outcome.n for outcome in found})
    span = math.log10(sizes[0]), math.log10(sizes[-1])
    frame = Frame(PANEL_WIDTH, PANEL_HEIGHT, 48, 20, 40, 40, span, (0, top))
    marks = [(math.log10(n), str(n)) for n in sizes if n not in (7, 13, 301)]
    lines = []
    for k, rule in enumerate(RULES):
        points = [(math.log10(o.n), measure(o)) for o in found if o.rule == rule]
        path = " ".join(f"{at(frame.x(x))},{at(frame.y(y))}" for x, y in points)
        lines.append(element("polyline", class_=f"line k{k}", points=path))
    grid = axes(frame, marks, [(value, f"{value:,.0f}") for value in ticks(0, top, 4)], "validators")
    return element("g", text(frame.left, 26, name), grid, lines)


def report(found: Sequence[Outcome]) -> dict[str, object]:
    """One object with all figures; the ratio is that of the smallest network."""
    by_place = {(o.n, o.faults, o.rule): o for o in found}
    sizes = sorted({o.n for o in found})
    gains = {
        faults: {
            n: by_place[n, faults, "round robin"].block_ms / by_place[n, faults, "reputation"].block_ms for n in sizes
        }
        for faults in FAULTS
    }
    return {
        "name": "election_study",
        "ratio": gains["one silent"][sizes[0]],
        "unit": f"mean block time under round robin over that under reputation, one of {sizes[0]} silent",
        "worst_ratio": min(gain for row in gains.values() for gain in row.values()),
        "seed": SEED,
        "ratios": gains,
        "runs": [
            {
                "validators": o.n,
                "faults": o.faults,
                "rule": o.rule,
                "failed_rounds_per_100_blocks": o.failed_per_100,
                "block_ms": o.block_ms,
                "blocks": len(o.failed),
                "first_jail_at_height": o.jailed_first,
            }
            for o in found
        ],
    }


def show(found: Sequence[Outcome]) -> None:
    """The figures as a table."""
    table = Table(title=f"Failed rounds in 100 blocks / mean block time in ms (seed {SEED})")
    for name in ("faults", "validators", *RULES, "first jail"):
        table.add_column(name, justify="left" if name == "faults" else "right")
    for faults in FAULTS:
        for n in sorted({o.n for o in found}):
            row = [o for o in found if (o.n, o.faults) == (n, faults)]
            jail = row[-1].jailed_first
            cells = [f"{o.failed_per_100:.1f} / {o.block_ms:.0f}" for o in row]
            table.add_row(faults, str(n), *cells, f"block {jail}" if jail else "none")
        table.add_section()
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 100 validators instead of 1000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also write a picture (SVG)")
    options = parser.parse_args()
    sizes = SIZES_QUICK if options.quick else SIZES
    found = [outcome(n, faults, rule) for n in sizes for faults in FAULTS for rule in RULES]
    if options.plot:
        options.plot.write_text(drawing(found) + "\n", "utf-8")
    if options.json:
        print(json.dumps(report(found)))
    else:
        show(found)


if __name__ == "__main__":
    main()
