"""Policies to test with: rules in Cedar's own text, the terms around them, and what is asked."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
from msgspec.structs import replace

from hmchain.ledger.contracts.data import cedar
from hmchain.ledger.contracts.data.policies import DEFAULT, Asked, Terms

TERMS = Terms(
    DEFAULT, approvers=1, automatic=False, minimum_cohort=0, colluders_min=0, days_max=0, epsilon_max_millionths=0,
    duties=(), licences=(),
)  # fmt: skip
ASKED = Asked(
    organisation="north", person="s1", roles=("scientist",), members=(), owner="east", dataset="brain", kind="train",
    purposes=("DUO:0000007",), diseases=("MONDO:0018177",), code=bytes(32), fields=(), labels=("glioma",),
    commercial=False, publishes=True, regions=("DE",), documents=("ethics",), days=100, rounds=60, colluders=1,
    organisations=("east", "north", "west"), count=512,
)  # fmt: skip


def compiled(**rules: str) -> bytes:
    """The canonical JSON of rules that are written in Cedar's text, by id (`_` for `-`)."""
    policies: dict[str, Any] = {}
    for name, text in rules.items():
        (policy,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
        policies[name.replace("_", "-")] = policy
    return cedar.canonical(policies)


def terms(**rules: str) -> Terms:
    """Terms with these rules."""
    return replace(TERMS, cedar=compiled(**rules))


ANYTHING = "permit(principal, action, resource);"
