"""Ports of this machine that nobody listens at."""

from __future__ import annotations

import socket
from contextlib import ExitStack

HERE = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that are free now; held open together, so that all differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((HERE, 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
