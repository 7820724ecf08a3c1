"""CometBFT's side of the ABCI socket, for tests: sends requests, reads replies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.codec import Frames, frame

FLUSH = abci.Request(flush=abci.Flush())


@dataclass
class Peer:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames = field(default_factory=Frames)
    replies: list[abci.Response] = field(default_factory=list)

    @classmethod
    async def connect(cls, address: str) -> Peer:
        scheme, _, place = address.partition("://")
        if scheme == "unix":
            return cls(*await asyncio.open_unix_connection(place))
        host, _, port = place.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, *requests: abci.Request) -> None:
        self.writer.write(b"".join(frame(request.SerializeToString()) for request in requests))

    async def receive(self, count: int) -> list[abci.Response]:
        """The next replies; fails if they don't come."""
        async with asyncio.timeout(20):
            while len(self.replies) < count:
                data = await self.reader.read(1 << 16)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                self.replies += map(abci.Response.FromString, self.frames.feed(data))
        found, self.replies = self.replies[:count], self.replies[count:]
        return found

    async def ask(self, request: abci.Request) -> abci.Response:
        """One request and a Flush, as CometBFT's synchronous calls."""
        self.send(request, FLUSH)
        reply, flushed = await self.receive(2)
        assert flushed.WhichOneof("value") == "flush"
        return reply

    async def check(self, wires: Iterable[bytes], kind: abci.CheckTxType = abci.NEW) -> list[abci.ResponseCheckTx]:
        """Pipelined mempool checks."""
        requests = [abci.Request(check_tx=abci.RequestCheckTx(tx=wire, type=kind)) for wire in wires]
        self.send(*requests, FLUSH)
        return [reply.check_tx for reply in (await self.receive(len(requests) + 1))[:-1]]

    def close(self) -> None:
        self.writer.close()
