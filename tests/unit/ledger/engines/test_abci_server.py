"""The ABCI server: order, buffering, the kinds of request, and peers that misbehave or die."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.codec import frame
from hmchain.ledger.engines.cometbft.server import AbciAddressError, Server
from support.abci_peer import FLUSH, Peer

CLOSED = (ConnectionResetError, BrokenPipeError)


class Scripted:
    """An application whose answers say what was asked."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.committed = 0
        self.ahead = 0

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        return abci.ResponseInfo(data=request.version, last_block_height=self.committed)

    def check_txs(self, requests: list[abci.RequestCheckTx]) -> list[str]:
        self.batches.append(len(requests))
        if requests[0].tx == b"break":
            raise ZeroDivisionError
        return ["" if request.tx.endswith(b"good") else "bad" for request in requests]

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        self.committed += 1
        return abci.ResponseCommit()

    def process_proposal(self, request: abci.RequestProcessProposal) -> abci.ResponseProcessProposal:
        return abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.ACCEPT)

    def execute_optimistically(self) -> None:
        self.ahead += 1
        raise RuntimeError("a secret detail")

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        if request.path == "error":
            raise LedgerError("the thing is broken", "mend it")
        if request.path == "bug":
            raise RuntimeError("a secret detail")
        return abci.ResponseQuery(value=request.data)

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        """Every other kind of request has an empty answer of its own kind."""
        answer = getattr(abci, "Response" + "".join(part.capitalize() for part in name.split("_")))
        return lambda request: answer()


def serving(
    conversation: Callable[[Server, Scripted], Awaitable[None]], address: str = "tcp://127.0.0.1:0", **options: int
) -> None:
    """Run a conversation with a server of its own."""

    async def run() -> None:
        application = Scripted()
        async with Server(application, address, **options) as server:
            await conversation(server, application)

    asyncio.run(run())


def query(data: bytes, path: str = "") -> abci.Request:
    return abci.Request(query=abci.RequestQuery(data=data, path=path))


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
def test_four_connections_at_once(scheme: str, tmp_path: Path) -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peers = [await Peer.connect(server.address) for _ in range(4)]
        answers = await asyncio.gather(*(peer.ask(query(bytes([n]))) for n, peer in enumerate(peers)))
        assert [answer.query.value for answer in answers] == [b"\0", b"\1", b"\2", b"\3"]

    serving(conversation, f"unix://{tmp_path}/app.sock" if scheme == "unix" else "tcp://127.0.0.1:0")


def test_replies_come_in_the_order_of_requests() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        check = [abci.Request(check_tx=abci.RequestCheckTx(tx=tx)) for tx in (b"fine good", b"ugly", b"good")]
        peer.send(query(b"1"), *check, query(b"2"), abci.Request(echo=abci.Echo(message="3")), FLUSH)
        replies = await peer.receive(7)
        assert [reply.WhichOneof("value") for reply in replies] == [
            "query", "check_tx", "check_tx", "check_tx", "query", "echo", "flush",
        ]  # fmt: skip
        assert [reply.check_tx.code for reply in replies[1:4]] == [0, 1, 0]
        assert (replies[2].check_tx.log, replies[2].check_tx.codespace) == ("bad", "hmchain")
        assert (replies[0].query.value, replies[4].query.value, replies[5].echo.message) == (b"1", b"2", "3")
        assert application.batches == [3]  # what stands in a row is checked together

    serving(conversation)


def test_checks_with_a_flush_after_each_are_checked_together() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        wires = [b"%d good" % number if number % 3 else b"%d" % number for number in range(600)]
        peer.send(*[request for tx in wires for request in (abci.Request(check_tx=abci.RequestCheckTx(tx=tx)), FLUSH)])
        replies = await peer.receive(1200)
        assert [reply.WhichOneof("value") for reply in replies] == ["check_tx", "flush"] * 600
        assert [reply.check_tx.code for reply in replies[::2]] == [int(not number % 3) for number in range(600)]
        assert sum(application.batches) == 600 and 20 <= max(application.batches) <= 32

    serving(conversation)


def test_optimistic_execution_begins_when_the_answer_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        accept = abci.ResponseProcessProposal.ACCEPT
        for number in range(2):
            proposal = abci.RequestProcessProposal(height=1)
            reply = await peer.ask(abci.Request(process_proposal=proposal))
            assert reply.process_proposal.status == accept
            await peer.ask(query(b"next"))  # what fails ahead harms nobody
            assert application.ahead == number + 1

    with caplog.at_level(logging.ERROR):
        serving(conversation)
    assert caplog.text.count("could not be executed ahead") == 2


