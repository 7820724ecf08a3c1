"""Attacks that took one hospital's update out of several sums, each as it was found (attacks S1 to S5, P35)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import reveal
from hmchain.application.agent.protocols import ReadyLearner
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.quantise import to_fixed
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.contracts.learning import conduct, models, rounds, studies
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import Reveal
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Status, StudySpec
from support.coalition import Eavesdropper
from support.study_bed import START_MS, STUDY, YEAR_MS, Bed, another


@pytest.fixture
def seven(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path, 7)
    bed.prepare()
    bed.approve()
    yield bed
    bed.close()


def nobody_is_exposed(bed: Bed, seen: Eavesdropper | None = None) -> None:
    seen = seen or Eavesdropper()
    seen.look(bed.state)
    for coalition in itertools.combinations(bed.names, bed.study.spec.colluders):
        assert not seen.exposed_to(coalition), f"to {coalition}"


def reveal_of(bed: Bed, name: str) -> Reveal:
    """What a hospital's honest agent sends now, taken off the wire."""
    (body,) = reveal.reveal(bed.desk(name))
    return body


# The eavesdropper itself


def test_the_eavesdropper_finds_what_a_differencing_attack_gives(bed: Bed) -> None:
    """Were {east, north, south} summed after all four, one curious hospital would have west's update."""
    bed.until(1, Phase.AGGREGATE)
    seen = Eavesdropper()
    nobody_is_exposed(bed, seen)
    entry, three = replace(bed.round, attempt=1), ("east", "north", "south")
    for name in three:
        row = {("update", rounds.sum_key(bed.study, entry), name, "brain", 1): bed.study.weight(name)}
        seen.updates[name] = row  # its masks all revealed or cancelled
    assert "west" in seen.exposed_to(("east",))


# S1 to S5


def test_p03_s1_no_two_studies_share_a_first_model(bed: Bed) -> None:
    spec = bed.study.spec
    three = tuple(use for use in spec.uses if use.organisation != "west")
    second = replace(spec, name="second", uses=three, rule=replace(spec.rule, participants=3))
    assert bed.propose(second, "east") == "model_taken"
    assert bed.propose(another(second, "second"), "east") == "ok"


def test_s1_a_model_that_was_summed_over_starts_no_other_study(bed: Bed) -> None:
    bed.run()
    for number in (1, 2):
        posted = bed.at(number).posted
        assert posted is not None
        reused = replace(another(bed.study.spec, "second"), initial_weights=posted.weights_root)
        assert bed.propose(reused, "east") == "model_taken"


def test_s1_whoever_proposes_a_study_from_anothers_next_model_does_not_end_it(bed: Bed) -> None:
    """Participants know the next model before the round that starts from it opens."""
    bed.until(1, Phase.GATE_COMMIT)
    posted = bed.round.posted
    assert posted is not None
    squatter = replace(another(bed.study.spec, "squatter"), initial_weights=posted.weights_root)
    assert bed.propose(squatter, "west") == "ok"
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, studies.COMPLETED)


def test_s1_names_and_models_of_refused_proposals_stay_used(bed: Bed) -> None:
    second = another(bed.study.spec, "second")
    assert bed.propose(second, "east") == "ok"
    bed.require("east", "scientist", CloseStudy("second"))
    assert bed.propose(second, "east") == "study_exists"
    assert bed.propose(replace(second, name="third"), "east") == "model_taken"


def test_p01_s2_colluders_cannot_pad_the_difference(seven: Bed) -> None:
    """The victim is late once, one colluder sends garbage, then both stay away: three apart, and one honest."""
    one, two, victim = "centre", "coast", "island"
    seven.until(1, Phase.COMMIT)
    seven.behave(one, AgentBehaviour.GARBAGE_UPDATE)
    with seven.asleep(victim):
        seven.run(lambda: seven.round.attempt == 1)
    seven.behave(one, AgentBehaviour.HONEST)
    with seven.asleep(one, two):
        seven.run(lambda: not seven.running)
    assert [event[2] for event in seven.kinds("round.void")] == ["impossible_sum", "survivors_differ"]
    assert not any(update.self_seed for update in seven.contributions().values())
    nobody_is_exposed(seven)


