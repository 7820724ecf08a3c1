"""The first page of each role: what waits, and how things stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import tiles
from hmchain.application.watching.personal import Shown
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, WARN, badge, empty, fresh, section
from hmchain.interfaces.portal.framing import role_of
from hmchain.interfaces.portal.layout import ROLES
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.concern import concerns
from hmchain.interfaces.portal.pages.everybody import places
from hmchain.interfaces.portal.pages.words import capital
from hmchain.interfaces.portal.registry import Next, Pages
from hmchain.interfaces.portal.texts import amount, later, moment, of_later, say, theirs
from hmchain.ledger.readers import incidents

SIGNED_IN = Rule(Operation.VIEW, Scope.OWN)
STEWARDS = Rule(Operation.VIEW, Scope.HOSPITAL, ("clinician", "code", "ethics", "officer", "protection", "steward"))
SCIENTISTS = Rule(Operation.VIEW, Scope.NETWORK, ("scientist",))
AUDITORS = Rule(Operation.VIEW, Scope.NETWORK)
_SHOWN = 12

everybody, stewards, scientists, auditors = Pages(), Pages("steward"), Pages("scientist"), Pages("auditor")


@dataclass(frozen=True)
class Home:
    """What somebody sees first."""

    role: str
    waiting: Sequence[Shown]
    studies: int
    """Studies that run."""
    models: int
    releases: int
    """Releases that wait for hospitals."""
    incidents: int
    """Open ones."""
    height: int
    members: int
    read_only: bool


@everybody.show("/", SIGNED_IN)
def first_page(call: Call) -> Next | Page:
    """The first page of the role that somebody has; what waits, for somebody who has none with pages."""
    role = role_of(call)
    return Next(f"/{role}") if role else home(load(call, ""))


@stewards.show("/steward", STEWARDS, later("Home"))
def steward_home(call: Call) -> Page:
    """What waits for whoever decides for the hospital."""
    return home(load(call, "steward"))


@scientists.show("/scientist", SCIENTISTS, later("Home"))
def scientist_home(call: Call) -> Page:
    """What waits for a scientist."""
    return home(load(call, "scientist"))


@auditors.show("/auditor", AUDITORS, later("Home"))
def auditor_home(call: Call) -> Page:
    """What there is to audit."""
    return home(load(call, "auditor"))


def waiting_for(call: Call) -> list[Shown]:
    """What waits for whoever asks; of a finished run for people of the hospital in the role that one looks in."""
    personal = watch.of_app(call.request.app).personal
    if not call.site.is_read_only:
        return personal.of(call.person)
    mine = concerns(call)
    return [each for each in personal.of_everybody(call.organisation) if mine(each.notification.who)]


def load(call: Call, role: str) -> Home:
    """What waits, and how things stand."""
    waiting = waiting_for(call)
    with call.ledger() as ledger:
        return Home(
            role, waiting, len(ledger.open_studies),
            len(ledger.models()), sum(each.is_asked for each in ledger.releases()),
            len(incidents.all_incidents(ledger.verified.state, over=False)), ledger.height, len(ledger.members()),
            call.site.is_read_only,
        )  # fmt: skip


def home(found: Home) -> Page:
    """What waits on top, then how things stand, then where to go."""
    title = of_later(ROLES[found.role]) if found.role else say("Welcome")
    content = [
        fresh("waits", f"/{found.role}", (), _waiting(found)),
        section(say("How things stand"), _figures(found), anchor="stands"),
        _ways(found),
    ]
    return Page(title, content)


def _waiting(found: Home) -> h.Element:
    title = (
        say("Waits for you") if not found.read_only else say("Waited for somebody of this hospital when the run ended")
    )
    if not found.waiting:
        words = say("Nothing waits for you. What others ask of you, and what is due, will stand here.")
        return section(title, empty(words), anchor="waiting")
    more = len(found.waiting) - _SHOWN
    all_of_them = h.a(href="/notifications")[say("All {count}", count=amount(len(found.waiting)))] if more > 0 else None
    return section(title, notices(found.waiting[:_SHOWN]), anchor="waiting", actions=all_of_them)


def notices(found: Sequence[Shown]) -> h.Element:
    """What waits, a line each, with the way there."""
    return h.ul(".notices")[[h.li(class_="seen" if each.seen else None)[_notice(each)] for each in found]]


def _notice(each: Shown) -> h.Node:
    told = each.notification
    words = theirs(capital(told.words))
    place = places.of_notification(told)
    return [
        badge(say("overdue"), BAD) if told.overdue else badge(say("urgent"), WARN) if told.urgent else None,
        " ",
        h.a(href=place)[words] if place else words,
        h.span(".quiet")[f" {told.about}" if told.about and told.about not in told.words else ""],
        h.small[say("until {time}", time=moment(told.due_ms))] if told.due_ms else None,
    ]


def _figures(found: Home) -> h.Element | None:
    return tiles((
        (amount(found.studies), say("studies running"), ""),
        (amount(found.models), say("models made"), ""),
        (amount(found.releases), say("releases that wait"), ""),
        (amount(found.incidents), say("open incidents"), ""),
        (amount(found.height), say("last block"), ""),
        (amount(found.members), say("members"), ""),
    ))  # fmt: skip


def _ways(found: Home) -> h.Element | None:
    ways = {
        "steward": (
            ("/inbox", say("What waits for a decision")), ("/steward/datasets", say("Our datasets")),
            ("/steward/log", say("What left this hospital")),
        ),
        "scientist": (
            ("/scientist/catalogue", say("What hospitals have")),
            *(() if found.read_only else (("/scientist/editor", say("Ask for data")),)),
            ("/studies", say("Studies")), ("/models", say("Models")),
        ),
        "auditor": (
            ("/auditor/blocks", say("Every block, with who signed it")),
            ("/auditor/decisions", say("Who asked for what, and each hospital's word")),
            ("/auditor/events", say("Security events")),
        ),
    }.get(found.role, ())  # fmt: skip
    if not ways:
        return None
    return section(say("Where to go"), h.ul[[h.li[h.a(href=path)[words]] for path, words in ways]], anchor="ways")
