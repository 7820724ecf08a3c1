"""Listens for HL7 v2 messages by MLLP (HL7 Implementation Guide for Lower Layer Protocols, release 1).

A message is acknowledged (AA) when the next one is asked for: by then what handles them has made it durable. If
handling stops, its sender is told to send it again (AE); what is no message is refused (AR). What was kept before is
acknowledged at once, so that a sender that lost an answer does no harm.

The network runs in a thread of its own, with asyncio; messages cross to the thread that handles them by a queue.
"""

from __future__ import annotations

import asyncio
import io
import queue
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from hmchain.canonical import digest
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.hl7.message import ACKNOWLEDGEMENT, Message, MessageError, parse
from hmchain.records.sources.item import HL7, Item, SourceError

START, END = b"\x0b", b"\x1c\r"
ACCEPTED, FAILED, REFUSED = "AA", "AE", "AR"

CONNECTIONS_MAX = 64
_CLOSING_SECONDS = 10.0
_PARTING_SECONDS = 0.05


@dataclass(frozen=True)
class Limits:
    """Limits for senders."""

    message_bytes: int = 16 << 20
    frame_seconds: float = 30.0
    """From the first byte of a message to its last."""
    idle_seconds: float = 3600.0
    """Between two messages."""


class FramingError(ValueError):
    """Bytes on a connection that are not framed as MLLP."""


@dataclass(frozen=True)
class _Arrival:
    """A message that waits to be handled, and how to tell its sender."""

    data: bytes
    answer: Callable[[str], None]

    @property
    def name(self) -> str:
        return _name(self.data)


@dataclass(frozen=True)
class _NotKept:
    """A message that nobody handles, and why."""

    data: bytes
    why: str

    @property
    def name(self) -> str:
        return _name(self.data)


def _name(data: bytes) -> str:
    return f"mllp/{digest('hl7 message', data).hex()}"


