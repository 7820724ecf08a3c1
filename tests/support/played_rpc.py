"""CometBFT's RPC, played by a test over the real application."""

from __future__ import annotations

import base64
import json

import httpx

from support.abci_chain import Chain


class Engine(httpx.BaseTransport):
    """CometBFT's RPC over a chain whose blocks the test decides, or at once where it is `prompt`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.prompt = True
        self.problem = ""
        self.dead = False
        self.taken: list[bytes] = []
        """What was handed over and not refused, in order."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        question = json.loads(request.read())
        if self.dead:
            raise httpx.ConnectError("")
        answer = {"jsonrpc": "2.0", "id": question["id"]}
        if self.problem:
            return httpx.Response(500, json=answer | {"error": {"code": -32603, "message": "", "data": self.problem}})
        value = self.status() if question["method"] == "status" else self.take(question["params"]["tx"])
        return httpx.Response(200, json=answer | {"result": value})

    def status(self) -> dict[str, object]:
        sync = {"latest_block_height": "1", "latest_block_time": "", "latest_app_hash": "", "catching_up": False}
        node = {"id": "", "network": self.chain.founding.chain_id}
        return {"node_info": node, "sync_info": sync, "validator_info": {"address": "", "voting_power": "1"}}

    def take(self, tx: str) -> dict[str, object]:
        wire = base64.b64decode(tx)
        (refusal,) = self.chain.check([wire])
        if not refusal:
            self.taken.append(wire)
            if self.prompt:
                self.chain.block(wire)
        return {"hash": "", "code": int(bool(refusal)), "log": refusal}
