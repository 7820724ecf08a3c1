"""What dishonest validators can do to others through CometBFT's blocks, played over the real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from abci_chain import Chain
from abci_peer import Peer

from hmchain.ledger import proposer
from hmchain.ledger.blocks import ABSENT, COMMIT
from hmchain.ledger.contracts import standings
from hmchain.ledger.contracts.parameters import Parameters
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.server import Server
from hmchain.ledger.reputation import SCORE_START

EPOCH_BLOCKS = 40


async def epoch_with_votes_left_out(chain: Chain, address: str, slanderers: str, victim: str) -> None:
    """One epoch of full blocks, in which these proposers' commits lack the victim's vote."""
    async with Server(chain.app, address) as server:
        peer = await Peer.connect(server.address)
        for number in range(EPOCH_BLOCKS):
            validators = standings.validators_at(chain.app.state, chain.height + 1)
            name = proposer.proposers_of_rounds(validators, 0)[0]
            votes = dict.fromkeys("abcd", COMMIT) | ({victim: ABSENT} if name in slanderers else {})
            request = chain.request(chain.send.dataset(name, f"d{number}"), proposer_name=name, votes=votes)
            await peer.ask(abci.Request(finalize_block=request))
            await peer.ask(abci.Request(commit=abci.RequestCommit()))
        peer.close()


@pytest.mark.parametrize(("slanderers", "holds"), [("d", True), ("cd", False)])
def test_proposers_that_leave_out_an_honest_node_s_votes(tmp_path: Path, slanderers: str, holds: bool) -> None:
    """The median over proposers: as long as most of the others are honest, what f leave out costs nothing.

    CometBFT collects the votes of a commit itself, so it takes a changed CometBFT to leave any out.
    """
    chain = Chain.found(tmp_path / "node", parameters=Parameters(epoch_blocks_min=1))
    asyncio.run(epoch_with_votes_left_out(chain, f"unix://{tmp_path}/app.sock", slanderers, "a"))
    scores = {name: standings.standing(chain.app.state, name).consensus for name in "abcd"}
    assert (scores["a"] > SCORE_START) is holds
    assert all(scores[name] > SCORE_START for name in "bcd")
