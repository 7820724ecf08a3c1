"""Random histories through the real contracts and agents, and what a coalition can compute of all it sees.

Hospitals are late, withhold seeds, send garbage, vote every model down, restart; reveals are overheard that reach no
block; ledgers are put back from backups. Whatever comes of it, no combination of what c participants know is about one
other hospital alone.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.memory import SumRefusedError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from support.coalition import Eavesdropper
from support.study_bed import STUDY, Bed

FAULTS = (
    AgentBehaviour.HONEST, AgentBehaviour.HONEST, AgentBehaviour.WITHHOLD_SEED, AgentBehaviour.GARBAGE_UPDATE,
    AgentBehaviour.REJECT_ALWAYS, AgentBehaviour.SILENT_MASTER,
)  # fmt: skip
ATTEMPTS = 6


class History:
    """One random history of a study, and what everybody sees of it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.bed = Bed.found(directory / "run", self.draw.choice((4, 4, 5, 7)))
        self.bed.counts = {name: 64 << self.draw.randrange(4) for name in self.bed.names}
        self.bed.prepare(rounds_=3)
        self.bed.approve()
        self.directory = directory
        self.seen = Eavesdropper()
        self.sets: list[tuple[str, ...]] = []

    def run(self) -> None:
        self.bed.until(self.draw.choice((0, 1)), Phase.COMMIT)
        for number in range(ATTEMPTS):
            if self.bed.study.status in studies.OVER:
                break
            self.attempt(self.directory / f"backup-{number}")
            if self.bed.study.status == Status.PAUSED:
                self.bed.require(self.bed.names[0], "scientist", ResumeStudy(STUDY))

    def attempt(self, backup: Path) -> None:
        """One attempt with some hospital at fault and some away; now and then all over again from a backup."""
        bed, draw = self.bed, self.draw
        is_put_back = draw.random() < 0.3
        if is_put_back:
            bed.back_up(backup)
        self.misbehave()
        self.sum_up(stop_before_the_end=is_put_back)
        if is_put_back:
            bed.reopen(backup)
            self.sum_up(stop_before_the_end=False)
        elif draw.random() < 0.3:
            bed.reopen()

    def misbehave(self) -> None:
        for name in self.bed.names:
            self.bed.behave(name, AgentBehaviour.HONEST)
        self.bed.behave(self.draw.choice(self.bed.names), self.draw.choice(FAULTS))
        if self.draw.random() < 0.2:
            for name in self.bed.names[:2]:
                self.bed.behave(name, AgentBehaviour.REJECT_ALWAYS)

    def sum_up(self, *, stop_before_the_end: bool) -> None:
        """Until the attempt is over, or until its seeds are open; whoever is away stays away for a part of it."""
        bed, draw = self.bed, self.draw
        if not bed.running:
            return
        began = (bed.round.number, bed.round.attempt)
        away = draw.sample(bed.names, draw.choice((0, 0, 1, 1, 2)))
        over = [Phase.AGGREGATE, Phase.VERIFY] if stop_before_the_end else []

        def is_over() -> bool:
            return not bed.running or (bed.round.number, bed.round.attempt) != began or bed.round.phase in over

        with bed.asleep(*away):
            bed.run(lambda: is_over() or bed.round.phase == Phase.REVEAL)
            if not is_over():
                self.overhear(draw.choice(bed.names))
            self.seen.look(bed.state)
            bed.run(is_over)
        self.seen.look(bed.state)

    def overhear(self, name: str) -> None:
        """A reveal is on the wire, and may reach no block."""
        bed = self.bed
        hospital = bed.everyone[name]
        participant = hospital.agent.participant(bed.study)
        if participant is None:
            return
        try:
            for body in hospital.agent.phases.reveal(participant.desk):
                self.seen.overhear(bed.study, bed.round, name, body)
        except SumRefusedError:
            pass


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.network) for n in range(4, 12))])
def test_no_coalition_computes_anything_about_one_hospital_alone(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path, seed)
    history.run()
    bed = history.bed
    assert len(history.seen.updates) >= len(bed.names), "something was summed"
    for size in range(bed.study.spec.colluders + 1):
        for coalition in itertools.combinations(bed.names, size):
            assert not history.seen.exposed_to(coalition), f"to {coalition}"
    bed.close()
