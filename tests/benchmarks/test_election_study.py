"""The election study drives the real rules: what it simulates is what the ledger would do."""

from __future__ import annotations

import random
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

import pytest

from hmchain.ledger import genesis as founding
from hmchain.ledger import proposer, reputation
from hmchain.ledger.blocks import ABSENT, COMMIT, BlockInput, Vote
from hmchain.ledger.context import STEWARD, Context, Credential
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.reputation import Outcome
from hmchain.ledger.state import State
from support.ledger_network import CHAIN, genesis
from support.paths import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
study: Any = import_module("election.proposers")
drawing: Any = import_module("election.drawing")
masterships: Any = import_module("election.masterships")

FAST = Parameters(epoch_blocks_min=20, epoch_ms=1, jail_blocks_per_member=2, jail_ms=1_000)


class Contract(study.Reputation):  # type: ignore[misc]
    """The same rule, followed by the contract that the ledger applies."""

    def __init__(self, n: int, chance: random.Random, rules: Parameters) -> None:
        self.members = [f"m{number:02}" for number in range(n)]
        self.state = State()
        founding.initialise(self.state, genesis(self.members, rules))  # type: ignore[arg-type]
        self.state.commit(0)
        addresses = [entry.address for entry in standings.validators_at(self.state, 1)]
        super().__init__(n, chance, rules, addresses.__getitem__)

    def decided(self, block: study.Block) -> None:
        voted = {name: ABSENT if v in block.missing else COMMIT for v, name in enumerate(self.members)}
        votes = tuple(Vote(name, flag) for name, flag in sorted(voted.items())) if block.height > 1 else ()
        inputs = BlockInput(
            block.height,
            block.time_ms,
            self.members[block.proposer],
            max(0, len(block.last_turns) - 1),
            votes,
            (),
            (b"x",),
        )
        standings.begin_block(self.state, inputs)
        for v in sorted(block.back):
            if standings.standing(self.state, self.members[v]).jailed:
                sender = Credential(self.members[v], STEWARD)
                standings.HANDLERS[standings.Unjail](
                    Context(self.state, CHAIN, block.height, block.time_ms, sender), standings.Unjail()
                )
        standings.end_block(self.state, inputs)
        self.state.commit(block.height)
        super().decided(block)


@pytest.mark.parametrize(
    ("n", "faults"),
    [
        (4, "one silent"),
        (7, "a third intermittent"),
        (7, "a third in churn"),
        (10, "a third silent"),
        (10, "a third in churn"),
    ],
)
def test_the_study_does_what_the_contract_does(n: int, faults: str) -> None:
    chance = random.Random(7)
    faulty = study.FAULTS[faults](n, chance)
    rule = Contract(n, chance, FAST)
    failures = 0
    for height, (failed, _) in enumerate(study.simulate(n, rule, faulty, 150), 1):
        failures += failed
        ours = [(entry.power, entry.priority) for entry in rule.validators]
        theirs = [(entry.power, entry.priority) for entry in standings.validators_at(rule.state, height + 1)]
        assert ours == theirs, height
        for v, name in enumerate(rule.members):
            assert rule.standings[v] == standings.standing(rule.state, name), (height, name)
    assert failures
    assert "intermittent" in faults or any(s.jailed_at_height or s.offences for s in rule.standings)


def test_equal_powers_are_a_round_robin() -> None:
    n = 9
    validators = proposer.update((), [(f"v{number}", 1000) for number in range(n)])
    robin = study.RoundRobin(n, random.Random(1))
    for height in range(1, 40):
        real = [int(name[1:]) for name in islice(proposer.turns(validators), 2 * n)]
        assert real == list(islice(robin.turns(height), 2 * n))
        validators = proposer.advance(validators)


def test_one_silent_of_four_fails_every_fourth_first_round_until_it_is_jailed() -> None:
    robin, ours = (study.outcome(4, "one silent", rule) for rule in ("round robin", "reputation"))
    assert robin.failed_per_100 == 25
    assert ours.failed_per_100 < 1 and ours.jailed_first is not None
    assert ours.block_ms == pytest.approx(study.decided_round_ms(study.Timing()), rel=0.01)


def test_the_same_seed_gives_the_same_figures() -> None:
    assert study.outcome(7, "a third in churn", "random") == study.outcome(7, "a third in churn", "random")


def test_never_more_than_a_third_is_away() -> None:
    for n in (4, 7, 31):
        for faults in study.FAULTS.values():
            faulty = faults(n, random.Random(2))
            assert max(len(faulty(height)) for height in range(1, 60 * n)) <= (n - 1) // 3


def test_the_picture_has_a_line_for_each_rule_in_each_panel() -> None:
    found: Iterator[study.Outcome] = (
        study.Outcome(n, faults, rule, [1, 2], [3, 4])
        for n in (4, 10)
        for faults in study.FAULTS
        for rule in study.RULES
    )
    root = ET.fromstring(drawing.drawing(list(found)))
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(study.FAULTS) * len(study.RULES) * len(drawing.MEASURES)


@pytest.mark.network
@pytest.mark.parametrize("strategy", masterships.STRATEGIES)
@pytest.mark.parametrize(("n", "attackers"), [(4, 1), (13, 4)])
def test_e1_to_e4_dishonesty_brings_no_more_masterships_than_honesty(n: int, attackers: int, strategy: str) -> None:
    found = masterships.row(n, attackers, strategy, runs=4, count=2, length=5)
    assert found.holds, found
    assert found.rounds == 4 * 2 * 6, "every study came to its end"


@pytest.mark.network
def test_without_its_rules_the_study_would_find_that_dishonesty_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What protects against a draw repeated at will: a seed withheld counts no more, and burdens both scores."""
    size = {"runs": 4, "count": 2, "length": 10}
    assert masterships.row(13, 4, "withholder", **size).holds
    monkeypatch.setitem(reputation.BREACH, Outcome.WITHHELD, 0)
    found = masterships.row(13, 4, "withholder", **size)
    assert not found.holds, found
