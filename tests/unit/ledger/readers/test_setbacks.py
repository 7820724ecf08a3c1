"""A paused study says in plain words who voted what, which attempt failed by whose absence, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.readers.signers import Endorsement
from hmchain.ledger.readers.states import VerifiedState
from hmchain.ledger.readers.study_status import StudyStatus, study_status
from support.study_bed import STUDY, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed.found(tmp_path)
    made.prepare(rounds_=5)
    made.approve()
    yield made
    made.close()


def paused(bed: Bed) -> StudyStatus:
    bed.run(lambda: bed.study.status is Status.PAUSED)
    return status(bed)


def status(bed: Bed) -> StudyStatus:
    return study_status(VerifiedState(bed.state, Endorsement(0)), STUDY)


def commands(found: StudyStatus, organisation: str) -> list[str]:
    return [step.command for step in found.steps if not step.who or organisation in step.who]


def test_two_rejected_rounds_say_who_voted_against_them_and_who_for(bed: Bed) -> None:
    bed.until(2, "commit")
    for name in ("north", "south"):
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    found = paused(bed)
    assert [str(each) for each in found.went_wrong] == [
        "round 2: north and south voted against the model, east and west for it",
        "round 3: north and south voted against the model, east and west for it",
    ]
    assert "round 3: north and south voted against" in found.next
    proposer = found.proposer
    assert commands(found, proposer)[:2] == [f"study resume {STUDY}", f"study close {STUDY}"]
    others = [f"study close {STUDY} --vote", f"study revoke {STUDY}"]
    assert all(commands(found, name) == others for name in bed.names if name != proposer)


def test_a_resumed_study_tells_its_new_setbacks_alone(bed: Bed) -> None:
    bed.until(2, "commit")
    for name in ("north", "south"):
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    paused(bed)
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    assert status(bed).went_wrong == ()
    bed.run(lambda: bed.round.number == 5)
    assert [each.round for each in status(bed).went_wrong] == [4]


def test_attempts_that_failed_say_who_was_away(bed: Bed) -> None:
    bed.until(1, "commit")
    with bed.asleep("south", "west"):
        found = paused(bed)
    assert [str(each) for each in found.went_wrong] == [
        "round 1, attempt 1: no update came in time from south and west",
        "round 1, attempt 2: no update came in time from south and west",
    ]
    assert found.went_wrong[0].missing == ("south", "west")


def test_a_seed_that_was_kept_back_is_told_with_its_hospital(bed: Bed) -> None:
    bed.until(1, "commit")
    bed.behave("south", AgentBehaviour.WITHHOLD_SEED)
    found = paused(bed)
    assert {str(each) for each in found.went_wrong} == {
        f"round 1, attempt {attempt}: south did not open its seed in time" for attempt in (1, 2)
    }


def test_a_study_without_approvals_enough_names_those_that_are_gone(tmp_path: Path) -> None:
    """Of protocol 2: under a permit it ends."""
    bed = Bed.found(tmp_path / "of-2", protocol=2)
    bed.prepare(rounds_=5)
    bed.approve()
    bed.until(2, "commit")
    for name in ("south", "west"):
        bed.revoke(name)
    found = paused(bed)
    (setback,) = found.went_wrong[-1:]
    assert setback.kind == "not begun"
    assert "no approval is in force of south and west, and 3 of 4 hospitals are needed" in str(setback)
    bed.close()


def test_nothing_that_people_are_told_speaks_of_a_demo(bed: Bed) -> None:
    bed.until(1, "commit")
    found = status(bed)
    assert found.next == "see that the agents of east, north, south, west run"
    assert [step.place for step in found.steps if "demo" in step.words] == ["run"]
