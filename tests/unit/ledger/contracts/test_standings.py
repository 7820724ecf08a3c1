"""What conduct leads to: who may be master, who keeps its vote (design section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from hmchain.ledger import genesis as founding
from hmchain.ledger import proposer, reputation
from hmchain.ledger.blocks import ABSENT, COMMIT, NIL, BlockInput, Vote
from hmchain.ledger.context import STEWARD, Context, Credential
from hmchain.ledger.contracts.learning import conduct
from hmchain.ledger.contracts.members import attendance, membership, standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.reputation import Outcome, Standing
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.ledger.transition import Machine
from support.ledger_network import START_MS, genesis

NAMES = tuple("abcd")
RULES = Parameters(epoch_ms=1, jail_blocks_per_member=2, jail_ms=1_000)


@pytest.fixture
def state() -> Iterator[State]:
    state = State()
    founding.initialise(state, genesis("abcd", RULES))
    state.commit(0)
    yield state
    state.close()


def context(state: State, name: str = "a", role: str = STEWARD) -> Context:
    return Context(state, "test", 1, START_MS, Credential(name, role))


def block(state: State, height: int, time_ms: int, silent: tuple[str, ...] = (), missing: int = ABSENT) -> list[str]:
    """One non-empty block in whose last commit some votes were `missing`; the kinds of its events."""
    votes = tuple(Vote(name, missing if name in silent else COMMIT) for name in NAMES)
    turn = standings.validators_at(state, height)[height % len(NAMES)].id
    inputs = BlockInput(height, time_ms, turn, 0, votes if height > 1 else (), (), (b"transaction",))
    standings.begin_block(state, inputs)
    events = [event.kind for event in standings.end_block(state, inputs)]
    state.commit(height)
    return events


def test_everyone_starts_alike(state: State) -> None:
    assert len({standings.standing(state, name) for name in NAMES}) == 1


def test_learning_never_touches_voting_power(state: State) -> None:
    """A hospital with unusual patients must not lose its vote."""
    before = standings.standing(state, "a")
    for outcome in Outcome:
        conduct.record(context(state), "study", "a", outcome)
    assert standings.standing(state, "a") == before
    assert conduct.learning_score(state, "study", "a", START_MS) < conduct.learning_score(state, "study", "b", START_MS)


def test_e4_a_toy_study_launders_nothing(state: State) -> None:
    """What colluders earn among themselves counts in their study; what they owe counts in every one."""
    ctx = context(state)
    before = conduct.learning_score(state, "real", "a", START_MS)
    conduct.record(ctx, "real", "a", Outcome.WITHHELD)
    for _ in range(1_000):
        conduct.record(ctx, "toy", "a", Outcome.ACCEPTED)
    assert conduct.learning_score(state, "real", "a", START_MS) == before // 2
    assert conduct.learning_score(state, "next", "a", START_MS) == before // 2
    assert conduct.learning_score(state, "real", "b", START_MS) == before


def test_proven_fraud_bars_from_mastership_and_not_from_voting(state: State) -> None:
    ctx = context(state)
    conduct.bar(ctx, "study", "b")
    assert not standings.may_lead(state, "b") and not standings.may_stand(state, "b")
    assert standings.standing(state, "b").power == standings.standing(state, "a").power
    assert [event.kind for event in ctx.events] == ["standing.barred"]


def test_a_removed_member_leads_nothing_and_keeps_no_power(state: State) -> None:
    membership.remove(state, "c", 1)
    assert not standings.may_lead(state, "c") and not standings.may_stand(state, "c")
    assert block(state, 1, START_MS + 1) == ["validator.left"]
    assert standings.standing(state, "c").power == 0


@pytest.mark.parametrize("missing", [ABSENT, NIL])
def test_jail_needs_blocks_and_time(state: State, missing: int) -> None:
    """A distant or sleeping hospital is jailed only after many blocks and much block time, and only to power 1.

    Voting for nothing is no better than not voting.
    """
    for height in range(1, 20):
        assert block(state, height, START_MS + height, ("d",), missing) == [], "blocks alone are not enough"
    assert block(state, 20, START_MS + 5_000, ("d",), missing) == ["validator.jailed"]
    assert standings.standing(state, "d").jailed and not standings.may_lead(state, "d")
    assert standings.standing(state, "d").power == reputation.POWER_JAILED
    powers = {entry.id: entry.power for entry in standings.validators_at(state, 22)}
    assert powers["d"] == 1 and len(powers) == 4, "jail is not removal"

    unjail = standings.HANDLERS[Unjail]
    with pytest.raises(Refusal, match="not_jailed"):
        unjail(context(state, "a"), Unjail())
    with pytest.raises(Refusal, match="wrong_role"):
        unjail(context(state, "d", "agent"), Unjail())
    unjail(context(state, "d"), Unjail())
    assert standings.may_lead(state, "d")
    block(state, 21, START_MS + 5_001)
    assert standings.standing(state, "d").power > reputation.POWER_JAILED


def test_a_removed_member_does_not_put_off_the_jail_of_another() -> None:
    """The jail comes after `jail_blocks_per_member` * n blocks, and n is how many validators there are now."""
    state = State()
    founding.initialise(state, genesis("abcdefgh", RULES))
    state.commit(0)
    for name in "efgh":
        membership.remove(state, name, 1)
    for height in range(1, 10):
        block(state, height, START_MS + height)
    for height in range(10, 17):
        assert block(state, height, START_MS + 5_000 + height, ("d",)) == []
    assert block(state, 17, START_MS + 5_017, ("d",)) == ["validator.jailed"], "8 blocks without a vote, n is 4"
    state.close()


def quiet(state: State, height: int, last_round: int = 0, *, full: bool) -> bytes:
    """One block of a quiet chain through the machine: with a transaction, or empty; the commitment after it."""
    wires = (b"no transaction",) if full else ()
    votes = tuple(Vote(name, COMMIT) for name in NAMES) if height > 1 else ()
    machine = Machine(state, "test")
    machine.execute(BlockInput(height, START_MS + height, "a", last_round, votes, (), wires))
    machine.commit(height)
    return state.commitment()


def test_who_fails_only_the_turns_of_blocks_with_transactions_pays(state: State) -> None:
    """On a quiet chain an empty block follows each of them, and tells how many rounds it took."""
    quiet(state, 1, full=True)
    for height in range(2, 40, 2):
        quiet(state, height, 1, full=False)
        quiet(state, height + 1, full=True)
    turns = attendance.failed_turns(state, NAMES, 0)
    failed_ms, all_ms = (sum(part) for part in zip(*turns.values(), strict=True))
    assert 0 < all_ms <= 4 * failed_ms < 2 * all_ms


def test_an_idle_chain_stays_idle_although_every_round_fails(state: State) -> None:
    before = [quiet(state, 1, full=True), quiet(state, 2, 3, full=False)]
    assert before[0] != before[1], "counted once"
    assert {quiet(state, height, 3, full=False) for height in range(3, 9)} == {before[1]}, "and then no more"


def test_time_alone_does_not_jail(state: State) -> None:
    """A halt of the whole chain jails nobody."""
    block(state, 1, START_MS + 1)
    assert block(state, 2, START_MS + 86_400_000, ("d",)) == []
    assert not standings.standing(state, "d").jailed


def test_a_change_of_power_acts_two_blocks_later(state: State) -> None:
    for height in range(1, 20):
        block(state, height, START_MS + height, ("d",))
    block(state, 20, START_MS + 5_000, ("d",))
    before, after = standings.validators_at(state, 21), standings.validators_at(state, 22)
    assert {entry.power for entry in before if entry.id == "d"} != {1}
    assert {entry.power for entry in after if entry.id == "d"} == {1}


def test_a_double_sign_ends_a_validator_for_good(state: State) -> None:
    standings.offence(state, "a", START_MS, double_sign=True)
    assert standings.standing(state, "a").tombstoned and not standings.may_lead(state, "a")
    standings.offence(state, "b", START_MS, double_sign=False)
    assert standings.standing(state, "b").consensus == reputation.SCORE_START // 2
    assert standings.may_lead(state, "b")


def test_absent_and_nil_votes_count_together(state: State) -> None:
    """Neither kind alone reaches the fifth of the votes that costs the score."""

    def missing(height: int) -> int:
        return {0: ABSENT, 1: NIL}.get(height % 7, COMMIT)

    for height in range(1, 101):
        block(state, height, START_MS + height, ("d",), missing(height))
    assert standings.standing(state, "d").consensus == reputation.SCORE_START // 2
    assert standings.standing(state, "a").consensus > reputation.SCORE_START


@pytest.mark.parametrize("missing", [ABSENT, NIL])
def test_an_epoch_rewards_those_who_vote(state: State, missing: int) -> None:
    closed = []
    for height in range(1, 102):
        if "epoch.closed" in block(state, height, START_MS + height, ("d",), missing):
            closed.append(height)
    assert closed == [100]
    scores = {name: standings.standing(state, name).consensus for name in NAMES}
    assert scores["a"] == scores["b"] == scores["c"] > reputation.SCORE_START > scores["d"]


# Attacks: neither one dishonest member, nor a busy chain, nor a quiet one moves an honest score


@dataclass
class Chain:
    """In CometBFT's rhythm: an empty block follows each with a transaction, and one a minute where none comes."""

    names: str = "abcd"
    now_ms: int = START_MS
    height: int = 0
    after_full: bool = False
    events: list[str] = field(default_factory=list)
    before: tuple[tuple[str, ...], int] = ((), 0)
    """Who decided the last block, and in which round."""

    def __post_init__(self) -> None:
        self.state = State()
        founding.initialise(self.state, genesis(self.names))
        self.state.commit(0)
        self.machine = Machine(self.state, "test")

    @property
    def next_proposer(self) -> str:
        return proposer.proposers_of_rounds(standings.validators_at(self.state, self.height + 1), 0)[0]

    def block(self, *, full: bool, down: str = "", liars: str = "", victim: str = "") -> None:
        """The next block; the `liars` leave the victim's vote out of what they propose."""
        self.now_ms += 1_000 if full or self.after_full else 60_000
        self.after_full, self.height = full, self.height + 1
        validators = standings.validators_at(self.state, self.height)
        turns = proposer.turns(validators)
        round_, who = next((n, name) for n, name in enumerate(turns) if name not in down)
        voters, last_round = self.before
        gone = {*down, *(victim if who in liars else "")}
        votes = tuple(Vote(name, ABSENT if name in gone else COMMIT) for name in voters)
        wires = (b"no transaction",) if full else ()
        done = self.machine.execute(BlockInput(self.height, self.now_ms, who, last_round, votes, (), wires))
        self.events += [event.kind for event in done.events]
        self.machine.commit(self.height)
        self.before = tuple(entry.id for entry in validators), round_

    def minutes(self, length: int, pace_s: int, down: str = "") -> None:
        """So many minutes with a transaction every so many seconds, some nodes being down."""
        end_ms = self.now_ms + length * 60_000
        while self.now_ms < end_ms:
            self.block(full=True, down=down)
            if pace_s > 1:
                self.block(full=False, down=down)
                self.now_ms += (pace_s - 3) * 1_000

    def standing(self, name: str) -> Standing:
        return standings.standing(self.state, name)


