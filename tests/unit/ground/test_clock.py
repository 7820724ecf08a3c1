"""Pauses that grow while nothing succeeds."""

from __future__ import annotations

from hmchain.clock import Backoff


def test_pauses_double_up_to_the_last_and_begin_again_after_a_success() -> None:
    backoff = Backoff(1.0, 5.0)
    assert [backoff.pause() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.succeeded()
    assert [backoff.pause() for _ in range(2)] == [1.0, 2.0]
