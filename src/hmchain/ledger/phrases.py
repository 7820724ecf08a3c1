"""What people call things on the ledger: short phrases, never a sentence; and bytes that hold nothing longer.

Text on a ledger can never be taken back. A name of a few words can still say what it must not; whoever votes on it, or
decides on it, reads it.
"""

from __future__ import annotations

import re
from typing import Any

from hmchain.canonical import NotCanonicalError, decode

PHRASE_CHARACTERS_MAX, PHRASE_WORDS_MAX = 80, 6
MEDIA_TYPE_CHARACTERS_MAX = 80
OPTIONS_CHARACTERS_MAX = 1024
"""Of the JSON in which a trainer's options are pinned."""
DEPTH_MAX = 8
"""How deep lists, and encodings in encodings, may stand in each other."""
NUMBER_MAX = 1 << 53
_DIGEST_BYTES = 32
_PLAIN_NUMBER_BYTES = 2
"""Of numbers that nobody counts: nearly all that a model or a schedule pins."""

_LETTERS = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f"
"""Latin, Greek and Cyrillic, by number: what Python calls a letter changes with its version."""
_WORD = re.compile(rf"[0-9{_LETTERS}.,_+/()&'%<>=:-]+")
_MEDIA_TYPE = re.compile(r"[a-z][a-z0-9-]*/[a-z0-9][a-z0-9.+-]*")
_OPTIONS = re.compile(r'\{([\[\]{},:]|"[A-Za-z0-9_.-]{0,32}"|-?[0-9][0-9.eE+-]{0,24}|true|false)*\}')


def is_phrase(text: str, characters: int = PHRASE_CHARACTERS_MAX, words: int = PHRASE_WORDS_MAX) -> bool:
    """Whether `text` is a few words of letters, digits and signs, with one space between two."""
    found = text.split(" ")
    return len(text) <= characters and len(found) <= words and all(map(_WORD.fullmatch, found))


def is_media_type(text: str) -> bool:
    """Whether `text` looks like a media type, such as application/dicom."""
    return len(text) <= MEDIA_TYPE_CHARACTERS_MAX and _MEDIA_TYPE.fullmatch(text) is not None


def holds_no_text(data: bytes, characters: int) -> bool:
    """Whether bytes are nothing, or the one encoding of numbers, digests, short words and options, and lists of these.

    In all of it stand no more than so many characters: a digest counts as 32, and a wide number as what it has room
    for, since neither need be what it seems. What it means is another layer's business.
    """
    return not data or _left(data, characters, DEPTH_MAX) >= 0


def _left(data: bytes, characters: int, depth: int) -> int:
    """How many characters are left to what follows; less than 0 where something must not stand there."""
    try:
        value = decode(data, Any)  # what nests so deep that it does not decode is too deep as well
    except NotCanonicalError:
        return -1
    return _left_after(value, characters, depth - 1)


def _left_after(value: Any, characters: int, depth: int) -> int:
    match value:
        case None | bool():
            return characters
        case int():
            return characters - _room(value) if -NUMBER_MAX <= value <= NUMBER_MAX else -1
        case str():
            return characters - len(value) if not value or is_phrase(value) or _is_options(value) else -1
        case bytes():
            is_digest = len(value) in (0, _DIGEST_BYTES)
            return characters - len(value) if is_digest else _left(value, characters, depth)
        case list() if depth:
            for each in value:
                characters = _left_after(each, characters, depth - 1)
                if characters < 0:
                    break
            return characters
    return -1


def _room(number: int) -> int:
    """How many characters a number could stand for: one for each byte that it has beyond two."""
    return max(0, (number.bit_length() + 7) // 8 - _PLAIN_NUMBER_BYTES)


def _is_options(text: str) -> bool:
    return len(text) <= OPTIONS_CHARACTERS_MAX and _OPTIONS.fullmatch(text) is not None
