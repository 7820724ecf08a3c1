"""Learning rounds on the ledger: survivors, seeds, deadlines, elections and the gate (protocol-attacks.md)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import commit, reveal
from hmchain.ledger import reputation
from hmchain.ledger.arithmetic import LostPair
from hmchain.ledger.contracts.learning import conduct, models
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.participation import Attest, CommitUpdate
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from support.rounds import drop, found, unsupported
from support.study_bed import STUDY, Bed

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
