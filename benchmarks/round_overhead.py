"""What does a round cost beside training and evaluation?

Four hospitals run rounds of the demo's CNN (144 050 parameters; 11.6 million with --large) through the embedded ledger,
everything on disk, with a trainer that returns a random update at once: what is left is quantising, masking, sealing,
the object store, roots, aggregation by master and verifiers, and the blocks. The yardstick is a bare FedAvg loop with
the same trainer: add the updates, divide, add to the model. Target: at most 50 ms a round on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

from hmchain import files
from hmchain.application.agent import contents, desk, exchange, updates
from hmchain.application.agent.cache import ObjectCache
from hmchain.application.agent.protocols import Learner, ReadyLearner
from hmchain.application.agent.store import AgentStore
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.memory import tune_allocator
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture, first_model_seed, initial_vector
from hmchain.ledger import vectors
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.records.objects import ObjectStore

HOSPITALS = ("east", "north", "south", "west")
STUDY, DATASET, SALT = "overhead", "images", bytes(32)
TARGET_MS = 50.0
WARM_UP = 3
FILTERS, LARGE_FILTERS = 16, 144
SYNC_BYTES, SYNCS = 4096, 50

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "quantise and mask": ((updates, "quantise_and_mask"),),
    "seal and open": (
        (contents, "seal_update"), (contents, "seal_model"), (contents, "seal_evidence"), (exchange, "open_envelope"),
    ),
    "object store": tuple((ObjectStore, name) for name in ("put", "get", "holds", "size", "exists", "delete", "list")),
    "agents' own files": tuple((AgentStore, name) for name in ("note", "settle", "get", "erase", "scrub")),
    "agents' caches": tuple((ObjectCache, name) for name in ("put", "get", "keep_only")),
    "roots": (*((vectors, f"{name}_root") for name in ("update", "weights", "model")), (desk.Aggregate, "root")),
    "aggregate": ((desk, "aggregate"),),
    "ledger": ((EmbeddedLedger, "submit_many"), (EmbeddedLedger, "produce_block")),
}  # fmt: skip
"""The functions whose time is counted to each part; they do not call each other."""


class InstantTrainer:
    """Returns one of a few random updates, and always the same score."""

    def __init__(self, order: int, size: int) -> None:
        random = np.random.default_rng(order)
        self.deltas = [random.standard_normal(size, dtype=np.float32) / np.float32(size**0.5) for _ in range(4)]

    def fit(self, weights: np.ndarray, round: int) -> SimpleNamespace:
        """The update of a round."""
        return SimpleNamespace(weights=weights + self.deltas[round % len(self.deltas)])

    def evaluate(self, weights: np.ndarray, split: str) -> SimpleNamespace:
        """The same score for every model."""
        return SimpleNamespace(examples=1, accuracy=0.9, auc=0.9)


class Stopwatch:
    """Seconds spent in each part, over all threads; and of the processor's, which a busy machine hardly changes."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.busy_seconds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted to a part."""

        def timed(*arguments: Any, **named: Any) -> Any:
            start, busy = time.perf_counter(), time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                with self._lock:
                    self.seconds[part] += time.perf_counter() - start
                    self.busy_seconds[part] += time.thread_time() - busy

        return timed

    def attach(self, stack: ExitStack) -> None:
        """Count the time of all parts until the stack is left."""
        for part, functions in PARTS.items():
            for owner, name in functions:
                stack.enter_context(mock.patch.object(owner, name, self.timed(part, owner.__dict__[name])))


def open_study(directory: Path, arch: Architecture, rounds: int) -> tuple[Consortium, StudySpec]:
    """A consortium whose study is proposed and approved by all."""
    first = initial_vector(arch, first_model_seed(SALT, STUDY))

    def learn(hospital: Hospital, spec: StudySpec) -> Learner:
        trainer = InstantTrainer(spec.participants.index(hospital.organisation), len(first))
        return ReadyLearner(trainer, np.array([600, 400]), lambda counts: None, first)

    titles = {name: name.title() for name in HOSPITALS}
    consortium = Consortium.create(directory, "bench", titles, learn=learn, salt=SALT)
    schema = Schema("mri", 1, 64, 64, ("no", "yes"))
    uses = tuple(DatasetUse(name, DATASET, 1) for name in HOSPITALS)
    spec = study_spec(STUDY, schema, uses, arch, default_plan(rounds), SALT)
    for hospital in consortium.hospitals.values():
        consortium.require(hospital.as_steward(RegisterDataset(DATASET, schema)))
        consortium.require(hospital.as_steward(PublishVersion(DATASET, 1, bytes(32), 512)))
    asker, until_ms = consortium.hospitals[HOSPITALS[0]], consortium.ledger.now_ms() + 86_400_000
    consortium.require(*asker.ask(spec, until_ms))
    for hospital in consortium.hospitals.values():
        consortium.require(*hospital.allow(STUDY, until_ms))
    consortium.require(asker.propose(spec))
    return consortium, spec


