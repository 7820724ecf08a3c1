"""How far do sums of consecutive rounds give a hospital away whose study trains by somebody's own trainer?

The attack of `residual_leakage.py`, on logistic regression over rows: one of four hospitals is curious, another misses
every second round, and the difference of sums is taken for what that one sent. By the share of its records that a round
draws, which is the agent's to decide, whatever the trainer does; and by how far a round moves the model, which is not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from hmchain.application.learning.defaults import CLIP_NORM
from hmchain.application.learning.trainers.own import DRAWN_SHARE

F64 = npt.NDArray[np.float64]

HOSPITALS, RECORDS, STEPS = 4, 64, 10
CURIOUS, VICTIM = 0, 3
PAIRS = 10
"""Of rounds, with the victim and without it."""
KINDS = {
    "alike": (0.0, 1.0, 0.5),
    "own mean": (1.0, 1.0, 0.3),
    "own mean, narrow": (1.0, 0.3, 0.3),
    "own mean, own class": (1.0, 1.0, 0.05),
}
"""Of a hospital's rows: how far their mean lies from the others', how far they lie from it, and the rarer class."""


def cohort(random: np.random.Generator, features: int, kind: str) -> tuple[F64, F64]:
    """Rows, and their classes as 0 and 1 in two columns; within a hospital neither says anything of the other."""
    between, within, rarer = KINDS[kind]
    rows = between * random.normal(size=features) + within * random.normal(size=(RECORDS, features))
    labels = random.random(RECORDS) < random.choice((rarer, 1 - rarer))
    return rows, np.eye(2)[labels.astype(int)]


def trained(weights: F64, rows: F64, classes: F64, rate: float) -> F64:
    """The update of the guide's logistic regression, clipped."""
    now = weights.copy()
    for _ in range(STEPS):
        scores = np.exp(rows @ now[:-1] + now[-1])
        error = (scores / scores.sum(1, keepdims=True) - classes) / len(rows)
        now -= rate * np.concatenate([rows.T @ error, error.sum(0, keepdims=True)])
    update = (now - weights).ravel()
    return update * min(1.0, CLIP_NORM / np.linalg.norm(update))


def attack(random: np.random.Generator, features: int, rate: float, kind: str, share: int) -> dict[str, float]:
    """Correlations with what the victim sent, of sums with it less sums without it, and how far the model moved."""
    cohorts = [cohort(random, features, kind) for _ in range(HOSPITALS)]
    model = 0.001 * random.normal(size=(features + 1, 2))
    sums, sent, moves = [], [], []
    for round in range(2 * PAIRS):
        present = [h for h in range(HOSPITALS) if h != VICTIM or round % 2 == 0]
        drawn = [random.permutation(RECORDS)[: RECORDS // share] for _ in cohorts]
        updates = [
            trained(model, rows[chosen], classes[chosen], rate)
            for (rows, classes), chosen in zip(cohorts, drawn, strict=True)
        ]
        sums.append(sum(updates[h] for h in present if h != CURIOUS))
        sent.append(updates[VICTIM])
        step = np.mean([updates[h] for h in present], axis=0)
        moves.append(np.linalg.norm(step) / np.linalg.norm(updates[VICTIM]))
        model += step.reshape(model.shape)
    found = {"sum alone": correlation(sums[0], sent[0])}
    for pairs in (1, 2, PAIRS):
        with_it, without = sum(sums[: 2 * pairs : 2]), sum(sums[1 : 2 * pairs : 2])
        found[f"{pairs} absent"] = correlation(with_it - without, sum(sent[: 2 * pairs : 2]))
    return found | {"moved": float(np.mean(moves))}


def correlation(one: F64, other: F64) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def measure(runs: int) -> list[dict[str, object]]:
    """The mean over runs, for every kind of rows, size of model, rate and share."""
    found: list[dict[str, object]] = []
    for kind, features, rate, share in itertools.product(KINDS, (40, 5), (0.001, 0.5), (2, DRAWN_SHARE)):
        each = [attack(np.random.default_rng(run), features, rate, kind, share) for run in range(runs)]
        means = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
        found.append({"rows": kind, "features": features, "rate": rate, "drawn": f"1/{share}"} | means)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few runs, some seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    started = time.perf_counter()
    found = measure(5 if options.quick else 50)
    if options.json:
        worst = max(float(str(each["1 absent"])) for each in found if each["drawn"] == f"1/{DRAWN_SHARE}")
        report = {
            "name": "trainer_leakage",
            "ratio": worst,
            "unit": "largest correlation of a difference of consecutive sums with what who missed one sent",
            "found": found,
            "seconds": time.perf_counter() - started,
            "quick": options.quick,
        }
        print(json.dumps(report))
        return
    table = Table(*found[0], title="correlations with what the missing hospital sent")
    for each in found:
        table.add_row(*(f"{value:.2f}" if name in NUMBERS else str(value) for name, value in each.items()))
    Console().print(table)


NUMBERS = {"sum alone", "1 absent", "2 absent", f"{PAIRS} absent", "moved"}

if __name__ == "__main__":
    main()
