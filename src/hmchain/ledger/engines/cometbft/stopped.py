"""CometBFT's own stores of a node that is stopped: its command `inspect` answers from them, and decides nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft import parent_death
from hmchain.ledger.engines.cometbft.process import find_binary
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.processes import child_environment

_BEGIN_SECONDS, _STOP_SECONDS, _LOOK_SECONDS = 20.0, 10.0, 0.05


class ClosedStoreError(LedgerError):
    """CometBFT's stores of a stopped node do not answer."""

    code = "closed_store"


@contextmanager
def answering(home: Path) -> Iterator[RpcClient]:
    """A client of the stores in CometBFT's home, whose node must be stopped; it knows blocks, headers and votes.

    Raises `CometBFTMissingError`, or `ClosedStoreError` if they do not answer: they are damaged, or in use.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(find_binary()), "inspect", "--home", str(home), "--rpc.laddr", f"tcp://127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid()), *command, "--log_level", "error"],
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with RpcClient([f"http://127.0.0.1:{port}"]) as client:
            _wait(process, client, home)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], client: RpcClient, home: Path) -> None:
    deadline = time.monotonic() + _BEGIN_SECONDS
    while True:
        try:
            client.signed_header()
            return
        except NoEndpointError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClosedStoreError(f"CometBFT's stores in {home} do not answer", "start the node") from error
        time.sleep(_LOOK_SECONDS)
