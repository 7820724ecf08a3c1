"""Run an application's server until a signal, or the end of its parent, stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import suppress

from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.server import Server

logger = logging.getLogger(__name__)


def serve(application: Application, address: str, *, until_eof: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; with `until_eof` also until standard input ends, as it does with its writer.

    Closes the application. Raises `AbciAddressError`.
    """
    try:
        asyncio.run(_serve(application, address, until_eof))
    finally:
        application.close()


async def _serve(application: Application, address: str, until_eof: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), stopped.set)
    async with Server(application, address) as server:
        logger.info("height %d, listening at %s", application.state.height, server.address)
        serving = asyncio.create_task(server.serve_forever())
        await stopped.wait()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