def test_p02_s3_a_third_different_set_is_not_frozen(seven: Bed) -> None:
    """Sets that lack {3, 4}, {5, 6}, {7} and {1, 2} are pairwise three or more apart, and solve for one hospital."""
    me, h2, h3, h4, h5, h6, victim = seven.names
    seven.until(1, Phase.COMMIT)
    seven.behave(me, AgentBehaviour.GARBAGE_UPDATE)
    for away in ((h3, h4), (h5, h6), (victim,), (me, h2)):
        attempt = seven.round.attempt
        with seven.asleep(*away):
            seven.run(lambda attempt=attempt: not seven.running or seven.round.attempt > attempt)
        if seven.study.status == Status.PAUSED:
            seven.require(seven.names[0], "scientist", ResumeStudy(STUDY))
        if seven.study.status in studies.OVER:
            break
    frozen = [event[2:] for event in seven.kinds("round.frozen") if event[1] == "1"]
    assert len(set(frozen)) == 2
    assert seven.study.status == Status.CLOSED, "no model yet: nothing came of it"
    nobody_is_exposed(seven)


def test_p04_s4_a_model_that_does_not_move_has_one_key(tmp_path: Path) -> None:
    """Model and momentum change every round, the float32 weights do not: the sets are compared all the same."""
    still = np.full(600, 64, np.float32)
    bed = Bed.found(tmp_path)

    def learn(hospital: Hospital, spec: StudySpec) -> ReadyLearner:
        learner = Bed.learn(bed, hospital, spec)
        trainer = learner.trainer
        trainer.delta = lambda round_, size: np.full(size, 1e-6 * (1 + trainer.order), np.float32)
        return replace_initial(learner, still)

    for hospital in bed.consortium.hospitals.values():
        hospital.agent.learner_factory = lambda spec, hospital=hospital: learn(hospital, spec)
    model = arithmetic.padded(to_fixed(still))
    roots = {"initial_root": vectors.model_root(model, model * 0), "initial_weights": vectors.weights_root(model)}
    bed.prepare(**roots)
    bed.approve()
    bed.until(2, Phase.COMMIT)
    assert bed.round.base_root != bed.at(1).base_root and bed.round.base_weights == bed.at(1).base_weights
    with bed.asleep("west"):
        bed.run(lambda: bool(bed.kinds("round.void")))
    assert bed.kinds("round.void") == [("round.void", "2", "survivors_differ")]
    nobody_is_exposed(bed)
    bed.close()


def replace_initial(learner: ReadyLearner, initial: np.ndarray) -> ReadyLearner:
    return ReadyLearner(learner.trainer, learner.class_counts, learner.use_counts, initial)


