"""The routes, a file a resource; each says at its head what is done there, to whose things, and in which roles."""

from __future__ import annotations

from hmchain.interfaces.api.routes import ledger, transactions

ALL = [each.routes for each in (ledger, transactions)]
"""The order in which the reference lists them."""
