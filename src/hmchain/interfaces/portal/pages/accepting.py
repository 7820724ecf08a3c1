"""Accepting an invitation: all that whoever is invited does before the portal lets them sign in."""

from __future__ import annotations

from typing import Annotated

import htpy as h
from fastapi import Path

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import delegate, people
from hmchain.application.governance.people import NoInvitationError
from hmchain.application.governance.signing import SignatureElsewhere
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Person
from hmchain.interfaces.api.signing import KeyElsewhere, ToSign, to_sign
from hmchain.interfaces.portal.components import empty
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.signing import SEND_ACCEPTANCE, sign_panel
from hmchain.interfaces.portal.texts import say
from hmchain.keys import ED25519, PublicKey

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
_KEY_DIGITS = "^[0-9a-f]{64}$"

pages = Pages()


@pages.show("/accept/{person}/{public}", ANYBODY)
def accept_page(call: Call, person: Person, public: Annotated[str, Path(pattern=_KEY_DIGITS)]) -> Page:
    """What the invitation of a key says, to be signed with it; nothing is told to who does not know the key."""
    title, raw = say("Accept an invitation"), bytes.fromhex(public)
    crumbs = ((say("Your keys"), "/keys"),)
    try:
        asked = _acceptance(call, raw)
    except NoInvitationError:
        words = say("No invitation waits for this key. An officer invites you with its file: save it for them on the "
                    "page of your keys. Who has accepted signs in.")  # fmt: skip
        return Page(title, empty(words, h.p[h.a(href="/sign-in")[say("Sign in")]]), crumbs=crumbs)
    lead = say("With your signature this key acts for the hospital, in the roles below. Then you sign in with it.")
    return Page(title, sign_panel(asked, "/sign-in", SEND_ACCEPTANCE), lead, crumbs=crumbs)


def _acceptance(call: Call, public: bytes) -> ToSign:
    """The acceptance of a key's invitation, to be signed. Raises `NoInvitationError`."""
    organisation = call.node.settings().organisation
    user = delegate.user_with(
        call.node, organisation, KeyElsewhere(PublicKey(ED25519, public)), call.site.live.ledger
    )  # fmt: skip
    try:
        people.accept(user, people.invited(user))
    except SignatureElsewhere as needed:
        return to_sign(*needed.messages)
    raise NoInvitationError("it is accepted already", "sign in")
