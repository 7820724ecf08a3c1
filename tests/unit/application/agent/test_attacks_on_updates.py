"""Attacks on the privacy of updates and the life of studies, each as it was found (second round)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hmchain.application.agent import answers, contents, updates
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import commit
from hmchain.ledger import sums, vectors
from hmchain.ledger.arithmetic import I32
from hmchain.ledger.contracts.learning import rounds, studies, summing
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import Attest, CommitUpdate
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.state import State
from hmchain.ledger.sums import Summand, SummedSet
from hmchain.ledger.transactions import Refusal
from hmchain.records import envelope
from support.coalition import Eavesdropper
from support.study_bed import F32, STUDY, Bed, DummyTrainer, another


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
    bed.until(1, Phase.ATTEST)
    bed.agent("east").publish()
    with bed.asleep("east"):
        bed.step()
    assert bed.contributions()["west"].attested == ("north",)
    backup = bed.back_up(tmp_path / "backup")
    seen = Eavesdropper()

    hide(bed, "west", "south")
    bed.require("east", "agent", Attest(STUDY, 1, 0, ("north", "south")))
    with bed.asleep("east"):
        bed.run(lambda: bed.round.phase == Phase.REVEAL)
    assert bed.round.frozen == ("east", "north", "south")
    bed.run(lambda: bed.round.phase == Phase.AGGREGATE)
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
        desk = bed.desk(name)
        found = desk.vector
        desk.vector = lambda update, found=found: (  # type: ignore[method-assign, misc]
            None if update.organisation == victim else found(update)
        )


# Records that are erased


class Reread(DummyTrainer):
    """A hospital that trains on fewer records from now on."""

    def delta(self, round_: int, size: int) -> F32:
        return super().delta(round_, size) * np.float32(0.9)


def test_r2_an_erasure_between_two_attempts_is_not_the_difference_of_two_sums(bed: Bed) -> None:
    """A garbage sender has the round summed twice; in between a patient of north's opts out."""
    bed.until(1, Phase.COMMIT)
    bed.behave("east", AgentBehaviour.GARBAGE_UPDATE)
    bed.run(lambda: bed.round.attempt == 1)
    erase(bed, "north")
    bed.run(lambda: not bed.running)
    again = bed.contributions()
    assert "north" not in again or not again["north"].self_seed
    assert "the difference would tell of them" in bed.agent("north").troubles[STUDY]


def test_r2_an_erasure_is_not_the_difference_of_two_studies_class_counts(bed: Bed) -> None:
    """Both have the same noise: with other counts in it, what is left is the erased record's class."""
    bed.until(1, Phase.COMMIT)
    first = class_counts(bed, "north")
    erase(bed, "north")
    assert list(bed.desk("north").learner.class_counts) == [96, 50]
    assert np.array_equal(first, class_counts(bed, "north"))


def test_r2_neither_a_lost_file_nor_an_older_one_draws_the_noise_of_class_counts_again(tmp_path: Path) -> None:
    """The mean of several draws would be the count, and each proposal after a loss would be one for nothing."""
    bed = Bed.found(tmp_path)
    spec = bed.prepare(rounds_=1)
    older = (tmp_path / "hospitals" / "north" / "agent.db").read_bytes()
    bed.approve()
    said = sum_of_classes(bed, STUDY)
    bed.lose_files("north", put_back=older)
    bed.lose_files("south")
    for name in ("north", "south"):
        bed.agent(name).random = random.Random(name).randbytes
    bed.ask(another(spec, "again"))
    bed.approve(study="again")
    assert sum_of_classes(bed, "again") == said
    bed.close()


def sum_of_classes(bed: Bed, study: str) -> bytes:
    """Root of the sum of everybody's class counts; the study is run to its end."""
    bed.run(lambda: studies.require_study(bed.state, study).status is Status.FINISHED)
    entry = rounds.round_(bed.state, study, 0)
    assert entry is not None
    assert entry.posted is not None
    assert entry.frozen == bed.names
    return entry.posted.sum_root


def class_counts(bed: Bed, name: str) -> I32:
    """What a hospital says of its classes."""
    return answers.vector(bed.desk(name))


def erase(bed: Bed, name: str) -> None:
    """Some of a hospital's records are erased, and its agent is started again."""
    order = bed.names.index(name)
    bed.trainers[name] = Reread(order)
    bed.reread[name] = b"fewer"
    bed.reopen()


# Studies that others end, and studies that do not end


def test_r4_those_who_may_collude_cannot_end_a_study_from_one_that_they_made_up() -> None:
    """Three members of ten need nobody else for a study from whatever model another study's next round starts from."""
    names = tuple("abcdefghij")
    state, key = State(), sums.training_key(bytes(32))
    assert summing.freeze(state, key, "made-up", names[:3], part(names[:3]), 0)
    assert not summing.is_closed_to(state, key, "honest", names, 3)
    assert summing.freeze(state, key, "honest", names, part(names), 3)
    with pytest.raises(Refusal, match="model_taken"):
        summing.claim(state, key, "third")


def test_r4_a_study_is_closed_to_weights_over_which_its_honest_were_summed_before() -> None:
    names = tuple("abcdefg")
    state, key = State(), sums.training_key(bytes(32))
    assert summing.freeze(state, key, "first", names[:4], part(names[:4]), 2)
    assert summing.is_closed_to(state, key, "second", names[:3], 2)
    assert not summing.freeze(state, key, "second", names, part(names), 2)


def part(names: tuple[str, ...]) -> SummedSet:
    return tuple(Summand(name, "brain", 1, 256) for name in names)


def test_r5_a_study_that_is_over_is_not_paused(tmp_path: Path) -> None:
    """Two rejections in a row and a revocation ended it, paused what was ended, and let its model be replaced."""
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=5)
    bed.approve()
    bed.until(2, Phase.COMMIT)
    for name in ("east", "north"):
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.until(3, Phase.GATE_COMMIT)
    bed.revoke("west")
    bed.run(lambda: not bed.running)
    assert bed.study.status == Status.FINISHED and len(bed.kinds("model.registered")) == 1
    assert bed.submit("east", "scientist", ResumeStudy(STUDY)) == "not_paused"
    bed.close()


# Objects of the right size


def test_r8_an_update_of_the_right_size_in_smaller_chunks_stops_nobody(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller chunks have more tags, so fewer coordinates: every agent that looked at it ended, at each start again."""
    bed.until(1, Phase.COMMIT)

    def short(desk: RoundDesk) -> list[CommitUpdate]:
        rule = desk.study.rule(desk.entry.number)
        with monkeypatch.context() as patched:
            plain = 4 * rule.padded_size - envelope.TAG_BYTES
            patched.setattr(envelope, "CHUNK_BYTES", plain // 2)
            patched.setattr(updates, "quantise_and_mask", lambda *args: (np.zeros(plain // 4, np.uint32), None))
            patched.setattr(vectors, "update_root", lambda vector: bytes(32))
            made = list(commit.commit(desk))
        for body in made:
            assert len(desk.exchange.fetch(body.object, size := contents.update_size(rule))) == size
        return made

    bed.hand("east", commit=short)
    with bed.asleep("north", "south", "west"):  # they would make theirs meanwhile
        bed.run(lambda: "east" in bed.contributions())
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).frozen == ("north", "south", "west")