class MllpSource:
    """Messages as they come, until `stop` is called. Its items are taken once, by one thread; any may stop it."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 2575,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Port 0 takes a free one. Without `tls` messages travel in clear: leave `host` at this machine then."""
        self._host, self._port, self._tls, self._limits = host, port, tls, limits or Limits()
        self.finds = Finds(answers=True)
        """What came, kept or not."""
        self._arrivals: queue.SimpleQueue[_Arrival | _NotKept | None] = queue.SimpleQueue()
        self._conversations: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()
        self._stopped = False
        self._network: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._address: tuple[str, int] | None = None
        self._failure: OSError | None = None

    def address(self, timeout_seconds: float = 10.0) -> tuple[str, int]:
        """Host and port, once it listens. Raises `SourceError` if it does not within `timeout_seconds`."""
        self._listening.wait(timeout_seconds)
        if self._address is None:
            raise SourceError("the MLLP listener does not listen", "give a free port of this machine")
        return self._address

    def stop(self) -> None:
        """Take no more messages; `items` ends after those that have arrived."""
        self._stopped = True
        self._arrivals.put(None)

    def count(self) -> int | None:
        """Not known: messages come as long as it listens."""
        return None

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Messages in the order in which they arrive.

        Handle each one, durably, before the next is asked for. Raises `SourceError` if it cannot listen.
        """
        thread = threading.Thread(target=self._run, name="mllp", daemon=True)
        thread.start()
        pending: _Arrival | None = None
        try:
            self._listening.wait()
            if self._failure is not None:
                what = f"cannot listen at {self._host} port {self._port}"
                raise SourceError(what, "give a free port of this machine") from self._failure
            while (arrival := self._arrivals.get()) is not None:
                self.finds.file(arrival.name)
                if isinstance(arrival, _NotKept):
                    self.finds.passed(arrival.why, 1)
                    continue
                if self.finds.wants(done, arrival.name):
                    pending = arrival
                    yield Item(arrival.name, HL7, partial(io.BytesIO, arrival.data))
                    pending = None
                arrival.answer(ACCEPTED)
        finally:
            if pending is not None:
                pending.answer(FAILED)
            self._close()
            thread.join(_CLOSING_SECONDS)

    def _close(self) -> None:
        """Let the network end, after the answers that it was given."""
        self._stopped = True
        if self._network is not None:
            loop, closing = self._network
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(closing.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._listening.set()
            self._arrivals.put(None)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, self._host, self._port, ssl=self._tls)
        closing = asyncio.Event()
        self._network = asyncio.get_running_loop(), closing
        host, port = server.sockets[0].getsockname()[:2]
        self._address = (host, port)
        self._listening.set()
        await closing.wait()
        server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await asyncio.sleep(_PARTING_SECONDS)  # for answers on their way

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped or len(self._conversations) >= CONNECTIONS_MAX:
            writer.close()
            return
        conversation = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        conversation.add_done_callback(lambda _: writer.close())

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, ssl.SSLError):
            await self._answer_all(_Frames(reader, self._limits), writer)

    async def _answer_all(self, frames: _Frames, writer: asyncio.StreamWriter) -> None:
        """A message, its answer, and again."""
        going = True
        while going:
            try:
                data = await frames.next()
            except FramingError:
                going, answer = False, acknowledgement(None, REFUSED)  # where the next frame begins cannot be told
            else:
                if data is None:
                    return
                answer = await self._handled(data)
            if not answer:
                continue
            writer.write(START + answer + END)
            async with asyncio.timeout(self._limits.frame_seconds):
                await writer.drain()

    async def _handled(self, data: bytes) -> bytes:
        """The answer to a message, once it was handled; none to an answer, or two listeners would go on for ever."""
        try:
            message = parse(data)
        except MessageError:
            self._arrivals.put(_NotKept(data, "no HL7 message: refused"))
            return acknowledgement(None, REFUSED)
        if message.is_acknowledgement:
            self._arrivals.put(_NotKept(data, ACKNOWLEDGEMENT))
            return b""
        if self._stopped:
            return acknowledgement(message, FAILED)
        loop = asyncio.get_running_loop()
        code: asyncio.Future[str] = loop.create_future()

        def settle(value: str) -> None:
            if not code.done():
                code.set_result(value)

        self._arrivals.put(_Arrival(data, lambda value: _tell(loop, settle, value)))
        return acknowledgement(message, await code)


class _Frames:
    """The frames of one connection."""

    def __init__(self, reader: asyncio.StreamReader, limits: Limits) -> None:
        self._reader, self._limits = reader, limits
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The content of the next frame; None at the end of the connection. Raises `FramingError`, `TimeoutError`."""
        async with asyncio.timeout(self._limits.idle_seconds):
            while not self._buffer.lstrip(b"\r\n"):
                if not await self._read():
                    return None
        self._buffer = self._buffer.lstrip(b"\r\n")
        if not self._buffer.startswith(START):
            raise FramingError("a frame does not begin as one")
        async with asyncio.timeout(self._limits.frame_seconds):
            searched = 0
            while (end := self._buffer.find(END, searched)) < 0:
                if len(self._buffer) > self._limits.message_bytes:
                    raise FramingError("a frame is too long")
                searched = max(0, len(self._buffer) - 1)
                if not await self._read():
                    raise FramingError("the connection ends within a frame")
        content = bytes(self._buffer[1:end])
        del self._buffer[: end + len(END)]
        if START in content or len(content) > self._limits.message_bytes:
            raise FramingError("a frame begins within another, or is too long")
        return content

    async def _read(self) -> bool:
        data = await self._reader.read(1 << 16)
        self._buffer += data
        return bool(data)


def acknowledgement(message: Message | None, code: str) -> bytes:
    """An ACK to a message, in its own delimiters; to what is no message, without what would name it."""
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    if message is None:
        return f"MSH|^~\\&|||||{now}||ACK||P|2.5.1\rMSA|{code}|\r".encode()
    header, marks = message.header, message.delimiters
    event = header.field(9).split(marks.component)[1:2]
    fields = [
        "MSH", header.field(2), header.field(5), header.field(6), header.field(3), header.field(4), now, "",
        marks.component.join(["ACK", *event]), header.field(10), header.field(11) or "P", header.field(12) or "2.5.1",
    ]  # fmt: skip
    lines = [marks.field.join(fields), marks.field.join(["MSA", code, header.field(10)])]
    return ("\r".join(lines) + "\r").encode("ascii", "replace")


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[[str], None], value: str) -> None:
    with suppress(RuntimeError):  # the network has ended; the sender got no answer and sends again
        loop.call_soon_threadsafe(settle, value)
