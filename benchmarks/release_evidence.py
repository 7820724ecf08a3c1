"""How long does a hospital's evidence on the demo's model take, over a minute; and what does it find?

The demo's images and split, and its network. Evidence is what `hmchain release evidence` computes: sixteen reference
models on halves of a hospital's own images, the attacks, memorisation; then the same beside the test set and the other
hospitals' own CNNs, as the demo has them. With --quick a model that is hardly trained, and the largest hospital alone:
that takes as long, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hmchain.application.disclosure import model_parts
from hmchain.application.disclosure.evidence import References
from hmchain.application.disclosure.gathering import REFERENCES
from hmchain.application.disclosure.model_parts import ModelParts, Others
from hmchain.application.disclosure.own_images import OwnImages, arranged
from hmchain.application.learning.memory import tune_allocator
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.records.pictures.imageset import ImageSet
from hmchain.records.pictures.named_sets import load_images
from hmchain.records.pictures.partition import HospitalShare, Partition, partition
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, ImageRecord

MINUTE = 60.0
SEED = bytes(range(32))
QUICK_ROUNDS = 10


def main() -> None:
    options = _options()
    tune_allocator()
    from hmchain.application.learning.schedule import default_plan
    from hmchain.application.learning.study import study_spec
    from hmchain.application.learning.trainers import baselines
    from hmchain.application.learning.trainers.architecture import Architecture, Preprocessing

    started, asked = time.perf_counter(), DemoSettings()
    images = load_images(asked.dataset, data_dir=options.data_dir, size=None, progress=None)
    split = partition(images, asked.hospitals, asked.alpha, asked.seed)
    height, width, channels = images.shape
    arch = Architecture.for_images(height, width, channels, len(images.classes))
    plan = default_plan(asked.rounds, asked.steps)
    trained_by = default_plan(QUICK_ROUNDS, asked.steps) if options.quick else plan
    cohorts = baselines.cohorts_of(images, split)
    joint = baselines.federated_reference(cohorts, trained_by, arch, SEED, [1] * asked.hospitals)
    own = baselines.local(cohorts, trained_by, arch, SEED)
    target = _model(arch, joint.weights, Preprocessing.for_model(arch, images.classes, (1,) * len(images.classes)))
    names = ("chosen", *(f"h{number}" for number in range(1, asked.hospitals)))
    uses = tuple(DatasetUse(name, "images", 1) for name in names)
    spec = study_spec("demo", Schema("mri", channels, height, width, images.classes), uses, arch, plan, SEED)

    sizes = [len(share) for share in split.hospitals]
    places = [int(np.argmax(sizes))] if options.quick else list(range(asked.hospitals))
    found = []
    for place in places:
        held = _held(images, split.hospitals[place])
        begun, cpu = time.perf_counter(), time.process_time()
        parts = model_parts.beside_own(held, target, spec, options.models, SEED)
        took, worked = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        beside = model_parts.beside_others(held, target, _others(images, split, own, place), SEED)
        found.append((place, held, took, worked, parts, beside, time.perf_counter() - begun))
    _report(options, found, time.perf_counter() - started)


def _model(arch: object, weights: object, preprocessing: object) -> object:
    from hmchain.application.learning.model_file import Model

    return Model(arch, weights, preprocessing, None)


def _held(images: ImageSet, share: HospitalShare) -> OwnImages:
    """A hospital's images as its vault has them."""

    def records(split: str, places: Sequence[int]) -> list[ImageRecord]:
        return [
            ImageRecord(split, int(images.labels[at]), images.images[at].shape, images.images[at].tobytes())
            for at in places
        ]

    return arranged(records(TRAIN, share.train), records(VALIDATION, share.validation), SEED)


def _others(images: ImageSet, split: Partition, own: Sequence[object], place: int) -> Others:
    test = split.test
    models = [model for at, model in enumerate(own) if at != place]
    known_as = References(models=len(models), by="the other hospitals", on="their own images", seconds=0.0)
    return Others(images.images[test], images.labels[test], images.groups[test], models, known_as)


def _report(options: argparse.Namespace, found: list[tuple], seconds: float) -> None:
    worst = max(took for _, _, took, *_ in found)
    cores = os.cpu_count() or 1
    busy = max(worked for _, _, _, worked, *_ in found) / min(cores, options.models)
    if options.json:
        rows = [
            {
                "hospital": place + 1,
                "images": len(held.labels),
                "seconds": took,
                "cpu_seconds": worked,
                "seconds_beside_others": beside_took,
                "own": _figures(parts),
                "others": _figures(beside),
            }
            for place, held, took, worked, parts, beside, beside_took in found
        ]
        report = {
            "name": "release_evidence",
            "ratio": worst / MINUTE,
            "unit": "seconds of a hospital's evidence on the demo's model / 60",
            "ratio_of_processor_time": busy / MINUTE,
            "models": options.models,
            "found": rows,
            "targets": [{"what": "evidence within a minute", "value": worst, "target": MINUTE, "met": worst <= MINUTE}],
            "seconds": seconds,
            "quick": options.quick,
        }
        print(json.dumps(report))
        return
    console = Console()
    for place, held, took, worked, parts, beside, beside_took in found:
        title = (
            f"hospital {place + 1}: {int(held.members.sum())} training images, {took:.1f} s ({worked:.0f} of processor)"
        )
        table = Table("beside", "attack", "AUC", "at 1 %", "finding", title=title)
        for name, each in (("own images", parts), (f"others, {beside_took:.1f} s", beside)):
            for attack in each.attacks:
                table.add_row(name, attack.name, str(attack.auc or "-"), str(attack.rate or "-"), attack.found.value)
            kept = each.memorisation
            said = f"outliers {kept.outliers}, {kept.outliers_expected} by chance; certain {kept.certain}"
            table.add_row(name, "memorisation", said, f"others {kept.certain_others}", kept.found.value)
        console.print(table)
    verdict = "[green]met[/green]" if worst <= MINUTE else "[red]missed[/red]"
    console.print(f"{options.models} references: {worst:.1f} s at most, {worst / MINUTE:.2f} of a minute: {verdict}")
    console.print(f"by processor time, on {cores} idle cores: {busy:.1f} s, {busy / MINUTE:.2f} of a minute")


def _figures(parts: ModelParts) -> dict[str, object]:
    kept = parts.memorisation
    return {
        **{
            attack.name: {
                "auc": [attack.auc.value, attack.auc.low, attack.auc.high] if attack.auc else None,
                "rate": [attack.rate.value, attack.rate.low, attack.rate.high] if attack.rate else None,
                "found": attack.found.value,
            }
            for attack in parts.attacks
        },
        "memorisation": {
            "found": kept.found.value,
            "outliers": kept.outliers,
            "expected": kept.outliers_expected,
            "certain": kept.certain.value if kept.certain else None,
            "certain_others": kept.certain_others.value if kept.certain_others else None,
        },
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a model that is hardly trained, the largest hospital")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--models", type=int, default=REFERENCES, help="reference models")
    return parser.parse_args()


if __name__ == "__main__":
    main()
