"""Masters of rounds: elected by seeds that nobody knows in time, and nobody gains by what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.ledger import election
from hmchain.ledger.context import AGENT, Context, Credential
from hmchain.ledger.contracts.learning import conduct, opening
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from support.rounds import drop, found
from support.study_bed import STUDY, Bed

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
