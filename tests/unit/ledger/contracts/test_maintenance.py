"""Announced maintenance: no punishment for who says it beforehand, and nothing to hide behind (design section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.ledger import genesis as founding
from hmchain.ledger import reputation
from hmchain.ledger.blocks import ABSENT, COMMIT, BlockInput, Vote
from hmchain.ledger.context import STEWARD, Context, Credential
from hmchain.ledger.contracts.members import maintenance, membership, standings
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance, Window
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.embedded import Behaviour
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from support.ledger_network import START_MS, Network, genesis

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RULES = Parameters(epoch_blocks_min=40, epoch_ms=1, jail_blocks_per_member=2, jail_ms=1_000)


def found(names: str) -> State:
    state = State()
    founding.initialise(state, genesis(names, RULES))
    state.commit(0)
    return state


@pytest.fixture
def state() -> Iterator[State]:
    state = found("abcd")
    yield state
    state.close()


def announce(state: State, name: str, from_ms: int, length_ms: int, now_ms: int = START_MS, role: str = STEWARD) -> str:
    """The refusal's code, or an empty text."""
    context = Context(state, "test", 1, now_ms, Credential(name, role))
    try:
        maintenance.HANDLERS[AnnounceMaintenance](context, AnnounceMaintenance(from_ms, length_ms))
    except Refusal as refusal:
        return refusal.code
    return ""


def block(state: State, height: int, time_ms: int, silent: str = "") -> list[str]:
    """One non-empty block in whose last commit some votes were missing; the kinds of its events."""
    validators = standings.validators_at(state, height)
    voters = standings.validators_at(state, height - 1) if height > 1 else ()
    votes = tuple(Vote(entry.id, ABSENT if entry.id in silent else COMMIT) for entry in voters)
    turn = next(entry.id for entry in validators[height % len(validators) :] + validators if entry.id not in silent)
    inputs = BlockInput(height, time_ms, turn, 0, votes, (), (b"transaction",))
    standings.begin_block(state, inputs)
    events = [event.kind for event in standings.end_block(state, inputs)]
    state.commit(height)
    return events


def test_who_announced_its_absence_is_not_punished_for_it(state: State) -> None:
    """Its power goes to 1 with the first block of the window, and it neither loses nor earns any score."""
    assert announce(state, "d", START_MS + 1_000, HOUR_MS) == ""
    assert block(state, 1, START_MS + 1) == []
    assert block(state, 2, START_MS + 1_000) == ["validator.paused"]
    assert standings.standing(state, "d").power == reputation.POWER_JAILED and not standings.may_lead(state, "d")
    for height in range(3, 45):
        events = block(state, height, START_MS + 1_000 + height, "d")
        assert events == (["epoch.closed"] if height == 40 else [])
    entry = standings.standing(state, "d")
    assert (entry.consensus, entry.offences) == (reputation.SCORE_START, 0)
    assert standings.standing(state, "a").consensus > reputation.SCORE_START


def test_absence_beyond_what_was_announced_is_counted(state: State) -> None:
    assert announce(state, "d", 0, 1_000) == ""
    events = {height: block(state, height, START_MS + 100 * height, "d") for height in range(1, 41)}
    assert [height for height, kinds in events.items() if "validator.jailed" in kinds] == [19]
    entry = standings.standing(state, "d")
    assert (entry.offences, entry.consensus, entry.jailed) == (reputation.ONE, reputation.SCORE_START // 2, True)


def test_misconduct_before_the_window_is_not_forgiven(state: State) -> None:
    """Nobody escapes the closing of an epoch by a pause just before it."""
    for height in range(1, 31):
        block(state, height, START_MS + height, "d")
    assert announce(state, "d", 0, HOUR_MS, START_MS + 30) == ""
    for height in range(31, 41):
        block(state, height, START_MS + height, "d")
    assert standings.standing(state, "d").consensus == reputation.SCORE_START // 2


def test_whoever_is_back_early_says_so_and_is_counted_again(state: State) -> None:
    assert announce(state, "d", 0, HOUR_MS) == ""
    block(state, 1, START_MS + 1)
    context = Context(state, "test", 2, START_MS + 1_000, Credential("d", STEWARD))
    standings.HANDLERS[Unjail](context, Unjail())
    assert maintenance.window(state, "d") == Window(START_MS, START_MS + 1_000)
    assert block(state, 2, START_MS + 1_001) == []
    assert standings.standing(state, "d").power > reputation.POWER_JAILED
    for height in range(3, 11):
        events = block(state, height, START_MS + 1_000 * height, "d")
    assert events == ["validator.jailed"] and standings.standing(state, "d").offences == reputation.ONE


@pytest.mark.parametrize(
    ("from_ms", "length_ms"), [(0, 0), (0, DAY_MS + 1), (START_MS + 7 * DAY_MS + 1, 1), ((1 << 63) - 1, DAY_MS)]
)
def test_a_window_is_short_and_not_far_ahead(state: State, from_ms: int, length_ms: int) -> None:
    assert announce(state, "d", from_ms, length_ms) == "bad_maintenance"


def test_windows_are_rare_and_few_at_once(state: State) -> None:
    assert announce(state, "d", 0, HOUR_MS, role="agent") == "wrong_role"
    assert announce(state, "d", 0, HOUR_MS, role="validator") == ""
    assert announce(state, "d", START_MS + 6 * DAY_MS, HOUR_MS) == "maintenance_lately"
    assert announce(state, "a", START_MS + HOUR_MS - 1, HOUR_MS) == "maintenance_under_way"
    assert announce(state, "a", START_MS + HOUR_MS, HOUR_MS) == ""
    later = START_MS + 7 * DAY_MS
    assert announce(state, "d", later, DAY_MS, later) == ""
    membership.remove(state, "d", 1)
    assert announce(state, "a", 0, HOUR_MS, later + HOUR_MS) == ""  # who has left is in nobody's way


def test_of_seven_two_may_be_away_and_the_powers_stay_safe() -> None:
    state = found("abcdefg")
    assert [announce(state, name, 0, HOUR_MS) for name in "abc"] == ["", "", "maintenance_under_way"]
    block(state, 1, START_MS + 1)
    powers = [standings.standing(state, name).power for name in "abcdefg"]
    assert reputation.safe(powers, 7) and powers.count(reputation.POWER_JAILED) >= 1
    state.close()


def test_three_go_on_without_the_one_that_announced_it(tmp_path: Path) -> None:
    """With equal powers the two others are no more than two thirds; with power 1 for the third they are."""
    network = Network.found(tmp_path / "ledger", "abc", RULES)
    network.block(network.send("c", AnnounceMaintenance(0, HOUR_MS)))
    network.block(network.send.dataset("a", "d1"))
    network.ledger.set_behaviour("c", Behaviour.SILENT)
    for number in range(2, 6):
        network.block(network.send.dataset("a", f"d{number}"))
    network.ledger.set_behaviour("c", Behaviour.HONEST)
    network.block(network.send("c", Unjail()))
    for number in range(6, 9):
        network.block(network.send.dataset("a", f"d{number}"))
    assert standings.standing(network.ledger.state, "c").power == reputation.POWER_MAX
    assert len(network.commitments()) == 1
    network.ledger.close()
