"""A steward's pages: what the hospital keeps, what patients permit, what left it, and what others did at once."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.steward import consents, datasets, emergencies, log, quarantine, transfers

ROOM = (datasets.pages, quarantine.pages, consents.pages, log.pages, transfers.pages, emergencies.pages)
