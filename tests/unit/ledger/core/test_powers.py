"""Voting power from scores: its band, jail, small steps, and safety of every set that can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.ledger import reputation as rep
from hmchain.ledger.reputation import (
    POWER_MAX,
    SCORE_MAX,
    PowerSet,
    Standing,
    faults_tolerated,
    next_powers,
    power_floor,
    proven_offence,
    safe,
    voting_power,
)

REPEATABLE = settings(derandomize=True, deadline=None)
HOUR_MS = 60 * 60 * 1000


def sent(standings: Sequence[Standing]) -> list[Standing]:
    """The standings after the engine took the next powers."""
    powers = next_powers(standings).powers
    return [replace(standing, power=power) for standing, power in zip(standings, powers, strict=True)]


def settled(standings: Sequence[Standing]) -> list[Standing]:
    for _ in range(40):
        standings = sent(standings)
    return list(standings)


def share_of_largest(powers: Sequence[int]) -> Fraction:
    """The part of the total that f attackers hold at most."""
    members = sum(power > 0 for power in powers)
    return Fraction(sum(sorted(powers)[len(powers) - faults_tolerated(members) :]), sum(powers))


# The band


@pytest.mark.parametrize(("n", "floor"), [(1, 1_000), (3, 1_000), (4, 667), (6, 667), (7, 801), (10, 858), (13, 889)])
def test_floor_of_the_band(n: int, floor: int) -> None:
    assert power_floor(n) == voting_power(0, n) == floor
    assert voting_power(SCORE_MAX, n) == POWER_MAX


@pytest.mark.parametrize("n", range(4, 200))
def test_slander_to_the_floor_leaves_f_attackers_below_a_third(n: int) -> None:
    f = faults_tolerated(n)
    powers = [POWER_MAX] * f + [voting_power(0, n)] * (n - f)
    assert 3 * f * POWER_MAX < sum(powers)
    assert safe(powers, n)
    assert not safe([POWER_MAX] * f + [power_floor(n) - 2] * (2 * f + 1), 3 * f + 1)


def test_n_falls_to_3() -> None:
    """Powers 1000, 250 and 240 would let one hospital commit alone: below four members all are equal."""
    standings = [Standing(power=1_000), Standing(power=250), Standing(power=240), Standing(power=900, tombstoned=True)]
    assert next_powers(standings).powers == (1_000, 1_000, 1_000, 0)
    assert not safe([1_000, 250, 240], 3)


def test_of_three_members_one_may_be_jailed_but_not_two() -> None:
    members = [Standing(power=1_000), Standing(power=1_000, jailed=True, jailed_at_height=5)]
    one = [*members, Standing(power=1_000)]
    assert next_powers(one) == PowerSet((1_000, 1, 1_000), ())
    two = [*members, Standing(power=1_000, jailed=True, jailed_at_height=4)]
    assert next_powers(two) == PowerSet((1_000, 1_000, 1), (1,))


def test_honest_nodes_jailed_for_patching_n_7() -> None:
    """With three of seven jailed two attackers would have 45 %: the newest jails wait until the set is safe."""
    standings = settled([Standing(consensus=SCORE_MAX)] * 2 + [Standing(consensus=0)] * 5)
    for position, height in ((2, 30), (3, 10), (4, 20)):
        standings[position] = rep.jail(standings[position], height, HOUR_MS)
    chosen = next_powers(standings)
    assert chosen == PowerSet((1_000, 1_000, 1_000, 1, 1_000, 1_000, 1_000), (2, 4))
    assert share_of_largest(chosen.powers) < Fraction(1, 3)


def test_join_6_to_7() -> None:
    """Slow steps after a seventh joined would leave two attackers 37.5 %: all go to the new band at once."""
    six = settled([Standing(consensus=10_000)] * 2 + [Standing(consensus=0)] * 4)
    assert [standing.power for standing in six] == [1_000] * 2 + [667] * 4
    seven = next_powers([*six, Standing()]).powers
    assert seven == (1_000, 1_000, 801, 801, 801, 801, 900)
    assert share_of_largest(seven) < Fraction(1, 3)


def test_one_of_four_jailed_leaves_three_that_decide_together() -> None:
    standings = settled([Standing(consensus=score) for score in (10_000, 5_000, 5_000, 0)])
    standings[3] = rep.jail(standings[3], 1, 0)
    powers = next_powers(standings).powers
    assert powers == (1_000, 1_000, 1_000, 1)
    total = sum(powers)
    assert all(3 * (total - powers[0] - one) <= 2 * total for one in powers[1:3]), "two don't decide"
    assert 3 * (total - powers[3]) > 2 * total


def test_end_of_a_jail_takes_effect_at_once() -> None:
    standings = [Standing(power=1_000), Standing(power=1_000), Standing(power=1_000), Standing(power=1)]
    assert next_powers(standings).powers[3] == voting_power(5_000, 4)


def test_small_changes_are_not_sent() -> None:
    standings = [Standing(consensus=10_000, power=1_000)] * 3 + [Standing(consensus=9_000, power=1_000)]
    assert voting_power(9_000, 4) == 966
    assert next_powers(standings).powers == (1_000,) * 4
    standings[3] = replace(standings[3], consensus=8_400)
    assert next_powers(standings).powers == (1_000, 1_000, 1_000, voting_power(8_400, 4))


def test_a_tenth_of_the_total_moves_in_an_epoch_the_largest_change_first() -> None:
    standings = [Standing(consensus=score, power=1_000) for score in (0, 10_000, 3_000, 10_000)]
    assert next_powers(standings).powers == (667, 1_000, 933, 1_000)  # 333, then 67 of the 234 wanted
    assert [standing.power for standing in settled(standings)] == [667, 1_000, voting_power(3_000, 4), 1_000]


def test_earned_powers_move_only_where_an_epoch_ends() -> None:
    standings = [Standing(consensus=score, power=1_000) for score in (0, 10_000, 10_000, 10_000, 10_000)]
    standings[4] = rep.jail(standings[4], 1, 0)
    assert next_powers(standings, epoch_ends=False).powers == (1_000, 1_000, 1_000, 1_000, 1)
    assert next_powers(standings).powers == (667, 1_000, 1_000, 1_000, 1)


def test_the_set_is_never_emptied() -> None:
    assert next_powers([Standing(power=1_000, tombstoned=True)]).powers == (1_000,)
    assert next_powers([Standing(power=833, jailed=True)] * 4) == PowerSet((1, 833, 833, 833), (1, 2, 3))
    assert next_powers([Standing(jailed=True)]) == PowerSet((1_000,), (0,))
    assert next_powers([]) == PowerSet((), ())


# Against an obvious twin, and over every set that can be reached


def twin_of_next_powers(standings: Sequence[Standing]) -> tuple[list[int], set[int]]:
    """The rules in the order in which the design states them, with fractions and without cleverness."""
    members = [i for i in range(len(standings)) if not standings[i].tombstoned]
    n, f = len(members), (len(members) - 1) // 3
    floor = int(Fraction(1000 * 2 * f, 2 * f + 1)) + 1 if n >= 4 else 1000
    jailed = {i for i in members if standings[i].jailed}
    waiting: set[int] = set()
    while True:
        target = {i: int(floor + Fraction((1000 - floor) * standings[i].consensus, 10_000)) for i in members}
        powers = {i: 1 if i in jailed else target[i] for i in members}
        joined = any(standings[i].power == 0 for i in members)
        left = any(standing.tombstoned and standing.power for standing in standings)
        if not (joined or left or n < 4):
            movable = Fraction(sum(standing.power for standing in standings), 10) // 1
            routine = [i for i in members if i not in jailed and standings[i].power != 1]
            for i in sorted(routine, key=lambda i: abs(target[i] - standings[i].power), reverse=True):
                old, wanted = standings[i].power, target[i] - standings[i].power
                moved = min(abs(wanted), movable)
                if Fraction(moved, old) < Fraction(5, 100):
                    moved = 0
                movable -= moved
                powers[i] = int(old + moved if wanted > 0 else old - moved)
        for attempt in (powers, {i: 1 if i in jailed else 1000 for i in members}):
            by_size = sorted(attempt.values())
            total = sum(by_size)
            faulty = Fraction(sum(by_size[n - f :]), total)
            alone = Fraction(by_size[-1], total)
            if len(jailed) < n and faulty < Fraction(1, 3) and (n == 1 or alone <= Fraction(2, 3)):
                return [attempt.get(i, 0) for i in range(len(standings))], waiting
        newest = max(jailed, key=lambda i: (standings[i].jailed_at_height, i))
        jailed.remove(newest)
        waiting.add(newest)


scores = st.one_of(st.integers(0, SCORE_MAX), st.sampled_from([0, 5_000, SCORE_MAX]))
members = st.builds(
    Standing,
    consensus=scores,
    jailed=st.booleans(),
    jailed_at_height=st.integers(0, 5),
    tombstoned=st.sampled_from([False] * 5 + [True]),
    power=st.one_of(st.integers(667, 1_000), st.sampled_from([0, 1, 801, 1_000, 1_000])),
)


@settings(REPEATABLE, max_examples=300)
@given(st.lists(members, min_size=1, max_size=14).filter(lambda some: not all(one.tombstoned for one in some)))
def test_next_powers_against_the_twin(standings: list[Standing]) -> None:
    powers, waiting = twin_of_next_powers(standings)
    assert next_powers(standings) == PowerSet(tuple(powers), tuple(sorted(waiting)))


events = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "jail", "unjail", "score", "nothing"]), st.integers(0, 12), scores),
    min_size=1,
    max_size=40,
)


@settings(REPEATABLE, max_examples=150)
@given(st.integers(1, 9), events)
def test_every_reachable_set_is_safe_and_legal(founders: int, story: list[tuple[str, int, int]]) -> None:
    standings = sent([Standing() for _ in range(founders)])
    for height, (event, who, score) in enumerate(story):
        before = [standing.power for standing in standings]
        position = who % len(standings)
        chosen = standings[position]
        if event == "join" and len(standings) < 14:
            standings.append(Standing(consensus=score))
        elif event == "leave":
            standings[position] = rep.tombstone(chosen)
        elif event == "jail" and not chosen.jailed:
            standings[position] = rep.jail(chosen, height, height * HOUR_MS)
        elif event == "unjail":
            standings[position] = rep.unjail(chosen)
        elif event == "score":
            standings[position] = replace(chosen, consensus=score)
        standings = sent(standings)
        after = [standing.power for standing in standings]
        assert any(after), "an emptied set halts the engine"
        n = sum(power > 0 for power in after)
        if n >= 4:
            assert share_of_largest(after) < Fraction(1, 3)
        elif n > 1:
            assert Fraction(max(after), sum(after)) <= Fraction(2, 3)
        jails = any(standing.jailed for standing in standings)
        if event in ("score", "nothing") and not jails and 1 not in before and n >= 4:
            moved = [abs(new - old) for new, old in zip(after, before, strict=True)]
            assert 10 * sum(moved) <= sum(before)
            assert all(step == 0 or 20 * step >= old for step, old in zip(moved, before, strict=True))


def test_a_standing_has_one_encoding() -> None:
    standing = rep.bar(rep.jail(proven_offence(Standing(power=1_000), 7), 3, 9))
    assert decode(encode(standing), Standing) == standing
