"""The page on which somebody signs: what the bytes ask for, as the server says and as the browser reads it itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote

import htpy as h

from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.signing import ToSign
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.texts import moment, say, theirs
from hmchain.interfaces.portal.wording import words


def signing(found: ToSign, after: str = "") -> Page:
    """The page that shows what is to be signed; `after` is the page to see when it is in a block."""
    return Page(say("Sign"), sign_panel(found, after), lead=say("Nothing is sent before you sign."))


SEND, SEND_ACCEPTANCE = "/v1/transactions", "/v1/transactions/acceptance"


def sign_panel(found: ToSign, after: str = "", send: str = SEND) -> h.Element:
    """What is to be signed, for the script that reads, signs and sends it, and for people who sign elsewhere.

    `send` is the route that takes it.
    """
    every = (found, *found.more)
    told = {"data_sign": json.dumps([_told(each) for each in every]), "data_after": local(after)}
    told["data_send"] = send
    return h.section("#signing.panel.signing", aria_labelledby="asks", **told)[
        h.p("#asks.asks")[say("Whoever signs this asks to:"), " ", [h.b[theirs(each.words), ". "] for each in every]],
        [_said(each) for each in every],
        h.div("#read", aria_live="polite"),
        h.p[
            h.button("#sign.main", type="button", hidden=True)[say("Sign and send")], " ",
            h.a(href=local(after))[say("Do not sign")],
        ],
        h.p("#signed", role="status"),
        _elsewhere(every),
        words(),
    ]  # fmt: skip


def _told(found: ToSign) -> dict[str, object]:
    """What the browser holds against the bytes."""
    return {
        "message": found.message.hex(), "fields": found.fields, "chain_id": found.chain_id,
        "sender": found.sender.hex(), "expires_ms": found.expires_ms,
    }  # fmt: skip


def _said(found: ToSign) -> h.Node:
    facts = (
        *((name.replace("_", " "), theirs(value)) for name, value in found.fields),
        (say("network"), found.chain_id),
        (say("signed by the key"), h.code[found.sender.hex()]),
        (say("can be sent until"), moment(found.expires_ms)),
    )
    return [[h.p[theirs(sentence)] for sentence in found.sentences], definitions(facts)]


def _elsewhere(every: Sequence[ToSign]) -> h.Element:
    """The way for a key that is not in this browser."""
    return h.details[
        h.summary[say("My key is elsewhere")],
        h.p[say("Sign these bytes where your key is, and put the signature in here.")],
        [_file(each, number) for number, each in enumerate(every, start=1)],
        h.p[h.code["hmchain sign attach to-sign.json --key KEY"]],
        h.div(".field")[
            h.label(for_="signature")[say("Signature, 128 hexadecimal digits; of several, a line each")],
            h.textarea("#signature", rows=str(len(every)), autocomplete="off", spellcheck="false"),
        ],
        h.p[h.button("#send-signature", type="button", disabled=True)[say("Send with this signature")]],
    ]


def _file(found: ToSign, number: int) -> h.Node:
    prepared = json.dumps({"message": base64.b64encode(found.message).decode(), "signature": ""})
    name = "to-sign.json" if number == 1 else f"to-sign-{number}.json"
    address = f"data:application/json,{quote(prepared)}"
    return [h.p[h.a(href=address, download=name)[say("File to sign")]], h.pre(".raw")[found.message.hex()]]
