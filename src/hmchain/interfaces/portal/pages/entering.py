"""Signing in: with a key in this browser, a passkey, a key elsewhere, or the organisation's own sign-in."""

from __future__ import annotations

import json
from urllib.parse import quote

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import script_field, section
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import say
from hmchain.interfaces.portal.wording import words

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)

pages = Pages()


@pages.show("/sign-in", ANYBODY)
def sign_in(call: Call, next: str = "/") -> Page:
    """The ways in; what proves who somebody is goes from the browser to the API."""
    there = local(next)
    return Page(
        say("Sign in"),
        h.div(data_sign_in=json.dumps({"next": there}))[
            h.div("#ways"),
            _by_key(call.site.hospitals[0]),
            _by_passkey(),
            h.p("#by-oidc", hidden=True)[
                h.a(".button", href=f"/v1/oidc/start?next={quote(there)}")[say("Sign in at your organisation")]
            ],
            _elsewhere(),
            h.noscript[h.p(".problem")[say("Signing in needs scripts: what you sign with stays in your browser.")]],
            words(),
        ],
    )


def _by_key(organisation: str) -> h.Element:
    return section(
        say("With your key"),
        h.p("#no-key", hidden=True)[
            say("There is no key in this browser yet."), " ",
            h.a(href="/keys")[say("Make one, or take one from a file")],
        ],
        h.form("#by-key.entry")[
            h.div(".field")[h.label(for_="key")[say("Key in this browser")], h.select("#key", disabled=True)],
            script_field("person", say("Your name on the ledger"), say("Or an office: steward, scientist.")),
            script_field("organisation", say("Organisation"), value=organisation),
            h.p(".send")[h.button(".main", type="submit", disabled=True)[say("Sign in")]],
            h.div(data_told=True, role="status"),
        ],
    )  # fmt: skip


def _by_passkey() -> h.Element:
    return h.form("#by-passkey.entry", hidden=True)[
        h.h2[say("With a passkey")],
        h.p(".send")[h.button(type="submit", disabled=True)[say("Use a passkey")]],
        h.div(data_told=True, role="status"),
    ]


def _elsewhere() -> h.Element:
    line = say("Sign this line where your key is, and bring the signature back. It is good once, for two minutes.")
    return h.details[
        h.summary[say("My key is elsewhere")],
        h.form("#elsewhere.entry")[
            script_field("person-elsewhere", say("Your name on the ledger")),
            h.div("#line-part", hidden=True)[
                h.p[line],
                h.pre("#line.raw"),
                h.p[h.code["hmchain sign challenge LINE --key KEY"]],
                script_field("sign-in-signature", say("Signature, 128 hexadecimal digits"), required=False),
            ],
            h.p(".send")[h.button(type="submit", disabled=True)[say("Go on")]],
            h.div(data_told=True, role="status"),
        ],
    ]
