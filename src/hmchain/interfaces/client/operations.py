"""What people do every day, as flows: each answers with the view that the command line shows."""

from __future__ import annotations

from hmchain.interfaces.client.blocks import blocks, transaction
from hmchain.interfaces.client.counts import budget, counts, offers
from hmchain.interfaces.client.members import (
    ballots,
    deeds,
    incident,
    incidents,
    network,
    parameters,
    people,
    person,
    policy,
    policy_difference,
    policy_history,
    powers,
    rules,
)
from hmchain.interfaces.client.requests import (
    approve,
    as_json,
    attach,
    comment,
    document,
    hand_in,
    inbox,
    reasons,
    reject,
    request,
    requests,
    return_,
    review,
    revoke,
    submit,
)
from hmchain.interfaces.client.sharing import duties, emergencies, release, releases, transfer, transfers, uses
from hmchain.interfaces.client.studies import models, predict, studies, study, study_status, study_statuses
from hmchain.interfaces.client.whose import Here, here, organisation

__all__ = [
    "Here", "approve", "as_json", "attach", "ballots", "blocks", "budget", "comment", "counts",
    "deeds", "document", "duties", "emergencies", "hand_in", "here", "inbox", "incident",
    "incidents", "models", "network", "offers", "organisation", "parameters", "people", "person",
    "policy", "policy_difference", "policy_history", "powers", "predict", "reasons", "reject",
    "release", "releases", "request", "requests", "return_", "review", "revoke", "rules", "studies",
    "study", "study_status", "study_statuses", "submit", "transaction", "transfer", "transfers",
    "uses",
]  # fmt: skip
