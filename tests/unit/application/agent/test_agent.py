"""What makes an agent refuse a study, and what must not stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from hmchain.application.agent.phases import agree, join
from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.agent.protocols import Learner
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.quantise import to_fixed
from hmchain.application.learning.trainers.local import LocalTrainer
from hmchain.keys import WrappingKey
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.arithmetic import Layer
from hmchain.ledger.contracts.learning import opening, rounds, studies
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Status, StudySpec
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction, ballots
from support.study_bed import STUDY, Bed, another, make_spec


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path)
    yield bed
    bed.close()


def other_model() -> bytes:
    model = arithmetic.padded(to_fixed(np.ones(600, np.float32)))
    return vectors.model_root(model, model * 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"initial_root": other_model()},
        {"initial_weights": bytes(32)},
        {"rule": replace(make_spec(("east", "north", "south", "west")).rule, layers=(Layer(601, 1 << 30),))},
    ],
    ids=["another first model", "other first weights", "another size"],
)
def test_a_first_model_or_rule_that_is_not_ours_is_refused(bed: Bed, changes: dict[str, object]) -> None:
    """A study whose base model nobody can show would be one in which no fraud can be proven."""
    bed.prepare(**changes)
    bed.approve()
    for _ in range(3):
        bed.step()
    assert not opening.joins(bed.state, STUDY)
    assert all("does not start from the model" in bed.agent(name).refusals[STUDY] for name in bed.names)


def test_code_or_architecture_that_is_not_ours_is_refused_and_asked_once(bed: Bed) -> None:
    asked = []

    def other_code(hospital: Hospital, spec: StudySpec) -> Learner:
        asked.append(hospital.organisation)
        raise UnpinnedError(f"study {spec.name} pins other training code than is installed")

    bed.learn = other_code  # type: ignore[method-assign]
    bed.prepare()
    bed.approve()
    bed.reopen()
    for _ in range(5):
        bed.step()
    assert bed.study.status == Status.PROPOSED and sorted(asked) == list(bed.names)
    assert all("other training code" in bed.agent(name).refusals[STUDY] for name in bed.names)


def test_the_data_is_read_once_a_process(bed: Bed) -> None:
    bed.prepare(rounds_=2)
    bed.approve()
    bed.run()
    assert bed.learners == 4


class Watched:
    """A dummy hospital's learner that notes whose data is read."""

    def __init__(self, learner: Learner, name: str, read: list[str]) -> None:
        self._learner, self._name, self._noted = learner, name, read
        self.initial, self.use_counts = learner.initial, learner.use_counts

    @property
    def trainer(self) -> LocalTrainer:
        self.read()
        return self._learner.trainer

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        self.read()
        return self._learner.class_counts

    @property
    def data(self) -> bytes:
        self.read()
        return self._learner.data

    def read(self) -> None:
        self._noted.append(self._name)

    def let_go(self) -> None:
        self._learner.let_go()

    def renew(self, place: tuple[int, int]) -> None:
        self.read()


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.REVEAL, Phase.GATE_COMMIT])
def test_an_agent_that_starts_after_its_approval_was_revoked_reads_no_data(bed: Bed, phase: str) -> None:
    """It still gives the others what its last update owes them, so the round it was in is accepted."""
    read: list[str] = []
    plain = bed.learn

    def watched(hospital: Hospital, spec: StudySpec) -> Learner:
        return Watched(plain(hospital, spec), hospital.organisation, read)

    bed.learn = watched  # type: ignore[method-assign]
    bed.reopen()
    bed.prepare(rounds_=3)
    bed.approve()
    bed.until(2, phase)
    assert "west" in read
    bed.revoke("west")
    bed.reopen()
    read.clear()
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert "west" not in read and "north" in read
    assert rounds.round_(bed.state, STUDY, 2).outcome == Verdict.ACCEPTED  # type: ignore[union-attr]