@pytest.mark.parametrize("victim", "abc")
@pytest.mark.parametrize("waits_for", ["the victim's turns and its own", "its own turns"])
def test_s8_the_only_witness_on_a_quiet_chain_moves_no_score_and_jails_nobody(victim: str, waits_for: str) -> None:
    """One proposer sends its transactions when it or the victim has the turn, so that nobody else is a witness."""
    chain = Chain()
    moments = {"d", victim} if waits_for.startswith("the victim") else {"d"}
    full = 0
    while full < 400:
        wanted = not chain.after_full and chain.next_proposer in moments
        chain.now_ms += 60_000 * wanted
        chain.block(full=wanted, liars="d", victim=victim)
        full += wanted
    assert "epoch.closed" in chain.events and "validator.jailed" not in chain.events
    assert {chain.standing(name).consensus for name in "abcd"} == {chain.standing(victim).consensus}
    assert chain.standing(victim).consensus > reputation.SCORE_START
    chain.state.close()


def test_s8_f_proposers_together_jail_nobody_who_votes() -> None:
    chain = Chain("abcdefg")
    for number in range(1_500):
        full = number % 2 == 0 and chain.next_proposer in "fg"
        chain.block(full=full, liars="fg", victim="b")
    assert not chain.standing("b").jailed
    assert attendance.silences(chain.state)["b"].witnesses == ("f", "g")
    chain.state.close()


