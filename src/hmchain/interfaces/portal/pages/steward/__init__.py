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
    quarantine,
    received,
    transfers,
)

ROOM = (
    datasets.pages, quarantine.pages, consents.pages, log.pages, transfers.pages, received.pages, emergency.pages,
    emergencies.pages,
)  # fmt: skip
