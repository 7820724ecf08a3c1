"""How long do machines take from a question to the first round that it leads to, on four real nodes?

A scientist's request goes to four hospitals over CometBFT; each steward decides as soon as it is there, the study is
proposed under the permit, the hospitals join, agree on keys, and the first round of training is accepted. People's time
is left out: nobody reads here. Target: 60 s by the clock, on one machine that runs all four hospitals and their nodes
(two processes each). The ratio is over that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hmchain.application.governance import study_requests
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.founding import founding, make_keys, validator_keys
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.clock import DAY_MS, now_ms
from hmchain.ledger.contracts.data import permits
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import OVER, DatasetUse, StudySpec
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.ledger import CometLedger, StoredStates
from hmchain.ledger.engines.cometbft.local import LocalNetwork, LocalNode
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError
from hmchain.ledger.readers.studies import proposal_to
from hmchain.ledger.state import State
from hmchain.records.pictures.prepared import Images

TARGET_SECONDS = 60.0
NAMES = ("east", "north", "south", "west")
STUDY, DATASET, SIDE = "first", "scans", 16
SCHEMA = Schema("mri", 1, SIDE, SIDE, ("no", "yes"))
PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.05


@contextmanager
def hospitals(directory: Path) -> Iterator[Consortium]:
    """Four hospitals, their nodes, and their images on the ledger."""
    titles = {name: name.title() for name in NAMES}
    keys = make_keys(directory, titles)
    genesis = founding("bench", titles, keys, now_ms(), protocol=3)
    (directory / "nodes").mkdir()
    network = LocalNetwork(directory / "nodes", genesis, validator_keys(keys), timing=Timing(commit=40))
    with network:
        for node in network.nodes.values():
            _await(node)
        client = RpcClient([node.rpc_url for node in network.nodes.values()])
        states = StoredStates({name: node.files.directory for name, node in network.nodes.items()})
        with Consortium(directory, CometLedger(client, genesis, states), keys) as consortium:
            for order, hospital in enumerate(consortium.hospitals.values()):
                hospital.store_images(DATASET, {"train": _images(order, 64), "validation": _images(order + 10, 32)})
                consortium.require(hospital.register(DATASET, SCHEMA))
                consortium.require(hospital.publish(DATASET, 1))
            yield consortium


def _await(node: LocalNode) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with RpcClient([node.rpc_url], timeout_seconds=2, shun_seconds=0) as client:
        while time.monotonic() < deadline:
            try:
                if client.status().sync_info.latest_block_height > 0:
                    return
            except (NoEndpointError, RpcError):
                pass
            time.sleep(_LOOK_SECONDS)
    raise SystemExit(f"the node of {node.organisation} does not come up; see {node.files.log}")


def _images(seed: int, count: int) -> Images:
    """Noise, brighter where the label is 1."""
    labels = np.arange(count, dtype=np.int64) % 2
    noise = np.random.default_rng(seed).integers(0, 128, (count, SIDE, SIDE, 1))
    return Images((noise + 100 * labels[:, None, None, None]).astype(np.uint8), labels)


def specification(consortium: Consortium) -> StudySpec:
    """A study of one round over all hospitals."""
    uses = tuple(DatasetUse(name, DATASET, 1) for name in NAMES)
    arch = Architecture.for_images(SIDE, SIDE, 1, 2, filters=8)
    return study_spec(STUDY, SCHEMA, uses, arch, default_plan(1, steps=1), consortium.ledger.genesis.salt)


def measure(consortium: Consortium) -> dict[str, float]:
    """Seconds from the question to each step."""
    ledger, spec = consortium.ledger, specification(consortium)
    scientist = LedgerUser("north", consortium.hospitals["north"].keys.scientist, ledger)
    start, laps = time.perf_counter(), {}

    def lap(name: str) -> None:
        laps[f"{name}_s"] = time.perf_counter() - start

    study_requests.ask(scientist, spec)
    lap("asked")
    for name, hospital in consortium.hospitals.items():
        steward = LedgerUser(name, hospital.keys.steward, ledger)
        asked = proposal_to(ledger.state, name, STUDY).asked
        study_requests.approve(steward, asked, ledger.now_ms() + 30 * DAY_MS)
    permit = permits.permit(ledger.state, STUDY, ledger.now_ms())
    assert permit is not None and len(permit.allowed) == len(NAMES), "four hospitals said yes"
    lap("decided")
    study_requests.propose(scientist, STUDY)
    lap("proposed")
    _until(consortium, lambda: studies.require_study(ledger.state, STUDY).status == studies.Status.RUNNING)
    lap("opened")
    _until(consortium, lambda: studies.require_study(ledger.state, STUDY).progress.round > 0)
    lap("counted")
    _until(consortium, lambda: _is_trained(ledger.state))
    lap("trained")
    return laps


def _is_trained(state: State) -> bool:
    study = studies.require_study(state, STUDY)
    return study.progress.round > 1 or study.status in OVER


def _until(consortium: Consortium, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing came of it: {studies.require_study(consortium.ledger.state, STUDY).progress}")
        if not consortium.step():
            time.sleep(_LOOK_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once instead of three times")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    runs = []
    for _ in range(1 if options.quick else 3):
        directory = Path(tempfile.mkdtemp())
        try:
            with hospitals(directory) as consortium:
                runs.append(measure(consortium))
        finally:
            shutil.rmtree(directory)
    middle = sorted(runs, key=lambda run: run["trained_s"])[len(runs) // 2]
    result = {
        "name": "first_round",
        "ratio": middle["trained_s"] / TARGET_SECONDS,
        "unit": "seconds from a request to its first accepted round on four nodes, over 60",
        "target": 1.0,
        **middle,
        "runs": len(runs),
        "cores": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(result))
        return
    table = Table("since the question", "seconds", title="From a question to its first round, four real nodes")
    for name, what in (
        ("asked", "the request is before four hospitals"),
        ("decided", "all four decided: the permit is there"),
        ("proposed", "the study is proposed under it"),
        ("opened", "all joined, and agreed on keys"),
        ("counted", "round 0: classes are counted"),
        ("trained", "round 1: a model is accepted (at most 60)"),
    ):
        table.add_row(what, f"{middle[f'{name}_s']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