@pytest.mark.parametrize("pace_s", [300, 1])
def test_s9_half_an_hour_s_outage_costs_no_score_on_a_quiet_or_a_busy_chain(pace_s: int) -> None:
    """A member with an ordinary key sends a transaction a second while an honest node is down."""
    chain = Chain()
    chain.minutes(4 * 60, 120)
    chain.minutes(30, pace_s, down="a")
    if chain.standing("a").jailed:
        sender = Credential("a", STEWARD)
        standings.HANDLERS[Unjail](Context(chain.state, "test", chain.height, chain.now_ms, sender), Unjail())
    chain.minutes(10 * 60, 120)
    assert chain.events.count("epoch.closed") == 2
    assert chain.standing("a").consensus > reputation.SCORE_START
    assert chain.standing("a").power > reputation.POWER_JAILED
    chain.state.close()


def test_s9_however_many_blocks_there_are_a_score_halves_once_in_six_hours() -> None:
    chain = Chain()
    chain.minutes(60, 300)
    chain.minutes(5 * 60 + 10, 20, down="a")
    assert "validator.jailed" in chain.events, "five hours are too long in any case"
    assert chain.standing("a").consensus >= reputation.SCORE_START // 2
    chain.minutes(13 * 60, 30, down="a")
    assert chain.events.count("epoch.closed") == 3
    assert chain.standing("a").consensus >= reputation.SCORE_START // 2, "in jail nothing more is lost"
    chain.state.close()


