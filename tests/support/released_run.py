"""A finished run whose model was asked to leave, and hospitals' words on that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.application.hospital.consortium import Consortium
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import AskRelease, Audience, DecideRelease, Decision
from support.finished_run import NAMES, STUDY

RELEASE = "tiny-out"
EVIDENCE = bytes([7]) * 32


@contextmanager
def hospitals_of(run: Path) -> Iterator[Consortium]:
    """The hospitals of a run, once more."""
    with Consortium.open(run) as consortium:
        yield consortium


def copied(run: Path, place: Path) -> Path:
    """A copy of a run, for whoever alters it."""
    return Path(shutil.copytree(run, place / "run", symlinks=True))


def ask(consortium: Consortium, name: str = RELEASE, study: str = STUDY) -> AskRelease:
    """The scientist of the north asks for it."""
    made = releases.artefact_of(consortium.ledger.state, study)
    assert made is not None
    asked = AskRelease(name, study, None, made, Audience.MEMBERS, ("DE",))
    consortium.require(consortium.hospitals["north"].as_scientist(asked))
    return asked


def grant(consortium: Consortium, *names: str, asked: AskRelease) -> None:
    """These hospitals let it leave."""
    said = DecideRelease(asked.name, asked.digest, Decision.GRANTED, "", EVIDENCE)
    for name in names or NAMES:
        consortium.require(consortium.hospitals[name].as_steward(said))


def release(run: Path, name: str = RELEASE) -> Path:
    """Have all hospitals of a run let its model leave."""
    with hospitals_of(run) as consortium:
        grant(consortium, asked=ask(consortium, name))
    return run
