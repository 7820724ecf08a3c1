"""What dishonest validators can do to others through CometBFT's blocks, played over the real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hmchain.ledger import proposer
from hmchain.ledger.blocks import ABSENT, COMMIT, NIL
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.server import Server
from hmchain.ledger.reputation import SCORE_START
from support.abci_chain import Chain
from support.abci_peer import Peer

EPOCH_BLOCKS = 40


Votes = Callable[[str, str], Mapping[str, int]]
"""Who did not vote for the last block as it should: from the proposer of the block voted on, and of the one after."""


async def epoch(chain: Chain, address: str, amiss: Votes) -> None:
    """One epoch of full blocks, with these votes in their commits and all others for the block."""
    async with Server(chain.app, address) as server:
        peer = await Peer.connect(server.address)
        before = ""
        for number in range(EPOCH_BLOCKS):
            validators = standings.validators_at(chain.app.state, chain.height + 1)
            name = proposer.proposers_of_rounds(validators, 0)[0]
            votes = dict.fromkeys("abcd", COMMIT) | amiss(before, name)
            request = chain.request(chain.send.dataset(name, f"d{number}"), proposer_name=name, votes=votes)
            await peer.ask(abci.Request(finalize_block=request))
            await peer.ask(abci.Request(commit=abci.RequestCommit()))
            before = name
        peer.close()


def scores_after(directory: Path, amiss: Votes) -> dict[str, int]:
    chain = Chain.found(
        directory / "node",
        parameters=Parameters(epoch_blocks_min=1, epoch_ms=1, jail_blocks_per_member=5, jail_ms=1000),
    )
    asyncio.run(epoch(chain, f"unix://{directory}/app.sock", amiss))
    entries = {name: standings.standing(chain.app.state, name) for name in "abcd"}
    return {name: -1 if entry.jailed else entry.consensus for name, entry in entries.items()}


@pytest.mark.parametrize(("slanderers", "holds"), [("d", True), ("cd", False)])
def test_proposers_that_leave_out_an_honest_node_s_votes(tmp_path: Path, slanderers: str, holds: bool) -> None:
    """The median over proposers: as long as most of the others are honest, what f leave out costs nothing.

    CometBFT collects the votes of a commit itself, so it takes a changed CometBFT to leave any out.
    """
    scores = scores_after(tmp_path, lambda _, name: {"a": ABSENT} if name in slanderers else {})
    assert (scores["a"] > SCORE_START) is holds
    assert all(scores[name] > SCORE_START for name in "bcd")


def test_a_validator_that_always_votes_for_nothing_is_no_better_than_a_silent_one(tmp_path: Path) -> None:
    """Its signed nil votes are in every commit, and help to decide no block: it is jailed as if it were asleep."""
    scores = scores_after(tmp_path, lambda *_: {"d": NIL})
    assert scores["d"] == -1
    assert all(scores[name] > SCORE_START for name in "abc")


def test_a_validator_that_votes_for_nothing_every_third_time_loses_its_score(tmp_path: Path) -> None:
    turns = iter(range(EPOCH_BLOCKS))
    scores = scores_after(tmp_path, lambda *_: {"d": NIL} if next(turns) % 3 == 0 else {})
    assert 0 <= scores["d"] < SCORE_START
    assert all(scores[name] > SCORE_START for name in "abc")


@pytest.mark.parametrize("victim", "abc")
def test_a_proposer_that_sends_its_blocks_late_to_one_and_leaves_out_its_votes_too(tmp_path: Path, victim: str) -> None:
    """Late blocks get nil votes, which stand in the *next* proposer's commits: they count against who was late."""

    def amiss(before: str, name: str) -> dict[str, int]:
        return {victim: ABSENT} if name == "d" else {victim: NIL} if before == "d" else {}

    scores = scores_after(tmp_path, amiss)
    assert all(scores[name] > SCORE_START for name in "abcd")
