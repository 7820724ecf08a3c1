"""Does reputation do what it is for? Two simulations, on the package's own code of scores, jail, powers and elections.

*Proposers*: how many rounds fail, and how long does a block take, under three ways to choose who proposes, with one
validator silent or a third of them faulty? *Masterships*: does it pay a hospital to be dishonest, whatever it tries?
`election/` has both, and says what they leave out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from election import masterships
from election.drawing import drawing
from election.masterships import Row
from election.proposers import FAULTS, RULES, SEED, SIZES, SIZES_QUICK, Outcome, outcome


def report(rows: Sequence[Row], found: Sequence[Outcome]) -> dict[str, object]:
    """One object with all figures; the ratio is that of the attackers to whom dishonesty brought most."""
    worst = max(max(row.drawn[0], row.led[0]) for row in rows)
    return {
        "name": "election_study",
        "ratio": worst,
        "unit": "masterships of an attacker over those of an honest hospital, in the row with the highest mean",
        "target": masterships.MEAN_MAX,
        "holds": all(row.holds for row in rows),
        "masterships": [
            {
                "members": row.n,
                "attackers": row.attackers,
                "strategy": row.strategy,
                "drawn": row.drawn[0],
                "drawn_lower_end": row.drawn[1],
                "led": row.led[0],
                "led_lower_end": row.led[1],
                "rounds": row.rounds,
            }
            for row in rows
        ],
        "proposers": proposers(found),
    }


def proposers(found: Sequence[Outcome]) -> dict[str, object]:
    """Figures of the simulation of proposers; the ratio is that of the smallest network."""
    by_place = {(o.n, o.faults, o.rule): o for o in found}
    sizes = sorted({o.n for o in found})
    gains = {
        faults: {
            n: by_place[n, faults, "round robin"].block_ms / by_place[n, faults, "reputation"].block_ms for n in sizes
        }
        for faults in FAULTS
    }
    return {
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


def show_proposers(found: Sequence[Outcome]) -> None:
    """The figures of proposers as a table."""
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


def show_masterships(rows: Sequence[Row]) -> None:
    """The ratios as a table."""
    table = Table(title="Masterships of an attacker over those of an honest hospital (mean, lower end of 95 %)")
    for name in ("strategy", "hospitals", "attackers", "drawn", "led", "rounds"):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for row in rows:
        drawn, led = (f"{mean:.3f} ({low:.3f})" for mean, low in (row.drawn, row.led))
        style = "" if row.holds else "bold red"
        table.add_row(row.strategy, str(row.n), str(row.attackers), drawn, led, str(row.rounds), style=style)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the most attackers, fewer rounds and validators")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also write a picture of proposers (SVG)")
    options = parser.parse_args()
    sizes = SIZES_QUICK if options.quick else SIZES
    found = [outcome(n, faults, rule) for n in sizes for faults in FAULTS for rule in RULES]
    rows = list(masterships.rows(quick=options.quick))
    if options.plot:
        options.plot.write_text(drawing(found) + "\n", "utf-8")
    if options.json:
        print(json.dumps(report(rows, found)))
    else:
        show_proposers(found)
        show_masterships(rows)


if __name__ == "__main__":
    main()
