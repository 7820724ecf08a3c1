"""Beds for tests of rounds, and what they look at."""

from __future__ import annotations

from pathlib import Path

from hmchain.ledger.contracts.learning import conduct
from hmchain.ledger.contracts.learning.rounds import Phase
from support.study_bed import STUDY, Bed


def found(tmp_path: Path, n: int, **settings: object) -> Bed:
    bed = Bed.found(tmp_path, n, **settings)
    bed.prepare()
    bed.approve()
    return bed


def unsupported(bed: Bed, name: str) -> int:
    return conduct.of(bed.state, STUDY, name).unsupported


def drop(bed: Bed, number: int, *names: str) -> None:
    """From the commit of a round on these agents are away, until the round has been frozen without them."""
    bed.until(number, Phase.COMMIT)
    attempt = bed.round.attempt
    with bed.asleep(*names):
        bed.run(lambda: not bed.running or (bed.round.attempt, bed.round.phase) != (attempt, Phase.COMMIT))
        bed.run(lambda: not bed.running or bed.round.phase != Phase.ATTEST)
