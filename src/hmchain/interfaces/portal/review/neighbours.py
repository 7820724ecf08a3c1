"""Who is at the other end of a connection within this machine, as far as its kernel says."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ROOT = 0
_LOCAL, _REMOTE, _USER = 1, 2, 7


def is_own(client: tuple[str, int], port: int) -> bool:
    """Tell whether a connection to `port` comes from a program of our own user; False where nobody can say."""
    return _user(client, (client[0], port)) == os.getuid()


def is_others(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Tell whether a connection comes from another user of this machine; False where nobody can say.

    Root is none: it reads all there is, and what forwards ports runs as root in places.
    """
    return _user(client, server) not in (None, _ROOT, os.getuid())


def _user(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    local, remote = (f"{_written(host)}:{port:04X}" for host, port in (client, server))
    for table in TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # another system than Linux
            continue
        for line in lines:
            if local in line and (cells := line.split())[_LOCAL].endswith(local) and cells[_REMOTE].endswith(remote):
                return int(cells[_USER])
    return None


def _written(host: str) -> str:
    """An address as these tables write it: words of four bytes, each the other way round."""
    packed = ip_address(host).packed
    return "".join(packed[start : start + 4][::-1].hex() for start in range(0, len(packed), 4)).upper()
