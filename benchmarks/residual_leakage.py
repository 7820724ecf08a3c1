"""How far do sums give a hospital away that the rule for sums lets pass? Correlations with its true update.

The rule (docs/sums.md) covers sums over the same weights. Nearly the same vectors stand behind sums over *other*
weights: in consecutive rounds of which a hospital misses one, and in another study of the same cohort less one. A
participant that is curious takes its own update out of two such sums, and their difference for the update of the
hospital that is missing. Trained by the real trainer under the demo's plan; each figure is the mean over victims. The
control is the attack that the rule refuses: the same weights, one hospital less.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.learning.memory import tune_allocator

tune_allocator()  # before torch is imported

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from hmchain.application.learning.schedule import Q16, TrainingPlan, default_plan  # noqa: E402
from hmchain.application.learning.trainers.architecture import Architecture, initial_vector  # noqa: E402
from hmchain.application.learning.trainers.baselines import cohorts_of, hospital_seed  # noqa: E402
from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer  # noqa: E402
from hmchain.application.learning.trainers.local import Cohort  # noqa: E402
from hmchain.ledger.contracts.data.datasets import rounded_count  # noqa: E402
from hmchain.ledger.contracts.learning.studies import fair_weights  # noqa: E402
from hmchain.ledger.reputation import faults_tolerated  # noqa: E402
from hmchain.records.pictures.named_sets import load_images  # noqa: E402
from hmchain.records.pictures.partition import partition  # noqa: E402

F64 = npt.NDArray[np.float64]

CURIOUS = 0
"""The first hospital subtracts; every other one is the victim in turn."""
GATE_TOLERANCE = 0.15
SEED = 7


@dataclass
class Federation:
    """Hospitals that train one model, and their weighted updates of every round."""

    trainers: list[CNNTrainer]
    plan: TrainingPlan
    weights: F64
    model: F64
    momentum: F64
    updates: list[F64]
    """One a round, (hospitals, d) each: what each one's masked vector holds."""

    def advance(self, rounds: int) -> None:
        """Train so many rounds more, everybody taking part."""
        for _ in range(rounds):
            average = self.round().sum(axis=0) / self.weights.sum()
            self.momentum = self.plan.server_momentum_q16 / Q16 * self.momentum + average
            self.model = self.model + self.plan.server_learning_rate_q16 / Q16 * self.momentum

    def round(self) -> F64:
        """The weighted updates of the next round."""
        sent, number = self.model.astype(np.float32), len(self.updates)
        found = np.stack([trainer.fit(sent, number).weights - sent for trainer in self.trainers])
        self.updates.append(found.astype(np.float64) * self.weights[:, None])
        return self.updates[-1]


def federation(cohorts: list[Cohort], plan: TrainingPlan, arch: Architecture, weights: F64, study: int) -> Federation:
    """A study with a first model of its own; hospitals draw from secrets of their own."""
    first = study.to_bytes(32, "big")
    trainers = [CNNTrainer(cohort, plan, arch, hospital_seed(first, place)) for place, cohort in enumerate(cohorts)]
    model = initial_vector(arch, first).astype(np.float64)
    return Federation(trainers, plan, weights, model, np.zeros_like(model), [])


