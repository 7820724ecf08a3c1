"""A steward's pages: what the hospital keeps, what patients permit, what left it, and what others did at once.

A clinician's are among them: they stand beside those of who judges them.
"""

from __future__ import annotations

from hmchain.interfaces.portal.pages.steward import (
    consents,
    datasets,
    emergencies,
    emergency,
    log,
    patients,
    quarantine,
    received,
    taking,
    transfers,
    two_votes,
)

ROOM = (
    datasets.pages, quarantine.pages, two_votes.pages, consents.pages, taking.pages, patients.pages, log.pages,
    transfers.pages, received.pages, emergency.pages, emergencies.pages,
)  # fmt: skip
