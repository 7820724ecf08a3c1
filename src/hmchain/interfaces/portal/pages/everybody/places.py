"""Where in the portal something is shown, by what it is."""

from __future__ import annotations

from urllib.parse import quote

from hmchain.application.node.search import Found, Sort
from hmchain.application.watching.notifications import Kind, Notification
from hmchain.interfaces.portal.pages.words import at

_FOUND = {
    Sort.BLOCK: "/auditor/blocks/{}",
    Sort.TRANSACTION: "/auditor/transactions/{}",
    Sort.BALLOT: "/operator/ballots#ballot-{:.12}",
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
_LEADS = (
    ("request inbox", "/inbox", False), ("request submit", "/scientist/editor", True), ("request ", "/requests", True),
    ("release ", "/releases", True), ("study ", "/studies", True), ("share emergencies", "/steward/emergencies", False),
    ("share lift-bar", "/steward/emergencies", False), ("share review", "/steward/emergencies", True),
    ("share ", "/steward/transfers", True), ("incident ", "/auditor/incidents", True), ("policy ", "/policies", False),
    ("people ", "/people", False),
)  # fmt: skip
"""Where pages do what a command does, by how it begins, and whether there is one for each name."""


def of_found(found: Found) -> str:
    """Where what was found is shown."""
    whole = found.kind in (Sort.PERSON, Sort.DATASET)
    return _FOUND[found.kind].format(quote(found.name, safe="/" if whole else ""))


def of_notification(found: Notification) -> str:
    """Where somebody sees to it; empty where no page does."""
    if (place := _NOTIFIED.get(found.kind)) is not None:
        return place
    if found.kind is Kind.STUDY:
        return at("studies", found.about)
    return page_for(found.command, found.about)


def page_for(command: str, request: str = "") -> str:
    """The page that does what a command does; empty where none does. The third word of most names what it is about."""
    words = command.split()
    for begins, path, is_named in _LEADS:
        if command.startswith(begins):
            name = words[2] if len(words) > 2 else request
            return path + at(name) if is_named and name else path
    return ""
