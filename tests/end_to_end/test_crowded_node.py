"""Strangers who take all the connections that a node has to give: its members' nodes are let in nevertheless."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.ledger.engines.cometbft import home
from support.cometbft_network import RunningNetwork, eventually, running, signing_key

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]


def test_members_are_let_in_where_strangers_fill_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "INBOUND_STRANGERS_MAX", 1)

    def d_has_moved(network: RunningNetwork) -> None:
        """All still have its old address: they cannot dial it, it dials them."""
        for name in "abc":
            config = network.node(name).files.home / "config" / "config.toml"
            config.write_text(config.read_text().replace(f":{network.node('d').p2p_port}", ":1"))

    with running(tmp_path, "abcd", asleep="d", prepare=d_has_moved) as network:
        quiet = list("xyz")
        for name in quiet:
            network.nodes.add(name, signing_key(name, "validator"))
            network.nodes.write_home(name, peers=["a"])
            network.node(name).start()

        def strangers() -> list[str]:
            return [
                peer.node_info.moniker for peer in network.client("a").peers().peers if peer.node_info.moniker in quiet
            ]

        eventually(lambda: len(strangers()) == 1, "one stranger at a")
        network.node("d").start()
        members = {"b", "c", "d"}
        eventually(
            lambda: members <= {peer.node_info.moniker for peer in network.client("a").peers().peers},
            "all members at a",
        )
        assert len(strangers()) <= 1
        network.register("d")
