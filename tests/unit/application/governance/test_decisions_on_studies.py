"""Stewards and scientists decide on studies at their own node; every answer says how the study stands now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance import studies, study_requests
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.study_file import Proposal, StudyFileError, load_proposal
from hmchain.application.governance.study_requests import StudyNotAllowedError
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.readers.studies import NotAskedError, UnknownStudyError, proposal_to
from support.study_bed import START_MS, STUDY, YEAR_MS, Bed, another


@pytest.fixture
def protocol() -> int:
    return FOUNDING


@pytest.fixture
def bed(tmp_path: Path, protocol: int) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run", protocol=protocol)
    yield bed
    bed.close()


def user(bed: Bed, name: str, role: str = "steward") -> LedgerUser:
    return LedgerUser(name, getattr(bed.consortium.hospitals[name].keys, role), bed.consortium.ledger)


@pytest.mark.parametrize("protocol", [2])
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


@pytest.mark.parametrize("protocol", [2])
def test_a_refusal_has_a_reason_with_a_code(bed: Bed) -> None:
    bed.prepare()
    with pytest.raises(studies.BadReasonError, match="is no reason on a ledger"):
        studies.refuse(user(bed, "east"), STUDY, "I do not like it")
    done = studies.refuse(user(bed, "east"), STUDY, "ethics")
    assert (done.decision, done.reason, done.status, done.is_over) == ("refused", "ethics", "refused", True)


@pytest.mark.parametrize("protocol", [2])
def test_a_scientist_ends_what_it_proposed(bed: Bed) -> None:
    bed.prepare()
    with pytest.raises(RefusedTransactionError, match="not_paused"):
        studies.resume(user(bed, bed.names[0], "scientist"), STUDY)
    assert studies.close(user(bed, bed.names[0], "scientist"), STUDY).is_over


@pytest.mark.parametrize("protocol", [2])
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


@pytest.mark.parametrize("protocol", [2])
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


@pytest.mark.parametrize("protocol", [2])
def test_a_name_is_given_once_however_many_studies_there_are(bed: Bed) -> None:
    spec, west = bed.prepare(), user(bed, "west", "scientist")
    for number in range(21):
        assert bed.propose(another(spec, f"a{number:02}"), bed.names[number % len(bed.names)]) == "ok"
    height = bed.state.height
    with pytest.raises(StudyFileError, match=f"there is a study {STUDY} already"):
        studies.propose(west, Proposal(name=STUDY, datasets=dict.fromkeys(bed.names, "brain")))
    assert bed.state.height == height


def test_a_study_is_asked_for_decided_on_and_proposed_by_the_same_commands(bed: Bed) -> None:
    """From protocol 3 on: a request by the study's name, each hospital's word, and the same file once more."""
    bed.prepare()
    asked = Proposal(name="scans", datasets=dict.fromkeys(bed.names, "brain"), rounds=2, steps=2)
    west = user(bed, "west", "scientist")
    done = studies.propose(west, asked)
    assert (done.study, done.status, done.request, done.is_over) == ("scans", "requested", "scans", False)
    with pytest.raises(StudyFileError, match="asks for something else than this file"):
        studies.propose(west, replace(asked, rounds=3))
    for name in ("east", "north", "west"):
        steward = user(bed, name)
        said = studies.approve(steward, proposal_to(steward.state, name, "scans").asked, START_MS + YEAR_MS)
        assert (said.decision, said.until_ms) == ("approved", START_MS + YEAR_MS)
    waiting = studies.propose(west, asked)
    assert [each.organisation for each in waiting.answers if each.decision == "undecided"] == ["south"]
    assert studies.refuse(user(bed, "south"), "scans", "ethics").decision == "refused"
    done = studies.propose(west, asked)
    assert (done.status, done.participants) == ("proposed", ("east", "north", "west"))
    assert studies.revoke(user(bed, "east"), "scans").decision == "revoked"
    assert studies.close(west, "scans").is_over
    with pytest.raises(StudyFileError, match="there is a study scans already"):
        studies.propose(west, asked)


def test_too_few_hospitals_make_no_study(bed: Bed) -> None:
    bed.prepare()
    for name in bed.names[:2]:
        studies.refuse(user(bed, name), STUDY, "purpose")
    for name in bed.names[2:]:
        bed.allow(name)
    with pytest.raises(StudyNotAllowedError, match="too few hospitals allow"):
        study_requests.propose(user(bed, bed.names[0], "scientist"), STUDY)
