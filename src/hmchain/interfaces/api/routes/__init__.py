"""The routes, a file a resource; each says at its head what is done there, to whose things, and in which roles."""

from __future__ import annotations

from hmchain.interfaces.api.routes import ledger, transactions, watching

ALL = [each.routes for each in (ledger, transactions, watching)]
"""The order in which the reference lists them."""
AT_ROOT = [watching.at_root]
"""Outside of `/v1`, where programs look for them."""
