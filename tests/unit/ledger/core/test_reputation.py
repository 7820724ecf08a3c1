"""Reputation (design, section 5) and the attacks on it (research/protocol-attacks.md, "Ledger and consensus")."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.ledger import reputation as rep
from hmchain.ledger.reputation import (
    OFFENCE_HALF_LIFE_MS,
    ONE,
    SCORE_MAX,
    Breaches,
    Conduct,
    Outcome,
    Standing,
    close_epoch,
    faults_tolerated,
    learning_score,
    next_powers,
    proven_offence,
    record_learning,
    safe,
)

REPEATABLE = settings(derandomize=True, deadline=None)
DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000


def sent(standings: Sequence[Standing]) -> list[Standing]:
    """The standings after the engine took the next powers."""
    powers = next_powers(standings).powers
    return [replace(standing, power=power) for standing, power in zip(standings, powers, strict=True)]


# Consensus score


def test_a_good_epoch_gains_200_and_ten_thousand_is_the_top() -> None:
    assert close_epoch(Standing(), 1_999, 1, 10, 0).consensus == 5_200
    assert close_epoch(Standing(consensus=9_900), 0, 0, 0, 0).consensus == SCORE_MAX


@pytest.mark.parametrize(("missed", "failed", "assigned"), [(2_000, 0, 10), (0, 2, 19), (10_000, 0, 0)])
def test_a_bad_epoch_halves(missed: int, failed: int, assigned: int) -> None:
    assert close_epoch(Standing(consensus=7_001), missed, failed, assigned, 0).consensus == 3_500


def test_a_proven_offence_halves_at_once_and_slows_the_recovery() -> None:
    standing = proven_offence(proven_offence(Standing(consensus=8_000), 0), 0)
    assert (standing.consensus, standing.offences) == (2_000, 2 * ONE)
    assert close_epoch(standing, 0, 0, 1, 0).consensus == 2_000 + 200 // 4


def test_the_gain_is_never_below_ten() -> None:
    assert close_epoch(Standing(offences=30 * ONE), 0, 0, 1, 0).consensus == 5_010


def test_s9_in_jail_the_score_does_not_grow_and_falls_only_for_what_was_missed_before() -> None:
    jailed = rep.jail(Standing(consensus=9_000), 1, 0)
    assert close_epoch(jailed, 0, 0, 10, HOUR_MS) == jailed
    assert close_epoch(jailed, 10_000, 0, 10, HOUR_MS).consensus == 4_500


def test_s9_an_epoch_takes_blocks_and_hours() -> None:
    assert not rep.epoch_is_over(100_000, rep.EPOCH_MS - 1, 4)
    assert not rep.epoch_is_over(99, 100 * rep.EPOCH_MS, 4)
    assert not rep.epoch_is_over(309, rep.EPOCH_MS, 31)
    assert rep.epoch_is_over(100, rep.EPOCH_MS, 4)


def test_offences_never_decay() -> None:
    """Score frozen near 0 by monthly patching: with the half-life and the least gain it stays near the top."""
    standing, now_ms = Standing(), 0
    for _ in range(36):
        now_ms += 30 * DAY_MS
        standing = rep.unjail(rep.jail(standing, 1, now_ms))
        for missed in [10_000] * 3 + [0] * 200:
            standing = close_epoch(standing, missed, 0, 1, now_ms)
    assert standing.consensus == SCORE_MAX
    assert rep.offences_now(standing, now_ms) < 2 * ONE


def test_offences_halve_every_thirty_days_however_often_epochs_close() -> None:
    standing = proven_offence(Standing(), 0)
    for day in range(31):
        standing = close_epoch(standing, day % 2 * 10_000, 0, 1, day * DAY_MS)
    assert rep.offences_now(standing, 30 * DAY_MS) == ONE // 2
    assert rep.offences_now(standing, 15 * DAY_MS) == ONE * 3 // 4
    assert rep.offences_now(standing, 3_000 * DAY_MS) == 0


def test_announced_maintenance_is_no_offence() -> None:
    assert rep.jail(Standing(), 9, 0, announced=True) == Standing(jailed=True, jailed_at_height=9, announced=True)
    assert rep.unjail(rep.jail(Standing(), 9, 0, announced=True)) == Standing()
    assert rep.jail(Standing(), 9, 0).offences == ONE


@REPEATABLE
@given(st.integers(0, 1 << 30), st.integers(0, 20 * OFFENCE_HALF_LIFE_MS))
def test_halved_follows_the_exponential(value: int, elapsed: int) -> None:
    true = value * 2 ** (-elapsed / OFFENCE_HALF_LIFE_MS)
    assert true - 2 <= rep.halved(value, elapsed, OFFENCE_HALF_LIFE_MS) <= true * 1.0615 + 2


def test_a_distant_hospital_is_not_jailed_by_blocks_or_by_time_alone() -> None:
    assert not rep.absent(10_000, rep.JAIL_MS - 1, 2, 4)
    assert not rep.absent(39, 10 * rep.JAIL_MS, 2, 4)
    assert not rep.absent(40, rep.JAIL_MS, 1, 4), "one witness may lie"
    assert rep.absent(40, rep.JAIL_MS, 2, 4)


def test_the_median_ignores_slandering_proposers() -> None:
    honest, slander = (2, 100), (100, 100)
    assert rep.median_miss_rate([slander, honest, honest], 3) == 200
    assert rep.median_miss_rate([slander, slander, honest, honest, honest, honest], 6) == 200
    assert rep.median_miss_rate([], 3) == rep.median_miss_rate([], 0) == 0


def test_s8_who_proposed_nothing_bears_witness_against_nobody() -> None:
    assert rep.median_miss_rate([(100, 100)], 3) == 0
    assert rep.median_miss_rate([(100, 100)] * 2, 6) == 0
    assert rep.median_miss_rate([(1, 3), (1, 2)], 3) == 3_333


@REPEATABLE
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=13), st.integers(1, 8))
def test_the_median_has_half_of_the_proposers_on_either_side(pairs: list[tuple[int, int]], silent: int) -> None:
    misses = [(min(pair), max(pair)) for pair in pairs]
    median = rep.median_miss_rate(misses, len(misses) + silent)
    rates = [0] * silent + [10_000 * missed // total for missed, total in misses]
    assert median == max((rate for rate in rates if 2 * sum(other < rate for other in rates) < len(rates)), default=0)
    assert 2 * sum(rate <= median for rate in rates) >= len(rates)
    assert 2 * sum(rate >= median for rate in rates) >= len(rates)


@REPEATABLE
@given(st.integers(1, 11), st.data())
def test_s8_f_liars_move_no_median_beyond_what_honest_proposers_saw(f: int, data: st.DataObject) -> None:
    """Whatever f of 3 f say of an honest one, and whoever had no turn: some honest proposer saw as much."""
    others = 3 * f
    honest = data.draw(st.lists(st.integers(0, 100), min_size=others - f, max_size=others - f))
    lies = data.draw(st.lists(st.integers(0, 100), min_size=f, max_size=f))
    shown = [(value, 100) for value in (*honest, *lies) if value]
    assert rep.median_miss_rate(shown, others) <= 100 * max(honest)


@pytest.mark.parametrize("good", [1, 2, 5, 10])
def test_on_off_misconduct_never_earns_what_steady_conduct_does(good: int) -> None:
    """A validator that behaves for some epochs and then fails for one: each failure takes half of all it gained."""
    attacker, honest = Standing(), Standing()
    peaks = []
    for _ in range(60):
        for _ in range(good):
            attacker, honest = close_epoch(attacker, 0, 0, 10, 0), close_epoch(honest, 0, 0, 10, 0)
        peaks.append(attacker.consensus)
        attacker, honest = close_epoch(attacker, 10_000, 0, 10, 0), close_epoch(honest, 0, 0, 10, 0)
    assert honest.consensus == SCORE_MAX
    assert max(peaks[20:]) <= 2 * rep.GAIN * good  # where halving takes as much as the good epochs bring


@pytest.mark.parametrize("n", [4, 7, 10])
def test_on_off_misconduct_of_f_never_brings_a_third_of_the_power(n: int) -> None:
    """Attackers that oscillate together, with jails of theirs and of honest ones between: no set is ever unsafe."""
    attackers = faults_tolerated(n)
    standings = sent([Standing() for _ in range(n)])
    for epoch in range(120):
        bad = epoch % 7 == 6
        for position, standing in enumerate(standings):
            missed = 10_000 if bad and position < attackers else 0
            standings[position] = close_epoch(standing, missed, 0, 10, epoch * HOUR_MS)
        if bad:
            standings[0] = rep.jail(standings[0], epoch, epoch * HOUR_MS)
            standings[-1] = rep.jail(standings[-1], epoch, epoch * HOUR_MS)
        elif epoch % 7 == 1:
            standings = [rep.unjail(standing) for standing in standings]
        standings = sent(standings)
        powers = [standing.power for standing in standings]
        assert safe(powers, n)
        assert 3 * sum(powers[:attackers]) < sum(powers)
    assert max(entry.consensus for entry in standings[:attackers]) < min(e.consensus for e in standings[attackers:-1])


# Learning score


def test_learning_score_of_a_newcomer_is_one_half() -> None:
    assert learning_score(Conduct(), Breaches(), 0) == 5_000


@REPEATABLE
@given(st.lists(st.tuples(st.sampled_from(Outcome), st.integers(0, 40 * HOUR_MS)), max_size=60))
def test_learning_score_against_floats(outcomes: list[tuple[Outcome, int]]) -> None:
    good, bad = {Outcome.ACCEPTED: 1.0}, {Outcome.LATE: 0.5}
    severe = {Outcome.WITHHELD: 1.0, Outcome.FRAUD: 10.0}
    conduct, breaches, now_ms = Conduct(), Breaches(), 0
    supported = unsupported = 0.0
    events: list[tuple[int, float]] = []
    for outcome, pause_ms in outcomes:
        days = (now_ms + pause_ms) // DAY_MS - now_ms // DAY_MS
        now_ms += pause_ms
        conduct = record_learning(conduct, outcome, now_ms)
        breaches = rep.record_breach(breaches, outcome, now_ms)
        supported = supported * 0.875**days + good.get(outcome, 0.0)
        unsupported = unsupported * 0.875**days + bad.get(outcome, 0.0)
        events.append((now_ms, severe.get(outcome, 0.0)))
        score = learning_score(conduct, breaches, now_ms)
        assert 0 <= score <= SCORE_MAX
        earned = 10_000 * (supported + 1) / (supported + unsupported + 2)
        left = sum(amount * 2 ** (-(now_ms - at_ms) / (30 * DAY_MS)) for at_ms, amount in events)
        assert earned / (1 + 1.4 * left) - 5 <= score <= earned / (1 + left) + 5
        assert conduct.muted == any(one is Outcome.WITHHELD for one, _ in outcomes[: len(events)])


def test_e4_what_was_earned_fades_by_time_however_many_rounds_there_are() -> None:
    conduct = Conduct()
    for _ in range(8):
        conduct = record_learning(conduct, Outcome.LATE, 0)
    busy = quiet = conduct
    for hour in range(100):
        busy = record_learning(busy, Outcome.WITHHELD, hour * HOUR_MS)  # counts for neither S nor U
    assert busy.unsupported == rep.faded(quiet, 99 * HOUR_MS).unsupported < conduct.unsupported
    assert rep.faded(conduct, 2000 * DAY_MS).unsupported == 0
    assert rep.faded(conduct, 0) == conduct


def test_no_number_of_good_rounds_pays_for_a_withheld_seed_but_time_does() -> None:
    saint = Conduct()
    for _ in range(10_000):
        saint = record_learning(saint, Outcome.ACCEPTED, 0)
    once = rep.record_breach(Breaches(), Outcome.WITHHELD, 0)
    clean = learning_score(saint, Breaches(), 0)
    assert learning_score(saint, once, 0) == clean // 2
    assert learning_score(saint, once, 30 * DAY_MS) > learning_score(saint, once, 0)
    assert rep.record_breach(once, Outcome.LATE, 5) == once


def test_fraud_bars_from_mastership_for_good() -> None:
    fraud = rep.record_breach(Breaches(), Outcome.FRAUD, 0)
    assert learning_score(Conduct(), fraud, 0) == 5_000 // 11
    assert not rep.may_lead(rep.bar(Standing())) and not rep.may_stand(rep.bar(Standing()))
    assert rep.may_lead(Standing())
    jailed = rep.jail(Standing(), 1, 0)
    assert not rep.may_lead(jailed) and rep.may_stand(jailed), "it may be back by the time of its turn"
    assert not rep.may_lead(rep.tombstone(Standing()))
