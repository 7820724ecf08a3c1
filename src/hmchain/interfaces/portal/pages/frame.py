"""The pages that everybody sees: the first one, signing in, one's keys, how pages look."""

from __future__ import annotations

import htpy as h
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.framing import choices, frame_of, keep
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
SIGNED_IN = Rule(Operation.VIEW, Scope.OWN)

pages = Pages()


@pages.show("/", SIGNED_IN)
def first(call: Call) -> Next | Page:
    """The first page of the role that somebody has."""
    frame = frame_of(call.request)
    if frame.role and any(entry.path == f"/{frame.role}" for entry in frame.entries):
        return Next(f"/{frame.role}")
    listed = [h.li[h.a(href=entry.path)[entry.path]] for entry in frame.entries]
    return Page(say("Welcome"), h.ul[listed] if listed else h.p[say("There is no page for your roles yet.")])


@pages.do("/display", ANYBODY)
def display(call: Call, fields: Fields) -> Response:
    """Remember how somebody wants pages to be."""
    response = RedirectResponse(local(fields.text("next")), 303)
    for name, is_any in choices(call.site).items():
        if is_any(value := fields.text(name)):
            keep(response, call.request, name, value)
    return response
