"""How commands find their own node: one that starts is waited for, a stranger is not taken for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hmchain.application.node import joining
from hmchain.application.node.link import OtherNodeError, catches_up, connected
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from support.ledger_network import member


@contextmanager
def answering(chain: str, node_id: str, port: int = 0, *, catching_up: bool = False) -> Iterator[int]:
    """Something that answers `status` as CometBFT does; its port."""

    class Status(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            sync = {
                "latest_block_height": "1",
                "latest_block_time": "",
                "latest_app_hash": "",
                "catching_up": catching_up,
            }
            result = {
                "node_info": {"id": node_id, "network": chain},
                "sync_info": sync,
                "validator_info": {"address": "AB", "voting_power": "1"},
            }
            body = json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": result}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    """A node that has joined; its RPC port is free."""
    with answering("", "") as port:
        pass
    folder = NodeFolder(tmp_path / "node")
    settings = NodeSettings(organisation="north", title="North", address="north:1", rpc_listen=f"127.0.0.1:{port}")
    own = joining.init(folder, settings)
    joining.adopt(folder, network_file.found([own, Introduction(member("a"), "a" * 40, "a:1")], "net", 5))
    return folder


def port_of(folder: NodeFolder) -> int:
    return int(folder.settings().rpc_listen.rpartition(":")[2])


def own_id(folder: NodeFolder) -> str:
    return network_file.load_introduction(folder.introduction).node_id


def chain_of(folder: NodeFolder) -> str:
    return network_file.load(folder.network).genesis.chain_id


def test_a_node_that_nobody_runs_is_not_waited_for(folder: NodeFolder) -> None:
    assert folder.runner() is None
    with pytest.raises(NoEndpointError, match="hmchain node start"):
        connected(folder)


def test_a_node_that_is_starting_is_waited_for(folder: NodeFolder) -> None:
    found = []
    with folder.held():
        assert folder.runner() is not None
        waiting = threading.Thread(target=lambda: found.append(connected(folder, 60).status().node_info.id))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        with answering(chain_of(folder), own_id(folder), port_of(folder)):
            waiting.join(60)
    assert found == [own_id(folder)]


def test_a_node_that_runs_and_never_answers_is_named_with_its_log(folder: NodeFolder) -> None:
    with folder.held(), pytest.raises(NoEndpointError, match=r"process \d+ has the node at .*node\.log"):
        connected(folder, 0.2)


@pytest.mark.parametrize(("chain", "node_id"), [(None, "b" * 40), ("other", None)])
def test_another_node_is_not_taken_for_this_one(folder: NodeFolder, chain: str | None, node_id: str | None) -> None:
    chain = chain or chain_of(folder)
    with (
        answering(chain, node_id or own_id(folder), port_of(folder)) as port,
        pytest.raises(OtherNodeError, match=f"127.0.0.1:{port} answers node .* of {chain}, not node .* of net") as told,
    ):
        connected(folder)
    assert "rpc_listen" in told.value.hint


@pytest.mark.parametrize("catching_up", [True, False])
def test_a_node_that_fetches_what_it_missed_is_told_from_others(folder: NodeFolder, catching_up: bool) -> None:
    with answering(chain_of(folder), own_id(folder), port_of(folder), catching_up=catching_up):
        assert catches_up(folder) is catching_up
