"""The search over the ledger: heights, digests, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import htpy as h
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node.search import LETTERS_MAX, Found, Sort, search
from hmchain.application.pages.markup import table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.everybody import places
from hmchain.interfaces.portal.registry import Next, Pages
from hmchain.interfaces.portal.texts import say, theirs

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
_SURE = (Sort.BLOCK, Sort.TRANSACTION)

pages = Pages()

Text = Annotated[str, Query(alias="q", max_length=LETTERS_MAX)]


@pages.show("/search", VIEW)
def search_page(call: Call, text: Text = "") -> Page | Next:
    """What a text may mean; what can be but one thing is shown at once."""
    with call.ledger() as ledger:
        found = search(ledger, call.about, text)
    if len(found) == 1 and (found[0].kind in _SURE or found[0].name.lower() == text.strip().lower()):
        return Next(places.of_found(found[0]))
    return results(text, found)


def results(text: str, found: Sequence[Found]) -> Page:
    """What was found, or how to ask."""
    title = say("Search: {asked}", asked=text) if text else say("Search")
    again = h.form(".look", action="/search", method="get")[
        h.label(for_="again")[say("A block's number, the first digits of a digest, or a part of a name")], " ",
        h.input("#again", type="search", name="q", value=text, maxlength=str(LETTERS_MAX), autocomplete="off"), " ",
        h.button(type="submit")[say("Find")],
    ]  # fmt: skip
    if not found:
        words = say("Nothing on this ledger is called so.") if text.strip() else say("Type what you look for.")
        return Page(title, [again, empty(words)])
    sorts = _sorts()
    rows = [(h.a(href=places.of_found(each))[each.name], sorts[each.kind], theirs(each.words)) for each in found]
    shown = table([say("Name"), say("What it is"), say("More")], rows, caption=say("What was found"), folds=True)
    return Page(title, [again, shown])


def _sorts() -> dict[Sort, str]:
    return {
        Sort.BLOCK: say("block"),
        Sort.TRANSACTION: say("transaction"),
        Sort.BALLOT: say("ballot"),
        Sort.REQUEST: say("request"),
        Sort.STUDY: say("study"),
        Sort.RELEASE: say("release"),
        Sort.MODEL: say("model"),
        Sort.DATASET: say("dataset"),
        Sort.MEMBER: say("member"),
        Sort.PERSON: say("person"),
        Sort.INCIDENT: say("incident"),
    }
