"""What has no end of its own ends by a signal, and leaves the handlers as they were."""

from __future__ import annotations

import signal

import pytest

from hmchain.application.node.stopping import stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_the_end_and_a_second_does_what_it_did_before(number: signal.Signals) -> None:
    told: list[int] = []
    outer = signal.signal(number, lambda given, _: told.append(given))
    try:
        with stopping() as stop:
            assert not stop.is_set()
            signal.raise_signal(number)
            assert stop.is_set() and not told
            signal.raise_signal(number)
            assert told == [number]
    finally:
        signal.signal(number, outer)
