"""A node's folder whose CometBFT is played: a test decides its blocks, and somebody follows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hmchain.application.node.live_node import NodeLedger, open_node
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction, Network, Peer
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.cometbft.light import SignedHeader
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from support.abci_chain import Chain
from support.abci_headers import headers_of
from support.ledger_network import genesis, member
from support.played_rpc import Engine

NODE = "a" * 40


class FollowedEngine(Engine):
    """The RPC of a node that also shows its signed headers."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(chain)
        self.known: list[SignedHeader] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        questions = json.loads(request.read())
        if self.dead or (not isinstance(questions, list) and questions["method"] != "commit"):
            return super().handle_request(request)
        if isinstance(questions, list):
            return httpx.Response(200, json=[self.commit(each) for each in questions])
        return httpx.Response(200, json=self.commit(questions))

    def status(self) -> dict[str, object]:
        return super().status() | {"node_info": {"id": NODE, "network": self.chain.founding.chain_id}}

    def commit(self, question: dict[str, Any]) -> dict[str, Any]:
        answer = {"jsonrpc": "2.0", "id": question["id"]}
        if len(self.known) <= self.chain.height:
            self.known = headers_of(self.chain)
        height = int(question["params"].get("height", len(self.known)))
        if height > len(self.known):
            told = f"height {height} must be less than or equal to the current blockchain height {len(self.known)}"
            return answer | {"error": {"code": -32603, "message": "", "data": told}}
        return answer | {"result": {"signed_header": msgspec.to_builtins(self.known[height - 1])}}


class FollowedNode:
    """The folder of hospital a's node, and what plays it."""

    def __init__(self, place: Path) -> None:
        self.folder = NodeFolder(place)
        own = {"address": "127.0.0.1:1", "p2p_listen": "127.0.0.1:1", "rpc_listen": "127.0.0.1:1"}
        self.folder.write_settings(NodeSettings(organisation="a", title="A", **own))
        network_file.save(Introduction(member("a"), NODE, own["address"]), self.folder.introduction)
        peers = tuple(Peer(name, name * 40, f"{name}.example.org:26656") for name in "abcd")
        network_file.save(Network(genesis(), peers), self.folder.network)
        self.chain = Chain.found(self.folder.ledger)
        genesis_file.save(self.chain.founding, self.folder.genesis)
        self.engine = FollowedEngine(self.chain)
        self._held = ExitStack()

    def start(self) -> None:
        self._held.enter_context(self.folder.held())
        self.engine.dead = False

    def stop(self) -> None:
        self.engine.dead = True
        self._held.close()

    def client(self) -> RpcClient:
        return RpcClient(["http://127.0.0.1:1"], transport=self.engine)

    @contextmanager
    def followed(self) -> Iterator[NodeLedger]:
        with open_node(self.folder.path, self.client()) as live:
            yield live

    def close(self) -> None:
        self._held.close()
        self.chain.close()
