"""Answers by a client's key: given once, to one person, for one request, also after the process ended."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hmchain.application.jobs import answers
from hmchain.application.jobs.answers import Answer, Answers, OtherRequestError, SameUnderWayError
from hmchain.errors import DataError

ONE, OTHER = b"1" * 32, b"2" * 32


def never() -> Answer:
    raise AssertionError("it was done before")


def test_the_same_is_done_once_for_each_person(tmp_path: Path) -> None:
    kept = Answers(tmp_path)
    assert kept.once("north/s1", "k", ONE, lambda: Answer(202, b"first")) == Answer(202, b"first")
    assert kept.once("north/s1", "k", ONE, never) == Answer(202, b"first")
    assert kept.once("north/s2", "k", ONE, lambda: Answer(200, b"another's")).content == b"another's"
    with pytest.raises(OtherRequestError):
        kept.once("north/s1", "k", OTHER, never)
    kept.close()
    again = Answers(tmp_path)
    assert again.once("north/s1", "k", ONE, never) == Answer(202, b"first")
    assert (tmp_path / "answers.db").stat().st_mode & 0o777 == 0o600


def test_what_fails_is_tried_again_and_what_is_under_way_is_not(tmp_path: Path) -> None:
    kept = Answers(tmp_path)

    def fails() -> Answer:
        with pytest.raises(SameUnderWayError):
            kept.once("north/s1", "k", ONE, never)
        raise DataError("no", "")

    with pytest.raises(DataError):
        kept.once("north/s1", "k", ONE, fails)
    assert kept.once("north/s1", "k", ONE, lambda: Answer(200, b"yes")).content == b"yes"


def test_of_many_threads_one_does_it(tmp_path: Path) -> None:
    kept, done, waiting, busy = Answers(tmp_path), [], threading.Barrier(8), []

    def asks() -> None:
        waiting.wait(60)
        try:
            kept.once("north/s1", "k", ONE, lambda: done.append(1) or Answer(200, b"x"))  # type: ignore[func-returns-value]
        except SameUnderWayError:
            busy.append(1)

    threads = [threading.Thread(target=asks) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(done) == 1


def test_so_many_are_kept_for_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "EACH_MAX", 3)
    kept, now = Answers(tmp_path), [1_000_000_000_000]
    monkeypatch.setattr(answers, "now_ms", lambda: now[0])
    for number in range(6):
        now[0] += 1
        kept.once("north/s1", f"k{number}", ONE, lambda: Answer(200, b"x"))
    assert kept.once("north/s1", "k5", ONE, never).content == b"x"
    assert kept.once("north/s1", "k0", ONE, lambda: Answer(200, b"anew")).content == b"anew"
    now[0] += answers.KEPT_MS + 10
    assert kept.once("north/s1", "k5", OTHER, lambda: Answer(200, b"later")).content == b"later"
