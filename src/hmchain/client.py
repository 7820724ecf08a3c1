"""A hospital's portal from Python, by its short name: see `hmchain.interfaces.client`."""

from __future__ import annotations

from hmchain.interfaces.client import AsyncClient, Client, Done, PortalError, act, listed, operations, read, taken, work
from hmchain.interfaces.client.clients import Asker, person

__all__ = [
    "Asker", "AsyncClient", "Client", "Done", "PortalError",
    "act", "listed", "operations", "person", "read", "taken", "work",
]  # fmt: skip
