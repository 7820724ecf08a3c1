"""The panel in which whoever looks has the browser itself check an inclusion proof."""

from __future__ import annotations

import htpy as h

from hmchain.interfaces.portal.texts import say
from hmchain.interfaces.portal.wording import words


def proof_panel(file: str = "", transaction: str = "") -> h.Element:
    """The panel for the proof of a transaction (`file` is its path), or for one in a file.

    The anchor is brought by whoever checks.
    """
    known = {"data_proof": file, "data_transaction": transaction or None}
    return h.section("#proving.panel", aria_labelledby="proving-title", **known)[
        h.h2("#proving-title")[say("Check the proof in this browser")],
        h.p[say("The browser computes it all itself, from the anchor that you bring from elsewhere.")],
        h.p(".quiet")[
            say(
                "An anchor is the genesis digest that was printed when the network was founded, or the hash of a "
                "header from an audit of your own."
            )
        ],
        h.form("#check.entry")[
            h.div(".field")[
                h.label(for_="anchor")[say("Genesis digest, or hash of a trusted header")],
                h.input("#anchor", type="text", maxlength="64", autocomplete="off", spellcheck="false", required=True),
            ],
            h.div(".field")[
                h.label(for_="proof-file")[say("Another proof, from a file") if file else say("File of a proof")],
                h.input("#proof-file", type="file", accept="application/json,.json", required=not file),
            ],
            h.p(".send")[h.button(".main", type="submit", disabled=True)[say("Check")]],
            h.div(data_told=True, role="status"),
        ],
        h.div("#checked", role="status"),
        h.noscript[h.p[say("Without scripts, the command line checks the same file.")]],
        words(),
    ]  # fmt: skip