def test_whoever_votes_every_other_hour_loses_its_score_on_a_quiet_chain_too() -> None:
    """A jail never acts, and yet a third of the time is missed."""
    chain = Chain()
    for _ in range(7):
        chain.minutes(40, 300)
        chain.minutes(25, 300, down="a")
    assert "validator.jailed" not in chain.events and "epoch.closed" in chain.events
    assert chain.standing("a").consensus == reputation.SCORE_START // 2
    assert chain.standing("b").consensus > reputation.SCORE_START
    chain.state.close()


def test_a_block_writes_what_it_changes_and_no_table_of_all_by_all() -> None:
    """Of forty validators a third is silent; attendance costs some records, a line for each that is missing."""
    names = [f"m{number:02}" for number in range(40)]
    state = State()
    founding.initialise(state, genesis(names))  # type: ignore[arg-type]
    state.commit(0)
    for height in range(1, 90):
        votes = tuple(Vote(name, ABSENT if name < "m13" else COMMIT) for name in names) if height > 1 else ()
        turn = proposer.proposers_of_rounds(standings.validators_at(state, height), 0)[0]
        standings.begin_block(state, BlockInput(height, START_MS + 1_000 * height, turn, 0, votes, (), (b"x",)))
        written = state.detach()
        state.attach(written)
        state.commit(height)
    tables = {key.split(b"\0")[0].decode(): len(value or b"") for key, value in written.overlay.items()}
    assert set(tables) <= {"epoch", "tallies", "turns", "silences", "validators"}
    assert sum(size for table, size in tables.items() if table != "validators") < 13 * 16 + 200
    state.close()
