"""Counting people of four hospitals: the sum, who sits out, what it costs, and what nobody learns."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain.application.agent import answers
from hmchain.application.agent.answers import Noised
from hmchain.application.agent.kept import MaskedUpdate
from hmchain.application.agent.pins import NotApprovedError, UnpinnedError
from hmchain.application.cohort.noise import noise
from hmchain.application.hospital import people_counter
from hmchain.application.hospital.people_counter import PeopleCounter
from hmchain.application.learning.trainers.worker import StillAtWorkError
from hmchain.application.site.activity import What, read_lines
from hmchain.canonical import encode
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.contracts.data import budgets, datasets, queries
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RevokeRequest
from hmchain.ledger.contracts.data.requests import DatasetVersion, Kind
from hmchain.ledger.contracts.learning import conduct, models, rounds, studies
from hmchain.ledger.contracts.learning.counting import SitOut
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.reputation import Conduct
from hmchain.records.catalogue import Catalogue
from hmchain.records.objects import MissingObjectError
from support import cohort_bed
from support.cohort_bed import DATASET, FIRST, WOMEN
from support.study_bed import SCHEMA as PICTURES
from support.study_bed import Bed, make_spec
from support.used import persons_used

LARGE = ("east", "north", "west")
"""Those with women enough; south has four."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The women of four hospitals, counted."""
    bed = cohort_bed.found(tmp_path_factory.mktemp("cohort"))
    cohort_bed.ask(bed, FIRST, "female")
    assert cohort_bed.propose(bed, FIRST) == "ok"
    cohort_bed.run(bed, FIRST)
    yield bed
    bed.close()


def made(bed: Bed, study: str) -> list[str]:
    """Who made an update that was masked."""
    return [name for name in bed.names if list(bed.agent(name).store.all(f"{study}/masked/", MaskedUpdate))]


def test_the_people_of_all_hospitals_but_the_smallest_are_summed(bed: Bed) -> None:
    study, entry = studies.require_study(bed.state, FIRST), rounds.round_(bed.state, FIRST, 0)
    assert study.status is Status.FINISHED
    assert entry is not None
    assert entry.frozen == LARGE
    said = 0
    for name in LARGE:
        ((_, drawn),) = bed.agent(name).store.all("said/", Noised)
        version = datasets.version(bed.state, name, DATASET, 1)
        assert version is not None
        statement = queries.statement(queries.plan_of(study.spec.training), name, version.root)
        records = PeopleCounter(bed.everyone[name], study.spec).data
        assert drawn.number == WOMEN[name] + noise(bed.agent(name).store.lasting, statement, records, 500_000)
        said += drawn.number
    assert cohort_bed.result(bed, FIRST) == said
    assert models.model(bed.state, FIRST) is None


def test_a_count_below_a_threshold_is_refused_before_anything_is_computed(bed: Bed) -> None:
    """The small hospital says that it sits out, masks nothing and puts nothing into the store; nobody charges it."""
    entry = rounds.round_(bed.state, FIRST, 0)
    assert entry is not None
    assert [update.organisation for update in rounds.contributions(bed.state, entry)] == list(LARGE)
    assert ("count.sat_out", "south") in bed.kinds("count.sat_out")
    south = bed.agent("south")
    assert not list(south.store.all("said/", Noised))
    assert made(bed, FIRST) == []
    sent = [line.deed.what for line in read_lines(bed.everyone["south"].folder.activity) if line.deed.study == FIRST]
    assert What.STUDY_KEYS in sent
    assert What.UPDATE not in sent
    assert [line for line in south.news if "sits out" in line] == [
        f"count {FIRST}: this hospital sits out: it has fewer people than its policy lets be counted"
    ]
    assert conduct.of(bed.state, FIRST, "south") == Conduct()


def test_asking_ten_times_does_not_average_the_noise_away(bed: Bed) -> None:
    """Another request, study and applicant, other words, other hospitals beside: the same number, and no charge."""
    before = [budgets.spent(bed.state, name, DATASET) for name in bed.names]
    cohort_bed.ask(bed, "again", "female and not not female", LARGE, by="west")
    assert cohort_bed.propose(bed, "again", by="west") == "ok"
    assert cohort_bed.run(bed, "again") == cohort_bed.result(bed, FIRST)
    assert [budgets.spent(bed.state, name, DATASET) for name in bed.names] == before


def test_a_lost_agent_file_gives_no_second_draw_of_what_was_paid_for_once(tmp_path: Path) -> None:
    """Nobody backs the file up, and a question that was paid for is free: each loss would be another sample."""
    bed = cohort_bed.found(tmp_path)
    said = []
    for name in ("first", "again"):
        cohort_bed.ask(bed, name, "female", LARGE)
        assert cohort_bed.propose(bed, name) == "ok"
        said.append(cohort_bed.run(bed, name))
        bed.lose_files("north")
        bed.agent("north").random = random.Random(name).randbytes
    bed.close()
    assert said[0] == said[1]


