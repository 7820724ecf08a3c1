"""The routes, a file a resource; each says at its head what is done there, to whose things, and in which roles."""

from __future__ import annotations

from hmchain.interfaces.api.routes import (
    access,
    audit,
    datasets,
    incidents,
    jobs,
    ledger,
    network,
    node,
    notifications,
    own_requests,
    quarantine,
    request_decisions,
    requests,
    transactions,
    watching,
)

_FILES = (
    access,
    requests,
    own_requests,
    request_decisions,
    ledger,
    transactions,
    audit,
    network,
    node,
    incidents,
    datasets,
    quarantine,
    jobs,
    watching,
    notifications,
)
"""Several may add to one resource."""
ALL = list(dict.fromkeys(each.routes for each in _FILES))
"""The order in which the reference lists them."""
AT_ROOT = [watching.at_root]
"""Outside of `/v1`, where programs look for them."""
