"""The catalogue: a text in the language of whoever reads."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO

import htpy as h
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from hmchain.interfaces.portal.texts.figures import amount
from hmchain.interfaces.portal.texts.languages import ENGLISH, language

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
    """What a service says in English: in the reader's language if the catalogue has it, else marked as English."""
    if language() == ENGLISH or not text:
        return text
    found = _translations(language()).gettext(text)
    return h.span(lang=ENGLISH)[text] if found == text else found


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
