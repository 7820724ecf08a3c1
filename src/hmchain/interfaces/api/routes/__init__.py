"""The routes, a file a resource; each says at its head what is done there, to whose things, and in which roles."""

from __future__ import annotations

from hmchain.interfaces.api.routes import (
    access,
    audit,
    consents,
    counts,
    data_work,
    datasets,
    erasures,
    events,
    incidents,
    jobs,
    ledger,
    models,
    network,
    node,
    notifications,
    own_requests,
    patients,
    people,
    policies,
    quarantine,
    releases,
    request_decisions,
    requests,
    search,
    sharing,
    studies,
    transactions,
    uses,
    vault,
    watching,
)

_FILES = (
    access,
    requests,
    own_requests,
    request_decisions,
    policies,
    people,
    counts,
    studies,
    models,
    releases,
    sharing,
    uses,
    consents,
    ledger,
    transactions,
    events,
    search,
    audit,
    network,
    node,
    incidents,
    datasets,
    data_work,
    erasures,
    vault,
    patients,
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
