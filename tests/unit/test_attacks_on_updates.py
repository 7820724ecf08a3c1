"""Attacks on the privacy of updates and the life of studies, each as it was found (second round)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from coalition import Eavesdropper
from study_bed import F32, STUDY, Bed, DummyTrainer

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.ledger.arithmetic import I32
from hmchain.ledger.contracts import rounds
from hmchain.ledger.contracts.participation import Attest


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "bed")
    bed.prepare()
    bed.approve()
    yield bed
    bed.close()


# A ledger that is put back


def test_r1_who_saw_itself_left_out_is_not_summed_on_a_ledger_that_was_put_back(bed: Bed, tmp_path: Path) -> None:
    """East needs one honest attestation of west's update, which is in the backup, and gives the other itself."""
    bed.until(1, rounds.ATTEST)
    bed.agent("east").publish()
    with bed.asleep("east"):
        bed.step()
    assert bed.contributions()["west"].attested == ("north",)
    backup = bed.back_up(tmp_path / "backup")
    seen = Eavesdropper()

    hide(bed, "west", "south")
    bed.require("east", "agent", Attest(STUDY, 1, 0, ("north", "south")))
    with bed.asleep("east"):
        bed.run(lambda: bed.round.phase == rounds.REVEAL)
    assert bed.round.frozen == ("east", "north", "south")
    bed.run(lambda: bed.round.phase == rounds.AGGREGATE)
    seen.look(bed.state)

    bed.reopen(backup)
    bed.require("east", "agent", Attest(STUDY, 1, 0, ("south", "west")))
    assert bed.round.frozen == bed.names
    with bed.asleep("east"):
        bed.run(lambda: bed.round.attempt == 1)
    seen.look(bed.state)
    assert not seen.exposed_to(("east",))
    assert "went back behind" in bed.agent("west").troubles[STUDY]


def hide(bed: Bed, victim: str, *from_: str) -> None:
    """The object store keeps a hospital's update from some."""
    for name in from_:
        participant = bed.agent(name)._participant(bed.study)
        found = participant._vector
        participant._vector = lambda study, entry, update, found=found: (
            None if update.organisation == victim else found(study, entry, update)
        )


# Records that are erased


class Reread(DummyTrainer):
    """A hospital that trains on fewer records from now on."""

    def delta(self, round_: int, size: int) -> F32:
        return super().delta(round_, size) * np.float32(0.9)


def test_r2_an_erasure_between_two_attempts_is_not_the_difference_of_two_sums(bed: Bed) -> None:
    """A garbage sender has the round summed twice; in between a patient of north's opts out."""
    bed.until(1, rounds.COMMIT)
    bed.behave("east", AgentBehaviour.GARBAGE_UPDATE)
    bed.run(lambda: bed.round.attempt == 1)
    erase(bed, "north")
    bed.run(lambda: not bed.running)
    again = bed.contributions()
    assert "north" not in again or not again["north"].self_seed
    assert "records were erased" in bed.agent("north").troubles[STUDY]


def test_r2_an_erasure_is_not_the_difference_of_two_studies_class_counts(bed: Bed) -> None:
    """Both have the same noise: with other counts in it, what is left is the erased record's class."""
    bed.until(1, rounds.COMMIT)
    first = noised_counts(bed, "north")
    erase(bed, "north")
    assert list(bed.agent("north")._participant(bed.study)._learner.class_counts) == [96, 50]
    assert np.array_equal(first, noised_counts(bed, "north"))


def noised_counts(bed: Bed, name: str) -> I32:
    participant = bed.agent(name)._participant(bed.study)
    return participant._maker._counts(bed.study)


def erase(bed: Bed, name: str) -> None:
    """Some of a hospital's records are erased, and its agent is started again."""
    order = bed.names.index(name)
    bed.trainers[name] = Reread(order)
    bed.reread[name] = b"fewer"
    bed.reopen()
