"""What an agent leaves in its hospital's folder when a study moves on: its own scores by round, and why it voted so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.learning.pinned import pin_training
from hmchain.application.models import scores
from hmchain.application.models.leaving import Leaver
from hmchain.application.models.scores import ScoresFileError, StudyScores
from hmchain.application.site.study_folder import StudyFolder
from hmchain.ledger.contracts.learning.studies import Status
from support.study_bed import STUDY, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=4)
    bed.approve()
    yield bed
    bed.close()


def leaver(bed: Bed, name: str = "north") -> tuple[Leaver, list[str]]:
    said: list[str] = []
    hospital = bed.consortium.hospitals[name]
    return Leaver(hospital.folder, hospital.agent, bed.consortium.ledger.genesis, said.append), said


def place(bed: Bed, name: str = "north") -> StudyFolder:
    return bed.consortium.hospitals[name].folder.study(STUDY)


def left(bed: Bed, name: str = "north") -> StudyScores:
    return scores.load(place(bed, name).scores)


def test_a_scientist_reads_her_own_hospitals_scores_of_every_round(bed: Bed) -> None:
    bed.run()
    bed.step()
    bed.trainers["north"].auc = lambda order: 0.1  # what is measured later changes nothing
    leaver(bed)[0].leave(bed.state)
    found = left(bed)
    assert (found.study, found.organisation, found.status, found.reason) == (STUDY, "north", "finished", "completed")
    assert [(each.round, each.auc, each.acc, each.vote, each.outcome) for each in found.rounds] == [
        (number, 0.9, 0.8, "accepted", "accepted") for number in (1, 2, 3, 4)
    ]
    assert [each.best_before for each in found.rounds] == [None, 0.9, 0.9, 0.9]
    assert found.best is not None and found.best.round == 1 and found.images == 40
    assert place(bed).scores.stat().st_mode & 0o777 == 0o600 and place(bed).path.stat().st_mode & 0o777 == 0o700


def test_a_crash_between_the_end_and_the_writing_costs_no_scores(bed: Bed) -> None:
    bed.run()
    bed.step()
    bed.reopen()
    first, _ = leaver(bed)
    first.leave(bed.state)
    written = place(bed).scores.read_bytes()
    again, _ = leaver(bed)
    again.leave(bed.state)
    assert place(bed).scores.read_bytes() == written and len(left(bed).rounds) == 4


def test_at_a_pause_a_hospital_sees_what_it_measured_and_what_it_compared_with(bed: Bed) -> None:
    bed.until(2, "commit")
    for name in ("north", "south"):
        bed.trainers[name].auc = lambda order: 0.5
    bed.run(lambda: bed.study.status is Status.PAUSED)
    agent, said = leaver(bed)
    agent.leave(bed.state)
    found = left(bed)
    assert [(each.auc, each.best_before, each.vote, each.outcome) for each in found.rounds] == [
        (0.9, None, "accepted", "accepted"),
        (0.5, 0.9, "rejected", "rejected"),
        (0.5, 0.9, "rejected", "rejected"),
    ]
    assert found.tolerance == 0.05 and found.best is not None and found.best.round == 1
    assert any("paused" in line and "hmchain study status" in line for line in said)


def test_a_study_that_is_closed_leaves_its_scores_too(bed: Bed) -> None:
    for name in ("north", "south"):
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run(lambda: bed.study.status is Status.PAUSED)
    leaver(bed)[0].leave(bed.state)
    assert [each.vote for each in left(bed).rounds] == ["rejected", "rejected"]
    assert left(bed).best is None


def test_what_cannot_be_written_is_said_once_and_tried_again(bed: Bed) -> None:
    bed.run()
    bed.step()
    place(bed).path.parent.write_text("a file where the folder should be")
    agent, said = leaver(bed)
    agent.leave(bed.state)
    agent.leave(bed.state)
    assert len(said) == 1 and "cannot be left here" in said[0]


def test_a_file_of_scores_that_is_damaged_says_how_to_have_it_again(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(ScoresFileError, match="delete it"):
        scores.load(tmp_path / "scores.json")


def held(bed: Bed, **changes: object) -> StudyScores:
    genesis = bed.consortium.ledger.genesis
    return scores.held(dataclasses.replace(left(bed), **changes), bed.state, bed.study, "north", genesis)


def test_scores_are_held_against_the_ledger_where_they_are_shown(bed: Bed) -> None:
    bed.run()
    bed.step()
    leaver(bed)[0].leave(bed.state)
    assert held(bed) == left(bed)
    forged = (
        {"study": "another"}, {"organisation": "south"}, {"chain_id": "other"}, {"genesis": "00"},
        {"specification": "11"}, {"schema": 99}, {"rounds": (dataclasses.replace(left(bed).rounds[0], round=77),)},
        {"rounds": left(bed).rounds[:1] * 2}, {"rounds": (dataclasses.replace(left(bed).rounds[0], auc=1.5),)},
    )  # fmt: skip
    for changes in forged:
        with pytest.raises(ScoresFileError, match="is not what its agent wrote"):
            held(bed, **changes)
    invented = dataclasses.replace(left(bed).rounds[0], outcome="rejected", vote="rejected")
    found = held(bed, status="running", reason="x", tolerance=0.9, height=1, best=invented, rounds=(invented,))
    assert (found.status, found.reason, found.tolerance) == ("finished", "completed", 0.05)
    assert found.best == found.rounds[0] == left(bed).rounds[0]
    training = pin_training(b"", trainer="own.py:Rows")
    foreign = dataclasses.replace(bed.study, spec=structs.replace(bed.study.spec, training=training))
    assert scores.collect(bed.state, foreign, "north", bed.consortium.ledger.genesis, ()).measure == "score"
    whole = left(bed)
    for damaged in (b"{", place(bed).scores.read_bytes().replace(STUDY.encode(), b"another")):
        place(bed).scores.write_bytes(damaged)
        leaver(bed)[0].leave(bed.state)  # as the agent does when it starts again
        assert left(bed) == whole
