"""The languages of the portal, and which one whoever reads gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from babel.core import Locale, UnknownLocaleError, negotiate_locale

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch"}
"""By code, each by its own name."""
_TAGS_MAX = 20
_LANGUAGE: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """The code of the language that is spoken now."""
    return _LANGUAGE.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language meanwhile; English where there is no such one."""
    before = _LANGUAGE.set(code if code in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _LANGUAGE.reset(before)


def wanted(chosen: str, accepted: str, setting: str = ENGLISH) -> str:
    """The language for somebody: what was chosen, else what the browser asks for, else what the hospital set."""
    if chosen in LANGUAGES:
        return chosen
    tags = [part.partition(";") for part in accepted.split(",")[:_TAGS_MAX]]
    ordered = sorted(((_weight(more), tag.strip()) for tag, _, more in tags), key=lambda each: -each[0])
    asked = [tag for weight, tag in ordered if weight > 0 and _is_locale(tag)]
    return negotiate_locale(asked, list(LANGUAGES), sep="-") or (setting if setting in LANGUAGES else ENGLISH)


def _weight(text: str) -> float:
    found = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)\s*", text)
    return float(found[1]) if found else 0.0 if text.strip() else 1.0


@lru_cache(maxsize=256)
def _is_locale(tag: str) -> bool:
    try:
        Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True
