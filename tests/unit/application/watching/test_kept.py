"""What is kept: gathered once it is old, by one thread, and old for the others meanwhile."""

from __future__ import annotations

import threading

import pytest

from hmchain.application.watching.kept import Kept


def test_it_is_gathered_again_once_it_is_old() -> None:
    now, gathered = [0.0], list[float]()

    def gather() -> float:
        gathered.append(now[0])
        return now[0]

    kept = Kept(gather, 10, lambda: now[0])
    for now[0] in (0, 5, 9.9, 10, 12, 25):
        kept.get()
    assert gathered == [0, 10, 25]


def test_others_take_the_old_one_while_it_is_gathered() -> None:
    now, begun, go = [0.0], threading.Event(), threading.Event()

    def gather() -> float:
        if now[0]:
            begun.set()
            assert go.wait(60)
        return now[0]

    kept = Kept(gather, 1, lambda: now[0])
    assert kept.get() == 0
    now[0] = 5.0
    slow = threading.Thread(target=kept.get)
    slow.start()
    assert begun.wait(60)
    assert kept.get() == 0, "nobody waits for it"
    go.set()
    slow.join()
    assert kept.get() == 5


def test_what_fails_is_tried_again_by_the_next() -> None:
    answers = iter([ValueError("first"), 7])

    def gather() -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    kept = Kept(gather, 10)
    with pytest.raises(ValueError, match="first"):
        kept.get()
    assert kept.get() == 7
