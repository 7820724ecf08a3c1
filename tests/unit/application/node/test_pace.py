"""The pace of the chain against the distance between its members."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.node import home, joining, pace
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction, Network
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft.home import Timing, commit_pause_ms
from hmchain.ledger.genesis import GenesisError
from hmchain.ledger.state import State
from support.ledger_network import member


def joined(directory: Path, rules: Parameters) -> tuple[NodeFolder, Network]:
    folder = NodeFolder(directory)
    own = joining.init(folder, NodeSettings(organisation="north", title="North", address="north:1"))
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    network = network_file.found([own, *others], "net", 5, rules)
    joining.adopt(folder, network)
    home.make_home(folder)
    return folder, network


def test_the_default_pace_is_that_of_the_default_round_trip() -> None:
    assert Timing.for_round_trip(Parameters().round_trip_ms) == Timing()


@pytest.mark.parametrize("milliseconds", [10, 50, 160, 2000])
def test_a_vote_has_two_round_trips(milliseconds: int) -> None:
    timing = Timing.for_round_trip(milliseconds)
    assert timing.commit == 2 * milliseconds
    assert timing.vote >= 2 * milliseconds and timing.propose > timing.vote
    assert (timing.gossip, timing.empty_blocks) == (Timing().gossip, Timing().empty_blocks)


@pytest.mark.parametrize("milliseconds", [0, 9, 2001])
def test_a_pace_that_nobody_could_keep_founds_no_network(milliseconds: int) -> None:
    founders = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    with pytest.raises(GenesisError, match="bad_parameters"):
        network_file.found(founders, "net", 5, Parameters(round_trip_ms=milliseconds))


def test_every_node_takes_its_pace_from_what_the_members_agreed_on(tmp_path: Path) -> None:
    folder, network = joined(tmp_path / "node", Parameters(round_trip_ms=160))
    assert commit_pause_ms(folder.engine) == 320
    state = State(folder.state)
    genesis_file.initialise(state, network.genesis)
    parameters.change(state, replace(network.genesis.parameters, round_trip_ms=300))
    state.commit(1)
    state.close()
    assert pace.round_trip_ms(folder, network) == 300
    assert "start it again" in pace.look(folder, network, []).warnings[0]
    home.make_home(folder)
    assert commit_pause_ms(folder.engine) == 600
    assert pace.look(folder, network, []).warnings == ()


@pytest.mark.parametrize(
    ("measured", "missed", "expected"),
    [
        ({}, 0, []),
        ({"a": 50, "b": 1}, 9, []),
        ({"a": 51}, 0, ["the round trip to a is 51 ms"]),
        ({"a": 51, "b": 90}, 10, ["the round trip to b is 90 ms", "10 of the last 50 blocks"]),
    ],
)
def test_what_is_too_fast_is_said(measured: dict[str, int], missed: int, expected: list[str]) -> None:
    found = pace.warnings_of(50, measured, 50, missed)
    assert len(found) == len(expected)
    for warning, words in zip(found, expected, strict=True):
        assert words in warning and "hmchain network set round_trip_ms=" in warning
    assert not pace.warnings_of(50, {}, 9, 9)  # too few blocks to say


def test_round_trips_are_measured_to_whoever_is_connected(tmp_path: Path) -> None:
    folder, network = joined(tmp_path / "node", Parameters())
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
        places = {name: f"127.0.0.1:{each.getsockname()[1]}" for name, each in (("a", listener), ("b", closed))}
        closed.close()
        moved = tuple(replace(peer, address=places.get(peer.organisation, peer.address)) for peer in network.peers)
        found = pace.look(folder, replace(network, peers=moved), ["a", "b"])
    assert list(found.measured_ms) == ["a"] and 0 <= found.measured_ms["a"] < 1000
    assert (found.blocks, found.missed) == (0, 0)
