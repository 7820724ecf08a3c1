"""A patient who withdraws is in no later round of a study, and the hospital knows in which rounds they were."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hmchain.application.agent.protocols import Learner
from hmchain.application.consent.at_work import ConsentsGoneError
from hmchain.application.consent.study_cohorts import StudyCohorts
from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.own_learner import learning_with
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainer_study import TrainerPlan, trainer_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.learning.trainers.source import read_source
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Status, StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.records.catalogue import Catalogue, Dataset
from hmchain.records.catalogue.optouts import PATIENT, OptOut
from hmchain.records.deidentification.patients import Patient
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, encode_image
from support.own_trainers import SCHEMA as ROWS
from support.own_trainers import TITLES, logistic, rows
from support.study_bed import Bed
from support.used import persons_used

SCHEMA = Schema("mri", 1, 16, 16, ("no", "yes"))
IMAGES_EACH = 3
PATIENTS = 8
TRAINING = IMAGES_EACH * (PATIENTS - 1)
"""The last patient's images validate."""


def keep(hospital: Hospital, catalogue: Catalogue) -> None:
    """Put images of patients into the vault, as an extraction names them."""
    random = np.random.default_rng(1)
    made = catalogue.projects.pseudonyms("brain")
    contents, subjects = {}, {}
    for number in range(PATIENTS * IMAGES_EACH):
        whose = number // IMAGES_EACH
        image = random.integers(0, 256, (16, 16, 1), np.uint8)
        contents[f"{number:06d}"] = encode_image(TRAIN if whose < PATIENTS - 1 else VALIDATION, number % 2, image)
        subjects[f"{number:06d}"] = made.subject(f"p{whose}")
    hospital.vault.put_many("brain", 1, contents, subjects=subjects)


def catalogue_of(hospital: Hospital) -> Catalogue:
    return Catalogue(hospital.folder.catalogue, hospital.keys.local)


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hospital]:
    monkeypatch.setattr(approvals, "authorised", lambda state, organisation, specification, time_ms: True)
    with Consortium.create(tmp_path, "test", {name: name for name in ("east", "north", "west")}) as consortium:
        hospital = consortium.hospitals["north"]
        with catalogue_of(hospital) as catalogue:
            catalogue.add_dataset(Dataset("brain", "Brain", "brain", load_profile("basic"), 0))
            keep(hospital, catalogue)
        consortium.require(hospital.register("brain", SCHEMA), hospital.publish("brain", 1))
        yield hospital


def spec(hospital: Hospital) -> StudySpec:
    uses = tuple(DatasetUse(name, "brain", 1) for name in ("east", "north", "west"))
    salt = parameters.founding(hospital.node.state).salt
    return study_spec("tumours", SCHEMA, uses, Architecture.for_images(16, 16, 1, 2), default_plan(3, steps=2), salt)


def opt_out(hospital: Hospital, number: int) -> bytes:
    """Opt a patient out while the agent is at work; returns the digest that stands for the person."""
    with catalogue_of(hospital) as catalogue:
        (person, *_) = catalogue.patients.persons_of(Patient(f"p{number}"))
        catalogue.opt_outs.add([OptOut(PATIENT, person)], 0)
        return person


def test_the_next_round_is_without_who_withdrew_and_a_round_that_began_goes_on(hospital: Hospital) -> None:
    learner = cnn_learner(hospital, spec(hospital))
    learner.use_counts(np.array([30, 10]))
    learner.renew((1, 0))
    before = learner.data
    assert int(learner.class_counts.sum()) == TRAINING
    opt_out(hospital, 2)
    learner.renew((1, 0))
    assert learner.data == before, "this round was begun with them"
    learner.renew((2, 0))
    assert int(learner.class_counts.sum()) == TRAINING - IMAGES_EACH and learner.data != before
    assert learner.trainer.prior is not None, "what was summed before is known to the new trainer, too"  # type: ignore[attr-defined]
    learner.renew((2, 1))
    opt_out(hospital, PATIENTS - 1)
    with pytest.raises(Exception, match="no validation images that may be used"):
        learner.renew((3, 0))


def test_a_learner_that_starts_later_asks_at_once(hospital: Hospital) -> None:
    opt_out(hospital, 0)
    learner = cnn_learner(hospital, spec(hospital))
    learner.read()
    assert int(learner.class_counts.sum()) == TRAINING - IMAGES_EACH


