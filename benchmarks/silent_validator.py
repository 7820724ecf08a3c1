"""What does one silent validator of four cost, with the reputation rules and without them?

Three real networks run on this machine: all honest; one validator silent, with the rules; one silent, without them. The
rules are switched off by the network's parameters alone: no jail and no epoch ends within the run, so all powers stay
equal. With them the silent validator is jailed in a warm-up, which is reported apart: until then nothing differs.

The load is what hospitals make: a few transactions at once, the next ones when these are in a block. Its rate follows
from the time between blocks, which is what a silent proposer costs. The networks take turns, since a shared machine
drifts. Targets: with the rules over without them at least 1.4, and over all honest at least 0.85.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cometbft_throughput import NAMES, PATIENCE_SECONDS, Load, Watch, network, registrations, run, running
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.state import State

TARGET, TARGET_HONEST = 1.4, 0.85
SILENT = NAMES[-1]
AT_ONCE = 12
"""Transactions that are sent together."""

RULES = Parameters(jail_blocks_per_member=2, jail_ms=1_000)
"""The jail acts after 8 blocks and a second, by default after 40 and ten minutes; the rest is as by default."""
NO_RULES = Parameters(
    epoch_blocks_min=100_000, epoch_ms=30 * 86_400_000, jail_blocks_per_member=1_000, jail_ms=30 * 86_400_000
)
HONEST, WITH_RULES, WITHOUT_RULES = "all honest", "silent, with reputation", "silent, without"
NETWORKS = {HONEST: ("", RULES), WITH_RULES: (SILENT, RULES), WITHOUT_RULES: (SILENT, NO_RULES)}


@dataclass
class Paces:
    """What was seen of one network."""

    rates_per_s: list[float] = field(default_factory=list)
    """Transactions a second, one figure a turn."""
    waits_ms: list[float] = field(default_factory=list)
    """From broadcast until all that were sent together are in blocks."""


def step_ms(watch: Watch) -> float:
    """Send a few transactions and wait for them."""
    began = time.perf_counter()
    run(watch, Load.of(registrations(watch.chain, AT_ONCE), len(watch.nodes)))
    return 1000 * (time.perf_counter() - began)


def powers(watch: Watch) -> tuple[int, dict[str, int]]:
    """Height, and the voting powers that decide the next block."""
    state = State.open_read_only(watch.first.state)
    try:
        return state.height, {entry.id: entry.power for entry in standings.validators_at(state, state.height + 1)}
    finally:
        state.close()


def until_jailed(watch: Watch) -> dict[str, float]:
    """Send transactions until the silent validator's power is 1; how many blocks and seconds that took."""
    first, _ = powers(watch)
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE_SECONDS:
        step_ms(watch)
        height, current = powers(watch)
        if current[SILENT] == 1:
            return {"blocks": height - first, "seconds": time.perf_counter() - began}
    raise SystemExit(f"{SILENT} was not jailed within {PATIENCE_SECONDS:g} s")


def measure(directory: Path, turns: int, turn_seconds: float) -> dict[str, Any]:
    """All figures."""
    paces = {kind: Paces() for kind in NETWORKS}
    with ExitStack() as stack:
        watches = {
            kind: stack.enter_context(running(network(directory / str(number), rules), silent))
            for number, (kind, (silent, rules)) in enumerate(NETWORKS.items())
        }
        warm_up = until_jailed(watches[WITH_RULES])
        for kind, watch in watches.items():
            for _ in range(4):
                step_ms(watch)
            assert (powers(watch)[1][SILENT] == 1) == (kind == WITH_RULES)
        for _ in range(turns):
            for kind, watch in watches.items():
                waits: list[float] = []
                while sum(waits) < 1000 * turn_seconds:
                    waits.append(step_ms(watch))
                paces[kind].waits_ms += waits
                paces[kind].rates_per_s.append(1000 * AT_ONCE * len(waits) / sum(waits))
    return {"warm_up": warm_up, "paces": paces}


def ratios(paces: Mapping[str, Paces], over: str) -> list[float]:
    """The rate with one silent and the rules over another network's, turn by turn."""
    pairs = zip(paces[WITH_RULES].rates_per_s, paces[over].rates_per_s, strict=True)
    return [mine / theirs for mine, theirs in pairs]


def quantile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def report(found: Mapping[str, Any]) -> dict[str, Any]:
    """One object with all figures."""
    paces: Mapping[str, Paces] = found["paces"]
    over_none, over_honest = ratios(paces, WITHOUT_RULES), ratios(paces, HONEST)
    return {
        "name": "silent_validator",
        "ratio": statistics.median(over_none),
        "unit": "transactions/s with one of four silent, with reputation over without",
        "target": TARGET,
        "ratios": over_none,
        "ratio_over_all_honest": statistics.median(over_honest),
        "ratio_over_all_honest_target": TARGET_HONEST,
        "ratios_over_all_honest": over_honest,
        "warm_up_blocks": found["warm_up"]["blocks"],
        "warm_up_seconds": found["warm_up"]["seconds"],
        "jail_blocks": RULES.jail_blocks_per_member * len(NAMES),
        "timeout_propose_ms": Timing().propose,
        "networks": {
            kind: {
                "transactions_per_s": statistics.median(pace.rates_per_s),
                "latency_ms_p50": quantile(pace.waits_ms, 50),
                "latency_ms_p95": quantile(pace.waits_ms, 95),
            }
            for kind, pace in paces.items()
        },
    }


def show(result: Mapping[str, Any]) -> None:
    """The figures as a table."""
    table = Table("network", "transactions/s", "latency p50", "p95", title="Four validators, one of them silent")
    for kind, pace in result["networks"].items():
        waits = [f"{pace[f'latency_ms_{part}']:.0f} ms" for part in ("p50", "p95")]
        table.add_row(kind, f"{pace['transactions_per_s']:.0f}", *waits)
    table.add_section()
    table.add_row(f"with reputation over without (at least {TARGET})", f"{result['ratio']:.2f}")
    table.add_row(f"over all honest (at least {TARGET_HONEST})", f"{result['ratio_over_all_honest']:.2f}")
    table.caption = (
        f"The jail acted after {result['warm_up_blocks']} blocks and {result['warm_up_seconds']:.1f} s, "
        "before the clock ran."
    )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    turns, turn_seconds = (3, 2.0) if options.quick else (7, 5.0)
    directory = Path(tempfile.mkdtemp(dir=Path.cwd()))  # /tmp may be memory: durable means this disk
    try:
        result = report(measure(directory, turns, turn_seconds))
    finally:
        shutil.rmtree(directory)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
