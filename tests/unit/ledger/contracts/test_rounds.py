"""Learning rounds on the ledger: survivors, seeds, deadlines, elections and the gate (protocol-attacks.md)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import commit, reveal
from hmchain.ledger import election, reputation
from hmchain.ledger.arithmetic import LostPair
from hmchain.ledger.context import AGENT, Context, Credential
from hmchain.ledger.contracts.learning import conduct, ending, models, opening, rounds
from hmchain.ledger.contracts.learning.approvals import RevokeApproval
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import Attest, CommitUpdate, GateReveal, GateVote, Tick
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import standings
from support.study_bed import START_MS, STUDY, Bed


def found(tmp_path: Path, n: int, **settings: object) -> Bed:
    bed = Bed.found(tmp_path, n, **settings)
    bed.prepare()
    bed.approve()
    return bed


def unsupported(bed: Bed, name: str) -> int:
    return conduct.of(bed.state, STUDY, name).unsupported


def drop(bed: Bed, number: int, *names: str) -> None:
    """From the commit of a round on these agents are away, until the round has been frozen without them."""
    bed.until(number, Phase.COMMIT)
    attempt = bed.round.attempt
    with bed.asleep(*names):
        bed.run(lambda: not bed.running or (bed.round.attempt, bed.round.phase) != (attempt, Phase.COMMIT))
        bed.run(lambda: not bed.running or bed.round.phase != Phase.ATTEST)


# An honest study


@pytest.mark.parametrize("n", [3, 4, 7])
def test_an_honest_study_finishes(tmp_path: Path, n: int) -> None:
    bed = found(tmp_path, n)
    bed.run()
    assert bed.study.status == Status.FINISHED and not bed.codes
    assert bed.kinds("round.accepted") == [("round.accepted", str(i), bed.at(i).master) for i in range(4)]
    model = models.model(bed.state, STUDY)
    last = bed.at(3).posted
    assert model is not None and last is not None and model.root == last.model_root
    for name in bed.names:
        assert conduct.learning_score(bed.state, STUDY, name, bed.now_ms) > 7_000
    bed.close()


def test_three_hospitals_tolerate_no_loss(tmp_path: Path) -> None:
    """n = 3 works with f = 0: threshold 3, and one withheld update voids the attempt."""
    bed = found(tmp_path, 3)
    assert bed.study.spec.threshold == 3
    drop(bed, 1, bed.names[0])
    assert bed.kinds("round.void") == [("round.void", "1", "too_few_updates")]
    bed.close()


# Survivors


def test_threshold_t_is_n_minus_f(tmp_path: Path) -> None:
    """Threshold t > n/2: t survivors less n - t colluders would leave one honest hospital."""
    for n, t in ((3, 3), (4, 3), (5, 4), (6, 5), (7, 5)):
        assert n - reputation.faults_tolerated(n) == t
    bed = found(tmp_path, 7)
    drop(bed, 1, *bed.names[:3])
    assert bed.kinds("round.void") == [("round.void", "1", "too_few_updates")]
    bed.run(lambda: bed.round.attempt == 1 and bed.round.phase == Phase.REVEAL)
    assert len(bed.round.frozen) == 7
    bed.close()


@pytest.mark.parametrize("missing", [1, 2])
def test_retry_differencing_is_refused(tmp_path: Path, missing: int) -> None:
    """Sums over {1..n} and then n - 1 or n - 2 from the same base would differ by what a hospital or two sent."""
    bed = found(tmp_path, 7)
    bed.until(1, Phase.COMMIT)
    bed.behave("west", AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)  # seeds of all seven were revealed, but one
    bed.behave("west", AgentBehaviour.HONEST)
    away = bed.names[:missing]
    drop(bed, 1, *away)
    assert bed.study.status == Status.PAUSED
    assert bed.kinds("round.void")[-1] == ("round.void", "1", "survivors_differ")
    assert all(not update.self_seed for update in bed.contributions().values()), "no seed of the second set is known"

    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == bed.names
    bed.close()


def test_a_survivor_that_dies_before_its_reveal_is_waited_for(bed: Bed) -> None:
    """Its seed may be known all the same, so nothing is summed without it; the same set is, once it is back."""
    bed.until(1, Phase.REVEAL)
    with bed.asleep("west"):
        bed.run()
        assert bed.kinds("round.void") == [
            ("round.void", "1", "seed_withheld"),
            ("round.void", "1", "survivors_differ"),
        ]
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED and (bed.at(1).attempt, bed.at(1).frozen) == (2, bed.names)


def test_retry_with_c_plus_two_others_is_no_differencing(tmp_path: Path) -> None:
    """Seven hospitals can lose two: sets that lack different pairs differ by four."""
    bed = found(tmp_path, 7)
    bed.until(1, Phase.COMMIT)
    bed.behave("west", AgentBehaviour.WITHHOLD_SEED)
    drop(bed, 1, *bed.names[:2])
    bed.run(lambda: bed.round.attempt == 1)
    bed.behave("west", AgentBehaviour.HONEST)
    drop(bed, 1, *bed.names[2:4])
    assert bed.round.phase in (Phase.REVEAL, Phase.AGGREGATE) and bed.round.attempt == 1
    bed.run()
    assert bed.at(1).frozen == (*bed.names[:2], *bed.names[4:])
    bed.close()


def test_the_rule_against_differencing_outlives_a_rejected_round(tmp_path: Path) -> None:
    """A rejected round keeps its base model, so the next round sums over the same one."""
    bed = Bed.found(tmp_path)
    bed.prepare()
    bed.approve()
    bed.until(1, Phase.COMMIT)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run(lambda: bed.round.number == 2)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.HONEST)
    assert bed.round.base_root == bed.at(1).base_root
    drop(bed, 2, "west")
    assert bed.kinds("round.void") == [("round.void", "2", "survivors_differ")]
    bed.close()


def test_a_dropout_after_the_first_round_is_left_out(bed: Bed) -> None:
    drop(bed, 2, "south")
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(2).frozen == ("east", "north", "west") and bed.at(3).frozen == bed.names
    assert bed.at(2).attempt == 0 and unsupported(bed, "south") > 0


def test_lost_object_before_the_freeze_is_not_frozen(bed: Bed) -> None:
    """An update whose bytes nobody can fetch is not attested, and what is not attested is not summed."""
    bed.until(2, Phase.COMMIT)
    bed.hand("west", publish=lambda desk: None)  # it never uploads
    bed.step()
    bed.run(lambda: bed.round.phase == Phase.REVEAL)
    assert bed.round.frozen == ("east", "north", "south")
    assert bed.contributions()["west"].attested == ()
    bed.run()
    assert bed.study.status == Status.FINISHED


def test_lost_object_after_the_reveal_is_repaired_by_those_who_attested_it(bed: Bed) -> None:
    bed.until(2, Phase.AGGREGATE)
    frozen = {update.object for update in bed.contributions().values()}
    for address in frozen:
        bed.consortium.objects.delete(address)
    shutil.rmtree(bed.directory / "hospitals" / bed.round.master / "cache" / STUDY)
    bed.reopen()  # nothing is left in memory either
    bed.run(lambda: bed.round.phase == Phase.VERIFY)
    assert frozen <= set(bed.consortium.objects.list())
    assert bed.round.rank == 0, "the master could fetch what it had lost"
    bed.run()
    assert bed.study.status == Status.FINISHED and bed.at(2).attempt == 0


def test_late_arrival_keeps_its_self_seed(bed: Bed) -> None:
    """Its pair seeds are public; its self seed never is, so an upload that arrives late stays private."""
    bed.until(2, Phase.COMMIT)
    bed.hand("west", publish=lambda desk: None)
    bed.until(2, Phase.AGGREGATE)
    updates = bed.contributions()
    order = bed.study.order("west")
    commit.publish(bed.desk("west"))  # late
    bed.run()
    assert bed.contributions(bed.at(2))["west"].self_seed == b""
    for name in ("east", "north", "south"):
        assert [pair.order for pair in updates[name].lost] == [order] and updates[name].self_seed


def test_never_both_kinds_of_seed_for_one_hospital(bed: Bed) -> None:
    drop(bed, 1, "south")
    bed.run()
    order = bed.study.order
    for number in range(4):
        entry = bed.at(number)
        for update in bed.contributions(entry).values():
            frozen = update.organisation in entry.frozen
            assert bool(update.self_seed) == frozen
            outside = [order(name) for name in bed.names if name not in entry.frozen]
            assert [pair.order for pair in update.lost] == (outside if frozen else [])


# Seeds


def test_withheld_reveal_voids_the_attempt_and_two_pause(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    before = {name: conduct.learning_score(bed.state, STUDY, name, bed.now_ms) for name in bed.names}
    bed.behave("north", AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    assert bed.study.progress.setbacks == 1
    scores = {name: conduct.learning_score(bed.state, STUDY, name, bed.now_ms) for name in bed.names}
    assert scores["north"] == before["north"] // 2
    assert all(scores[name] == before[name] for name in bed.names if name != "north")
    bed.run()
    assert bed.study.status == Status.PAUSED
    assert bed.kinds("round.void") == [("round.void", "1", "seed_withheld")] * 2
    assert bed.kinds("study.paused") == [("study.paused", "seed_withheld")]

    bed.behave("north", AgentBehaviour.HONEST)
    assert bed.submit("south", "scientist", ResumeStudy(STUDY)) == "not_the_proposer"
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    assert (bed.round.attempt, bed.study.progress.setbacks) == (2, 0)
    bed.run()
    assert bed.study.status == Status.FINISHED


def test_unverifiable_seeds_are_refused(bed: Bed) -> None:
    """A seed that is not the one that was bound would re-roll the election, or spoil the sum with nobody to blame."""
    drop(bed, 1, "west")
    assert bed.round.phase == Phase.REVEAL
    (right,) = reveal.reveal(bed.desk("east"))
    west, north = bed.study.order("west"), bed.study.order("north")
    (lost,) = right.lost
    wrong = {
        "wrong_seed": [
            replace(right, self_seed=bytes(32)),
            replace(right, self_seed=lost.seed),
            replace(right, lost=(LostPair(west, bytes(32)),)),
            replace(right, lost=(LostPair(west, right.self_seed),)),
        ],
        "wrong_pairs": [
            replace(right, lost=()),  # the pair seed withheld
            replace(right, lost=(LostPair(north, lost.seed),)),  # of a survivor: then both kinds would be known
            replace(right, lost=(LostPair(north, lost.seed), lost)),
            replace(right, lost=(lost, lost)),
        ],
        "wrong_round": [replace(right, attempt=1), replace(right, round=0)],
    }
    for code, bodies in wrong.items():
        for body in bodies:
            assert bed.submit("east", "agent", body) == code
    assert bed.submit("north", "agent", right) == "wrong_seed", "another's seed"
    assert bed.submit("west", "agent", right) == "not_frozen"
    assert bed.submit("east", "agent", right) == "ok"
    assert bed.submit("east", "agent", right) == "already_revealed"


def test_one_update_a_participant_and_attempt(bed: Bed) -> None:
    """Two-time pad: the ledger takes one digest a (hospital, round, attempt)."""
    bed.until(1, Phase.COMMIT)
    entry, roots = bed.round, [bytes([i]) * 32 for i in range(3)]
    hashes = tuple(b"" if name == "east" else bytes(32) for name in bed.names)
    body = CommitUpdate(STUDY, 1, 0, entry.base_root, roots[0], roots[1], roots[2], hashes)
    refused = {
        "wrong_base": replace(body, base_root=bytes(32)),
        "bad_digest": replace(body, digest=b"short"),
        "wrong_count": replace(body, pair_hashes=hashes[:-1]),
        "wrong_round": replace(body, attempt=1),
    }
    for code, wrong in refused.items():
        assert bed.submit("east", "agent", wrong) == code
    assert bed.submit("east", "agent", replace(body, pair_hashes=(bytes(32),) * 4)) == "bad_digest"
    assert bed.submit("east", "steward", body) == "wrong_role"
    assert bed.submit("east", "agent", body) == "ok"
    assert bed.submit("east", "agent", replace(body, digest=bytes(32))) == "already_committed"


def test_nobody_attests_its_own_update(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.step()
    assert bed.submit("east", "agent", Attest(STUDY, 1, 0, ("east",))) == "own_update"
    assert bed.submit("east", "agent", Attest(STUDY, 1, 0, ("north", "north"))) == "bad_list"
    assert bed.submit("east", "agent", Attest(STUDY, 1, 0, ("nobody",))) == "no_such_update"
    assert bed.submit("east", "agent", Attest(STUDY, 1, 0, ("north",))) == "ok"
    assert bed.submit("east", "agent", Attest(STUDY, 1, 0, ("north",))) == "already_attested"


# The election


def test_block_hash_is_no_election_seed(bed: Bed) -> None:
    """The seed of round r + 1 is made of the self seeds revealed in r, and of nothing that a proposer could grind."""
    drop(bed, 2, "south")
    bed.run()
    for number in range(3):
        entry, after = bed.at(number), bed.at(number + 1)
        updates = bed.contributions(entry)
        seeds = [updates[name].self_seed for name in entry.frozen]
        assert after.seed == election.next_seed(STUDY, number + 1, seeds)
        drawn = election.rank(after.seed, entry.candidates, after.last_masters, 1)
        assert after.ranking == drawn


def candidates(bed: Bed) -> tuple[election.Candidate, ...]:
    ctx = Context(bed.state, "test", bed.state.height, bed.now_ms, Credential("east", AGENT))
    return conduct.candidates(ctx, bed.study)


def test_candidates_are_fixed_at_the_freeze_before_any_reveal(bed: Bed) -> None:
    bed.until(1, Phase.REVEAL)
    fixed = bed.round.candidates
    assert fixed == candidates(bed)
    assert not any(update.self_seed for update in bed.contributions().values())
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).candidates == fixed
    assert fixed != candidates(bed), "scores moved on, the candidates did not"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_void_attempt_changes_the_master_only_if_the_master_caused_it(bed: Bed, rank: int) -> None:
    bed.until(1, Phase.COMMIT)
    seed, ranking = bed.round.seed, bed.round.ranking
    bed.behave(ranking[rank], AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    assert (bed.round.seed, bed.round.ranking) == (seed, ranking), "nothing is drawn anew"
    assert bed.round.master == ranking[1 - rank]


def test_e1_a_silent_master_rests_as_one_that_worked_does(tmp_path: Path) -> None:
    """Who was drawn is remembered, not who did the work: else a master that never works is drawn more often."""
    bed = found(tmp_path, 7)
    bed.until(1, Phase.AGGREGATE)
    silent = bed.round.master
    bed.behave(silent, AgentBehaviour.SILENT_MASTER)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).master != silent
    assert bed.round.last_masters == (bed.at(0).ranking[0], silent)
    assert silent in bed.round.ranking[-2:]
    bed.close()


def test_e2_nothing_that_a_master_does_once_the_next_seed_is_public_changes_the_next_draw(tmp_path: Path) -> None:
    bed = found(tmp_path, 7)
    bed.until(1, Phase.AGGREGATE)
    entry = bed.round
    drawn = (*entry.last_masters, entry.ranking[0])[-2:]
    next_ranking = election.rank(entry.next_seed, entry.candidates, drawn, 2)
    for name in entry.ranking[:2]:
        bed.behave(name, AgentBehaviour.SILENT_MASTER)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).rank == 2 and bed.round.ranking == next_ranking
    bed.close()


def test_e3_garbage_moves_no_mastership(bed: Bed) -> None:
    """The second in rank knows that it is; a void that nobody can be blamed for must not make it master."""
    bed.until(1, Phase.COMMIT)
    master, second = bed.round.ranking[:2]
    bed.behave(second, AgentBehaviour.GARBAGE_UPDATE)
    bed.run(lambda: bed.round.attempt == 1)
    assert bed.kinds("round.void") == [("round.void", "1", "impossible_sum")]
    assert bed.round.master == master


def test_a_seed_withheld_draws_the_next_election_anew_once_a_study_and_no_more(bed: Bed) -> None:
    """Who opens last knows whom the next draw favours, and may prefer another: its seeds count no more after that."""
    bed.until(1, Phase.COMMIT)
    bed.behave("north", AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    assert bed.round.next_seed == b"" and conduct.of(bed.state, STUDY, "north").muted
    bed.run()
    assert bed.study.status == Status.PAUSED
    counted = [
        update.self_seed for name, update in bed.contributions(replace(bed.round, attempt=1)).items() if name != "north"
    ]
    fixed = bed.round.next_seed
    assert fixed == election.next_seed(STUDY, 2, counted), "the draw stands without it, and the void changes nothing"
    scores = bed.round.candidates

    bed.behave("north", AgentBehaviour.HONEST)
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run(lambda: bed.round.number == 2)
    assert (bed.round.seed, bed.at(1).candidates) == (fixed, scores)


def test_where_every_seed_was_withheld_once_the_next_one_follows_from_the_last(tmp_path: Path) -> None:
    bed = found(tmp_path, 3)
    bed.until(1, Phase.COMMIT)
    for name in bed.names:
        bed.behave(name, AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    for name in bed.names:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.run(lambda: bed.round.number == 2)
    assert bed.round.seed == election.void_seed(bed.at(1).seed)
    bed.close()


def test_opening_seeds_are_bound_before_any_is_known(bed: Bed) -> None:
    bed.until(0, Phase.COMMIT)
    agreed = opening.agreements(bed.state, STUDY)
    for join, agreement in zip(opening.joins(bed.state, STUDY), agreed, strict=True):
        assert join.seed_hash == opening.seed_hash(agreement.opening_seed)
    assert bed.round.seed == election.opening_seed(STUDY, [agreement.opening_seed for agreement in agreed])


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
    bed.until(1, Phase.ATTEST)
    bed.require("west", "steward", RevokeApproval(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == bed.names
    assert bed.at(2).expected == bed.at(2).frozen == bed.at(3).frozen == ("east", "north", "south")
    assert bed.trainers["west"].fitted == [0]


def test_a_revoked_hospital_cannot_commit(bed: Bed) -> None:
    bed.until(1, Phase.ATTEST)
    bed.require("west", "steward", RevokeApproval(STUDY))
    bed.until(2, Phase.COMMIT)
    hashes = tuple(b"" if name == "west" else bytes(32) for name in bed.names)
    body = CommitUpdate(STUDY, 2, 0, bed.round.base_root, bytes(32), bytes(32), bytes(32), hashes)
    assert bed.submit("west", "agent", body) == "not_approved"


def test_too_few_approvals_pause_the_study(bed: Bed) -> None:
    bed.until(1, Phase.ATTEST)
    for name in ("west", "south"):
        bed.require(name, "steward", RevokeApproval(STUDY))
    bed.run()
    assert bed.study.status == Status.PAUSED and bed.round.number == 2
    assert bed.kinds("study.paused") == [("study.paused", "too_few_approvals")]
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    assert bed.study.status == Status.PAUSED, "still too few"
    bed.approve("west")
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED and len(bed.at(3).frozen) == 3


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
