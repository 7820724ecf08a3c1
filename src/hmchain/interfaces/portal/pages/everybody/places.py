"""Where in the portal something is shown, by what it is."""

from __future__ import annotations

from urllib.parse import quote

from hmchain.application.node.search import Found, Sort
from hmchain.application.watching.notifications import Kind, Notification

_FOUND = {
    Sort.BLOCK: "/auditor/blocks/{}",
    Sort.TRANSACTION: "/auditor/transactions/{}",
    Sort.REQUEST: "/requests/{}",
    Sort.STUDY: "/studies/{}",
    Sort.RELEASE: "/releases/{}",
    Sort.MODEL: "/models/{}",
    Sort.DATASET: "/scientist/catalogue#{}",
    Sort.MEMBER: "/people/{}",
    Sort.PERSON: "/people/{}",
    Sort.INCIDENT: "/auditor/incidents/{}",
}
_NOTIFIED = {
    Kind.BREAK_GLASS: "/steward/emergencies",
    Kind.BALLOT: "/operator/ballots",
    Kind.KEY: "/people",
    Kind.QUARANTINE: "/steward/quarantine",
    Kind.MACHINE: "/operator/machine",
}
_COMMANDS = {"request": "/requests/{}", "release": "/releases/{}", "incident": "/auditor/incidents/{}",
             "study": "/studies/{}", "share": "/steward/transfers/{}", "people": "/people"}  # fmt: skip
"""By the first word of the command that does it; the third names what it is about."""


def of_found(found: Found) -> str:
    """Where what was found is shown."""
    return _FOUND[found.sort].format(quote(found.name, safe="/" if found.sort is Sort.PERSON else ""))


def of_notification(found: Notification) -> str:
    """Where somebody sees to it; empty where no page does."""
    if (place := _NOTIFIED.get(found.kind)) is not None:
        return place
    words = found.command.split()
    place = _COMMANDS.get(words[0], "") if words else ""
    name = found.about or (words[2] if len(words) > 2 else "")
    if found.kind is Kind.STUDY:
        place = "/studies/{}"
    return place.format(quote(name, safe="")) if name or "{}" not in place else ""
