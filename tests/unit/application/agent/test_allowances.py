"""What a request asked of machines, held by each hospital's own agent: beyond it the hospital leaves, for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hmchain.application.agent.protocols import Learner, ReadyLearner
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.study_request import HOURS, MEMORY_MIB
from hmchain.application.learning.trainers import allowance
from hmchain.application.learning.trainers.allowance import Allowance, Work
from hmchain.application.models.leaving import Leaver
from hmchain.application.models.machine import used_here
from hmchain.ledger.contracts.learning import conduct, permitted
from hmchain.ledger.contracts.learning.leaving import LeaveStudy
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status, StudySpec
from hmchain.ledger.readers import uses
from support.study_bed import DEADLINES, F32, STUDY, Bed, DummyTrainer, initial

HOUR_MS = 3_600_000


@dataclass
class Metered:
    """A trainer that takes so many hours a round, and so much memory."""

    trainer: DummyTrainer
    allowance: Allowance
    hours: int
    memory_mib: int

    def fit(self, weights: F32, round: int) -> SimpleNamespace:
        with self.allowance.at_work(Work(lambda: self.memory_mib << 20, lambda: None)):
            self.allowance.add(self.hours * HOUR_MS, 0)
            return self.trainer.fit(weights, round)

    def evaluate(self, weights: F32, split: str) -> SimpleNamespace:
        return self.trainer.evaluate(weights, split)


class HungryBed(Bed):
    """West's machine is slow, and what it trains is large."""

    hours, memory_mib = 0, 0

    def learn(self, hospital: Hospital, spec: StudySpec) -> Learner:
        plain = super().learn(hospital, spec)
        if hospital.organisation != "west":
            return plain
        held = Metered(self.trainers["west"], hospital.agent.allowance(spec), self.hours, self.memory_mib)
        return ReadyLearner(held, np.array([100, 50]), lambda counts: None, initial(spec.name))  # type: ignore[arg-type]


def learning_score(bed: Bed) -> int:
    return conduct.learning_score(bed.state, STUDY, "west", bed.now_ms)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[HungryBed]:
    made = HungryBed.found(tmp_path)
    made.prepare(rounds_=3)
    made.approve()
    yield made
    made.close()


def test_a_hospital_whose_hours_are_used_up_leaves_and_the_study_goes_on(bed: HungryBed) -> None:
    """It is counted over restarts; what was begun in time is sent, and its seeds are given."""
    bed.hours = HOURS // 2
    bed.until(2, Phase.COMMIT)
    bed.reopen()
    bed.until(3, Phase.COMMIT)
    assert bed.at(2).frozen == bed.names and not permitted.left(bed.state, STUDY, "west")
    bed.reopen()
    bed.run()
    assert bed.study.status == Status.FINISHED and bed.at(3).frozen == bed.names[:3]
    assert bed.trainers["west"].fitted == [0, 1]
    assert bed.kinds("study.left") == [("study.left", "west", allowance.HOURS)]
    assert "24 hours of this hospital's machine, and that is used up" in bed.agent("west").refusals[STUDY]
    west, genesis = bed.consortium.hospitals["west"], bed.consortium.ledger.genesis
    Leaver(west.folder, west.agent, genesis, print).leave(bed.state)
    assert str(used_here(west.folder, STUDY)) == "24.0 h of 24 h, 0.0 of 4 GiB at most; it left: hours used up"
    (use,) = uses.uses(bed.state, bed.now_ms, "west")
    assert use.standing is uses.Standing.ALLOWED and [made.left for made in use.made] == [allowance.HOURS]


def test_who_takes_more_memory_leaves_at_once_and_with_too_few_machines_left_the_study_ends(bed: HungryBed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.memory_mib, began_ms, before = MEMORY_MIB + 1, bed.now_ms, learning_score(bed)
    bed.reopen()
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).frozen == bed.names[:3] == bed.at(2).expected
    assert bed.now_ms - began_ms < DEADLINES.commit_ms, "nobody waits for it"
    assert learning_score(bed) >= before, "nobody is charged"
    assert "asked for 4 GiB of memory and took more" in bed.agent("west").refusals[STUDY]
    bed.reopen()
    bed.until(2, Phase.COMMIT)
    bed.agent("south").allowance(bed.study.spec).add(0, 0, allowance.HOURS)
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, permitted.PERMIT_OVER)
    assert bed.trainers["west"].fitted == [0]


def test_leaving_is_an_agents_word_given_once_in_a_study_under_a_permit(bed: HungryBed) -> None:
    said = LeaveStudy(STUDY, allowance.MEMORY)
    assert bed.submit("west", "steward", said) == "wrong_role"
    assert bed.submit("west", "agent", LeaveStudy(STUDY, "tired")) == "bad_reason"
    assert bed.submit("west", "agent", LeaveStudy("nothing", "hours")) == "no_such_study"
    assert [bed.submit("west", "agent", said) for _ in range(2)] == ["ok", "already_left"]
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, permitted.PERMIT_OVER)
    assert bed.submit("east", "agent", said) == "study_closed"
