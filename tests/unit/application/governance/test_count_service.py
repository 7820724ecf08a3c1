"""Asking how many people there are, as a hospital's people do: asked, allowed by policies or people, counted, shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from hmchain.application.governance import counts
from hmchain.application.governance.counts import (
    ASKED,
    DECIDING,
    CountArgumentError,
    CountNotAllowedError,
    CountQuestion,
)
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.reading import titled
from hmchain.application.models import counts as results
from hmchain.application.models.counts import CountDiffersError, CountNotReadyError, NoCountError
from hmchain.application.models.export import ExportPlace, NoStudyKeyError
from hmchain.application.models.leaving import Leaver
from hmchain.interfaces.cli import cohort, show_cohort
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.data import budgets, requests
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.readers import catalogue
from hmchain.ledger.readers import requests as reader
from support import cohort_bed
from support.cohort_bed import DATASET
from support.policy_bed import ANYTHING, compiled
from support.study_bed import Bed

QUESTION = CountQuestion("female", tuple(f"{name}/{DATASET}" for name in ("east", "north", "west")))


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Hospitals of which two have policies that say yes by themselves."""
    bed = cohort_bed.found(tmp_path_factory.mktemp("counts"))
    for name in ("north", "west"):
        cohort_bed.set_terms(bed, name, cedar=compiled(anything=ANYTHING), automatic=True)
    yield bed
    bed.close()


@pytest.fixture(scope="module")
def user(bed: Bed) -> LedgerUser:
    return LedgerUser("south", bed.everyone["south"].keys.scientist, bed.consortium.ledger)


@pytest.fixture(scope="module")
def counted(bed: Bed, user: LedgerUser) -> str:
    """The question, asked and answered; its name."""
    found = counts.ask(user, QUESTION)
    assert (found.status, found.waits_for, found.allowed_by) == (DECIDING, ("east",), ("north", "west"))
    with pytest.raises(CountNotAllowedError, match="2 hospitals allow"):
        counts.propose(user, found.count)
    entry = requests.require_request(bed.state, found.count)
    content = requests.content(bed.state, found.count, 1)
    assert content is not None
    bed.require("east", "steward", ApproveRequest(found.count, 1, entry.content, DATASET, content.until_ms))
    assert counts.ask(user, QUESTION).status == ASKED
    counts.propose(user, found.count)
    cohort_bed.run(bed, found.count)
    return found.count


def place_of(bed: Bed, name: str) -> ExportPlace:
    run = bed.consortium.directory
    return ExportPlace(bed.everyone[name].folder, run / "ledger", run / "objects")


def test_the_same_question_goes_on_with_the_same_count(bed: Bed, user: LedgerUser, counted: str) -> None:
    again = counts.ask(user, replace_question(query="(female)"))
    assert again.count == counted
    assert again.is_done
    assert counts.propose(user, counted) == again
    assert counts.wait(user, counted, 0) == again
    assert [each.count for each in counts.listed(bed.state)] == [counted]
    assert str(again) == f"{counted}: finished"


def replace_question(**changes: object) -> CountQuestion:
    fields = {name: getattr(QUESTION, name) for name in QUESTION.__dataclass_fields__}
    return CountQuestion(**(fields | changes))


def test_a_number_is_shown_with_its_noise_and_without_any_hospitals_own(bed: Bed, counted: str) -> None:
    found = results.result(place_of(bed, "north"), bed.state, counted)
    assert abs(found.people - 120) < 40
    assert (found.hospitals, found.margin, found.epsilon) == (("east", "north", "west"), 10, 0.5)
    assert "upper bound: people may be counted twice" in str(found)
    assert found.words == "people of female sex"
    with pytest.raises(NoStudyKeyError):
        results.result(place_of(bed, "south"), bed.state, counted)
    with pytest.raises(NoCountError):
        results.result(place_of(bed, "north"), bed.state, "nothing")