def consecutive(updates: list[F64], absences: int) -> dict[str, float]:
    """The victim misses every other round, `absences` times: what the differences, added up, say of its update.

    The mean over all victims, and over all stretches of rounds that there are.
    """
    pairs = [(2 * k, 2 * k + 1) for k in range(len(updates) // 2)]
    stretches = [pairs[k : k + absences] for k in range(0, len(pairs) - absences + 1, absences)]
    found, other, known = [], [], []
    for stretch, victim in itertools.product(stretches, range(1, len(updates[0]))):
        honest = [h for h in range(1, len(updates[0])) if h != victim]
        difference = sum(updates[a][[*honest, victim]].sum(0) - updates[b][honest].sum(0) for a, b in stretch)
        truth = sum(updates[a][victim] for a, _ in stretch)
        found.append(correlation(difference, truth))
        known.append(correlation(sum(updates[a][1:].sum(0) for a, _ in stretch), truth))
        other += [correlation(difference, sum(updates[a][h] for a, _ in stretch)) for h in honest]
    return {"victim": mean(found), "another": mean(other), "sum_alone": mean(known)}


def another_study(one: Federation, less: dict[int, Federation], rounds: int) -> dict[str, float]:
    """The first rounds of two studies of the same cohort, the second without the victim."""
    others = [h for h in range(len(one.trainers)) if h != CURIOUS]
    whole = sum(updates[others].sum(0) for updates in one.updates[:rounds])
    found, other = [], []
    for victim, study in less.items():
        difference = whole - sum(updates[1:].sum(0) for updates in study.updates[:rounds])
        alike = {h: correlation(difference, sum(updates[h] for updates in one.updates[:rounds])) for h in others}
        found.append(alike.pop(victim))
        other += alike.values()
    return {"victim": mean(found), "another": mean(other)}


def control(updates: F64) -> float:
    """The same weights, one hospital less: what the rule refuses."""
    victims = [h for h in range(len(updates)) if h != CURIOUS]
    return mean([correlation(updates.sum(0) - np.delete(updates, v, 0).sum(0), updates[v]) for v in victims])


def gate_votes(trained: Federation, rounds: int) -> dict[str, float]:
    """How many of the signed votes on a model say anything: those against it, and their entropy in bits a vote."""
    best, against, votes = [0.0] * len(trained.trainers), 0, 0
    for _ in range(rounds):
        trained.advance(1)
        for place, trainer in enumerate(trained.trainers):
            auc = trainer.evaluate(trained.model.astype(np.float32), "validation").auc
            against += bool(auc + GATE_TOLERANCE < best[place])
            best[place], votes = max(best[place], auc), votes + 1
    share = against / votes
    bits = 0.0 if share in (0, 1) else -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    return {"votes": votes, "against": share, "bits_a_vote": float(bits)}


def correlation(one: F64, other: F64) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def mean(values: list[float]) -> float:
    return float(np.mean(values))


def measure(options: argparse.Namespace) -> dict[str, object]:
    """All of it, from one split of the images."""
    started = time.perf_counter()
    image_set = load_images(options.dataset, data_dir=options.data_dir)
    split = partition(image_set, options.hospitals, options.alpha, SEED)
    cohorts = cohorts_of(image_set, split)
    height, width, channels = image_set.shape
    arch = Architecture.for_images(height, width, channels, len(image_set.classes))
    plan = default_plan(max(600, options.rounds))
    counts = tuple(rounded_count(len(share)) for share in split.hospitals)
    weights = np.array(fair_weights(counts, faults_tolerated(len(counts))), np.float64)

    study = federation(cohorts, plan, arch, weights, SEED)
    study.advance(options.rounds)
    early, late = study.updates[: options.rounds // 2], study.updates[options.rounds // 2 :]
    less = {}
    for victim in range(1, options.hospitals):
        rest = [h for h in range(options.hospitals) if h != victim]
        less[victim] = federation([cohorts[h] for h in rest], plan, arch, weights[rest], SEED + victim)
        less[victim].advance(options.rounds)
    return {
        "name": "residual_leakage",
        "ratio": consecutive(early, 1)["victim"],
        "unit": "correlation of one difference of consecutive sums with the update of the hospital that missed one",
        "dataset": image_set.name,
        "hospitals": options.hospitals,
        "rounds": options.rounds,
        "weights": int(study.model.size),
        "control": control(study.updates[0]),
        "consecutive": {
            "early, 1 absence": consecutive(early, 1),
            "early, 10 absences": consecutive(early, 10),
            "late, 1 absence": consecutive(late, 1),
            "late, 10 absences": consecutive(late, 10),
        },
        "another_study": {
            "round 1": another_study(study, less, 1),
            f"rounds 1 to {options.rounds}": another_study(study, less, options.rounds),
        },
        "gate": gate_votes(study, options.rounds // 4),
        "seconds": time.perf_counter() - started,
        "quick": options.quick,
    }


def _show(report: dict[str, object]) -> None:
    console = Console()
    table = Table(
        "what is subtracted", "victim", "another", "the sum alone", title=f"{report['dataset']}: correlations"
    )
    table.add_row("the same weights (refused by the rule)", f"{report['control']:.3f}", "", "")
    for name, each in report["consecutive"].items():
        table.add_row(
            f"consecutive rounds, {name}", *(f"{each[key]:.3f}" for key in ("victim", "another", "sum_alone"))
        )
    for name, each in report["another_study"].items():
        table.add_row(f"another study less one, {name}", f"{each['victim']:.3f}", f"{each['another']:.3f}", "")
    console.print(table)
    gate = report["gate"]
    console.print(
        f"gate: {gate['against']:.1%} of {gate['votes']} votes against, {gate['bits_a_vote']:.3f} bits a vote"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, less than a minute on 2 cores")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--dataset", default="br35h")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--hospitals", type=int, default=4)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, help="(200; with --quick 40)")
    options = parser.parse_args()
    options.rounds = options.rounds or (40 if options.quick else 200)
    report = measure(options)
    print(json.dumps(report)) if options.json else _show(report)


if __name__ == "__main__":
    main()
