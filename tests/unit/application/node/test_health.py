"""A verdict on a network follows from power, connections and the time since the last block, and from nothing else."""

from __future__ import annotations

import pytest

from hmchain.application.node.health import FRESH_MS, SILENCE_MS, Facts, Health, clock_ahead_ms, judge
from hmchain.clock import utc
from hmchain.ledger.engines.cometbft.light import BlockId, Commit, Header, Parts, Signature, SignedHeader, Version

FOUR = {"east": 833, "north": 833, "south": 833, "west": 833}
SINCE_MS = 1_795_753_669_000


def facts(connected: str, powers: dict[str, int] = FOUR, **more: object) -> Facts:
    names = {name for name in powers if name[0] in connected}
    return Facts(powers, frozenset(names), **{"since_ms": SINCE_MS, "silence_ms": FRESH_MS, **more})  # type: ignore[arg-type]


def test_all_are_there() -> None:
    found = judge(facts("ensw"))
    assert (found.verdict, found.missing, found.may_fail, found.since_ms) == (Health.HEALTHY, (), 1, 0)
    assert str(found) == "HEALTHY: every member is connected; 1 other may fail"


def test_one_of_four_is_missing_and_no_other_may_fail() -> None:
    found = judge(facts("enw"))
    assert (found.verdict, found.missing, found.may_fail) == (Health.DEGRADED, ("south",), 0)
    assert str(found).startswith("DEGRADED: south not connected; 75 % of the power is, more than 67 % is needed")


def test_two_of_four_are_missing_and_it_stands_still() -> None:
    found = judge(facts("nw", waiting=2))
    assert (found.verdict, found.connected_power, found.needed_power, found.total_power) == (
        Health.STANDS_STILL, 1666, 2222, 3332,
    )  # fmt: skip
    assert str(found) == (
        f"STANDS STILL since {utc(SINCE_MS)} UTC: 50 % of the power is connected, more than 67 % is needed; "
        "not connected: east, south"
    )
    assert found.since_ms == SINCE_MS


def test_a_block_that_has_just_come_shows_that_the_others_reach_each_other() -> None:
    """A node that started again is connected to one of three, and votes of all are in the block that it sees."""
    found = judge(facts("nw", silence_ms=FRESH_MS - 1))
    assert (found.verdict, found.since_ms) == (Health.DEGRADED, 0)
    assert str(found) == "DEGRADED: east, south not connected to this node; blocks come all the same"
    assert judge(facts("nw", silence_ms=0, since_ms=0)).verdict is Health.STANDS_STILL


def test_exactly_two_thirds_decide_nothing() -> None:
    three = {"east": 10, "north": 10, "south": 10}
    assert judge(facts("en", three)).verdict is Health.STANDS_STILL
    assert judge(facts("ens", three)).verdict is Health.HEALTHY


@pytest.mark.parametrize(("silence_ms", "verdict"), [(0, "healthy"), (SILENCE_MS, "healthy")])
def test_an_idle_network_is_well(silence_ms: int, verdict: str) -> None:
    """Nobody has anything to decide: a block a minute is all there is, and no transaction waits."""
    assert judge(facts("ensw", silence_ms=silence_ms)).verdict == verdict


def test_members_who_are_there_and_decide_nothing_for_minutes_stand_still() -> None:
    found = judge(facts("ensw", silence_ms=SILENCE_MS + 60_000, waiting=3))
    assert found.verdict is Health.STANDS_STILL
    assert "100 % of the power is connected, 3 transactions wait, and no block came for 3 min" in str(found)


def test_a_node_that_fetches_blocks_from_one_peer_does_not_cry_wolf() -> None:
    assert judge(facts("nw", catching_up=True)).verdict is Health.DEGRADED
    assert judge(facts("n", catching_up=True)).verdict is Health.STANDS_STILL


def test_a_member_in_maintenance_is_missing_and_costs_no_power() -> None:
    found = judge(facts("enw", FOUR | {"south": 1}))
    assert (found.verdict, found.missing, found.may_fail) == (Health.DEGRADED, ("south",), 0)
    assert "99 % of the power is" in str(found)


def test_who_has_no_power_is_not_missed() -> None:
    assert judge(facts("enw", FOUR | {"south": 0})).verdict is Health.HEALTHY


def test_before_the_first_block_nothing_is_dated() -> None:
    assert str(judge(facts("n", since_ms=0))).startswith("STANDS STILL (no block yet): 25 % of the power")


@pytest.mark.parametrize(("own", "ahead_ms"), [("10:00:01", 0), ("10:50:00", 2_999_000), ("09:10:00", 0)])
def test_a_clock_that_is_ahead_shows_in_the_votes(own: str, ahead_ms: int) -> None:
    block = BlockId("", Parts(1, ""))
    times = {"OWN": own, "A": "10:00:01", "B": "10:00:00.5", "C": "10:00:02"}
    votes = tuple(Signature(2, name, f"2026-11-27T{time}Z", b"") for name, time in times.items())
    header = Header(Version(), "four", 5, "2026-11-27T10:00:00Z", block, "", "", "", "", "", "", "", "", "")
    signed = SignedHeader(header, Commit(5, 0, block, (*votes, Signature(1, "", "", None))))
    assert clock_ahead_ms(signed, "OWN") == ahead_ms
    assert clock_ahead_ms(signed, "NOT AMONG THEM") == 0
