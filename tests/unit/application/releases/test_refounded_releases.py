"""Releases over a founding again: what a study made before leaves after, proven by the new chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.models import export, inference
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import file
from hmchain.errors import AuditError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import Status
from support import released_run
from support.finished_run import NAMES
from support.finished_run import run_directory as run_directory
from support.refounded_chain import refound_run
from support.released_run import RELEASE

LOST = ("south", "west")
LEFT = tuple(name for name in NAMES if name not in LOST)


@pytest.mark.parametrize("asked", ["before", "between", "after"])
def test_a_model_of_before_leaves_after_a_founding_again(run_directory: Path, tmp_path: Path, asked: str) -> None:
    run = released_run.copied(run_directory, tmp_path)
    first = genesis_file.load(run / "ledger" / "genesis.json").digest
    with released_run.hospitals_of(run) as consortium:
        question = released_run.ask(consortium) if asked != "after" else None
        if question is not None:
            released_run.grant(consortium, *(NAMES if asked == "before" else LOST), asked=question)
    refound_run(run, LOST)
    with released_run.hospitals_of(run) as consortium:
        if asked != "before":
            released_run.grant(consortium, *LEFT, asked=question or released_run.ask(consortium))
        assert releases.require_release(consortium.ledger.state, RELEASE).status is Status.RELEASED
    place, target = export.locate(run / "hospitals" / "north"), tmp_path / "out.safetensors"
    found = file.write(place, RELEASE, target)
    assert (found.proven.genesis == first) == (asked == "before")
    assert file.check(target, found.proven.genesis).anchored
    with open_ledger(place.ledger) as ledger:
        assert inference.describe(target, inference.known(ledger)).ledger == inference.MATCHES
    with pytest.raises(AuditError):
        file.check(target, bytes(32))