def test_a_flood_of_checks_leaves_other_connections_their_turn() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        mempool, consensus = await Peer.connect(server.address), await Peer.connect(server.address)
        mempool.send(*[abci.Request(check_tx=abci.RequestCheckTx(tx=b"good"))] * 5000, FLUSH)
        await consensus.ask(abci.Request(commit=abci.RequestCommit()))
        assert application.committed == 1 and sum(application.batches) < 5000
        assert len(await mempool.receive(5001)) == 5001

    serving(conversation)


def test_replies_wait_for_a_flush() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        peer.send(query(b"held"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.receive(1), 0.1)
        peer.send(FLUSH)
        held, _ = await peer.receive(2)
        assert held.query.value == b"held"

    serving(conversation)


def test_large_replies_do_not_wait_for_a_flush() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        peer.send(*[query(bytes(300_000))] * 4)
        assert len((await peer.receive(4))[0].query.value) == 300_000

    serving(conversation)


def test_every_kind_of_request_gets_its_kind_of_reply() -> None:
    kinds = [field.name for field in abci.Request.DESCRIPTOR.oneofs[0].fields if field.name != "flush"]
    assert len(kinds) == 15

    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        for kind in kinds:
            request = abci.Request()
            getattr(request, kind).SetInParent()
            reply = await peer.ask(request)
            assert reply.WhichOneof("value") == kind
        verified = await peer.ask(abci.Request(verify_vote_extension=abci.RequestVerifyVoteExtension()))
        assert verified.verify_vote_extension.status == abci.ResponseVerifyVoteExtension.ACCEPT

    serving(conversation)


def test_what_the_application_raises_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        refused = await peer.ask(query(b"", "error"))
        assert refused.exception.error == "the thing is broken"
        broken = await peer.ask(query(b"", "bug"))
        assert "secret" not in broken.exception.error and "query failed" in broken.exception.error
        peer.send(abci.Request(check_tx=abci.RequestCheckTx(tx=b"break")), FLUSH)
        assert (await peer.receive(2))[0].WhichOneof("value") == "exception"
        assert (await peer.ask(query(b"on"))).query.value == b"on"

    serving(conversation)
    assert "mend it" in caplog.text and "a secret detail" in caplog.text


def test_a_request_of_an_unknown_kind_is_an_exception() -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        peer = await Peer.connect(server.address)
        assert (await peer.ask(abci.Request())).exception.error == "a request of an unknown kind"

    serving(conversation)


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 64, frame(b"x" * 3000), frame(b"\xff\xff\xff"), b"GET / HTTP/1.1\r\n\r\n" * 20]
)
def test_garbage_ends_its_connection_and_no_other(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        good, bad = await Peer.connect(server.address), await Peer.connect(server.address)
        bad.writer.write(garbage)
        with pytest.raises(CLOSED):
            await bad.receive(1)
        assert (await good.ask(query(b"still"))).query.value == b"still"

    serving(conversation, frame_bytes_max=2000)
    assert "the connection is closed" in caplog.text


def test_a_peer_that_dies_in_the_middle_of_a_message_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def conversation(server: Server, application: Scripted) -> None:
        dying = await Peer.connect(server.address)
        dying.writer.write(frame(query(b"x" * 500).SerializeToString())[:100])
        await dying.writer.drain()
        dying.close()
        rude = await Peer.connect(server.address)
        rude.send(query(b"x"), FLUSH)
        rude.writer.transport.abort()
        again = await Peer.connect(server.address)
        assert (await again.ask(query(b"back"))).query.value == b"back"

    serving(conversation)
    assert "in the middle of a message" in caplog.text and "Traceback" not in caplog.text


def test_a_unix_socket_is_the_owner_s_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"

    async def conversation(server: Server, application: Scripted) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    serving(conversation, f"unix://{path}")
    assert not path.exists()

    async def leave_a_socket_behind() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: None, path)
        server.close()

    asyncio.run(leave_a_socket_behind())
    assert path.is_socket()
    serving(conversation, f"unix://{path}")


def test_a_unix_socket_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/app.sock"

    async def conversation(server: Server, application: Scripted) -> None:
        with pytest.raises(AbciAddressError, match="another process listens there"):
            async with Server(Scripted(), address):
                pass
        assert (await (await Peer.connect(address)).ask(query(b"still"))).query.value == b"still"

    serving(conversation, address)


@pytest.mark.parametrize(
    "address", ["udp://127.0.0.1:1", "tcp://127.0.0.1:99999", "tcp://nowhere", "unix:///" + "x" * 120]
)
def test_an_address_that_cannot_be_listened_at_is_named(address: str) -> None:
    async def conversation(server: Server, application: Scripted) -> None:
        raise AssertionError("it listens")

    with pytest.raises(AbciAddressError, match="cannot listen at"):
        serving(conversation, address)