def test_no_record_of_who_withdrew_is_opened(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    opt_out(hospital, 0)
    opened: list[str] = []
    row_of = hospital.vault.read

    def watched(*given: object) -> Iterator[tuple[str, bytes]]:
        for record, data in row_of(*given):  # type: ignore[arg-type]
            opened.append(record)
            yield record, data

    monkeypatch.setattr(hospital.vault, "read", watched)
    cnn_learner(hospital, spec(hospital)).read()
    assert len(opened) == IMAGES_EACH * (PATIENTS - 1) and "000000" not in opened


def test_the_hospital_alone_knows_whose_records_a_study_used_in_which_rounds(hospital: Hospital) -> None:
    learner = cnn_learner(hospital, spec(hospital))
    for round_ in (0, 1):
        learner.renew((round_, 0))
    gone = opt_out(hospital, 2)
    for round_ in (2, 3):
        learner.renew((round_, 0))
    used = persons_used(hospital.folder, "tumours")
    assert len(used) == PATIENTS and persons_used(hospital.folder, "other") == frozenset()
    with catalogue_of(hospital) as catalogue:
        subject = catalogue.projects.pseudonyms("brain").subject("p2")
        mine = catalogue.opt_outs.of_subject(subject).digest
    cohorts = StudyCohorts(hospital.folder.study_cohorts)
    (rounds,) = cohorts.rounds_of([gone, mine])
    assert (rounds.study, rounds.dataset, rounds.first, rounds.last) == ("tumours", "brain", 0, 1)
    cohorts.close()
    text = hospital.folder.study_cohorts.read_bytes()
    assert b"p2" not in text and subject.encode() not in text


def test_records_of_patients_are_not_used_once_nobody_can_say_who_objects(hospital: Hospital) -> None:
    for path in hospital.folder.path.glob("catalogue.db*"):
        path.unlink()
    with pytest.raises(ConsentsGoneError, match="the hospital's catalogue is gone"):
        hospital.usable("brain", 1, Use(UseKind.TRAIN, recipients=("north",)))


class Asked:
    """A learner that notes for which rounds it was to ask anew."""

    def __init__(self, learner: Learner, places: list[tuple[int, int]]) -> None:
        self._learner, self._places = learner, places

    def __getattr__(self, name: str) -> object:
        return getattr(self._learner, name)

    def renew(self, place: tuple[int, int]) -> None:
        self._places.append(place)


def test_an_agent_asks_anew_before_every_update_and_every_vote(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    places: dict[str, list[tuple[int, int]]] = {}
    plain = bed.learn
    bed.learn = lambda hospital, spec: Asked(  # type: ignore[method-assign, assignment, return-value]
        plain(hospital, spec), places.setdefault(hospital.organisation, [])
    )
    bed.reopen()
    bed.prepare(rounds_=2)
    bed.approve()
    bed.run()
    for name in bed.names:
        assert places[name] == [(0, 0), (1, 0), (1, 0), (2, 0), (2, 0)], name
    bed.close()


def test_a_whole_study_goes_on_without_a_record_that_was_opted_out_between_two_rounds(tmp_path: Path) -> None:
    """Of somebody's own trainer, in a process of its own: another one begins with the records that are left."""
    source = f"{logistic(tmp_path)}:Logistic"
    with Consortium.create(tmp_path / "run", "own", TITLES, learn=learning_with(source)) as consortium:
        for order, hospital in enumerate(consortium.hospitals.values()):
            hospital.store_rows("rows", {"train": rows(40, order), "validation": rows(20, 10 + order)})
            consortium.require(hospital.register("rows", ROWS), hospital.publish("rows", 1))
        uses = tuple(DatasetUse(name, "rows", 1) for name in TITLES)
        plan = TrainerPlan.of(rounds=3, options={"steps": 5, "rate": 0.5})
        asked = trainer_spec("risk", ROWS, uses, read_source(source), plan, consortium.ledger.genesis.salt)
        elm, until_ms = consortium.hospitals["elm"], consortium.ledger.now_ms() + 86_400_000
        consortium.require(*elm.ask(asked, until_ms))
        for hospital in consortium.hospitals.values():
            consortium.require(*hospital.allow("risk", until_ms))
        consortium.require(elm.propose(asked))
        step_until(consortium, lambda: len(cohorts_of(elm, "risk")) == 2)  # class counts, and the first round
        with catalogue_of(elm) as catalogue:
            catalogue.opt_outs.add([catalogue.opt_outs.of_record("000003")], 0)
        step_until(consortium, lambda: studies.require_study(consortium.ledger.state, "risk").status in studies.OVER)
        assert studies.require_study(consortium.ledger.state, "risk").status is Status.FINISHED
        assert [cohorts_of(elm, "risk")[each] for each in range(4)] == [60, 60, 59, 59]
        assert set(cohorts_of(consortium.hospitals["yew"], "risk").values()) == {60}


def step_until(consortium: Consortium, is_so: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if is_so():
            return
        if not consortium.step():
            time.sleep(0.01)  # a trainer is at work
    raise AssertionError(f"it does not come: {[each.agent.troubles for each in consortium.hospitals.values()]}")


def cohorts_of(hospital: Hospital, study: str) -> dict[int, int]:
    """How many persons' records each round of a study used."""
    if not hospital.folder.study_cohorts.exists():
        return {}
    with closing(StudyCohorts(hospital.folder.study_cohorts)) as cohorts:
        return cohorts.sizes(study)
