"""The RPC client against nodes that answer, refuse, lie, crawl or are not there (httpx's in-process double)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from hmchain import merkle
from hmchain.ledger.engines.cometbft import rpc
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, NotYetError, RpcClient, RpcError
from hmchain.ledger.engines.ledger import NotIncludedError

Answer = Callable[[dict[str, Any]], Any]
WIRE = b"a transaction"
DIGEST = sha256(WIRE).digest()
A, B = "http://a:26657", "http://b:26657"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def result(value: Any) -> Answer:
    return lambda question: {"jsonrpc": "2.0", "id": question["id"], "result": value}


def problem(text: str) -> Answer:
    error = {"code": -32603, "message": "Internal error", "data": text}
    return lambda question: {"jsonrpc": "2.0", "id": question["id"], "error": error}


NOWHERE = result({"response": {"code": 1, "log": "no_such_transaction", "height": "5"}})
COMMIT = {"height": "2", "round": 0, "signatures": []}


def by_method(**answers: Answer) -> Answer:
    """A node that answers each method in its own way."""
    return lambda question: answers[question["method"]](question)


STATUS = {
    "node_info": {"id": "ab", "network": "test", "moniker": "north"},
    "sync_info": {
        "latest_block_height": "7", "latest_block_time": "2026-01-01T00:00:00Z", "latest_app_hash": "",
        "catching_up": False,
    },
    "validator_info": {"address": "CD", "voting_power": "1000"},
}  # fmt: skip


class Nodes(httpx.BaseTransport):
    """Nodes by host; each answers a decoded question, or is an exception or a finished response."""

    def __init__(self, **nodes: Answer | Exception | httpx.Response) -> None:
        self.nodes = nodes
        self.asked: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        question = json.loads(request.read())
        self.asked.append((request.url.host, question["method"]))
        node = self.nodes[request.url.host]
        if isinstance(node, Exception):
            raise node
        return node if isinstance(node, httpx.Response) else httpx.Response(200, json=node(question))


def client(nodes: Nodes, *urls: str, **settings: float) -> RpcClient:
    return RpcClient(urls or (A, B), transport=nodes, **settings)


def test_integers_are_read_from_strings() -> None:
    status = client(Nodes(a=result(STATUS)), A).status()
    assert (status.sync_info.latest_block_height, status.validator_info.voting_power) == (7, 1000)


class Dripping(httpx.SyncByteStream):
    """A body that never ends, a byte at a time."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b" "


@pytest.mark.parametrize(
    "node",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, text="<html>hello</html>", headers={"content-type": "application/json"}),
        httpx.Response(301, headers={"location": "http://elsewhere/"}),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b"\xff\xfe"),
        lambda question: {"jsonrpc": "2.0", "id": question["id"] + 1, "result": STATUS},
        result({"node_info": "of another shape"}),
        result(None),
    ],
    ids=["dead", "slow", "lying type", "redirect", "nested", "not text", "other call", "other shape", "null"],
)
def test_a_node_that_does_not_answer_is_passed_over_and_then_shunned(node: Any) -> None:
    nodes = Nodes(a=node, b=result(STATUS))
    with client(nodes) as rpc_client:
        assert rpc_client.status().node_info.moniker == "north"
        rpc_client.status()
        assert [host for host, _ in nodes.asked] == ["a", "b", "b"]
        assert rpc_client.endpoints == [B, A]


def test_json_counts_whatever_a_node_calls_it() -> None:
    content = json.dumps({"jsonrpc": "2.0", "id": 1, "result": STATUS}).encode()
    nodes = Nodes(a=httpx.Response(500, content=content, headers={"content-type": "text/html"}))
    assert client(nodes, A).status().sync_info.latest_block_height == 7


def test_an_endless_answer_ends_by_size_and_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoEndpointError, match="too slow"):
        client(Nodes(a=httpx.Response(200, stream=Dripping())), A, timeout_seconds=0.05).status()
    monkeypatch.setattr(rpc, "ANSWER_BYTES_MAX", 1000)
    with pytest.raises(NoEndpointError, match="too large"):
        client(Nodes(a=httpx.Response(200, stream=Dripping())), A).status()


def test_when_all_are_gone_each_is_named_with_its_trouble() -> None:
    with pytest.raises(NoEndpointError, match=r"http://a:26657: it refuses connections; http://b:26657: it is too"):
        client(Nodes(a=httpx.ConnectError(""), b=httpx.ReadTimeout(""))).status()
    with pytest.raises(NoEndpointError, match="no node is named"):
        RpcClient([])


def test_a_refusal_is_final_and_not_asked_elsewhere() -> None:
    nodes = Nodes(a=problem("height 9 must be less than 8"), b=result(STATUS))
    with pytest.raises(RpcError, match="height 9 must be less"):
        client(nodes).block(9)
    assert len(nodes.asked) == 1


def test_a_transaction_sent_twice_counts_as_taken() -> None:
    sent = client(Nodes(a=problem("tx already exists in cache")), A).broadcast(WIRE)
    assert (sent.code, sent.hash) == (0, DIGEST.hex().upper())
    with pytest.raises(RpcError, match="mempool is full"):
        client(Nodes(a=problem("mempool is full: 5000 txs")), A).broadcast(WIRE)


