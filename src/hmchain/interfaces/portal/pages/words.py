"""Pieces that pages of several roles show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import htpy as h

from hmchain.application.access.permissions import Rule, allowed
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import PLAIN, badge
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes.requests import ANSWERS, DEEDS, KINDS
from hmchain.interfaces.portal.pages.codes.standings import STANDINGS
from hmchain.interfaces.portal.texts import moment, of_later, theirs
from hmchain.ledger.readers.requests import RequestView, Word

_TERM = re.compile(r"\b([A-Z]+:\d+), ([^;]+)")


def standing(code: str) -> h.Element:
    """How something stands, as a badge; a code that is not known stands for itself."""
    words, kind = STANDINGS.get(code, (None, PLAIN))
    return badge(of_later(words) if words else code, kind)


def standing_words(code: str) -> str:
    """The same as text."""
    found = STANDINGS.get(code)
    return of_later(found[0]) if found else code


def said(word: Word) -> h.Node:
    """What somebody did beside a request, and what for an answer that was."""
    return f"{codes.word(DEEDS, word.kind)} {codes.word(ANSWERS, word.said)}".strip()


def purpose(code: str) -> h.Node:
    """A purpose in words, with its code after them."""
    return theirs(words_first(purpose_words(code)))


def in_short(view: RequestView) -> str:
    """What a request is about, for one that has no title: what it is to, and what for."""
    if view.content is None:
        return view.request
    purposes = ", ".join(str(purpose(each)).partition(" (")[0] for each in view.content.purposes)
    return f"{codes.word(KINDS, view.content.kind)}: {purposes}"


def capital(words: str) -> str:
    """A sentence as it begins; a name, such as that of a dataset, stays as it is."""
    first = words.partition(" ")[0]
    return words if "/" in first else f"{words[:1].upper()}{words[1:]}"


def at(*parts: str | int) -> str:
    """A path of the portal, each part of it as it is, whoever named it."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def terms(found: Iterable[tuple[str, str]]) -> h.Element:
    """Names and what stands behind each, in a service's words."""
    return definitions(((theirs(name), theirs(words_first(value))) for name, value in found), "facts worded")


def words_first(text: str) -> str:
    """A text in which the words of a term stand before its code: `glioma (MONDO:0021042)`."""
    return _TERM.sub(r"\2 (\1)", text)


def until(time_ms: int) -> h.Node:
    """A moment as a page's reader and its scripts know it; a dash for none."""
    return h.time(datetime=str(time_ms))[moment(time_ms)] if time_ms else "–"


def is_own(call: Call) -> bool:
    """Whether whoever looks is of the hospital whose portal this is: others see what every ledger has."""
    return call.site.is_read_only or (call.who is not None and call.who.organisation == call.organisation)


def may(call: Call, rule: Rule) -> bool:
    """Whether whoever looks may do what a rule is of; nobody does anything in a finished run."""
    return not call.site.is_read_only and allowed(rule, call.who, call.organisation)
