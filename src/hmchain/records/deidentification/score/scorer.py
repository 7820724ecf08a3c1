"""Counts which of the required actions were done, object by object, and says of which elements they were not."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from pydicom.dataset import Dataset

from hmchain.records.deidentification.score.answers import Action, Answer
from hmchain.records.deidentification.score.score import Score
from hmchain.records.deidentification.score.values import values

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE)
_SMALL_WORDS = frozenset({"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to"})
_PATIENT_ID = "(0010,0020)"


class Scorer:
    """Scores the objects of one collection one after the other."""

    def __init__(self) -> None:
        self.score = Score()
        self._new: dict[tuple[str, str], str] = {}
        """The new identifier that each old one was given first."""
        self._old: dict[tuple[str, str], str] = {}

    def add(self, answers: Iterable[Answer], before: Dataset, after: Dataset) -> None:
        """Score one object, as it was and as it came out."""
        self.score.objects += 1
        was, became = values(before), values(after)
        for answer in answers:
            if answer.action in (Action.PIXELS_HIDDEN, Action.PIXELS_RETAINED):
                done = _pixels_done(answer, before, after)
            elif answer.action in (Action.UID_CONSISTENT, Action.PATID_CONSISTENT):
                done = self._is_consistent(answer, was.get(answer.path, ""), became.get(answer.path))
            else:
                done = _text_done(answer, was.get(answer.path, ""), became.get(answer.path))
            self.score.add(answer.action, answer.path, done=done)

    def _is_consistent(self, answer: Answer, old: str, new: str | None) -> bool:
        """Tell whether an identifier became what it became before, and nothing else became that.

        What was removed is consistent; an identifier that every object has must stay one.
        """
        kind = "patient" if answer.path == _PATIENT_ID else "uid"
        if not new:
            return kind == "uid" and answer.path not in ("(0008,0018)", "(0020,000d)", "(0020,000e)")
        same = self._new.setdefault((kind, old), new) == new and self._old.setdefault((kind, new), old) == old
        self.score.ambiguous += not same
        return same


def _text_done(answer: Answer, old: str, new: str | None) -> bool:
    """Tell whether what is required of a text was done; `new` is None if the element is gone."""
    text = answer.text or old
    match answer.action:
        case Action.TAG_RETAINED:
            return new is not None
        case Action.TEXT_NOTNULL:
            return bool(new)
        case Action.TEXT_RETAINED:
            return new is not None and _retained(text, new)
        case Action.TEXT_REMOVED:
            return not new or _removed(text, new)
    bare = text.replace("\\", "")  # dates and UIDs
    return not new or not bare or bare not in new.replace("\\", "")


def _retained(text: str, new: str) -> bool:
    if _equal_numbers(text, new) or text.lower() in new.lower():
        return True
    return bool(words := _words(text)) and words <= _words(new)


def _removed(text: str, new: str) -> bool:
    if _NUMBER.fullmatch(text) and _NUMBER.fullmatch(new):
        return not _equal_numbers(text, new)
    return bool(text) and text.lower() not in new.lower() and not any(word in new.lower() for word in _words(text))


def _equal_numbers(one: str, other: str) -> bool:
    pairs = list(zip(one.split("\\"), other.split("\\"), strict=False))
    if one.count("\\") != other.count("\\") or not all(_NUMBER.fullmatch(each) for pair in pairs for each in pair):
        return False
    return all(float(a) == float(b) for a, b in pairs)


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower().replace("_", " ")) if word not in _SMALL_WORDS}


def _pixels_done(answer: Answer, before: Dataset, after: Dataset) -> bool:
    if answer.action is Action.PIXELS_RETAINED:
        return _equal(before, after)
    if not answer.boxes:
        return not _equal(before, after)
    was, now = before.pixel_array, after.pixel_array
    return all(_is_hidden(was, now, box) for box in answer.boxes)


def _is_hidden(was: np.ndarray, now: np.ndarray, box: tuple[int, int, int, int]) -> bool:
    """Tell whether nothing is left of what was drawn in a box: there all is one value in every frame."""
    left, top, width, height = box
    rows = was.ndim - (3 if was.shape[-1] == 3 else 2)
    part = np.moveaxis(now, rows, 0)[top : top + height]
    part = np.moveaxis(part, rows + 1, 1)[:, left : left + width]
    return bool((part == part.flat[0]).all())


def _equal(one: Dataset, other: Dataset) -> bool:
    """Tell whether two objects show the same: by their bytes, or by their samples where they are coded unlike."""
    if "PixelData" not in one or "PixelData" not in other:
        return "PixelData" not in one and "PixelData" not in other
    if one.PixelData == other.PixelData:
        return True
    was, now = one.pixel_array, other.pixel_array
    return was.shape == now.shape and bool((was == now).all())
