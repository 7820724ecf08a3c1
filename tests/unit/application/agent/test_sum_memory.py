"""What an agent remembers of sums, and refuses on whatever ledger: founded again, forked, put back (docs/sums.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.agent.memory import AttemptMemory, SumMemory, SumRefusedError
from hmchain.application.agent.store import AgentStore
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning.rounds import Phase, Round
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.sums import Summand, SummedSet
from support.coalition import Eavesdropper
from support.study_bed import STUDY, Bed

KEY, OTHER = bytes(32), bytes([1]) * 32


def summed(names: str, weight: int = 1) -> SummedSet:
    return tuple(Summand(name, "brain", 1, weight) for name in names)


@pytest.fixture
def memory(tmp_path: Path) -> SumMemory:
    return SumMemory(AgentStore(tmp_path / "agent.db", SecretKey(bytes(32))))


def test_what_the_rule_does_not_admit_is_refused(memory: SumMemory) -> None:
    four = summed("abcd")
    memory.allow(KEY, [four], four, 1)
    memory.allow(KEY, [four], four, 1)
    memory.allow(OTHER, [summed("abc")], summed("abc"), 1)
    with pytest.raises(SumRefusedError, match="give a hospital's update away"):
        memory.allow(KEY, [four, summed("abc")], summed("abc"), 1)
    with pytest.raises(SumRefusedError):
        memory.allow(bytes([2]) * 32, [], summed("ab"), 1)


def test_another_ledger_gets_the_same_sum_and_no_other(memory: SumMemory) -> None:
    first, second = summed("abcd"), summed("aefgh")
    memory.allow(KEY, [first], first, 1)
    with pytest.raises(SumRefusedError, match="founded again, forked or put back"):
        memory.allow(KEY, [second], second, 1)
    memory.allow(KEY, [first], first, 1)
    with pytest.raises(SumRefusedError):
        memory.allow(KEY, [first], first, 2)  # as of a study that withstands another number
    memory.allow(KEY, [first, second], second, 1)  # the ledger that had the first, too
    for shown in ([first], [second]):
        with pytest.raises(SumRefusedError):
            memory.allow(KEY, shown, shown[0], 1)  # one that lacks what is remembered now


def test_three_ledgers_do_not_add_up_to_what_one_would_not_admit(memory: SumMemory, tmp_path: Path) -> None:
    """Any two of the sets are admissible, all three give x away: who is in two of them opens for one."""
    ledgers = [summed("abcdef"), summed("abcx"), summed("defx")]
    memories = {name: SumMemory(AgentStore(tmp_path / f"{name}.db", SecretKey(bytes(32)))) for name in "abcdefx"}
    opened = []
    for each in ledgers:
        try:
            for part in each:
                memories[part.organisation].allow(KEY, [each], each, 0)
            opened.append(each)
        except SumRefusedError:
            pass
    assert opened == ledgers[:1]


# Through the real contracts


def test_a_ledger_put_back_from_a_backup_gets_no_second_set(bed: Bed, tmp_path: Path) -> None:
    bed.until(1, Phase.COMMIT)
    backup = bed.back_up(tmp_path / "backup")
    seen = Eavesdropper()
    bed.run(lambda: bed.round.phase == Phase.AGGREGATE)  # all four have opened their seeds
    seen.look(bed.state)

    bed.reopen(backup)
    assert bed.round.number == 1 and not bed.contributions()
    with bed.asleep("west"):
        bed.run(lambda: bed.round.attempt == 1)
        assert bed.kinds("round.void")[-1] == ("round.void", "1", "too_few_updates"), "nobody does the same again"
        bed.run()
    assert bed.kinds("round.void")[-1] == ("round.void", "1", "seed_withheld")
    assert not any(update.self_seed for update in bed.contributions().values())
    for name in ("east", "north", "south"):
        assert "founded again, forked or put back" in bed.agent(name).troubles[STUDY]
    seen.look(bed.state)
    for curious in bed.names:
        assert not seen.exposed_to((curious,))


def test_a_ledger_put_back_goes_on_with_the_set_that_all_remember(bed: Bed, tmp_path: Path) -> None:
    bed.until(1, Phase.COMMIT)
    backup = bed.back_up(tmp_path / "backup")
    bed.run(lambda: bed.round.phase == Phase.AGGREGATE)
    bed.reopen(backup)
    bed.run()
    assert bed.study.status == Status.FINISHED and (bed.at(1).attempt, bed.at(1).frozen) == (1, bed.names)


def test_who_was_left_out_on_one_ledger_is_not_summed_on_another(bed: Bed, tmp_path: Path) -> None:
    """North was late, so its pair seeds are open; put back, the ledger asks it for its self seed in that attempt."""
    bed.until(1, Phase.COMMIT)
    backup = bed.back_up(tmp_path / "backup")
    seen = Eavesdropper()
    with bed.asleep("north"):
        bed.run(lambda: bed.round.phase == Phase.AGGREGATE)
    seen.look(bed.state)

    bed.reopen(backup)
    bed.run(lambda: bed.round.attempt == 1)
    seen.look(bed.state)
    for curious in bed.names:
        assert not seen.exposed_to((curious,))
    assert "went back behind" in bed.agent("east").troubles[STUDY] and not bed.agent("north").troubles


def test_an_act_is_not_done_again_on_a_ledger_that_forgot_it() -> None:
    acts = AttemptMemory(AgentStore(None, SecretKey(bytes(32))), STUDY)

    def entry(number: int, attempt: int, phase: str) -> Round:
        blank = [STUDY, number, attempt, phase] + [None] * (len(Round.__struct_fields__) - 4)
        return Round(*blank)

    acts.require(entry(2, 1, Phase.COMMIT), 50)
    acts.vouched(entry(2, 1, Phase.ATTEST), 50)
    acts.require(entry(2, 1, Phase.ATTEST), 50)
    acts.opened(entry(2, 1, Phase.REVEAL), 53)
    acts.opened(entry(2, 1, Phase.REVEAL), 54)
    acts.require(entry(2, 1, Phase.REVEAL), 54)
    acts.require(entry(2, 2, Phase.COMMIT), 40)  # other seeds
    for forgotten, height in ((entry(2, 0, Phase.REVEAL), 60), (entry(2, 1, Phase.ATTEST), 60)):
        with pytest.raises(SumRefusedError, match="went back"):
            acts.require(forgotten, height)
    with pytest.raises(SumRefusedError):
        acts.require(entry(2, 1, Phase.REVEAL), 99)  # it grew beyond: this attempt stays spoiled
    acts.require(entry(3, 0, Phase.COMMIT), 99)
