"""Nobody lowers another's learning score by keeping silent, or by keeping it from being heard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.learning import conduct
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import Tick
from hmchain.ledger.contracts.learning.rounds import Phase
from support.study_bed import SCHEMA, STUDY, Bed, make_spec

HOUR_MS = 3_600_000


def begun(directory: Path, members: int, participants: int, colluders: int) -> Bed:
    """A study of the first of the members, before its first round of training."""
    bed = Bed.found(directory, members)
    bed.prepare(rounds_=4, name="others")
    names = bed.names[:participants]
    bed.ask(make_spec(names, 4, colluders=colluders))
    bed.approve(*names)
    return bed


def scores(bed: Bed) -> dict[str, int]:
    names = bed.study.spec.participants
    return {name: conduct.learning_score(bed.state, STUDY, name, bed.now_ms) for name in names}


SMALL = pytest.mark.parametrize(("members", "participants", "colluders"), [(4, 3, 1), (7, 4, 2), (7, 5, 2)])
"""Studies in which c hospitals that are silent leave fewer than c + 1 others to vouch for the rest."""


def watch(bed: Bed, ended: Callable[[], bool], *silent: str) -> tuple[dict[str, int], dict[str, int]]:
    """The scores before and after some are silent until something is over."""
    before = scores(bed)
    with bed.asleep(*silent):
        bed.run(ended, 300)
    return before, scores(bed)


@SMALL
def test_c_that_confirm_nothing_cost_no_master_its_score_or_its_place(
    tmp_path: Path, members: int, participants: int, colluders: int
) -> None:
    bed = begun(tmp_path, members, participants, colluders)
    bed.until(1, Phase.VERIFY)
    master, ranking = bed.round.master, bed.round.ranking
    silent = [name for name in bed.study.spec.participants if name != master][-colluders:]
    before, after = watch(bed, lambda: not bed.running, *silent)
    assert after == before and bed.kinds("round.takeover") == []
    assert bed.kinds("study.paused") == [("study.paused", "not_confirmed")]
    assert bed.submit(bed.names[0], "scientist", ResumeStudy(STUDY)) == "ok"
    assert (bed.round.master, bed.round.ranking) == (master, ranking)
    bed.run(lambda: bed.round.number > 1)
    bed.close()


@SMALL
def test_c_that_attest_nothing_cost_nobody_its_score(
    tmp_path: Path, members: int, participants: int, colluders: int
) -> None:
    bed = begun(tmp_path, members, participants, colluders)
    bed.until(1, Phase.ATTEST)
    silent = bed.study.spec.participants[-colluders:]
    before, after = watch(bed, lambda: bed.round.attempt > 0, *silent)
    honest = [name for name in before if name not in silent]
    assert [after[name] for name in honest] == [before[name] for name in honest]
    assert all(after[name] < before[name] for name in silent), "nobody has their objects"
    bed.close()


def test_a_master_whose_aggregate_nobody_can_have_is_charged_in_a_small_study_too(tmp_path: Path) -> None:
    bed = begun(tmp_path, 4, 3, 1)
    bed.until(1, Phase.VERIFY)
    master = bed.round.master
    others = [name for name in bed.study.spec.participants if name != master]
    for number in range(3):
        bed.require("west", "steward", RegisterDataset(f"d{number}", SCHEMA))
    bed.now_ms += HOUR_MS
    before = scores(bed)
    bed.require(others[0], "agent", Tick(STUDY))
    assert scores(bed) == before | {master: scores(bed)[master]} and scores(bed)[master] < before[master]
    bed.close()


def test_f_proposers_in_a_row_after_a_halt_keep_nobody_from_being_heard(tmp_path: Path) -> None:
    """Block time jumps past the deadline; a block of an honest proposer comes before anyone can be late."""
    bed = begun(tmp_path, 7, 7, 2)
    bed.until(1, Phase.REVEAL)
    before = scores(bed)
    bed.now_ms += HOUR_MS
    for _ in range(3):  # the blocks of two proposers that leave everyone out, and one of whoever comes after them
        assert bed.submit("west", "agent", Tick(STUDY)) == "not_due"
    assert bed.round.phase == Phase.REVEAL and scores(bed) == before
    bed.require("west", "agent", Tick(STUDY))
    assert bed.round.phase != Phase.REVEAL
    bed.close()
