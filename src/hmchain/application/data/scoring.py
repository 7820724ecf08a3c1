"""Score de-identification: against a collection that is composed with its key, or one that somebody else answered."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hmchain.errors import InputError
from hmchain.keys import SecretKey
from hmchain.plain import Progress, tell
from hmchain.records.deidentification.outcome import Clean, Deidentifier, Held
from hmchain.records.deidentification.profile import PixelRules, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.score.answers import Answer, read_answers
from hmchain.records.deidentification.score.score import Score
from hmchain.records.sources.item import DICOM, Item

if TYPE_CHECKING:
    from hmchain.records.deidentification.score.scorer import Scorer

PROFILE = "tcia"
"""The challenge's own options: those that The Cancer Imaging Archive takes."""
PATIENTS = 320
"""Of the composed collection as a whole."""


class NothingAnsweredError(InputError):
    """An answer key is of none of the objects that it was given with."""

    code = "nothing_answered"


@dataclass(frozen=True)
class ScoredCollection:
    """The score of a collection, and what it was made of."""

    collection: str
    profile: str
    score: Score


def score_composed(
    patients: int = PATIENTS, profile: str = PROFILE, progress: Progress | None = None
) -> ScoredCollection:
    """Score so many patients of the composed collection. Raises `ProfileError`."""
    from hmchain.records.deidentification.score.composed import compose

    answered = ((_item(each.instance, each.data), each.answers) for each in compose(patients))
    name = f"{patients} composed patients"
    return ScoredCollection(name, profile, _scored(answered, profile, None, progress))


def score_collection(
    folder: Path, answers: Path, profile: str = PROFILE, progress: Progress | None = None
) -> ScoredCollection:
    """Score the objects in a folder by the challenge's answer key.

    Raises `AnswerKeyError`, `ProfileError`, `SourceError`, or `NothingAnsweredError` if the key is of other objects.
    """
    from hmchain.records.sources.dicom.files import DicomFiles

    key, source = read_answers(answers), DicomFiles.at(folder)
    answered = ((item, key.get(_instance(item), ())) for item in source.items(lambda mark: False))
    score = _scored(answered, profile, source.count(), progress)
    if not score.required and not score.missing:
        raise NothingAnsweredError(f"{answers} says nothing of what is in {folder}", "give the key of this collection")
    return ScoredCollection(str(folder), profile, score)


def _scored(
    answered: Iterable[tuple[Item, Iterable[Answer]]], profile: str, total: int | None, progress: Progress | None
) -> Score:
    from hmchain.records.deidentification.dicom.deidentifier import DicomDeidentifier
    from hmchain.records.deidentification.score.scorer import Scorer

    rules = msgspec.structs.replace(load_profile(profile), pixels=PixelRules(find_writing=True, blank_found=True))
    by, scorer = DicomDeidentifier(rules, Pseudonyms(SecretKey.generate(), "score")), Scorer()
    for count, (item, answers) in enumerate(answered, start=1):
        if answers:
            _score_one(item, answers, by, scorer)
        else:
            scorer.score.unknown += 1
        tell(progress, count, total)
    return scorer.score


def _score_one(item: Item, answers: Iterable[Answer], by: Deidentifier, scorer: Scorer) -> None:
    """Score one object; where a person would be asked, the person lets it pass with what was found blanked."""
    from pydicom import dcmread

    data, held = _outcome(item, by, reviewed=False)
    if held is not None and held.releasable:
        data, held = _outcome(replace(item, blank=held.regions), by, reviewed=True)
        scorer.score.reviewed += held is None
    if held is not None:
        scorer.score.missing[held.code] += 1
        return
    with item.open() as file:
        scorer.add(answers, dcmread(file, force=True), dcmread(io.BytesIO(data)))


def _outcome(item: Item, by: Deidentifier, *, reviewed: bool) -> tuple[bytes, Held | None]:
    for outcome in by.deidentify(item, reviewed=reviewed):
        if isinstance(outcome, Clean):
            return b"".join(bytes(piece) for piece in outcome.pieces()), None
        if isinstance(outcome, Held):
            return b"", outcome
    raise AssertionError("every object has an outcome")


def _item(name: str, data: bytes) -> Item:
    return Item(name, DICOM, partial(io.BytesIO, data))


def _instance(item: Item) -> str:
    from hmchain.records.deidentification.dicom.reading import SOP_INSTANCE, open_dicom

    try:
        with item.open() as file:
            return open_dicom(file).ascii(SOP_INSTANCE)
    except Exception:  # pydicom's parser raises almost anything on damaged bytes
        return ""


def failures(score: Score) -> Iterator[tuple[str, str, int]]:
    """The required actions that were not done, by name and path of the element, the most frequent first."""
    for (action, path), count in score.failures.most_common():
        yield action.value, path, count
