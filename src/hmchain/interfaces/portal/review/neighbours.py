"""Who is at the other end of a connection within this machine, as far as its kernel says."""

from __future__ import annotations

import os
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LOOPBACK = "0100007F"  # 127.0.0.1 as these tables write it
_LOCAL, _REMOTE, _USER = 1, 2, 7


def is_own(client: tuple[str, int], port: int) -> bool:
    """Tell whether a connection to `port` comes from a program of our own user; False where nobody can say."""
    return _user(client[1], port) == os.getuid()


def _user(client_port: int, port: int) -> int | None:
    local, remote = f"{_LOOPBACK}:{client_port:04X}", f"{_LOOPBACK}:{port:04X}"
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # another system than Linux
            continue
        for line in lines:
            if local in line and (cells := line.split())[_LOCAL].endswith(local) and cells[_REMOTE].endswith(remote):
                return int(cells[_USER])
    return None
