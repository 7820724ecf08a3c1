"""The keys in a browser, and how pages look."""

from __future__ import annotations

import json
from typing import Any

import htpy as h
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import script_field, section
from hmchain.interfaces.portal.framing import choices, keep
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.registry import Fields, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.interfaces.portal.wording import words

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)

pages = Pages()


@pages.do("/display", ANYBODY)
def display(call: Call, fields: Fields) -> Response:
    """Remember how somebody wants pages to be."""
    response = RedirectResponse(local(fields.text("next")), 303)
    for name, is_any in choices(call.site).items():
        if is_any(value := fields.text(name)):
            keep(response, call.request, name, value)
    return response


@pages.show("/keys", ANYBODY)
def keys(call: Call) -> Page:
    """The keys in this browser."""
    with call.ledger() as ledger:
        chain_id = "" if call.site.is_read_only else ledger.genesis.chain_id
    here = {"chain_id": chain_id, "organisation": call.site.hospitals[0]}
    return Page(
        say("Your keys"),
        h.div(data_keys=json.dumps(here))[
            _kept(),
            section(say("Make a key"), _make()),
            section(say("Take a key from a file"), _take()),
            h.noscript[
                h.p(".problem")[say("Keys in the browser need scripts. Without them, sign with the command line.")]
            ],
            words(),
        ],
        lead=say("What you decide is signed by a key of your own. It is made here, and stays in this browser."),
    )


def _kept() -> h.Element:
    return h.section(aria_labelledby="kept-title")[
        h.h2("#kept-title")[say("In this browser")], h.div("#kept", tabindex="-1")
    ]


def _make() -> h.Element:
    about = say("An officer invites you with it, by the name that the ledger has for you.")
    sealed = say(
        "At least 12 letters; without one no key is made. It seals the key: whoever finds its file can sign nothing "
        "without it, and nobody can give it to you again."
    )
    return h.form("#make.entry")[
        script_field("name", say("Your name on the ledger"), about, pattern=_NAME, maxlength="40"),
        script_field("passphrase", say("Passphrase"), sealed, type="password", **_NEW),
        script_field("again", say("The passphrase again"), type="password", **_NEW),
        h.p(".send")[h.button(".main", type="submit", disabled=True)[say("Make the key")]],
        h.div(data_told=True, role="status"),
    ]


def _take() -> h.Element:
    unsealed = say(
        "The one that the file was sealed with. If the file is not sealed: a new one, at least 12 letters, which seals "
        "the copy in this browser."
    )
    return h.form("#take.entry")[
        script_field("key-file", say("Key file"), type="file"),
        script_field("take-name", say("Your name on the ledger"), pattern=_NAME, maxlength="40"),
        script_field("take-passphrase", say("Passphrase"), unsealed, type="password", autocomplete="current-password"),
        h.p(".send")[h.button(type="submit", disabled=True)[say("Take the key")]],
        h.div(data_told=True, role="status"),
    ]


_NAME = "[a-z0-9][a-z0-9._\\-]*"
_NEW: Any = {"autocomplete": "new-password", "minlength": "12"}
