"""A long line between two nodes: a TCP relay that hands on every byte after the time that light would take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_CHUNK_BYTES = 1 << 16
_HOST = "127.0.0.1"


class LongLines:
    """Relays on loopback, run by a thread of their own."""

    def __init__(self, one_way_ms: float) -> None:
        self._seconds = one_way_ms / 1000
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="long lines", daemon=True)
        self._thread.start()

    def to(self, port: int, listen: int = 0) -> int:
        """Open a line to `port` of this machine; the port (default: any) where it begins."""
        return asyncio.run_coroutine_threadsafe(self._open(port, listen), self._loop).result(10)

    async def _open(self, port: int, listen: int) -> int:
        async def serve(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
            try:
                far_in, far_out = await asyncio.open_connection(_HOST, port)
            except OSError:
                near_out.close()
                return
            await asyncio.gather(self._carry(near_in, far_out), self._carry(far_in, near_out))

        server = await asyncio.start_server(serve, _HOST, listen)
        found: int = server.sockets[0].getsockname()[1]
        return found

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Hand on what comes, in order, each piece after its time; the end too."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(queue, target))
        data = b"-"
        while data:
            try:
                data = await source.read(_CHUNK_BYTES)
            except OSError:
                data = b""
            queue.put_nowait((self._loop.time() + self._seconds, data))
        await delivery

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data:
                    break
                target.write(data)
                await target.drain()
        target.close()

    def close(self) -> None:
        """Cut all lines."""
        asyncio.run_coroutine_threadsafe(_all_cancelled(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _all_cancelled() -> None:
    others: list[asyncio.Task[Any]] = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextmanager
def long_lines(one_way_ms: float) -> Iterator[LongLines]:
    """Lines that take so long in each direction."""
    lines = LongLines(one_way_ms)
    try:
        yield lines
    finally:
        lines.close()
