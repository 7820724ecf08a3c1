"""ABCI 2.0 server over the socket transport, on a unix socket or TCP.

CometBFT opens four connections (consensus, mempool, queries, snapshots) and sends requests on each without waiting.
Replies come in the order of requests, and are held back until CometBFT asks for them with a Flush. All connections
share one event loop, so the application never does two things at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from google.protobuf.message import DecodeError, Message

from hmchain.errors import HMChainError, LedgerError
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.codec import FRAME_BYTES_MAX, FrameError, Frames, frame

CODESPACE = "hmchain"
"""Whose refusal codes those in replies are."""
UNIX_PATH_BYTES_MAX = 107
_READ_BYTES = 1 << 18
_READ_AHEAD_BYTES = 4 << 20
_HELD_BYTES_MAX = 1 << 20
_BATCH_REQUESTS_MAX = 64
"""A few milliseconds' work: no other connection waits longer for its turn."""

_FLUSHED = frame(abci.Response(flush=abci.Flush()).SerializeToString())
_TAKEN = frame(abci.Response(check_tx=abci.ResponseCheckTx()).SerializeToString())

_Batch = list[tuple[str | None, abci.Request]]

logger = logging.getLogger(__name__)


class AbciAddressError(LedgerError):
    """The server cannot listen at the address it was given."""

    code = "abci_address"


class Handler(Protocol):
    """An ABCI application. Calls never overlap."""

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        """Where the application stands: height and hash of its last committed block."""

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        """Found the chain."""

    def check_txs(self, requests: list[abci.RequestCheckTx]) -> list[str]:
        """Say of each whether it may enter the mempool: an empty text, or the code of its refusal."""

    def prepare_proposal(self, request: abci.RequestPrepareProposal) -> abci.ResponsePrepareProposal:
        """Choose what this node proposes."""

    def process_proposal(self, request: abci.RequestProcessProposal) -> abci.ResponseProcessProposal:
        """Say whether a block may be voted for."""

    def execute_optimistically(self) -> None:
        """The answer to a proposal has been sent: begin what its decision will ask for."""

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        """Execute a decided block."""

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        """Make the executed block durable."""

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        """Read something."""

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        """Snapshots that peers may fetch."""

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        """A snapshot that a peer offers."""

    def load_snapshot_chunk(self, request: abci.RequestLoadSnapshotChunk) -> abci.ResponseLoadSnapshotChunk:
        """One chunk for a peer."""

    def apply_snapshot_chunk(self, request: abci.RequestApplySnapshotChunk) -> abci.ResponseApplySnapshotChunk:
        """One chunk from a peer."""


