"""A hospital's portal from Python, by its short name: see `hmchain.interfaces.client`."""

from __future__ import annotations

from hmchain.interfaces.client import operations
from hmchain.interfaces.client.clients import Asker, AsyncClient, Client, person
from hmchain.interfaces.client.failures import PortalError
from hmchain.interfaces.client.flows import Done, act, listed, read, taken, work

__all__ = [
    "Asker", "AsyncClient", "Client", "Done", "PortalError",
    "act", "listed", "operations", "person", "read", "taken", "work",
]  # fmt: skip
