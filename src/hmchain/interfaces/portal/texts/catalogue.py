"""The catalogue: a text in the language of whoever reads."""

from __future__ import annotations

import gettext
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from io import BytesIO

import htpy as h
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from hmchain.interfaces.portal.texts.figures import amount
from hmchain.interfaces.portal.texts.languages import ENGLISH, language

SERVICES = "services"
"""The room of what services say."""
_SENTENCE_LETTERS_MAX = 2000
_WORDS = re.compile(r"[a-z] | [a-z]")
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Later:
    """A text that is said when the language is known: names of pages, in tables that are made once."""

    english: str


def later(text: str) -> Later:
    """Note a text for the catalogue; `of_later` says it."""
    return Later(text)


def of_later(text: Later) -> str:
    """Say a text that was noted."""
    return _translations(language()).gettext(text.english)


def say(text: str, **values: object) -> str:
    """A text; `{name}` stands for a value. The text is written out where it is said: it is found there."""
    return _filled(_translations(language()).gettext(text), values)


def say_n(one: str, many: str, count: int, **values: object) -> str:
    """A text for one, or for `{count}` of something."""
    return _filled(_translations(language()).ngettext(one, many, count), {"count": amount(count), **values})


def compose(text: str, **parts: h.Node) -> h.Fragment:
    """A text with elements in its places: `compose("{who} asks", who=h.b[name])`."""
    pieces = _PLACE.split(_translations(language()).gettext(text))
    return h.fragment[[parts[piece] if index % 2 else piece for index, piece in enumerate(pieces)]]


def theirs(text: str) -> h.Node:
    """What a service says in English: in the reader's language if the catalogue has it, else marked as English.

    A text without two words is a name, a code or a day, and stays as it is.
    """
    if language() == ENGLISH or not text:
        return text
    found = _sentence(text, language())
    if found is None:
        return h.span(lang=ENGLISH)[text] if _WORDS.search(text) else text
    return found


@lru_cache(maxsize=8192)
def _sentence(text: str, code: str) -> str | None:
    """A service's sentence in a language, with or without its first capital and its stop; None if nobody wrote it."""
    forms = [(text, "")]
    if text.endswith("."):
        forms.insert(0, (text[:-1], "."))
    for whole, stop in forms:
        if (found := _fitted(whole, code)) is not None:
            return f"{found}{stop}"
        small = f"{whole[:1].lower()}{whole[1:]}"
        if small != whole and (found := _fitted(small, code)) is not None:
            return f"{found[:1].upper()}{found[1:]}{stop}"
    for joint in ("; ", ", "):
        parts = [_fitted(part, code) for part in text.split(joint)] if joint in text else [None]
        if None not in parts:
            return joint.join(filter(None, parts))
    return None


def _fitted(text: str, code: str) -> str | None:
    if text and (found := _translations(code).gettext(text)) != text:
        return found
    for pieces, translated in _sentences(code) if len(text) <= _SENTENCE_LETTERS_MAX else ():
        values = _values(pieces, text, code)
        if values is not None:
            return _filled(translated, values)
    return None


def _values(pieces: Sequence[str], text: str, code: str) -> dict[str, object] | None:
    """What stands in a text in the places of a sentence; None if it is another sentence."""
    fixed, names = pieces[::2], pieces[1::2]
    place, end = len(fixed[0]), len(text) - len(fixed[-1])
    if place >= end or not (text.startswith(fixed[0]) and text.endswith(fixed[-1])):
        return None
    values: dict[str, object] = {}
    for name, after in zip(names, (*fixed[1:-1], ""), strict=True):
        stop = text.find(after, place + 1, end) if after else end
        value = text[place:stop] if stop > place else ""
        said = _sentence(value, code) if name.endswith("words") else value
        if not said or (name.endswith("number") and not value.replace(",", "").isdecimal()):
            return None
        values[name], place = said, stop + len(after)
    return values


@cache
def _sentences(code: str) -> list[tuple[list[str], str]]:
    """The sentences of services that have places, cut at those, and their translations: the more of their own first."""
    found = [
        (_PLACE.split(str(message.id)), str(message.string))
        for message in catalogues(code).get(SERVICES, ())
        if message.string and _PLACE.search(str(message.id))
    ]
    return sorted(found, key=lambda each: -sum(map(len, each[0][::2])))


def _filled(text: str, values: dict[str, object]) -> str:
    """A text with its values, which are put in as they are; without any its places stay, for a script to fill."""
    return _PLACE.sub(lambda found: str(values[found[1]]), text) if values else text


@cache
def _translations(code: str) -> gettext.NullTranslations:
    if code == ENGLISH:
        return gettext.NullTranslations()
    whole = Catalog(locale=code)
    for each in catalogues(code).values():
        for message in each:
            if message.id and message.string:
                whole[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def catalogues(code: str) -> dict[str, Catalog]:
    """The catalogues of a language by room, as the files have them."""
    folder = resources.files(__package__).joinpath(code)
    return {
        file.name.removesuffix(".po"): read_po(BytesIO(file.read_bytes()), locale=code)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".po")
    }
