"""Cut lines between real nodes on hosts of their own: who may go on, who must wait, and that all agree afterwards."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Standing
from support.cometbft_network import SCHEMA, eventually
from support.hosted_network import HostedNetwork, hosted

pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]

SCORE_SECONDS = 60.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedNetwork]:
    """Four nodes whose scores change every 40 blocks, the least there is."""
    with hosted(tmp_path_factory.mktemp("lan"), parameters=Parameters(epoch_blocks_min=1, epoch_ms=1)) as running:
        yield running


def standing(network: HostedNetwork, name: str, seen_by: str = "a") -> Standing:
    state = network.state(seen_by)
    try:
        return standings.standing(state, name)
    finally:
        state.close()


def write_until(network: HostedNetwork, senders: str, condition: Callable[[], bool], what: str) -> None:
    """Keep blocks coming, with a transaction of each sender in turn, until something is true."""
    sender = cycle(senders)

    def after_one_more() -> bool:
        network.register(next(sender))
        return condition()

    eventually(after_one_more, what, SCORE_SECONDS)


def test_4_partition_2_2_halts_and_goes_on_when_it_heals(network: HostedNetwork) -> None:
    network.agreed(least=network.register("a").height + 1)  # the block after it is the last that comes by itself
    network.switch.cut("c", "d")
    before = {name: network.commitment(name) for name in "abcd"}
    sent = [network.submit(name, RegisterDataset(f"half-{name}", SCHEMA)) for name in "ac"]
    time.sleep(4)
    assert {name: network.commitment(name) for name in "abcd"} == before
    assert not any(network.client(name).find(digest) for name in "abcd" for digest in sent)
    network.switch.heal()
    for digest in sent:
        found = eventually(lambda it=digest: network.client("b").find(it), "what waited is decided")
        assert found.tx_result.code == 0
    network.agreed(least=network.height("a") - 1)


def test_4_partition_3_1_goes_on_and_the_one_catches_up(network: HostedNetwork) -> None:
    network.agreed(least=network.register("d").height + 1)
    score = standing(network, "d").consensus
    network.switch.cut("d")
    stuck = network.commitment("d")
    write_until(network, "abc", lambda: standing(network, "d").consensus < score, "the score of the one falls")
    fallen = standing(network, "d").consensus
    assert all(standing(network, name).consensus >= score for name in "abc")
    assert network.commitment("d") == stuck
    network.agreed("abc")
    network.switch.heal()
    network.agreed(least=network.height("a"))
    assert standing(network, "d", seen_by="d").consensus == fallen
    write_until(network, "abcd", lambda: standing(network, "d").consensus > fallen, "its score recovers")
    network.agreed(least=network.height("a") - 1)
    assert len({network.app_hash(name, network.height("a") - 1) for name in "abcd"}) == 1


def test_4_asymmetric_a_host_that_reaches_one_alone_takes_part_through_it(network: HostedNetwork) -> None:
    network.register("a")
    network.agreed()
    hosts = network.switch.hosts
    for name in "bc":
        hosts["d"].lose(hosts[name])
        with hosts["d"].entered(), pytest.raises(OSError):
            socket.create_connection((hosts[name].address, 26656), timeout=1)
    for name in "dabcd":
        network.register(name)
    network.agreed(least=network.height("a") - 1)
    for name in "bc":
        hosts["d"].find(hosts[name])
    network.register("d")
    network.agreed()
