"""What waits for a hospital's people, one thing to do a line, and all requests that it has to do with."""

from __future__ import annotations

from urllib.parse import urlencode

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.requests import listing
from hmchain.application.governance.requests.listing import ListedRequest, Waiting
from hmchain.application.pages.markup import Cell, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, WARN, badge, empty, fresh
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import word
from hmchain.interfaces.portal.pages.codes.requests import KINDS
from hmchain.interfaces.portal.pages.concern import concerns
from hmchain.interfaces.portal.pages.everybody import places
from hmchain.interfaces.portal.pages.words import at, in_short, standing, until
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import later, say, theirs

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL)
ALL = Rule(Operation.VIEW, Scope.NETWORK)
CHANGES = ("request.", "duty.", "release.", "transfer.", "emergency.", "incident.", "policy.", "people.")
"""Events after which the list may be another one, by how their kinds begin."""

pages = Pages()


def waits(call: Call) -> int:
    """How much waits for whoever asks: counted for each page, so no title is opened."""
    mine = concerns(call)
    with call.ledger() as ledger:
        return sum(mine(each.who) for each in listing.todos(ledger.verified.state, call.organisation))


def _waiting(call: Call) -> list[Waiting]:
    """Everything that waits here for whoever asks."""
    person, mine = "" if call.site.is_read_only else call.person.person, concerns(call)
    with call.ledger() as ledger:
        found = listing.inbox(ledger, call.organisation, call.sealed, person)
    return [each for each in found if mine(each.todo.who)]


@pages.show("/inbox", VIEW, later("Waits for you"), waits)
def inbox(call: Call) -> Page:
    """What waits for whoever asks."""
    found = _waiting(call)
    return Page(
        say("Waits for you"),
        fresh("waiting", "/inbox", CHANGES, waiting_list(found)),
        lead=say("What nobody else does in your place. What is overdue comes first, then what has a date."),
    )


def waiting_list(found: list[Waiting]) -> h.Element:
    """Things to do, each with the page that it is done on."""
    if not found:
        return empty(say("Nothing waits for you. What comes will stand here."))
    return h.ul(".todo")[[_todo(each) for each in found]]


def _todo(each: Waiting) -> h.Element:
    todo = each.todo
    path = places.page_for(todo.command, todo.request)
    words = h.b[theirs(todo.words)]
    return h.li[
        h.a(href=path)[words] if path else words,
        [" ", badge(say("overdue"), BAD)] if todo.overdue else None,
        h.p(".quiet")[
            f"{each.title or todo.request} · " if each.title or todo.request else "",
            [badge(say("due"), WARN), " ", until(todo.due_ms), " · "] if todo.due_ms else None,
            ", ".join(todo.who),
            None if path else [" · ", h.code[f"hmchain {todo.command}"]],
        ],
    ]


@pages.show("/requests", ALL, later("Requests"))
def requests(call: Call, offset: int = 0, limit: int = 50, over: bool = True) -> Page:
    """All requests that the hospital's people ask or are asked; of a run all of them."""
    limit, offset = min(max(limit, 1), 200), max(offset, 0)
    organisation = "" if call.site.is_read_only else call.organisation
    with call.ledger() as ledger:
        found = listing.listed(ledger, organisation, call.sealed, over=over)
        part, total = list(found[offset : offset + limit]), len(found)
    lead = say("Who asks for which data of which hospitals, and what each hospital said.")
    asked = {"over": str(over).lower()}
    here = f"/requests?{urlencode({**asked, 'offset': offset, 'limit': limit})}"
    nothing = empty(say("Nobody has asked for anything yet. A request that comes stands here."))
    shown = [request_table(part), paging("/requests", asked, offset, limit, total)] if total else nothing
    return Page(say("Requests"), fresh("requests", here, ("request.",), shown), lead=lead)


def request_table(found: list[ListedRequest]) -> h.Element:
    """Requests, a row each."""
    head = (
        say("Request"),
        say("Title"),
        say("Stands"),
        say("Kind"),
        say("Hospitals say"),
        say("Asked by"),
        say("Until"),
    )
    return table(head, [_row(each) for each in found], caption=say("Requests"), folds=True)


def _row(each: ListedRequest) -> tuple[h.Node | Cell, ...]:
    view = each.view
    return (
        h.a(href=at("requests", view.request))[view.request],
        each.title or in_short(view),
        standing(view.status),
        word(KINDS, view.content.kind) if view.content else "–",
        [h.span(".said")[f"{one.organisation}: ", standing(one.status), " "] for one in view.decisions]
        or say("not asked yet"),
        view.applicant,
        until(view.content.until_ms if view.content else 0),
    )
