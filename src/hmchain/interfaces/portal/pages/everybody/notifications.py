"""All that waits for whoever looks, and what of it was seen."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.watching.personal import Shown
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty, form, fresh
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.everybody.home import notices, waiting_for
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import later, say

VIEW = Rule(Operation.VIEW, Scope.OWN)
PATH = "/notifications"

pages = Pages()


def unseen_count(call: Call) -> int:
    """So many wait that were not seen."""
    return sum(not each.seen for each in waiting_for(call))


@pages.show(PATH, VIEW, later("Notifications"), unseen_count)
def notifications_page(call: Call) -> Page:
    """All that waits for whoever looks."""
    return notifications(waiting_for(call), "" if call.site.is_read_only else csrf_of(call.request))


@pages.do(f"{PATH}/seen", VIEW)
def seen(call: Call, fields: Fields) -> Next:
    """Remember that all that is shown was seen."""
    watch.of_app(call.request.app).personal.mark(call.person, fields.texts("id"))
    return Next(PATH)


def notifications(found: Sequence[Shown], csrf: str) -> Page:
    """All of it, the urgent first, and a way to say that it was seen."""
    lead = say("What waits for you, the urgent first. It goes by itself once it is done.")
    if not found:
        return Page(say("Notifications"), empty(say("Nothing waits for you.")), lead)
    unseen = [h.input(type="hidden", name="id", value=each.notification.id) for each in found if not each.seen]
    mark = form(f"{PATH}/seen", csrf, unseen, sends=say("I have seen all of it")) if csrf and unseen else None
    return Page(say("Notifications"), [fresh("all", PATH, (), notices(found)), mark], lead)
