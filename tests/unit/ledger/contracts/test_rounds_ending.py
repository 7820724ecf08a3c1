"""How rounds and studies end: deadlines, the gate, approvals that go, and the end."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.ledger.context import Context, Credential
from hmchain.ledger.contracts.learning import conduct, ending, models, rounds
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import CommitUpdate, GateReveal, GateVote, Tick
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import standings
from support.rounds import unsupported
from support.study_bed import START_MS, STUDY, Bed

# Deadlines


def test_a_silent_master_is_passed_over(bed: Bed) -> None:
    bed.until(1, Phase.AGGREGATE)
    silent, second = bed.round.ranking[:2]
    bed.behave(silent, AgentBehaviour.SILENT_MASTER)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).master == second and bed.at(1).attempt == 0
    assert unsupported(bed, silent) > 0 and standings.may_lead(bed.state, silent)


def test_all_deadlines_at_once_after_a_halt(bed: Bed) -> None:
    """Block time jumps past every deadline; three blocks give everyone a chance to answer first."""
    bed.until(1, Phase.REVEAL)
    bed.now_ms += 365 * 86_400_000 // 2
    before = {name: unsupported(bed, name) for name in bed.names}
    assert bed.submit("east", "agent", Tick(STUDY)) == "not_due"
    assert bed.submit("east", "agent", Tick(STUDY)) == "not_due"
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).attempt == 0 and bed.at(1).frozen == bed.names
    assert all(unsupported(bed, name) <= before[name] for name in bed.names)


def test_a_deadline_needs_time_as_well_as_blocks(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    codes = [bed.submit("east", "agent", Tick(STUDY)) for _ in range(6)]
    assert codes == ["not_due"] * 6
    assert bed.submit("east", "steward", Tick(STUDY)) == "wrong_role"


def test_a_passed_deadline_is_told_by_one_not_by_all(bed: Bed) -> None:
    bed.until(1, Phase.AGGREGATE)
    bed.behave(bed.round.master, AgentBehaviour.SILENT_MASTER)
    height, refused = bed.consortium.ledger.height, len(bed.codes)
    bed.run(lambda: bed.round.rank == 1)
    assert bed.consortium.ledger.height - height == 3
    assert len(bed.codes) - refused == 2, "two ticks came before the third block"


# The gate


def test_gate_that_always_rejects_blocks_nobody(bed: Bed) -> None:
    bed.behave("east", AgentBehaviour.REJECT_ALWAYS)
    bed.run()
    assert bed.study.status == Status.FINISHED and not bed.kinds("round.rejected")
    verdicts = {ballot.organisation: ballot.verdict for ballot in rounds.gate_ballots(bed.state, bed.at(2))}
    assert verdicts == {name: "rejected" if name == "east" else "accepted" for name in bed.names}


def test_more_than_f_reject_and_it_costs_nobody(bed: Bed) -> None:
    bed.until(2, Phase.GATE_COMMIT)
    first = bed.at(1).posted
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    scores = {name: conduct.of(bed.state, STUDY, name) for name in bed.names}
    bed.run(lambda: bed.round.number == 3)
    assert bed.at(2).outcome == Verdict.REJECTED and first is not None
    assert (bed.round.base_root, bed.round.base_object, bed.round.base_round) == (first.model_root, first.object, 1)
    assert scores == {name: conduct.of(bed.state, STUDY, name) for name in bed.names}
    bed.run()
    model = models.model(bed.state, STUDY)
    assert bed.at(3).outcome == Verdict.REJECTED and model is not None
    assert (model.round, model.root) == (1, first.model_root), "the last model that the gate accepted"


def test_two_rejected_rounds_pause(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=4)
    bed.approve()
    bed.until(1, Phase.COMMIT)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run()
    assert bed.study.status == Status.PAUSED and bed.round.number == 3
    assert bed.kinds("study.paused") == [("study.paused", "two_setbacks")]
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()
    model = models.model(bed.state, STUDY)
    assert model is not None and model.round == 4
    bed.close()


def test_slow_poisoning_is_measured_against_the_best_accepted_model(tmp_path: Path) -> None:
    """Small drops add up only as far as the tolerance (5 points of AUC here) below the best."""
    falling = {1: 0.95, 2: 0.92, 3: 0.89, 4: 0.86}
    bed = Bed.found(tmp_path, auc=lambda order: falling[bed.round.number])
    bed.prepare(rounds_=4)
    bed.approve()
    bed.run()
    assert [bed.at(number).outcome for number in range(1, 4)] == ["accepted", "accepted", "rejected"]
    bed.close()


def test_votes_are_bound_before_any_is_open(bed: Bed) -> None:
    bed.until(1, Phase.GATE_COMMIT)
    bed.step()
    ballots = rounds.gate_ballots(bed.state, bed.round)
    assert bed.round.phase == Phase.GATE_REVEAL
    assert len(ballots) == 4 and len({ballot.commitment for ballot in ballots}) == 4
    assert not any(ballot.verdict for ballot in ballots)
    assert bed.submit("east", "agent", GateVote(STUDY, 1, bytes(32))) == "wrong_phase"
    assert bed.submit("east", "agent", GateReveal(STUDY, 1, True, bytes(32))) == "wrong_vote"
    assert bed.submit("east", "agent", GateReveal(STUDY, 1, True, b"")) == "bad_salt"


def test_silence_accepts_but_not_that_of_more_than_f(bed: Bed) -> None:
    bed.until(1, Phase.GATE_COMMIT)
    with bed.asleep("east"):
        bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).outcome == Verdict.ACCEPTED
    bed.until(2, Phase.GATE_COMMIT)
    with bed.asleep("east", "north"):
        bed.run(lambda: bed.round.number == 3)
    assert bed.at(2).outcome == Verdict.REJECTED


# Approvals


def test_revocation_bites_at_the_next_round(bed: Bed) -> None:
    """What is in a frozen set stays in it; bytes that had not left before do not any more (`test_permitted`)."""
    bed.until(1, Phase.REVEAL)
    bed.revoke("west")
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == bed.names, "its update was there to be summed when it was revoked"
    assert bed.at(2).expected == bed.at(2).frozen == bed.at(3).frozen == ("east", "north", "south")
    assert bed.trainers["west"].fitted == [0]


def test_a_revoked_hospital_cannot_commit(bed: Bed) -> None:
    bed.until(1, Phase.ATTEST)
    bed.revoke("west")
    bed.until(2, Phase.COMMIT)
    hashes = tuple(b"" if name == "west" else bytes(32) for name in bed.names)
    body = CommitUpdate(STUDY, 2, 0, bed.round.base_root, bytes(32), bytes(32), bytes(32), hashes)
    assert bed.submit("west", "agent", body) == "not_approved"


def test_too_few_approvals_pause_the_study(tmp_path: Path) -> None:
    """Of protocol 2, where what was revoked may be approved again."""
    bed = Bed.found(tmp_path, protocol=2)
    bed.prepare()
    bed.approve()
    bed.until(1, Phase.GATE_REVEAL)
    for name in ("west", "south"):
        bed.revoke(name)
    bed.run()
    assert bed.study.status == Status.PAUSED and bed.round.number == 2
    assert bed.kinds("study.paused") == [("study.paused", "too_few_approvals")]
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    assert bed.study.status == Status.PAUSED, "still too few"
    bed.approve("west")
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED and len(bed.at(3).frozen) == 3
    bed.close()


def test_an_approval_that_expires_ends_like_a_revocation(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare()
    bed.approve("east", "north", "south")
    bed.approve("west", expires_ms=START_MS + 100_000)
    bed.until(1, Phase.ATTEST)
    bed.now_ms = START_MS + 100_001
    bed.run()
    assert bed.at(2).expected == ("east", "north", "south") and bed.study.status == Status.FINISHED
    bed.close()


# The end


def ended(bed: Bed, number: int, reason: str) -> None:
    """End the study in the middle of a round, as a contract does, outside any block."""
    context = Context(bed.state, "test", bed.state.height, bed.now_ms, Credential("east", "agent"))
    ending.end(context, bed.study, rounds.round_(bed.state, STUDY, number), reason)


def test_a_study_that_goes_no_further_keeps_its_last_accepted_model(bed: Bed) -> None:
    bed.until(2, Phase.ATTEST)
    scores = {name: standings.standing(bed.state, name) for name in bed.names}
    ended(bed, 2, "no_admissible_set")
    model, first = models.model(bed.state, STUDY), bed.at(1).posted
    assert model is not None and first is not None and (model.round, model.root) == (1, first.model_root)
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, "no_admissible_set")
    assert scores == {name: standings.standing(bed.state, name) for name in bed.names}, "nobody is charged"


def test_a_study_that_goes_no_further_before_a_model_was_accepted_is_closed(bed: Bed) -> None:
    bed.until(1, Phase.ATTEST)
    ended(bed, 1, "no_admissible_set")
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, "no_admissible_set")
    assert models.model(bed.state, STUDY) is None
