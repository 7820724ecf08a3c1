"""Following blocks through a websocket that breaks, lies and goes silent: nothing missed, nothing twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any

import httpx
import pytest
from websockets.sync.server import ServerConnection, serve

from hmchain.ledger.engines.cometbft.events import BlockEvents, BlockNotices
from hmchain.ledger.engines.cometbft.rpc import RpcClient, RpcError


class Chain(httpx.BaseTransport):
    """A node's HTTP side: a chain that grows when the test says so."""

    def __init__(self) -> None:
        self.height = 0
        self.fetched: list[int] = []
        self.refusals: list[str] = []
        """Told in place of the next blocks' results."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        question = json.loads(request.read())
        if question["method"] == "status":
            sync = {
                "latest_block_height": str(self.height), "latest_block_time": "", "latest_app_hash": "",
                "catching_up": False,
            }  # fmt: skip
            value: dict[str, Any] = {
                "node_info": {"id": "", "network": ""},
                "sync_info": sync,
                "validator_info": {"address": "", "voting_power": "1"},
            }
        elif self.refusals:
            problem = {"code": -32603, "message": "Internal error", "data": self.refusals.pop(0)}
            return httpx.Response(500, json={"jsonrpc": "2.0", "id": question["id"], "error": problem})
        else:
            self.fetched.append(int(question["params"]["height"]))
            value = {"height": question["params"]["height"], "txs_results": None}
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": question["id"], "result": value})


def notice(height: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"data": {"value": {"header": {"height": str(height)}}}}})


@contextmanager
def node(chain: Chain, script: Callable[[ServerConnection, int], None]) -> Iterator[RpcClient]:
    """A node on a free port; `script` plays each connection, by its number."""
    connections = []

    def play(socket: ServerConnection) -> None:
        assert json.loads(socket.recv())["method"] == "subscribe"
        connections.append(socket)
        socket.send('{"jsonrpc":"2.0","id":1,"result":{}}')
        script(socket, len(connections))

    with serve(play, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        yield RpcClient([f"http://127.0.0.1:{port}"], transport=chain)
        server.shutdown()


def heights(events: BlockEvents, count: int) -> list[int]:
    return [results.height for results in islice(events, count)]


def test_a_broken_connection_leaves_no_gap_and_no_repetition() -> None:
    chain = Chain()

    def script(socket: ServerConnection, number: int) -> None:
        chain.height += 2  # one block is told of, one is decided while nobody listens
        socket.send(notice(chain.height - 1))
        chain.height += 1

    with node(chain, script) as client:
        assert heights(BlockEvents(client, 1, sleep=lambda seconds: None), 9) == list(range(1, 10))
    assert chain.fetched == list(range(1, 10))


def test_following_starts_where_it_is_told() -> None:
    chain = Chain()
    chain.height = 20
    with node(chain, lambda socket, number: None) as client:
        assert heights(BlockEvents(client, 18), 3) == [18, 19, 20]


def test_nonsense_and_old_notices_are_no_reason_to_stop_or_to_fetch() -> None:
    chain = Chain()
    chain.height = 1

    def script(socket: ServerConnection, number: int) -> None:
        for message in ("nonsense", "[" * 50_000, b"\xff", '{"result": {"data": {}}}', notice(1), notice(-5)):
            socket.send(message)
        chain.height = 2
        socket.send(notice(2))
        socket.recv()  # until the test is over

    with node(chain, script) as client:
        assert heights(BlockEvents(client, 1), 2) == [1, 2]
    assert chain.fetched == [1, 2]


def test_results_that_are_not_there_yet_are_waited_for() -> None:
    """A node tells of a block before its results can be read; another one, asked in its place, may be behind."""
    chain = Chain()
    chain.height = 2
    chain.refusals = [
        "could not find results for height #1",
        "height 1 must be less than or equal to the current blockchain height 0",
    ]
    pauses: list[float] = []
    with node(chain, lambda socket, number: None) as client:
        assert heights(BlockEvents(client, 1, sleep=pauses.append), 2) == [1, 2]
    assert pauses == [0.1, 0.2]


def test_blocks_that_a_node_has_thrown_away_are_not_waited_for() -> None:
    chain = Chain()
    chain.height = 2
    chain.refusals = ["height 1 is not available, lowest height is 2"]
    with node(chain, lambda socket, number: None) as client, pytest.raises(RpcError, match="lowest height is 2"):
        heights(BlockEvents(client, 1), 1)


def test_a_lost_notice_is_made_up_for_after_a_quiet_time() -> None:
    chain = Chain()
    chain.height = 1

    def script(socket: ServerConnection, number: int) -> None:
        chain.height = 2  # and nobody is told
        socket.recv()

    with node(chain, script) as client:
        assert heights(BlockEvents(client, 1, quiet_seconds=0.05), 2) == [1, 2]


def test_where_nobody_answers_attempts_become_rarer() -> None:
    pauses: list[float] = []

    class Enough(Exception):
        pass

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            raise Enough

    with suppress(Enough):
        heights(BlockEvents(RpcClient(["http://127.0.0.1:1"]), 1, sleep=sleep), 1)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_notices_wake_and_a_broken_connection_is_made_anew() -> None:
    def script(socket: ServerConnection, number: int) -> None:
        socket.send(notice(number))
        if number == 2:
            socket.recv()  # until the test is over

    with node(Chain(), script) as client, closing(BlockNotices(client)) as notices:
        assert [notices.wait(5) for _ in range(2)] == [True, True], "the answer to the subscription, and a notice"
        assert not notices.wait(5), "the connection broke"
        assert [notices.wait(5) for _ in range(2)] == [True, True]
        assert not notices.wait(0.01), "nothing came"


def test_a_node_that_grants_no_subscription_is_not_waited_for() -> None:
    with closing(BlockNotices(RpcClient(["http://127.0.0.1:1"], transport=Chain()))) as notices:
        assert not notices.wait(600)
