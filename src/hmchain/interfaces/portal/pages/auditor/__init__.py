"""The auditor's pages: what is in the ledger, on whose word, and how to check it oneself."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.auditor import (
    blocks,
    decisions,
    events,
    incident_deeds,
    incidents,
    transactions,
    verification,
)

ROOM = (
    blocks.pages, transactions.pages, decisions.pages, events.pages, incidents.pages, incident_deeds.pages,
    verification.pages,
)  # fmt: skip
"""In the order of the navigation."""
