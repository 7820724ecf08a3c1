"""The score against an answer key: what counts as done, the challenge's form of a key, and the composed collection."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hmchain.application.data import scoring
from hmchain.application.data.scoring import NothingAnsweredError
from hmchain.records.deidentification.score.answers import LEAKS, Action, Answer, AnswerKeyError, read_answers
from hmchain.records.deidentification.score.composed import compose
from hmchain.records.deidentification.score.scorer import Scorer
from hmchain.records.deidentification.score.values import values

NAME, DESCRIPTION, REFERENCED = "(0010,0010)", "(0008,1030)", "(0008,1140)[0](0008,1155)"


def made(
    name: str | None = "Quince^Ada", description: str | None = "CT CHEST QUINCE 5.0", uid: str = "1.2.3"
) -> Dataset:
    dataset, item = Dataset(), Dataset()
    if name is not None:
        dataset.PatientName = name
    if description is not None:
        dataset.StudyDescription = description
    item.ReferencedSOPInstanceUID = uid
    dataset.ReferencedImageSequence = Sequence([item])
    return dataset


@pytest.mark.parametrize(
    ("answer", "after", "done"),
    [
        (Answer(Action.TEXT_REMOVED, NAME), made(name="3f2a"), True),
        (Answer(Action.TEXT_REMOVED, NAME), made(name=None), True),
        (Answer(Action.TEXT_REMOVED, NAME), made(name="QUINCE^X"), False),
        (Answer(Action.TEXT_REMOVED, DESCRIPTION, "QUINCE"), made(description="CT CHEST"), True),
        (Answer(Action.TEXT_REMOVED, DESCRIPTION, "QUINCE"), made(description="quince"), False),
        (Answer(Action.TEXT_RETAINED, DESCRIPTION, "CT CHEST 5.0"), made(description="CT CHEST 5.0"), True),
        (Answer(Action.TEXT_RETAINED, DESCRIPTION, "CT CHEST 5.0"), made(description="CT 5.0"), False),
        (Answer(Action.TEXT_RETAINED, DESCRIPTION, "5"), made(description="5.0"), True),
        (Answer(Action.TEXT_RETAINED, DESCRIPTION, "5"), made(description="6"), False),
        (Answer(Action.TEXT_NOTNULL, NAME), made(name=""), False),
        (Answer(Action.TAG_RETAINED, NAME), made(name=""), True),
        (Answer(Action.TAG_RETAINED, NAME), made(name=None), False),
        (Answer(Action.UID_CHANGED, REFERENCED), made(uid="2.25.9"), True),
        (Answer(Action.UID_CHANGED, REFERENCED), made(uid="1.2.3"), False),
        (Answer(Action.DATE_SHIFTED, DESCRIPTION, "20240102"), made(description="20231201"), True),
        (Answer(Action.DATE_SHIFTED, DESCRIPTION, "20240102"), made(description="x 20240102"), False),
    ],
)
def test_what_counts_as_done(answer: Answer, after: Dataset, done: bool) -> None:
    scorer = Scorer()
    scorer.add([answer], made(), after)
    assert scorer.score.passed[answer.action] == done
    assert scorer.score.leaks == (not done and answer.action in LEAKS)


def test_an_identifier_becomes_one_and_no_other_becomes_that() -> None:
    consistent = [Answer(Action.UID_CONSISTENT, REFERENCED)]
    scorer = Scorer()
    for old, new, done in (
        ("1.1", "2.1", 1),
        ("1.1", "2.1", 2),
        ("1.1", "2.2", 2),
        ("1.3", "2.1", 2),
        ("1.4", "2.4", 3),
    ):
        scorer.add(consistent, made(uid=old), made(uid=new))
        assert scorer.score.passed[Action.UID_CONSISTENT] == done, (old, new)
    assert scorer.score.ambiguous == 2


def answer_key(path: Path, instance: str) -> Path:
    """A key as the challenge gives it."""
    required = {
        "0": {"tag": "<(0010,0010)>", "tag_ds": "<(0010,0010)>", "value": "<Quince^Ada>", "action": "<text_removed>"},
        "1": {"tag_ds": "<(0008,1140)>[<0000>]<(0008,1155)>", "value": "<1.2.3>", "action": "<uid_changed>"},
        "2": {"tag_ds": "<(0008,1030)>", "value": "<CT X>", "action_text": "<CT>", "action": "<text_retained>"},
    }
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE answer_data (PatientID TEXT, SOPInstanceUID TEXT, AnswerData TEXT)")
        database.execute("INSERT INTO answer_data VALUES ('P', ?, ?)", (instance, json.dumps(required)))
        database.commit()
    return path


def test_the_challenges_own_key_is_read(tmp_path: Path) -> None:
    assert read_answers(answer_key(tmp_path / "key.db", "1.2.3")) == {
        "1.2.3": [
            Answer(Action.TEXT_REMOVED, NAME, "Quince^Ada"),
            Answer(Action.UID_CHANGED, REFERENCED, "1.2.3"),
            Answer(Action.TEXT_RETAINED, DESCRIPTION, "CT"),
        ]
    }
    assert set(values(made())) == {NAME, DESCRIPTION, "(0008,1140)", REFERENCED}


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database")
    for path in (tmp_path / "text.db", tmp_path / "none.db"):
        with pytest.raises(AnswerKeyError, match="is no answer key"):
            read_answers(path)


def test_a_collection_is_scored_by_its_key_and_not_by_that_of_another(tmp_path: Path) -> None:
    one = next(iter(compose(1)))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.dcm").write_bytes(one.data)
    found = scoring.score_collection(tmp_path / "in", answer_key(tmp_path / "key.db", one.instance)).score
    assert found.required.total() == 3 and found.objects == 1
    with pytest.raises(NothingAnsweredError):
        scoring.score_collection(tmp_path / "in", answer_key(tmp_path / "other.db", "1.2.3.4"))


def test_the_composed_collection_is_the_same_each_time_and_its_key_finds_what_is_left_as_it_was() -> None:
    composed = list(compose(10))
    assert composed == list(compose(10)) and len({each.instance for each in composed}) == len(composed)
    assert {pydicom.dcmread(io.BytesIO(each.data)).Modality for each in composed} >= {
        "CT",
        "MR",
        "US",
        "MG",
        "XA",
        "OT",
    }
    scorer = Scorer()
    for each in composed:
        dataset = pydicom.dcmread(io.BytesIO(each.data))
        scorer.add(each.answers, dataset, dataset)
    score = scorer.score
    assert set(score.required) == set(Action)
    assert score.leaks == sum(score.required[action] for action in LEAKS), "nothing was taken out"
    for action in set(Action) - set(LEAKS):
        assert score.passed[action] == score.required[action], action


@pytest.mark.network
def test_a_sample_of_the_composed_collection_is_done_to_the_last_action_and_nothing_leaks() -> None:
    score = scoring.score_composed(24).score
    assert (score.leaks, score.missing.total(), score.ambiguous) == (0, 0, 0), score.failures
    assert score.share >= 0.999, score.failures
    assert set(score.required) == set(Action)
