"""The status of a node that does not run: what is wrong is told, and what is not wrong is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.node import home, joining
from hmchain.application.node.status import node_status, with_pace
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import RUN_BEGINS, NodeFolder
from hmchain.application.site.settings import NodeSettings
from support.ledger_network import member

RUN = f"2026-11-27 13:36:12,152 node INFO {RUN_BEGINS}\n"


@pytest.fixture
def stopped(tmp_path: Path) -> NodeFolder:
    folder = NodeFolder(tmp_path / "node")
    settings = NodeSettings(organisation="north", title="North", address="north:1", rpc_listen="127.0.0.1:1")
    own = joining.init(folder, settings)
    others = [Introduction(member(name), name * 40, f"{name}:1") for name in "ab"]
    joining.adopt(folder, network_file.found([own, *others], "net", 5))
    home.make_home(folder)
    return folder


def test_a_killed_node_does_not_show_what_it_said_of_its_peers_at_the_start(stopped: NodeFolder) -> None:
    peers = "".join(
        f"E[2026-11-27|13:36:15.494] {what} {module} err=EOF\n"
        for what, module in (("Error dialing peer", "module=p2p"), ("SendTimeout", "module=blocksync"))
    )
    stopped.log.write_text(RUN + peers)
    assert node_status(stopped).trouble == ""
    stopped.log.write_text(f"{RUN}ERROR: failed to listen on 127.0.0.1:1\n{peers}")
    assert node_status(stopped).trouble == "failed to listen on 127.0.0.1:1"
    stopped.log.write_text(f"{RUN}ERROR: failed to listen on 127.0.0.1:1\n{RUN}{peers}")
    assert node_status(stopped).trouble == "", "it belongs to an older start"


def test_what_a_node_repaired_by_itself_is_told(stopped: NodeFolder) -> None:
    assert not with_pace(stopped, node_status(stopped)).repairs
    (stopped.ledger / "damaged-1").mkdir()
    (told,) = with_pace(stopped, node_status(stopped)).repairs
    assert f"is kept in {stopped.ledger / 'damaged-1'}, and was made anew" in told