def test_p35_a_reveal_that_comes_too_late_is_recorded_and_gives_nothing_away(bed: Bed) -> None:
    """West's seed is public, though no block took it in time: the other three are not summed alone."""
    bed.until(1, Phase.REVEAL)
    seen = Eavesdropper()
    late = reveal_of(bed, "west")
    seen.overhear(bed.study, bed.round, "west", late)
    transaction = bed.signed("west", late)
    with bed.asleep("west"):
        bed.run(lambda: bed.round.attempt == 1)
        assert bed.consortium.submit(transaction)[0] == "ok"
        bed.run()
    assert bed.kinds("round.revealed_late") == [("round.revealed_late", "1", "0", "west")]
    first = bed.contributions(replace(bed.round, attempt=0))
    assert all(update.self_seed for update in first.values())
    assert bed.study.status == Status.PAUSED and bed.kinds("round.void")[-1][2] == "survivors_differ"
    nobody_is_exposed(bed, seen)

    bed.require("east", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED and bed.at(1).frozen == bed.names
    nobody_is_exposed(bed, seen)


def test_a_late_reveal_is_taken_from_a_survivor_alone_and_once(bed: Bed) -> None:
    """Who was left out has its pair seeds revealed: with its self seed as well, its update would be open."""
    bed.until(1, Phase.COMMIT)
    bed.behave("north", AgentBehaviour.WITHHOLD_SEED)
    with bed.asleep("west"):
        bed.run(lambda: bed.round.phase == Phase.REVEAL)
        assert "west" not in bed.round.frozen
        void = bed.round
        bed.run(lambda: bed.round.attempt == 1)
    bed.behave("north", AgentBehaviour.HONEST)
    seeds = bed.agent("north").keys.require(STUDY).seeds(1, 0, void.base_root)
    late = Reveal(STUDY, 1, 0, seeds.self_seed, ())
    assert bed.submit("west", "agent", late) == "not_frozen"
    assert bed.submit("north", "steward", late) == "wrong_role"
    assert bed.submit("north", "agent", replace(late, self_seed=bytes(32))) == "wrong_seed"
    assert bed.submit("north", "agent", late) == "ok"
    assert bed.submit("north", "agent", late) == "already_revealed"


# What can go no further ends


def charged(bed: Bed) -> dict[str, int]:
    return {name: conduct.of(bed.state, STUDY, name).unsupported for name in bed.names}


def test_a_lasting_dropout_ends_the_study_with_its_last_accepted_model(bed: Bed) -> None:
    bed.until(2, Phase.REVEAL)
    with bed.asleep("west"):
        bed.run()
        bed.require("east", "scientist", ResumeStudy(STUDY))
        bed.run(lambda: bed.round.attempt == 3)
        before = charged(bed)
        bed.run()
    assert [event[2] for event in bed.kinds("round.void")] == ["seed_withheld", "survivors_differ", "survivors_differ"]
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, "survivors_differ")
    model, first = models.model(bed.state, STUDY), bed.at(1).posted
    assert model is not None and first is not None and (model.round, model.root) == (1, first.model_root)
    assert charged(bed) == before, "the end charges nobody"
    bed.step()
    assert all(bed.agent(name).keys.require(STUDY).own.round == 3 for name in bed.names), "old seeds are erased"


def test_a_revocation_after_which_no_set_may_be_summed_ends_the_study_at_once(bed: Bed) -> None:
    bed.until(2, Phase.COMMIT)
    bed.behave("north", AgentBehaviour.WITHHOLD_SEED)
    bed.until(2, Phase.REVEAL)
    bed.revoke("west")
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, "no_admissible_set")
    assert models.model(bed.state, STUDY) is not None


def test_three_impossible_sums_end_the_study(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.behave("south", AgentBehaviour.GARBAGE_UPDATE)
    bed.run()
    assert bed.study.status == Status.PAUSED
    bed.require("east", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, "impossible_sum")
    assert bed.kinds("study.closed") == [("study.closed", "impossible_sum")]
    assert bed.submit("east", "scientist", ResumeStudy(STUDY)) == "not_paused"


def test_what_all_have_opened_is_summed_again_and_never_trained_again(bed: Bed) -> None:
    """Every master is silent: the same objects and seeds are summed once more, through a pause too."""
    bed.until(1, Phase.AGGREGATE)
    trained = {name: list(trainer.fitted) for name, trainer in bed.trainers.items()}
    for name in bed.names:
        bed.behave(name, AgentBehaviour.SILENT_MASTER)
    before = bed.contributions()
    bed.run()
    assert bed.study.status == Status.PAUSED and bed.kinds("study.paused") == [("study.paused", "no_master_left")]
    assert len(bed.kinds("round.again")) == 1 and not bed.kinds("round.void")
    for name in bed.names:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.reopen()
    bed.require("east", "scientist", ResumeStudy(STUDY))
    assert (bed.round.phase, bed.round.attempt) == (Phase.AGGREGATE, 0)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).outcome == Verdict.ACCEPTED and bed.contributions(bed.at(1)) == before
    assert {name: trainer.fitted for name, trainer in bed.trainers.items()} == trained


def test_rejected_rounds_repeat_equal_sets_freely(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=5)
    bed.approve(expires_ms=START_MS + YEAR_MS)
    bed.until(1, Phase.COMMIT)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    while bed.study.status not in studies.OVER:
        bed.run()
        if bed.study.status == Status.PAUSED:
            bed.require("east", "scientist", ResumeStudy(STUDY))
    assert [bed.at(number).outcome for number in range(1, 6)] == [Verdict.REJECTED] * 5
    assert len({bed.at(number).base_weights for number in range(1, 6)}) == 1 and not bed.kinds("round.void")
    nobody_is_exposed(bed)
    bed.close()