def test_a_broadcast_goes_on_at_another_node() -> None:
    nodes = Nodes(a=httpx.ReadTimeout(""), b=result({"hash": DIGEST.hex().upper(), "code": 0}))
    assert client(nodes).broadcast(WIRE).code == 0


def test_waiting_for_a_block_ends() -> None:
    found = {"hash": "", "height": "3", "index": 0, "tx_result": {"code": 0}, "tx": b64(WIRE)}
    answers = [problem("tx (AB) not found"), NOWHERE, problem("tx (AB) not found"), NOWHERE, result(found)]
    pauses: list[float] = []
    waiting = client(Nodes(a=lambda question: answers.pop(0)(question)), A)
    assert waiting.wait_for(DIGEST, sleep=pauses.append).height == 3
    assert pauses == [0.01, 0.02]
    with pytest.raises(NotIncludedError, match=DIGEST.hex()):
        client(Nodes(a=by_method(tx=problem("tx (AB) not found"), abci_query=NOWHERE)), A).wait_for(
            DIGEST, seconds=0.01
        )


def test_a_transaction_that_cometbft_never_indexed_is_found_by_the_application() -> None:
    """It died between storing a block's state and indexing it."""
    others = [b"one", b"two"]
    header = {"chain_id": "", "height": "3", "time": "", "data_hash": "", "app_hash": "", "proposer_address": ""}
    block = {"header": header, "data": {"txs": [b64(tx) for tx in (*others, WIRE)]}, "last_commit": COMMIT}
    node = by_method(
        tx=problem("tx (AB) not found"),
        abci_query=result({"response": {"code": 0, "value": b64(b"receipt"), "height": "3"}}),
        block=result({"block_id": {"hash": ""}, "block": block}),
        block_results=result({"height": "3", "txs_results": [{"code": 1}, {"code": 1}, {"code": 0, "log": "ours"}]}),
    )
    found = client(Nodes(a=node), A).find(DIGEST, prove=True)
    assert found is not None and found.proof is not None
    assert (found.height, found.index, found.tx_result.log, found.tx) == (3, 2, "ours", WIRE)
    path = found.proof.proof
    root = merkle.root([sha256(tx).digest() for tx in (*others, WIRE)])
    assert merkle.verify(DIGEST, path.index, path.total, path.aunts, root)


def test_validators_are_read_page_by_page_at_one_height() -> None:
    entries = [
        {"address": f"{n:X}", "pub_key": {"type": "ed25519", "value": ""}, "voting_power": "1"} for n in range(130)
    ]
    heights = []

    def page(question: dict[str, Any]) -> Any:
        heights.append(question["params"].get("height"))
        first = 100 * (int(question["params"]["page"]) - 1)
        value = {"block_height": "5", "validators": entries[first : first + 100], "total": "130"}
        return result(value)(question)

    assert len(client(Nodes(a=page), A).validators()) == 130
    assert heights == [None, "5"]


def test_a_node_that_shows_another_transaction_proves_nothing() -> None:
    proof = {"root_hash": "", "data": "", "proof": {"total": "1", "index": "0"}}
    tx = {"hash": "", "height": "1", "index": 0, "tx_result": {}, "tx": b64(b"another"), "proof": proof}
    with pytest.raises(NotIncludedError):
        client(Nodes(a=result(tx)), A).prove(DIGEST)


def test_a_node_that_is_behind_is_not_the_last_one_asked() -> None:
    results = {"height": "9", "txs_results": None}
    behind = problem("height 9 must be less than or equal to the current blockchain height 5")
    nodes = Nodes(a=behind, b=result(results))
    client = RpcClient([A, B], transport=nodes)
    assert client.block_results(9).height == 9
    nodes.nodes["b"] = problem("could not find results for height #9")
    with pytest.raises(NotYetError, match="#9"):
        client.block_results(9)
    assert client.endpoints == [A, B]  # who is behind is not shunned


def test_several_calls_go_in_one_message_and_each_has_its_answer() -> None:
    messages: list[list[dict[str, Any]]] = []
    node = result(None)

    def answer(request: httpx.Request) -> httpx.Response:
        messages.append(json.loads(request.read()))
        found = [node(each) | {"result": each["params"]} for each in messages[-1]]
        return httpx.Response(200, json=found if len(messages) == 1 else found[::-1])

    each = [{"height": "4"}, {"height": "5"}]
    with RpcClient([A], transport=httpx.MockTransport(answer)) as client:
        assert client.call_each("commit", dict, each) == each
        assert [question["method"] for question in messages[0]] == ["commit", "commit"]
        with pytest.raises(NoEndpointError, match="answers another call"):
            client.call_each("commit", dict, each)
    messages.clear()
    node = problem("height 5 must be less than or equal to the current blockchain height 4")
    with RpcClient([A], transport=httpx.MockTransport(answer)) as client, pytest.raises(NotYetError):
        client.call_each("commit", dict, each)
