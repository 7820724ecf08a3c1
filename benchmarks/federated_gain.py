"""Is a hospital better off in the federation? FL-CNN beside local, plain FedAvg and pooled training.

The split of the images is fixed (`--split-seed`, the demo's); each run has another training seed. Every method sees the
same number of images, with the same network and augmentation and the plan that is best for it. AUC and ACC are of the
last round, on the common test set.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.learning.memory import tune_allocator

tune_allocator()  # before torch is imported

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from hmchain.application.learning import metrics  # noqa: E402
from hmchain.application.learning.schedule import default_plan  # noqa: E402
from hmchain.application.learning.trainers import baselines  # noqa: E402
from hmchain.application.learning.trainers.architecture import Architecture  # noqa: E402
from hmchain.ledger.contracts.data.datasets import rounded_count  # noqa: E402
from hmchain.ledger.contracts.learning.studies import fair_weights  # noqa: E402
from hmchain.ledger.reputation import faults_tolerated  # noqa: E402
from hmchain.records.pictures.named_sets import ImageSet, load_images  # noqa: E402
from hmchain.records.pictures.partition import Partition, partition  # noqa: E402

METHODS = ("local", "fedavg", "federated", "pooled")
TITLES = {
    "local": "local (mean of hospitals)",
    "fedavg": "plain FedAvg",
    "federated": "FL-CNN-HMChain",
    "pooled": "pooled",
}
ROUNDS, STEPS = 520, 4  # the demo's
QUICK_ROUNDS = 60


@dataclass(frozen=True)
class Run:
    """One training seed: (AUC, ACC) of each method."""

    seed: int
    scores: dict[str, tuple[float, float]]
    seconds: float


def main() -> None:
    options = _options()
    console = Console(stderr=True)
    image_set = load_images(options.dataset, data_dir=options.data_dir)
    split = partition(image_set, options.hospitals, options.alpha, options.split_seed)
    runs = []
    for seed in range(options.split_seed, options.split_seed + options.seeds):
        with console.status(f"training seed {seed}: {', '.join(METHODS)}"):
            runs.append(train_and_score(image_set, split, seed, options.rounds, options.steps))
        if not options.quick:
            done = (f"{method} {auc:.3f} / {acc:.3f}" for method, (auc, acc) in runs[-1].scores.items())
            console.print(f"seed {seed}, {runs[-1].seconds:.0f} s, AUC / ACC: {', '.join(done)}", highlight=False)
    report = summary(runs) | {
        "dataset": image_set.name,
        "hospitals": options.hospitals,
        "alpha": options.alpha,
        "split_seed": options.split_seed,
        "rounds": options.rounds,
        "steps": options.steps,
        "quick": options.quick,
    }
    if options.json:
        print(json.dumps(report))
    else:
        _show(report, len(image_set), len(split.test))


def train_and_score(image_set: ImageSet, split: Partition, seed: int, rounds: int, steps: int) -> Run:
    """Train all methods from one seed and score them on the test set."""
    started = time.perf_counter()
    images, labels = image_set.images, image_set.labels
    cohorts = baselines.cohorts_of(image_set, split)
    height, width, channels = image_set.shape
    arch = Architecture.for_images(height, width, channels, len(image_set.classes))
    plan, first = default_plan(rounds, steps), seed.to_bytes(32, "big")
    counts = tuple(rounded_count(len(share)) for share in split.hospitals)
    shares = fair_weights(counts, faults_tolerated(len(counts)))
    with ThreadPoolExecutor() as together:  # pooled training alone would leave cores idle
        training = {
            "local": together.submit(baselines.local, cohorts, plan, arch, first),
            "fedavg": together.submit(baselines.fedavg, cohorts, plan, arch, first),
            "federated": together.submit(baselines.federated_reference, cohorts, plan, arch, first, shares),
            "pooled": together.submit(baselines.pooled, cohorts, plan, arch, first),
        }
    scores = {}
    for method, future in training.items():
        trained = future.result()
        models = trained if isinstance(trained, list) else [trained]
        outputs = [model.predict(images[split.test]) for model in models]
        aucs = [metrics.auc(output, labels[split.test]) for output in outputs]
        accuracies = [metrics.accuracy(output, labels[split.test]) for output in outputs]
        scores[method] = float(np.mean(aucs)), float(np.mean(accuracies))
    return Run(seed, scores, time.perf_counter() - started)


def summary(runs: list[Run]) -> dict[str, object]:
    """Means and spreads of the runs, the gains, and what was hoped for."""
    mean = {m: tuple(statistics.fmean(run.scores[m][k] for run in runs) for k in (0, 1)) for m in METHODS}
    spread = {
        m: tuple(statistics.stdev(run.scores[m][k] for run in runs) if len(runs) > 1 else 0.0 for k in (0, 1))
        for m in METHODS
    }
    auc_ratio = mean["federated"][0] / mean["local"][0]
    acc_ratio = mean["federated"][1] / mean["local"][1]
    pooled_ratio = mean["federated"][0] / mean["pooled"][0]
    return {
        "name": "federated_gain",
        "ratio": auc_ratio,
        "unit": "AUC of FL-CNN-HMChain / mean AUC of the hospitals' own CNNs",
        "auc": {m: {"mean": mean[m][0], "sd": spread[m][0]} for m in METHODS},
        "acc": {m: {"mean": mean[m][1], "sd": spread[m][1]} for m in METHODS},
        "targets": [
            {"what": "AUC over local", "value": auc_ratio, "target": 1.047, "met": auc_ratio >= 1.047},
            {"what": "ACC over local", "value": acc_ratio, "target": 1.07, "met": acc_ratio >= 1.07},
            {"what": "AUC over pooled", "value": pooled_ratio, "target": 0.98, "met": pooled_ratio >= 0.98},
        ],
        "runs": [{"seed": run.seed, "seconds": run.seconds, "auc_acc": run.scores} for run in runs],
    }


def _show(report: dict[str, object], images: int, tested: int) -> None:
    console = Console()
    runs = len(report["runs"])
    title = f"{report['dataset']}: {images} images, {tested} in the test set, {report['hospitals']} hospitals"
    caption = f"mean ± standard deviation of {runs} training seeds" if runs > 1 else "one training seed"
    table = Table("method", "AUC", "ACC", title=title, caption=caption)
    for method in METHODS:
        cells = (report[figure][method] for figure in ("auc", "acc"))
        table.add_row(TITLES[method], *(_cell(cell, runs) for cell in cells))
    console.print(table)
    for target in report["targets"]:
        verdict = "[green]met[/green]" if target["met"] else "[red]missed[/red]"
        console.print(f"{target['what']}: {target['value']:.3f} (target at least {target['target']:.3f}): {verdict}")
    if report["quick"]:
        console.print(f"--quick trains {report['rounds']} rounds, too few for the targets to mean much.")


def _cell(figure: dict[str, float], runs: int) -> str:
    return f"{figure['mean']:.3f} ± {figure['sd']:.3f}" if runs > 1 else f"{figure['mean']:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, few rounds, less than 45 s on 2 cores")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--dataset", default="br35h")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--hospitals", type=int, default=4)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--split-seed", type=int, default=7)
    parser.add_argument("--seeds", type=int, help="training seeds (3; with --quick 1)")
    parser.add_argument("--rounds", type=int, help=f"({ROUNDS}; with --quick {QUICK_ROUNDS})")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps a round")
    options = parser.parse_args()
    options.seeds = options.seeds or (1 if options.quick else 3)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


if __name__ == "__main__":
    main()