def test_an_agent_leaves_the_number_and_another_one_in_its_place_is_found(bed: Bed, counted: str) -> None:
    hospital, said = bed.everyone["west"], []
    Leaver(hospital.folder, hospital.agent, bed.consortium.ledger.genesis, said.append).leave(bed.state)
    path = hospital.folder.study(counted).count
    assert [line for line in said if f"hmchain cohort result {counted}" in line]
    shown = results.result(place_of(bed, "west"), bed.state, counted)
    assert shown == results.result(place_of(bed, "north"), bed.state, counted)
    left = json.loads(path.read_bytes())
    for wrong in (left | {"mean": left["mean"] + 1}, left | {"study": "other"}, {}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(CountDiffersError):
            results.result(place_of(bed, "west"), bed.state, counted)
    path.unlink()


def test_a_count_without_a_number_says_why(bed: Bed, user: LedgerUser) -> None:
    found = counts.ask(user, replace_question(query="sex other", name="others"))
    assert found.waits_for == ("east",), "the other policies say yes by themselves"
    with pytest.raises(CountNotAllowedError, match="a sum needs 3"):
        counts.propose(user, "others")
    with pytest.raises(NoCountError):
        results.result(place_of(bed, "north"), bed.state, "others")
    cohort_bed.ask(bed, "few", "sex other", approved_by=("east", "south"))
    assert cohort_bed.propose(bed, "few") == "ok"
    with pytest.raises(CountNotReadyError, match="proposed"):
        results.result(place_of(bed, "north"), bed.state, "few")
    cohort_bed.run(bed, "few")
    with pytest.raises(CountNotReadyError, match="too_few"):
        results.result(place_of(bed, "north"), bed.state, "few")


@pytest.mark.parametrize("datasets", [("north",), ("north/",), ("north/people", "north/other")])
def test_a_dataset_is_named_with_its_hospital_and_once(user: LedgerUser, datasets: tuple[str, ...]) -> None:
    with pytest.raises(CountArgumentError, match="--dataset"):
        counts.ask(user, replace_question(datasets=datasets))


def test_nobody_is_asked_for_what_can_never_be_a_count(bed: Bed, user: LedgerUser) -> None:
    with pytest.raises(CountArgumentError, match="a sum needs 3 hospitals, and 1 would be asked"):
        counts.ask(user, replace_question(name="alone", datasets=QUESTION.datasets[:1]))
    assert requests.request(bed.state, "alone") is None


def test_nobody_is_asked_before_the_scientist_says_yes(
    bed: Bed, user: LedgerUser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cohort, "open_scientist", lambda node, *, yes: nullcontext(user))
    where = [word for each in QUESTION.datasets for word in ("--dataset", each)]
    assert main(["cohort", "count", "sex unknown", "--name", "unsaid", *where]) == 2
    assert "nothing was changed" in capsys.readouterr().err
    assert requests.request(bed.state, "unsaid") is None


def allow(bed: Bed, name: str, *hospitals: str) -> None:
    entry = requests.require_request(bed.state, name)
    content = requests.content(bed.state, name, 1)
    assert content is not None
    for each in hospitals:
        bed.require(each, "steward", ApproveRequest(name, 1, entry.content, DATASET, content.until_ms))


def test_nobody_answers_a_count_by_a_study_of_its_name(bed: Bed, user: LedgerUser) -> None:
    """Names follow from questions, so anybody knows them: before the request by another name, after it not at all."""
    cohort_bed.ask(bed, "mine", "not female", ("east", "north", "west"), by="north", approved_by=("east",))
    assert cohort_bed.propose(bed, "taken", "mine", by="north") == "ok"
    question = replace_question(query="male", name="taken")
    counts.ask(user, question)
    allow(bed, "taken", "east")
    cohort_bed.run(bed, "taken")
    assert counts.standing(bed.state, "taken").status == ASKED
    found = counts.propose(user, "taken")
    assert (found.study, found.status) == ("taken-2", "proposed")
    cohort_bed.ask(bed, "other", "sex other or male", ("east", "north", "west"), by="north", approved_by=("east",))
    counts.ask(user, replace_question(query="male and not sex other", name="reserved"))
    assert cohort_bed.propose(bed, "reserved", "other", by="north") == "study_exists"


def test_a_count_that_did_not_open_is_proposed_again_under_its_permit(bed: Bed, user: LedgerUser) -> None:
    counts.ask(user, replace_question(query="not sex other", name="away"))
    allow(bed, "away", "east")
    found = counts.propose(user, "away")
    assert (found.study, found.is_unused) == ("away", False)
    bed.require("south", "scientist", CloseStudy("away"))
    found = counts.ask(user, replace_question(query="not sex other", name="away"))
    assert (found.status, found.is_unused) == ("closed", True)
    assert counts.propose(user, "away").study == "away-2"
    cohort_bed.run(bed, "away-2")
    assert counts.standing(bed.state, "away").is_done


def test_a_name_means_one_question(user: LedgerUser, counted: str) -> None:
    with pytest.raises(CountArgumentError, match="asks for something else"):
        counts.ask(user, replace_question(query="male", name=counted))
    with pytest.raises(CountArgumentError, match="no request to count"):
        counts.standing(user.state, "nothing")


def test_the_catalogue_says_what_all_members_have_and_what_their_policies_say(
    bed: Bed, counted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = catalogue.offers(bed.state, "south")
    assert [(each.organisation, each.dataset, each.version, each.answer) for each in found] == [
        ("east", DATASET, 1, "look"), ("north", DATASET, 1, "yes"), ("south", DATASET, 1, "look"),
        ("west", DATASET, 1, "yes"),
    ]  # fmt: skip
    north = found[1]
    assert (north.records, north.holds, north.people_min) == ("under 128", "FHIR resources", 10)
    assert north.epsilon_left == 5 - budgets.spent(bed.state, "north", DATASET) / 1_000_000
    assert catalogue.offers(bed.state)[0].answer == ""
    spent = catalogue.budget(bed.state, "west", DATASET)
    assert (spent.total, spent.spent) == (5, sum(each.epsilon for each in spent.paid))
    assert (counted, "south/scientist") in [(each.request, each.applicant) for each in spent.paid]
    assert counts.budget(bed.state, "west", DATASET) == spent
    assert titled(None, "", reader.request(bed.state, counted)) == "female", "whoever lists it sees what it asks"
    for hospital, dataset, said in (("west", "peple", "published no dataset peple"), ("", DATASET, "of a hospital")):
        with pytest.raises(CountArgumentError, match=said):
            counts.budget(bed.state, hospital, dataset)
    show_cohort.show_budget(spent)
    show_cohort.show_offers(found)
    show_cohort.show_counts(counts.listed(bed.state))
    shown = capsys.readouterr().out
    assert "FHIR" in shown
    assert counted in shown
    assert show_cohort.offer_value(north)["policy"] == {"version": 2, "approvers": 1, "automatic": True}
