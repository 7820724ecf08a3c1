"""A finished run: four hospitals, two rounds, small images; and commands on it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.description import Description
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.models import registry
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.report import RunSummary, to_json
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.ledger.readers import replay
from hmchain.records.pictures.prepared import Images
from support.synthetic_run import synthetic_summary

NAMES = ("east", "north", "south", "west")


TITLE = "Tumour or none"
STUDY, REFUSED_STUDY, DATASET = "tiny", "unwanted", "scans"


SIDE, ROUNDS = 16, 2


DAY_MS = 86_400_000


SCHEMA = Schema("mri", 1, SIDE, SIDE, ("no tumour", "tumour"))


Captured = pytest.CaptureFixture[str]


def images(seed: int, count: int) -> Images:
    """Noise, brighter where the label is 1."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    noise = random.integers(0, 128, (count, SIDE, SIDE, 1))
    return Images((noise + 100 * labels[:, None, None, None]).astype(np.uint8), labels)


def ask(consortium: Consortium, name: str) -> Any:
    """Put a study before the stewards, by a request of its name."""
    uses = tuple(DatasetUse(organisation, DATASET, 1) for organisation in NAMES)
    arch = Architecture.for_images(SIDE, SIDE, 1, 2, filters=8)
    north, salt = consortium.hospitals["north"], consortium.ledger.genesis.salt
    words = north.describe(name, Description(title=TITLE, text="Is it there?", contact="Dr North"))
    spec = study_spec(name, SCHEMA, uses, arch, default_plan(ROUNDS, steps=1), salt, words=words)
    consortium.require(*north.ask(spec, consortium.ledger.now_ms() + DAY_MS))
    return spec


def allow(consortium: Consortium, spec: Any) -> None:
    """All stewards allow a study, and its scientist proposes it."""
    until_ms = consortium.ledger.now_ms() + DAY_MS // 2
    for hospital in consortium.hospitals.values():
        consortium.require(*hospital.allow(spec.name, until_ms))
    consortium.require(consortium.hospitals["north"].propose(spec))


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests that alter it take a copy."""
    return _made(tmp_path_factory.getbasetemp() / "finished-run")


@cache
def _made(directory: Path) -> Path:
    """The run, once a process: each file that imports a fixture has one of its own."""
    directory.mkdir()
    with Consortium.create(directory, "demo", {name: name.title() for name in NAMES}) as consortium:
        for order, hospital in enumerate(consortium.hospitals.values()):
            hospital.store_images(DATASET, {"train": images(order, 24), "validation": images(order + 10, 8)})
            consortium.require(hospital.register(DATASET, SCHEMA))
            consortium.require(hospital.publish(DATASET, 1))
        ask(consortium, REFUSED_STUDY)
        consortium.require(*consortium.hospitals["west"].disallow(REFUSED_STUDY, "ethics"))
        allow(consortium, ask(consortium, STUDY))
        consortium.run(STUDY)
        north = consortium.hospitals["north"]
        key = north.agent.study_key(STUDY)
        assert key is not None
        ledger, path = consortium.ledger, directory / "model.safetensors"
        registry.export(ledger.state, consortium.objects, key, STUDY, path, ledger.genesis)
    synthetic = synthetic_summary
    (directory / "summary.json").write_bytes(to_json(_of(directory / "ledger", synthetic())))
    return directory


def _of(ledger: Path, summary: RunSummary) -> RunSummary:
    """A made up summary that names the run's own ledger, as far as an audit compares it."""
    founding, (model,) = genesis_file.load(ledger / "genesis.json"), replay.verify(ledger).models
    identity = replace(
        summary.identity,
        chain_id=founding.chain_id,
        genesis_digest=founding.digest.hex(),
        model_digest=model.root.hex(),
    )
    return replace(summary, identity=identity, approvals=(), lineage=None)


def answer(capsys: Captured, *arguments: str, status: int = 0) -> Any:
    """The JSON that a command prints, which must be all that it prints."""
    assert main([*arguments, "--json"]) == status
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def text(capsys: Captured, *arguments: str, status: int = 0) -> str:
    """What a command prints for people, on both streams."""
    assert main(list(arguments)) == status
    printed = capsys.readouterr()
    return printed.out + printed.err
