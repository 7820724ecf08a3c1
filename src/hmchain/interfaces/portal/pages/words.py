"""Words for what the ledger has as codes, and pieces that pages of several roles show."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import htpy as h

from hmchain.application.access.permissions import Rule, allowed
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, PLAIN, WARN, badge
from hmchain.interfaces.portal.texts import Later, later, moment, of_later, theirs

_STANDINGS: dict[str, tuple[Later, str]] = {
    "draft": (later("draft"), PLAIN),
    "submitted": (later("submitted"), PLAIN),
    "returned": (later("returned, to be changed"), WARN),
    "closed": (later("closed"), PLAIN),
    "requested": (later("asked for"), PLAIN),
    "waiting": (later("waits"), WARN),
    "undecided": (later("waits"), WARN),
    "approved": (later("approved"), GOOD),
    "rejected": (later("rejected"), BAD),
    "denied": (later("no, by its policy"), BAD),
    "revoked": (later("taken back"), BAD),
    "refused": (later("refused"), BAD),
    "yes": (later("yes"), GOOD),
    "no": (later("no"), BAD),
    "look": (later("a person decides"), WARN),
    "proposed": (later("proposed"), PLAIN),
    "agreeing": (later("keys are agreed"), PLAIN),
    "confirming": (later("keys are confirmed"), PLAIN),
    "running": (later("runs"), GOOD),
    "paused": (later("paused"), WARN),
    "finished": (later("finished"), GOOD),
    "asked": (later("inside; asked for"), WARN),
    "released": (later("released"), GOOD),
    "withdrawn": (later("withdrawn"), PLAIN),
    "granted": (later("yes"), GOOD),
    "justified": (later("justified"), GOOD),
    "unjustified": (later("not justified"), BAD),
    "accepted": (later("accepted"), GOOD),
    "allowed": (later("allowed"), GOOD),
    "ended": (later("ended"), PLAIN),
}
"""How something stands: its words, and how they are meant."""


def standing(code: str) -> h.Element:
    """How something stands, as a badge; a code that is not known stands for itself."""
    words, kind = _STANDINGS.get(code, (None, PLAIN))
    return badge(of_later(words) if words else code, kind)


def standing_words(code: str) -> str:
    """The same as text."""
    found = _STANDINGS.get(code)
    return of_later(found[0]) if found else code


def capital(words: str) -> str:
    """A sentence as it begins; a name, such as that of a dataset, stays as it is."""
    first = words.partition(" ")[0]
    return words if "/" in first else f"{words[:1].upper()}{words[1:]}"


def at(*parts: str | int) -> str:
    """A path of the portal, each part of it as it is, whoever named it."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def terms(found: Iterable[tuple[str, str]]) -> h.Element:
    """Names and what stands behind each, in a service's words."""
    return definitions(((theirs(name), theirs(value)) for name, value in found), "facts worded")


def until(time_ms: int) -> h.Node:
    """A moment as a page's reader and its scripts know it; a dash for none."""
    return h.time(datetime=str(time_ms))[moment(time_ms)] if time_ms else "–"


def is_own(call: Call) -> bool:
    """Whether whoever looks is of the hospital whose portal this is: others see what every ledger has."""
    return call.site.is_read_only or (call.who is not None and call.who.organisation == call.organisation)


def may(call: Call, rule: Rule) -> bool:
    """Whether whoever looks may do what a rule is of; nobody does anything in a finished run."""
    return not call.site.is_read_only and allowed(rule, call.who, call.organisation)