def test_whose_half_does_not_open_is_told_to_the_hospital_that_got_it(bed: Bed) -> None:
    """A participant may send halves that open for some and not for others: no study opens with them."""
    bed.prepare(rounds_=1)
    bed.approve()
    bed.run(lambda: bed.study.status == Status.AGREEING)
    (body,) = agree.agree(bed.opening_desk("east"))
    stranger = WrappingKey.generate().public.wrap(bytes(64), b"")
    bed.require("east", "agent", replace(body, wrapped=(stranger, *body.wrapped[1:])))
    bed.run()
    assert bed.study.status == Status.CLOSED
    assert "from east does not open" in bed.agent("north").refusals[STUDY]


def test_two_studies_run_side_by_side(bed: Bed) -> None:
    spec = bed.prepare(rounds_=2)
    second = another(spec, "second", rounds=1)
    bed.ask(second, "north")
    bed.approve()
    bed.approve(study="second")
    bed.run()
    assert [study.status for study in studies.studies(bed.state)] == [Status.FINISHED] * 2
    assert rounds.round_(bed.state, "second", 1).frozen == bed.names  # type: ignore[union-attr]
    bed.step()
    assert len(set(bed.consortium.objects.list())) == 4, "class counts and model of each"
    keys = {bed.agent(name).study_key(study).raw for name in bed.names for study in (STUDY, "second")}
    assert len(keys) == 2


def test_a_closed_study_beside_a_running_one(bed: Bed) -> None:
    spec = bed.prepare(rounds_=1)
    assert bed.propose(another(spec, "second"), "north") == "ok"
    bed.require("north", "scientist", CloseStudy("second"))
    bed.approve()
    bed.run()
    assert [study.status for study in studies.studies(bed.state)] == [Status.CLOSED, Status.FINISHED]


def test_a_removed_member_stops_neither_the_ledger_nor_the_study(bed: Bed) -> None:
    """Its agent goes on sending; nothing of that is even queued."""
    bed.prepare(rounds_=2)
    bed.approve()
    bed.until(1, Phase.COMMIT)
    bed.require("east", "steward", ProposeAction(Remove("west")))
    (ballot,) = [key for key, _ in ballots(bed.state)]
    bed.require("north", "steward", VoteAction(ballot))
    bed.require("south", "steward", VoteAction(ballot))
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == bed.at(2).expected == ("east", "north", "south")


def test_joining_twice_after_a_restart_uses_the_same_secrets(bed: Bed) -> None:
    bed.prepare()
    bed.approve()
    first = bed.agent("east").step()
    bed.reopen()
    desk = bed.opening_desk("east")
    (second,) = join.join(desk, bed.learn(bed.consortium.hospitals["east"], bed.study.spec))
    drawn = desk.keys.drawn(STUDY, 4, desk.random)
    assert len(first) == 1 and second.seed_hash == opening.seed_hash(drawn.opening_seed)
    assert bed.consortium.submit(first[0]) == ["ok"]
    joined = opening.joins(bed.state, STUDY)[0]
    assert (joined.kem, joined.seed_hash) == (second.kem, second.seed_hash)


def test_an_error_that_nobody_foresaw_holds_one_study_up_and_not_the_agent(bed: Bed) -> None:
    """Whatever a participant pins or sends in one study, the hospital's other studies go on."""
    plain = bed.learn

    class Broken(Watched):
        def read(self) -> None:
            raise ValueError("a text that may quote anything")

    def learn(hospital: Hospital, spec: StudySpec) -> Learner:
        learner = plain(hospital, spec)
        return Broken(learner, hospital.organisation, []) if hospital.organisation == "west" else learner

    bed.learn = learn  # type: ignore[method-assign]
    bed.reopen()
    bed.prepare(rounds_=1)
    bed.approve()
    for _ in range(5):
        bed.consortium.step()
    told = bed.agent("west").troubles[STUDY]
    assert "nobody foresaw: ValueError at test_agent.py:" in told and "quote" not in told
    assert bed.study.status == Status.PROPOSED