def run_rounds(directory: Path, arch: Architecture, rounds: int, watch: Stopwatch | None) -> dict[str, Any]:
    """Median wall and mean CPU milliseconds a round, blocks a round, and the parts if there is a stopwatch."""
    consortium, _ = open_study(directory, arch, rounds + WARM_UP)
    marks: list[tuple[float, float, int]] = []

    def note(block: Block, result: BlockResult) -> None:
        kinds = {event.kind for receipt in result.receipts for event in receipt.events}
        if kinds & {"round.accepted", "round.rejected"}:
            marks.append((time.perf_counter(), time.process_time(), block.header.height))
            if watch is not None and len(marks) == WARM_UP + 1:  # round 0 is not counted either
                watch.seconds.clear()
                watch.busy_seconds.clear()

    consortium.on_block = note
    with ExitStack() as stack:
        if watch is not None:
            watch.attach(stack)
        consortium.run(STUDY)
    consortium.close()
    marks = marks[WARM_UP:]
    wall = [after[0] - before[0] for before, after in pairwise(marks)]
    count = len(wall)
    found: dict[str, Any] = {
        "rounds": count,
        "wall_ms": 1000 * statistics.median(wall),
        "cpu_ms": 1000 * (marks[-1][1] - marks[0][1]) / count,
        "blocks": (marks[-1][2] - marks[0][2]) / count,
    }
    if watch is not None:
        found["parts_ms"] = {part: 1000 * watch.seconds[part] / count for part in PARTS}
        found["busy_parts_ms"] = {part: 1000 * watch.busy_seconds[part] / count for part in PARTS}
    return found


def sync_ms(directory: Path) -> float:
    """Median milliseconds to bring one page of a file to the disk."""
    times = []
    with (directory / "page").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(SYNC_BYTES))
            start = time.perf_counter()
            files.sync_open(file.fileno())
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def bare_fedavg(arch: Architecture, rounds: int) -> float:
    """Median milliseconds of a FedAvg round outside the trainer: add the updates, divide, step."""
    weights = initial_vector(arch, SALT)
    trainers = [InstantTrainer(order, len(weights)) for order in range(len(HOSPITALS))]
    times = []
    for number in range(rounds):
        fitted = [trainer.fit(weights, number).weights for trainer in trainers]
        start = time.perf_counter()
        total = np.zeros_like(weights)
        for result in fitted:
            total += result - weights
        weights = weights + total / len(fitted)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 rounds instead of 100")
    parser.add_argument("--large", action="store_true", help="11.6 M parameters, and a fifth of the rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--directory", type=Path, help="where to put the consortium (default: a temporary folder)")
    options = parser.parse_args()
    tune_allocator()  # as the command line does
    rounds = (20 if options.quick else 100) // (5 if options.large else 1)
    arch = Architecture.for_images(64, 64, 1, 2, LARGE_FILTERS if options.large else FILTERS)
    folder = Path(tempfile.mkdtemp(prefix="hmchain-", dir=options.directory))
    try:
        page_ms = sync_ms(folder)
        plain = run_rounds(folder / "plain", arch, rounds, None)
        parts = run_rounds(folder / "parts", arch, rounds, Stopwatch())
    finally:
        shutil.rmtree(folder)
    bare_ms = bare_fedavg(arch, rounds)
    ratio = plain["wall_ms"] / bare_ms
    if options.json:
        report = {"name": "round_overhead", "ratio": ratio, "unit": "times a bare FedAvg round without its training"}
        raw = {"target_ms": TARGET_MS, **plain, "bare_fedavg_ms": bare_ms, "sync_ms": page_ms}
        raw |= {name: parts[name] for name in ("parts_ms", "busy_parts_ms")}
        print(json.dumps(report | raw))
        return
    title = f"One round of {len(HOSPITALS)} hospitals without training (target: at most {TARGET_MS:.0f} ms)"
    table = Table(title=title)
    table.add_column("")
    table.add_column("ms a round", justify="right")
    table.add_column("processor's", justify="right")
    table.add_row("wall clock, median", f"{plain['wall_ms']:.1f}")
    table.add_row("processor time, all threads", f"{plain['cpu_ms']:.1f}")
    table.add_row("bare FedAvg", f"{bare_ms:.2f}")
    table.add_row("ratio", f"{ratio:.0f}")
    table.add_section()
    for part, spent_ms in parts["parts_ms"].items():
        busy_ms = parts["busy_parts_ms"][part]
        table.add_row(f"{part} (sum over threads)", f"{spent_ms:.1f}", f"{busy_ms:.1f}")
    table.caption = f"{plain['blocks']:.1f} blocks a round; one sync of a page takes {page_ms:.2f} ms here"
    Console().print(table)


if __name__ == "__main__":
    main()
