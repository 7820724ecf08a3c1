"""A chain is founded again in the middle of a study: what agents remember of sums holds on the chain that follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.protocols import Learner
from hmchain.application.hospital.hospital import Hospital
from hmchain.ledger.contracts.data import permits
from hmchain.ledger.contracts.learning import models, rounds, studies
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status, StudySpec
from hmchain.ledger.readers import audit
from hmchain.ledger.refounding import REASON
from support.coalition import Eavesdropper
from support.refounded_chain import refound_bed
from support.study_bed import STUDY, YEAR_MS, Bed, another, make_spec


class SameWeights(Bed):
    """A bed whose study "twin" begins with the weights of another one."""

    def learn(self, hospital: Hospital, spec: StudySpec) -> Learner:
        named = replace(spec, name=STUDY) if spec.name == "twin" else spec
        return super().learn(hospital, named)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = SameWeights.found(tmp_path / "run", 5)
    yield bed
    bed.close()


def asked(bed: Bed, spec: StudySpec) -> str:
    """The code that proposing a study gets which all that it names allow."""
    bed.ask(spec)
    for name in spec.participants:
        bed.allow(name, bed.now_ms + YEAR_MS, spec.name)
    return bed.submit(bed.names[0], "scientist", ProposeUnderPermit(spec, spec.name))


def run(bed: Bed, name: str, until: Status | None = None) -> None:
    for _ in range(1000):
        study = studies.study(bed.state, name)
        if study is not None and (study.status in studies.OVER or study.status == until):
            return
        bed.step()
    raise AssertionError(f"nothing came of {name}: {studies.study(bed.state, name)}")


def twin(bed: Bed) -> StudySpec:
    """A study of those that are left that starts from the weights of the first one."""
    first = make_spec(bed.names, 2)
    again = make_spec(bed.names, 2, name="twin", colluders=0)
    return replace(again, initial_root=first.initial_root, initial_weights=first.initial_weights)


def test_weights_that_were_summed_over_are_taken_on_the_chain_that_follows(bed: Bed) -> None:
    bed.prepare(2)
    bed.approve()
    bed.run(lambda: bed.running and bed.round.number == 1 and bed.round.phase == Phase.AGGREGATE)
    refound_bed(bed, ("east", "north"))
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, REASON), "no round was accepted yet"
    assert asked(bed, twin(bed)) == "model_taken"


def test_a_sum_that_agents_refuse_before_they_refuse_after(bed: Bed) -> None:
    """All five were summed; a chain that goes on from before that asks three of them, and each one remembers."""
    bed.prepare(2)
    older = bed.state.copied()
    bed.approve()
    bed.run(lambda: bed.running and bed.round.number == 1 and bed.round.phase == Phase.AGGREGATE)
    seen = Eavesdropper()
    seen.look(bed.state)
    refound_bed(bed, ("east", "north"), older)
    older.close()

    assert asked(bed, twin(bed)) == "ok"
    for _ in range(600):
        bed.step()
    entry = rounds.current(bed.state, studies.require_study(bed.state, "twin"))
    assert not any(update.self_seed for update in bed.contributions(entry).values())
    for name in bed.names:
        assert "founded again, forked or put back" in bed.agent(name).troubles["twin"]
    seen.look(bed.state)
    assert not any(seen.exposed_to((curious,)) for curious in bed.names)


def test_permits_and_models_go_on_and_the_next_study_runs(bed: Bed) -> None:
    bed.prepare(3)
    bed.approve()
    bed.run(lambda: bed.running and bed.round.number == 2)
    permit, former = permits.permit(bed.state, STUDY, bed.now_ms), bed.consortium.ledger.genesis
    accepted = bed.at(1).posted
    refound_bed(bed, ("east", "north"))
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, REASON)
    made = models.model(bed.state, STUDY)
    assert made is not None and accepted is not None and made.root == accepted.model_root
    assert bed.consortium.ledger.genesis.chain_at(made.height).chain_id == former.chain_id
    after = permits.permit(bed.state, STUDY, bed.now_ms)
    assert permit is not None and after is not None
    assert after.allowed == tuple(word for word in permit.allowed if word.organisation in bed.names)
    assert dataclasses.replace(after, allowed=permit.allowed) == permit

    later = replace(make_spec(bed.names, 3), colluders=0)
    assert asked(bed, another(later, "next")) == "ok"
    run(bed, "next")
    assert studies.require_study(bed.state, "next").progress.reason == "completed"
    genesis = bed.consortium.ledger.genesis
    for anchor in (former.digest, genesis.digest):
        report = audit.verify(bed.directory / "ledger", anchor)
        assert [model.study for model in report.models] == ["next", STUDY]
