"""An agent answers releases of counts by its hospital's policy: yes where its checks find nothing, no where they do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance.policies.rules import RULES
from hmchain.application.models import export
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import deciding, file, register
from hmchain.application.releases.answering import ReleaseAnswers
from hmchain.application.releases.register import People
from hmchain.application.releases.released_count import ReleasedFileError
from hmchain.application.site import hospital
from hmchain.errors import AuditError
from hmchain.ledger.contracts.data import cedar
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import AskRelease, Audience, Decision, Status, WithdrawRelease
from hmchain.records.catalogue import Catalogue
from support import cohort_bed
from support.cohort_bed import DATASET
from support.policy_bed import TERMS
from support.study_bed import Bed
from support.used import persons_used

COUNT = "women"
WAIT_SECONDS = 60
AUTOMATIC = cedar.canonical(cedar.parsed(TERMS.cedar) | {"release-counts": RULES["release-counts"].cedar()})


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A count, and hospitals whose policies let their agents answer; South has too few people and sat out."""
    bed = cohort_bed.found(tmp_path_factory.mktemp("counted"))
    cohort_bed.ask(bed, COUNT, "female")
    assert cohort_bed.propose(bed, COUNT) == "ok"
    assert cohort_bed.run(bed, COUNT) is not None
    for name in ("east", "north", "west"):
        terms = replace(TERMS, cedar=AUTOMATIC, epsilon_max_millionths=cohort_bed.BUDGET)
        bed.require(name, "steward", SetPolicy(DATASET, terms))
    yield bed
    bed.close()


def ask(bed: Bed, name: str, count: str = COUNT) -> None:
    made = releases.artefact_of(bed.state, count)
    assert made is not None
    bed.require("east", "scientist", AskRelease(name, count, None, made, Audience.PUBLIC, ()))


def answers(bed: Bed, name: str, said: list[str]) -> ReleaseAnswers:
    place = hospital.locate(bed.directory / "hospitals" / name)
    return ReleaseAnswers(place, bed.everyone[name].keys.agent, bed.consortium.ledger, None, said.append)


def answer(bed: Bed, name: str, release: str) -> str:
    """Look until something was said of a release; returns what the ledger has of it."""
    said: list[str] = []
    agent, until = answers(bed, name, said), time.monotonic() + WAIT_SECONDS
    while not said:
        agent(bed.state)
        assert time.monotonic() < until, f"{name} said nothing of {release}"
        time.sleep(0.01)
    assert release in said[0]
    word = releases.word(bed.state, release, name)
    return "left to people" if word is None else f"{word.decision} {word.reason}".strip()


def test_a_count_leaves_by_its_hospitals_policies_alone_and_proves_itself(counted: Bed, tmp_path: Path) -> None:
    ask(counted, "first")
    assert [answer(counted, name, "first") for name in ("east", "north", "west")] == ["granted"] * 3
    entry = releases.require_release(counted.state, "first")
    assert entry.status is Status.RELEASED
    assert all(said.persons == () and len(said.evidence) == 32 for said in releases.words(counted.state, "first"))
    place = export.locate(counted.directory / "hospitals" / "north")
    for target in (tmp_path / "women.json", tmp_path / "women.csv"):
        found = file.write(place, "first", target)
        assert found.count is not None and found.count.people > 0 and found.count.hospitals == ("east", "north", "west")
        assert file.check(target, found.proven.genesis).proven.audience == "public"
        text = target.read_text()
        for said, other in (
            (str(found.count.people), str(found.count.people + 1)),
            ("female", "male"),
            ("west", "east"),
        ):
            target.write_text(text.replace(said, other))
            with pytest.raises((AuditError, ReleasedFileError)):
                file.check(target)
        target.write_text(text)


def test_a_difference_of_a_few_people_is_a_no_that_says_nothing_more(counted: Bed) -> None:
    place = hospital.locate(counted.directory / "hospitals" / "west")
    persons = sorted(persons_used(place, COUNT))
    assert len(persons) == cohort_bed.WOMEN["west"]
    with register.opened(place.released_cohorts) as cohorts:
        cohorts.put(People("elsewhere", (register.Cohort("elsewhere", frozenset(persons[3:])),)), 1, 1)
    ask(counted, "second")
    assert answer(counted, "west", "second") == "refused disclosure"
    said = releases.word(counted.state, "second", "west")
    assert said is not None and said.decision is Decision.REFUSED and said.persons == ()
    counted.require("east", "scientist", WithdrawRelease("second"))


def test_a_number_that_was_given_before_is_of_those_who_were_counted_then(counted: Bed) -> None:
    """Somebody withdrew since, and another result is of all but them: the two would tell of one person."""
    cohort_bed.ask(counted, "men", "male")
    assert cohort_bed.propose(counted, "men") == "ok" and cohort_bed.run(counted, "men") is not None
    north = counted.consortium.hospitals["north"]
    with Catalogue(north.folder.catalogue, north.keys.local) as catalogue:
        catalogue.opt_outs.add([catalogue.opt_outs.of_subject(f"subject {cohort_bed.WOMEN['north']:04}")], 0)
    cohort_bed.ask(counted, "again", "male")
    assert cohort_bed.propose(counted, "again") == "ok" and cohort_bed.run(counted, "again") is not None
    left = persons_used(north.folder, "again")
    assert len(left) == cohort_bed.MEN - 1
    with register.opened(north.folder.released_cohorts) as cohorts:
        cohorts.put(People("elsewhere", (register.Cohort("elsewhere", left),)), 1, 1)
    ask(counted, "fourth", "again")
    with open_ledger(export.locate(north.folder.path).ledger) as ledger:
        found = deciding.case(north.folder, ledger, "fourth")
    assert [(each.earlier, each.persons) for each in found.differences] == [(("elsewhere",), 1)]
    counted.require("east", "scientist", WithdrawRelease("fourth"))


def test_what_cannot_be_measured_is_left_to_people(counted: Bed) -> None:
    place = hospital.locate(counted.directory / "hospitals" / "north")
    place.study_cohorts.rename(place.path / "elsewhere.db")
    try:
        ask(counted, "third")
        assert answer(counted, "north", "third") == "left to people"
    finally:
        (place.path / "elsewhere.db").rename(place.study_cohorts)
