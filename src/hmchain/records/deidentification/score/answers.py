"""Answer keys: what must become of the elements of each object, in the form of the MIDI-B challenge.

The challenge gives a SQLite file with a table `answer_data`: a row an object, whose column `AnswerData` holds a JSON
object of required actions. Texts stand between angle brackets there; a tag's path names items of sequences by number.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from hmchain import sqlite
from hmchain.errors import DataError


class AnswerKeyError(DataError):
    """A file is no answer key."""

    code = "answer_key"


class Action(StrEnum):
    """What is required of an element, or of an object's pixels."""

    TEXT_REMOVED = "text_removed"
    DATE_SHIFTED = "date_shifted"
    UID_CHANGED = "uid_changed"
    PIXELS_HIDDEN = "pixels_hidden"
    UID_CONSISTENT = "uid_consistent"
    PATID_CONSISTENT = "patid_consistent"
    TEXT_RETAINED = "text_retained"
    TEXT_NOTNULL = "text_notnull"
    TAG_RETAINED = "tag_retained"
    PIXELS_RETAINED = "pixels_retained"


LEAKS = (Action.TEXT_REMOVED, Action.DATE_SHIFTED, Action.UID_CHANGED, Action.PIXELS_HIDDEN)
"""Actions that protect: one that is not done lets something out."""


class Answer(msgspec.Struct, frozen=True):
    """One required action."""

    action: Action
    path: str
    """Of the element: `(0008,1140)[0](0008,1155)`, `(0019,"SIEMENS MR HEADER",0C)`."""
    text: str = ""
    """The part of its value that must go or stay; nothing for all of it."""
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    """Of pixels to be hidden: left, top, width, height of each piece of writing, where the key says it."""


Answers = Mapping[str, list[Answer]]
"""The actions required of each object, by its SOP Instance UID."""


def read_answers(path: Path) -> Answers:
    """Read the challenge's answer key. Raises `AnswerKeyError`."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    try:
        with closing(sqlite.open_read_only(path, lambda _: _none(path))) as database:
            for instance, data in database.execute("SELECT SOPInstanceUID, AnswerData FROM answer_data"):
                found[str(instance)] += _answers(msgspec.json.decode(data))
    except (sqlite3.Error, msgspec.DecodeError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _none(path) from error
    if not found:
        raise AnswerKeyError(f"{path} requires nothing", "give the challenge's SQLite file with its rows")
    return dict(found)


def _none(path: Path) -> AnswerKeyError:
    return AnswerKeyError(f"{path} is no answer key", "give the challenge's SQLite file with the table answer_data")


def _answers(required: Mapping[str, Mapping[str, Any]]) -> Iterator[Answer]:
    for each in required.values():
        text = each.get("action_text") or each.get("value") or ""
        yield Answer(Action(_bare(each["action"])), _path(str(each.get("tag_ds") or each["tag"])), _bare(str(text)))


def _path(named: str) -> str:
    """A path as `values` writes it: without angle brackets, items counted without leading zeros."""
    parts = named.replace("<", "").replace(">", "").split("[")
    return "[".join([parts[0], *(f"{int(number)}]{rest}" for number, rest in (part.split("]") for part in parts[1:]))])


def _bare(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">").strip()
