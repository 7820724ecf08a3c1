"""How many participants that pool what they know a study withstands: pinned, shown, refused where it is too few."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance.proposals import specification
from hmchain.application.governance.study_file import Proposal, StudyFileError
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import ProposeStudy, Status, StudySpec
from hmchain.ledger.readers.studies import proposal_to
from support.study_bed import STUDY, Bed, make_spec


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Seven members, of which two may be dishonest, and a study of all."""
    bed = Bed.found(tmp_path_factory.mktemp("seven"), 7, protocol=2)
    bed.prepare(rounds_=1)
    yield bed
    bed.close()


def study_of(bed: Bed, count: int, colluders: int) -> StudySpec:
    return make_spec(bed.names[:count], 1, name=f"study-{count}-{colluders}", colluders=colluders)


def test_s5_a_study_too_small_for_the_consortiums_colluders_is_refused(seven: Bed) -> None:
    """Three of ten members may be dishonest: in a study of four they would see the fourth's update."""
    propose = {
        "too_few_beside_colluders": study_of(seven, 3, 2),
        "bad_colluders": study_of(seven, 5, 3),
        "ok": study_of(seven, 3, 1),
    }
    for code, spec in propose.items():
        assert seven.submit("centre", "scientist", ProposeStudy(spec)) == code
    assert seven.submit("centre", "scientist", ProposeStudy(study_of(seven, 5, -1))) == "bad_colluders"


def test_s5_a_proposal_pins_f_of_the_consortium_and_says_how_to_pin_less(seven: Bed) -> None:
    three = dict.fromkeys(seven.names[:3], "brain")
    with pytest.raises(StudyFileError, match="3 hospitals cannot withstand 2 of them") as caught:
        specification(seven.state, Proposal(name="small", datasets=three))
    assert "colluders = 1" in str(caught.value)
    small = specification(seven.state, Proposal(name="small", datasets=three, colluders=1))
    assert (small.colluders, small.threshold, small.witnesses) == (1, 3, 2)
    five = specification(seven.state, Proposal(name="five", datasets=dict.fromkeys(seven.names[:5], "brain")))
    assert five.colluders == 2
    with pytest.raises(StudyFileError, match="out of range"):
        specification(seven.state, Proposal(name="five", datasets=three, colluders=3))


def test_s5_the_steward_sees_the_number(seven: Bed) -> None:
    assert proposal_to(seven.state, "west", STUDY).asked.colluders == 2


@pytest.mark.parametrize("participants", range(3, 33))
def test_two_frozen_sets_share_an_honest_hospital(participants: int) -> None:
    """Else two ledgers could be shown to hospitals that never compare notes."""
    names = tuple(f"h{number:02d}" for number in range(participants))
    for colluders in range(participants - 1):
        spec = make_spec(names, colluders=colluders)
        assert colluders + 2 <= spec.threshold <= participants
        assert 2 * spec.threshold - participants > colluders


def test_c_plus_one_others_attest_and_confirm(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path, 7)
    bed.prepare(rounds_=1, colluders=1)
    bed.approve()
    bed.until(1, Phase.REVEAL)
    assert all(len(update.attested) >= 2 for update in bed.contributions().values())
    bed.run(lambda: bed.round.phase == Phase.GATE_COMMIT)
    assert len(bed.round.confirmed) == 2
    bed.run()
    assert bed.study.status == Status.FINISHED
    bed.close()


def test_a_hospitals_own_floor_refuses(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=1)
    bed.approve()
    bed.agent("west").colluders_min = 2
    for _ in range(6):
        bed.step()
    assert bed.study.status == Status.PROPOSED
    assert "withstands 1 colluders" in bed.agent("west").refusals[STUDY]
    bed.close()
