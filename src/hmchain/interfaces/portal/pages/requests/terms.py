"""Terms that hospitals ask for: what they say, who has accepted them, and one's own word."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.requests import acceptance
from hmchain.application.governance.requests.acceptance import TermsInWords
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import after_field, check_field, empty, form, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.requests.rules import APPLY
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say, theirs
from hmchain.plain import size

READ = Rule(Operation.VIEW, Scope.HOSPITAL)

pages = Pages()


@pages.show("/requests/{name}/terms", READ)
def terms(call: Call, name: str) -> Page:
    """All terms of a request."""
    objects = call.papers.objects()
    with call.ledger() as ledger:
        found = acceptance.in_words(ledger.verified.state, objects, name)
    mine = [each for each in found if call.person.name in each.asked.open_to]
    return Page(
        say("Terms of {request}", request=name),
        [
            [section(say("Terms {digest}", digest=each.asked.digest.hex()[:12]), _one(each)) for each in found],
            empty(say("No hospital asks for terms.")) if not found else None,
            _accept(call, name, mine) if any(each.asked.due for each in mine) else None,
        ],
        lead=say("A hospital wrote them. Until all whom they bind have accepted, nothing is allowed."),
        crumbs=((say("Requests"), "/requests"), (name, at("requests", name))),
        active="/requests",
    )  # fmt: skip


def _one(each: TermsInWords) -> list[h.Node]:
    wording = each.wording
    return [
        definitions((
            (say("asked by"), ", ".join(each.asked.by)),
            (say("accepted by"), ", ".join(each.asked.accepted)),
            (say("yet to accept"), ", ".join(each.asked.open_to)),
            (say("file"), theirs(wording.reason) if each.is_lost else f"{wording.media}, {size(wording.size)}"),
            (say("digest"), h.code[each.asked.digest.hex()]),
        )),
        h.pre(".letter")[wording.text] if wording.text else None,
    ]  # fmt: skip


def _accept(call: Call, name: str, mine: list[TermsInWords]) -> h.Element:
    lost = sum(each.is_lost for each in mine)
    return section(
        say("Accept them"),
        form(
            at("requests", name, "accept"), csrf_of(call.request),
            after_field(at("requests", name)),
            [h.input(type="hidden", name="read", value=each.asked.digest.hex()) for each in mine],
            check_field("unread", say("I accept also what cannot be read here")) if lost else None,
            sends=say("Keep to these terms"),
        ),
    )  # fmt: skip


@pages.do("/requests/{name}/accept", APPLY)
def accept(call: Call, name: str, fields: Fields) -> Next:
    """Accept the terms that were shown; others may have been asked for meanwhile."""
    with call.user() as user:
        waiting = acceptance.left(user, call.papers.objects(), name)
        left = [each for each in waiting if each.asked.digest.hex() in fields.texts("read")]
        if fields.text("unread") != "yes":
            acceptance.require_read(left, name)
        acceptance.accept(user, name, left)
    return Next(at("requests", name), say("The terms are accepted."))