def test_more_people_than_a_count_holds_are_not_cut_to_what_it_holds(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum is said to be an upper bound, so the hospital sits out and its operator reads why."""
    monkeypatch.setattr(people_counter, "count_people", lambda *given, **more: 1_000_000)
    cohort_bed.ask(bed, "many", "not male", LARGE)
    assert cohort_bed.propose(bed, "many") == "ok"
    assert cohort_bed.run(bed, "many") is None
    assert [bed.agent(name).troubles["many"] for name in LARGE] == [answers.TOO_MANY] * 3


def test_a_hospital_that_seems_too_small_with_its_noise_sits_out(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a number under the limit would be told."""
    monkeypatch.setattr(answers, "noise", lambda *given: 9 - cohort_bed.MEN)
    cohort_bed.ask(bed, "noised", "male and not sex unknown", LARGE)
    assert cohort_bed.propose(bed, "noised") == "ok"
    assert cohort_bed.run(bed, "noised") is None
    assert studies.require_study(bed.state, "noised").progress.reason == "too_few"


def test_a_query_that_singles_out_one_person_gives_nothing(bed: Bed) -> None:
    cohort_bed.ask(bed, "one", "female and not male and sex other")
    assert cohort_bed.propose(bed, "one") == "ok"
    assert cohort_bed.run(bed, "one") is None
    study = studies.require_study(bed.state, "one")
    assert (study.status, study.progress.reason) == (Status.CLOSED, "too_few")
    assert made(bed, "one") == []


def test_a_budget_cannot_be_reset_by_a_new_request(bed: Bed) -> None:
    """Nor by another name, another study or another version; only what was paid for is free."""
    cohort_bed.set_terms(bed, "north", epsilon_max_millionths=budgets.spent(bed.state, "north", DATASET))
    for name, query in (("new", "male"), ("newer", "male or female")):
        cohort_bed.ask(bed, name, query)
        assert cohort_bed.propose(bed, name) == "budget_spent"
    cohort_bed.ask(bed, "paid", "female")
    assert cohort_bed.propose(bed, "paid") == "ok"
    cohort_bed.set_terms(bed, "north", epsilon_max_millionths=10_000_000)
    assert cohort_bed.propose(bed, "new") == "ok"


def test_no_count_without_a_permit(bed: Bed) -> None:
    """Not before a hospital allowed it, not of what was asked for training, not of what is no query, not twice."""
    cohort_bed.ask(bed, "asked", "male", ("east",))
    assert cohort_bed.propose(bed, "asked") == "too_few_participants"
    assert cohort_bed.propose(bed, "asked", "nobody") == "no_such_request"
    assert cohort_bed.propose(bed, "asked", by="west") == "not_the_applicant"
    cohort_bed.ask(bed, "waits", "male", approved_by=())
    assert cohort_bed.propose(bed, "waits") == "not_permitted"
    cohort_bed.ask(bed, "trains", "male", kind=Kind.TRAIN, code=bytes(32), plan=studies.plan_of(make_spec(bed.names)))
    assert cohort_bed.propose(bed, "trains") == "not_permitted"
    bad = cohort_bed.content_of("male", LARGE, plan=b"how many?")
    assert bed.submit("east", "scientist", CreateRequest("bad")) == "ok"
    assert bed.submit("east", "scientist", SaveDraft("bad", bad)) == "bad_query"
    assert cohort_bed.propose(bed, "second", FIRST) == "permit_used"


def test_no_count_of_people_in_pictures(bed: Bed) -> None:
    scans = tuple(DatasetVersion(name, "scans", 1) for name in LARGE)
    for name in LARGE:
        bed.require(name, "steward", RegisterDataset("scans", PICTURES))
        bed.require(name, "steward", PublishVersion("scans", 1, bytes(32), 64))
    asked = cohort_bed.ask(bed, "scans", "male", LARGE, approved_by=(), datasets=scans)
    for name in LARGE:
        bed.require(name, "steward", ApproveRequest("scans", 1, asked.digest, "scans", asked.until_ms))
    assert cohort_bed.propose(bed, "scans") == "not_countable"


def test_a_count_ends_where_a_permit_was_taken_back_and_opens_no_record(bed: Bed) -> None:
    content = cohort_bed.ask(bed, "revoked", "male", LARGE)
    assert cohort_bed.propose(bed, "revoked") == "ok"
    revoke = RevokeRequest("revoked", 1, content.digest, DATASET, "other", b"")
    assert bed.submit("west", "steward", revoke) == "ok"
    assert cohort_bed.run(bed, "revoked") is None
    assert studies.require_study(bed.state, "revoked").progress.reason == "permit_over"
    with pytest.raises(NotApprovedError):
        PeopleCounter(bed.everyone["west"], studies.require_study(bed.state, "revoked").spec).read()


def test_counting_long_holds_up_nobody_and_what_failed_is_tried_again(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, answers = threading.Event(), iter([TimeoutError(), MissingObjectError("an object is away", "wait"), 7])

    def slowly(*given: object, **more: object) -> int:
        going_on.wait()
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    monkeypatch.setattr(people_counter, "count_people", slowly)
    counter = PeopleCounter(bed.everyone["east"], studies.require_study(bed.state, FIRST).spec)
    with pytest.raises(StillAtWorkError):
        counter.read()
    going_on.set()
    for _ in range(3):  # an agent steps often, and every record would be read each time
        with pytest.raises(TimeoutError):
            counter.read()
    monkeypatch.setattr(people_counter, "AGAIN_SECONDS", 0.0)
    with pytest.raises(MissingObjectError):
        counter.read()
    counter.read()
    assert counter.class_counts.tolist() == [7]


def test_nobody_more_is_read_for_a_count_once_it_is_let_go(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permit that was taken back while a large hospital counts: its records are not read to the last."""
    reading, ended = threading.Event(), threading.Event()

    def for_ever(*given: object, **more: object) -> int:
        go_on = given[-1]
        assert callable(go_on)
        try:
            while True:
                go_on(1, None)
                reading.set()
        finally:
            ended.set()

    monkeypatch.setattr(people_counter, "count_people", for_ever)
    monkeypatch.setattr(people_counter, "PATIENCE_SECONDS", 0.0)
    counter = PeopleCounter(bed.everyone["east"], studies.require_study(bed.state, FIRST).spec)
    with pytest.raises(StillAtWorkError):
        counter.read()
    assert reading.wait(20) and not ended.is_set()
    counter.let_go()
    assert ended.wait(20)


def test_who_objects_is_in_no_later_count(bed: Bed) -> None:
    east, spec = bed.everyone["east"], studies.require_study(bed.state, FIRST).spec
    counter = PeopleCounter(east, spec)
    counter.renew((0, 0))
    before = counter.data
    with Catalogue(east.folder.catalogue, east.keys.local) as catalogue:
        gone = [catalogue.opt_outs.of_subject(f"subject {number:04}") for number in (0, 1, 40)]
        catalogue.opt_outs.add(gone, 0)
        counter.renew((0, 0))
        assert counter.data == before, "this attempt was begun with them"
        counter.renew((0, 1))
        assert counter.class_counts.tolist() == [WOMEN["east"] - 2] and counter.data != before
        whose = [catalogue.opt_outs.of_subject(f"subject {number:04}").digest for number in (0, 2, 40)]
        counted = persons_used(east.folder, FIRST)
        assert [each in counted for each in whose] == [True, True, False], "the last one is a man"
        catalogue.opt_outs.lift(gone)


def test_a_study_without_rounds_is_proposed_as_a_count_alone(bed: Bed) -> None:
    spec = replace(studies.require_study(bed.state, FIRST).spec, name="smuggled")
    assert bed.submit("east", "scientist", ProposeUnderPermit(spec, FIRST)) == "bad_rounds"
    other = replace(spec, training=encode(b"anything"))
    with pytest.raises(UnpinnedError):
        PeopleCounter(bed.everyone["east"], other)
    with pytest.raises(UnpinnedError):
        PeopleCounter(bed.everyone["east"], replace(spec, clip_norm_millionths=2))


def test_sitting_out_is_for_whoever_is_asked_and_has_not_answered(bed: Bed) -> None:
    content = cohort_bed.ask(bed, "left", "male")
    assert cohort_bed.propose(bed, "left") == "ok"
    study = lambda: studies.require_study(bed.state, "left")  # noqa: E731
    while study().status is not Status.RUNNING:
        bed.step()
    while rounds.contribution(bed.state, rounds.current(bed.state, study()), "north") is None:
        bed.agent("north").publish()
        assert set(bed.consortium.submit(*bed.agent("north").step())) <= {"ok"}
    assert bed.submit("north", "agent", SitOut("left")) == "already_committed"
    assert [bed.submit("south", "agent", SitOut("left")) for _ in range(2)] == ["ok", "not_approved"]
    bed.require("west", "steward", RevokeRequest("left", 1, content.digest, DATASET, "other", b""))
    assert bed.submit("west", "agent", SitOut("left")) == "not_approved"
    assert bed.submit("east", "agent", SitOut(FIRST)) == "not_running"
    assert bed.submit("east", "steward", SitOut(FIRST)) == "wrong_role"
    assert bed.submit("east", "agent", SitOut("nothing")) == "no_such_study"


def test_another_hospitals_count_cannot_be_read_from_object_store_or_ledger(bed: Bed) -> None:
    """Who holds the study's key and every opened seed sees noise where another's number is, and its padding."""
    cohort_bed.ask(bed, "read", "male")
    assert cohort_bed.propose(bed, "read") == "ok"
    study = lambda: studies.require_study(bed.state, "read")  # noqa: E731
    for _ in range(1_000):
        if study().status is Status.RUNNING and rounds.current(bed.state, study()).phase is Phase.AGGREGATE:
            break
        bed.step()
    participant = bed.agent("west").participant(study())
    assert participant is not None
    for update in participant.desk.frozen:
        if update.organisation == "west":
            continue
        vector = participant.desk.vector(update)
        assert vector is not None
        assert vectors.update_root(vector) == update.digest
        opened = vector - arithmetic.mask_stream(update.self_seed, 0, 1)
        for seen in (vector, opened):
            assert np.count_nonzero(seen < 1 << 20) < 10, "a number of people is small, and its padding is zero"
    assert cohort_bed.run(bed, "read") is not None
