"""The page on which somebody signs: what the bytes ask for, as the server says and as the browser reads it itself."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import htpy as h

from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.signing import ToSign
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.texts import moment, say, theirs


def signing(found: ToSign, after: str = "") -> Page:
    """The page that shows what is to be signed; `after` is the page to see when it is in a block."""
    return Page(say("Sign"), sign_panel(found, after), lead=say("Nothing is sent before you sign."))


def sign_panel(found: ToSign, after: str = "") -> h.Element:
    """What is to be signed, for the script that reads, signs and sends it, and for people who sign elsewhere."""
    shown = {
        "message": found.message.hex(),
        "fields": found.fields,
        "chain_id": found.chain_id,
        "sender": found.sender.hex(),
        "expires_ms": found.expires_ms,
    }
    told = {"data_sign": json.dumps(shown), "data_after": local(after)}
    return h.section("#signing.panel.signing", aria_labelledby="asks", **told)[
        h.p("#asks.asks")[say("Whoever signs this asks to:"), " ", h.b[theirs(found.words), "."]],
        [h.p[theirs(sentence)] for sentence in found.sentences],
        _facts(found),
        h.div("#read", aria_live="polite"),
        h.p[
            h.button("#sign.main", type="button", hidden=True)[say("Sign and send")], " ",
            h.a(href=local(after))[say("Do not sign")],
        ],
        h.p("#signed", role="status"),
        _elsewhere(found),
    ]  # fmt: skip


def _facts(found: ToSign) -> h.Element:
    return definitions(
        (
            *((name.replace("_", " "), theirs(value)) for name, value in found.fields),
            (say("network"), found.chain_id),
            (say("signed by the key"), h.code[found.sender.hex()]),
            (say("can be sent until"), moment(found.expires_ms)),
        )
    )


def _elsewhere(found: ToSign) -> h.Element:
    """The way for a key that is not in this browser."""
    prepared = json.dumps({"message": base64.b64encode(found.message).decode(), "signature": ""})
    return h.details[
        h.summary[say("My key is elsewhere")],
        h.p[say("Sign these bytes where your key is, and put the signature in here.")],
        h.p[
            h.a(href=f"data:application/json,{quote(prepared)}", download="to-sign.json")[say("File to sign")],
            " ",
            h.code["hmchain sign attach to-sign.json --key KEY"],
        ],
        h.pre(".raw")[found.message.hex()],
        h.div(".field")[
            h.label(for_="signature")[say("Signature, 128 hexadecimal digits")],
            h.input("#signature", type="text", maxlength="128", autocomplete="off", spellcheck="false"),
        ],
        h.p[h.button("#send-signature", type="button")[say("Send with this signature")]],
    ]  # fmt: skip
