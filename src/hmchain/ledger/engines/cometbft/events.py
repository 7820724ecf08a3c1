"""Follow the blocks of a CometBFT node as they are decided, with nothing missed and nothing twice.

The websocket only wakes us: every block, live or missed, is fetched by its height. So a lost connection, a restart or
another node leaves no gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import msgspec
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from hmchain import decoding
from hmchain.clock import Backoff
from hmchain.ledger.engines.cometbft.answers import BlockResults, Int
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, NotYetError, RpcClient

_SUBSCRIPTION = msgspec.json.encode(
    {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"query": "tm.event='NewBlockHeader'"}}
)
_MESSAGE_BYTES_MAX = 1 << 20
_PAUSE_SECONDS = (0.1, 5.0)
"""Between two attempts to connect: doubled from the first to the second."""


class _Header(msgspec.Struct, frozen=True):
    height: Int


class _Value(msgspec.Struct, frozen=True):
    header: _Header


class _Data(msgspec.Struct, frozen=True):
    value: _Value


class _Result(msgspec.Struct, frozen=True):
    data: _Data | None = None
    """Absent in the answer to the subscription itself."""


class _Notice(msgspec.Struct, frozen=True):
    result: _Result


class BlockEvents:
    """The stream of decided blocks of one chain, from `first` on.

    Waits for nodes that do not answer or are behind; raises `RpcError` where they no longer have a block.
    """

    def __init__(
        self,
        client: RpcClient,
        first: int,
        *,
        quiet_seconds: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """After `quiet_seconds` without a notice the node is asked for its height, in case the notice was lost."""
        self._client = client
        self._next = first
        self._quiet = quiet_seconds
        self._sleep = sleep

    def __iter__(self) -> Iterator[BlockResults]:
        backoff = Backoff(*_PAUSE_SECONDS)
        while True:
            try:
                with _subscribed(self._client) as socket:
                    backoff.succeeded()
                    yield from self._caught_up()
                    while True:
                        self._wait(socket)
                        yield from self._caught_up()
            except (NoEndpointError, WebSocketException, OSError):
                self._sleep(backoff.pause())

    def _caught_up(self) -> Iterator[BlockResults]:
        """Every block from the next one to the last one there is."""
        last = self._client.status().sync_info.latest_block_height
        while self._next <= last:
            results = self._results()
            self._next += 1
            yield results

    def _results(self) -> BlockResults:
        """The next block's results. They may be read only after its header is told, and another node may be behind."""
        backoff = Backoff(*_PAUSE_SECONDS)
        while True:
            try:
                return self._client.block_results(self._next)
            except NotYetError:
                self._sleep(backoff.pause())

    def _wait(self, socket: ClientConnection) -> None:
        """Return once there is a block that was not seen yet, or after a quiet time."""
        deadline = time.monotonic() + self._quiet
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = socket.recv(timeout=left)
            except TimeoutError:
                return
            if _height(message) >= self._next:
                return


class BlockNotices:
    """Notices that a node has decided another block; whoever is woken sees for itself what there is."""

    def __init__(self, client: RpcClient) -> None:
        self._client, self._held = client, ExitStack()
        self._socket: ClientConnection | None = None

    def wait(self, seconds: float) -> bool:
        """Return True with the next notice, or False after so long; at once where the node grants no subscription."""
        try:
            if self._socket is None:
                self._socket = self._held.enter_context(_subscribed(self._client))
            self._socket.recv(timeout=seconds)
        except TimeoutError:
            return False
        except (NoEndpointError, WebSocketException, OSError):
            self.close()
            return False
        return True

    def close(self) -> None:
        """End the subscription."""
        self._socket = None
        with suppress(WebSocketException, OSError):
            self._held.close()


@contextmanager
def _subscribed(client: RpcClient) -> Iterator[ClientConnection]:
    """A subscription at the first node that grants one. Raises `NoEndpointError`."""
    for url in client.endpoints:
        try:
            socket = connect(
                f"ws{url.removeprefix('http')}/websocket", max_size=_MESSAGE_BYTES_MAX, open_timeout=5, proxy=None
            )
        except (OSError, WebSocketException, InvalidURI, TimeoutError):
            client.shun(url)
            continue
        with socket:
            socket.send(_SUBSCRIPTION.decode())
            yield socket
            return
    raise NoEndpointError("no node grants a subscription", "start one with `hmchain node start`")


def _height(message: str | bytes) -> int:
    """The height that a notice tells of; -1 for anything else, which is no reason to stop."""
    try:
        data = decoding.from_json(message, _Notice, strict=False).result.data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return -1
    return data.value.header.height if data else -1
