"""Stewards and scientists decide on studies at their own node; every answer says how the study stands now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance import studies
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.study_file import Proposal, StudyFileError, load_proposal
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.studies import NotAskedError, UnknownStudyError, proposal_to
from support.study_bed import START_MS, STUDY, YEAR_MS, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run")
    yield bed
    bed.close()


def user(bed: Bed, name: str, role: str = "steward") -> LedgerUser:
    return LedgerUser(name, getattr(bed.consortium.hospitals[name].keys, role), bed.consortium.ledger)


def test_an_approval_binds_what_was_shown_and_can_be_taken_back(bed: Bed) -> None:
    bed.prepare()
    east = user(bed, "east")
    shown = proposal_to(east.state, "east", STUDY)
    assert shown.asked.decision == "undecided"
    done = studies.approve(east, shown.asked, START_MS + YEAR_MS)
    assert (done.decision, done.until_ms, done.dataset) == ("approved", START_MS + YEAR_MS, "brain")
    assert studies.revoke(east, STUDY).decision == "revoked"
    with pytest.raises(RefusedTransactionError, match="not_approved"):
        studies.revoke(east, STUDY)


def test_a_refusal_has_a_reason_with_a_code(bed: Bed) -> None:
    bed.prepare()
    with pytest.raises(studies.BadReasonError, match="is no reason on a ledger"):
        studies.refuse(user(bed, "east"), STUDY, "I do not like it")
    done = studies.refuse(user(bed, "east"), STUDY, "ethics")
    assert (done.decision, done.reason, done.status, done.is_over) == ("refused", "ethics", "refused", True)


def test_a_scientist_ends_what_it_proposed(bed: Bed) -> None:
    bed.prepare()
    with pytest.raises(RefusedTransactionError, match="not_paused"):
        studies.resume(user(bed, bed.names[0], "scientist"), STUDY)
    assert studies.close(user(bed, bed.names[0], "scientist"), STUDY).is_over


def test_a_study_that_is_not_there_is_named_before_anything_is_sent(bed: Bed) -> None:
    bed.prepare()
    height, east = bed.state.height, user(bed, "east")
    for decide in (
        studies.revoke,
        studies.close,
        studies.resume,
        lambda who, name: studies.refuse(who, name, "ethics"),
    ):
        with pytest.raises(UnknownStudyError, match="there is no study unknown"):
            decide(east, "unknown")
    assert bed.state.height == height


def test_a_study_asks_nothing_of_who_takes_no_part(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path / "run", n=5)
    try:
        bed.names, outside = bed.names[:4], bed.names[4]
        bed.prepare(colluders=1)
        with pytest.raises(NotAskedError, match=f"asks nothing of {outside}"):
            studies.refuse(user(bed, outside), STUDY, "ethics")
    finally:
        bed.close()


def test_a_proposal_from_a_file_pins_the_newest_versions(bed: Bed, tmp_path: Path) -> None:
    bed.prepare()
    file = tmp_path / "study.toml"
    uses = "\n".join(f'{name} = "brain"' for name in bed.names)
    file.write_text(f'name = "scans"\nrounds = 2\nsteps = 2\n[datasets]\n{uses}\n')
    asked = load_proposal(file)
    assert asked == Proposal(name="scans", datasets=dict.fromkeys(bed.names, "brain"), rounds=2, steps=2)
    done = studies.propose(user(bed, "west", "scientist"), asked)
    assert (done.study, done.proposer, done.status, done.version) == ("scans", "west", "proposed", 1)
    file.write_text('name = "scans"\nsites = 3\n')
    with pytest.raises(StudyFileError, match="sites"):
        load_proposal(file)
    with pytest.raises(StudyFileError, match="has published no dataset knees"):
        studies.propose(user(bed, "west", "scientist"), Proposal(name="knees", datasets={"west": "knees"}))