class Server:
    """Serves one application at one address: `unix:///path` or `tcp://host:port` (port 0 takes a free one).

    Used as a context manager; `serve_forever` runs until it is cancelled. Raises `AbciAddressError`.
    """

    def __init__(self, application: Handler, address: str, *, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._application = application
        self._address = address
        self._frame_bytes_max = frame_bytes_max
        self._connections: set[asyncio.Task[None]] = set()
        self._socket_file: Path | None = None

    @property
    def address(self) -> str:
        """Where it listens, with the port that was taken."""
        if self._socket_file is not None:
            return self._address
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"tcp://{host}:{port}"

    async def __aenter__(self) -> Server:
        scheme, _, place = self._address.partition("://")
        try:
            if scheme == "unix":
                self._server = await asyncio.start_unix_server(
                    self._serve, self._cleared(Path(place)), limit=_READ_AHEAD_BYTES
                )
                self._socket_file = Path(place)
                self._socket_file.chmod(stat.S_IRUSR | stat.S_IWUSR)
            elif scheme == "tcp":
                host, _, port = place.rpartition(":")
                self._server = await asyncio.start_server(self._serve, host, int(port), limit=_READ_AHEAD_BYTES)
            else:
                raise ValueError("it is neither unix:// nor tcp://")
        except (OSError, ValueError, OverflowError) as error:
            raise AbciAddressError(f"cannot listen at {self._address}: {error}", "choose another address") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        if self._socket_file is not None:
            self._socket_file.unlink(missing_ok=True)

    async def serve_forever(self) -> None:
        """Run until cancelled."""
        await self._server.serve_forever()

    @staticmethod
    def _cleared(path: Path) -> str:
        """The path of a socket, without what a killed process left there."""
        if len(bytes(path)) > UNIX_PATH_BYTES_MAX:
            raise ValueError(f"the path of a unix socket has {UNIX_PATH_BYTES_MAX} bytes at most")
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    raise ValueError("another process listens there")
            path.unlink()
        return str(path)

    # -- one connection ----------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except FrameError as error:
            logger.error("%s: the connection is closed", error.what)
        except DecodeError:
            logger.error("a message on the ABCI socket is no request: the connection is closed")
        except ConnectionError:
            logger.info("CometBFT left in the middle of a conversation")
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(self._frame_bytes_max)
        held = bytearray()
        while data := await reader.read(_READ_BYTES):
            for batch in _batches(map(abci.Request.FromString, frames.feed(data))):
                replies = self._replies(batch)
                held += b"".join(replies)
                if _FLUSHED in replies or len(held) > _HELD_BYTES_MAX:
                    writer.write(bytes(held))
                    held.clear()
                    await writer.drain()
                # The other connections' turn, and what has come in is read: CometBFT spins while it waits for room in
                # the socket.
                await asyncio.sleep(0)
                if any(kind == "process_proposal" for kind, _ in batch):
                    self._execute_optimistically()
        if not frames.is_between:
            logger.warning("CometBFT left in the middle of a message")

    def _replies(self, batch: _Batch) -> list[bytes]:
        """Framed replies in order of requests."""
        checks = [request.check_tx for kind, request in batch if kind == "check_tx"]
        answers = iter(self._checks(checks) if checks else ())
        return [next(answers) if kind == "check_tx" else self._reply(kind, request) for kind, request in batch]

    def _checks(self, requests: list[abci.RequestCheckTx]) -> list[bytes]:
        try:
            refusals = self._application.check_txs(requests)
        except Exception as error:
            return [_exception(error, "check_tx")] * len(requests)
        return [_checked(refusal) for refusal in refusals]

    def _execute_optimistically(self) -> None:
        try:
            self._application.execute_optimistically()
        except Exception:  # the same block will fail again when it is decided, and then be answered so
            logger.exception("the proposal could not be executed ahead")

    def _reply(self, kind: str | None, request: abci.Request) -> bytes:
        if kind == "flush":
            return _FLUSHED
        try:
            return frame(self._answer(kind, request).SerializeToString())
        except Exception as error:
            return _exception(error, kind)

    def _answer(self, kind: str | None, request: abci.Request) -> abci.Response:
        if kind is None:
            raise LedgerError("a request of an unknown kind", "CometBFT 0.38 is needed")
        if kind == "echo":
            return abci.Response(echo=request.echo)
        if kind == "extend_vote":  # votes carry nothing of ours
            return abci.Response(extend_vote=abci.ResponseExtendVote())
        if kind == "verify_vote_extension":
            accept = abci.ResponseVerifyVoteExtension.ACCEPT
            return abci.Response(verify_vote_extension=abci.ResponseVerifyVoteExtension(status=accept))
        handle: Callable[[Message], Message] = getattr(self._application, kind)
        return abci.Response(**{kind: handle(getattr(request, kind))})  # type: ignore[arg-type]


def _batches(requests: Iterable[abci.Request]) -> Iterator[_Batch]:
    """Requests in order, cut where checks begin or end, and after so many. CometBFT sends a Flush after every check."""
    batch: _Batch = []
    checks = False
    for request in requests:
        kind = request.WhichOneof("value")
        is_check = kind == "check_tx"
        if batch and (len(batch) == _BATCH_REQUESTS_MAX or (kind != "flush" and is_check != checks)):
            yield batch
            batch = []
        if not batch:
            checks = is_check
        batch.append((kind, request))
    if batch:
        yield batch


def _checked(refusal: str) -> bytes:
    if not refusal:
        return _TAKEN
    answer = abci.ResponseCheckTx(code=1, log=refusal, codespace=CODESPACE)
    return frame(abci.Response(check_tx=answer).SerializeToString())


def _exception(error: Exception, kind: str | None) -> bytes:
    """CometBFT stops at an exception, since the application can no longer be trusted; the log says why."""
    if isinstance(error, HMChainError):
        logger.error("%s: %s", kind, error)
        text = error.what
    else:
        logger.error("%s failed", kind, exc_info=error)
        text = f"{kind} failed; the log of the application says why"
    return frame(abci.Response(exception=abci.ResponseException(error=text)).SerializeToString())
