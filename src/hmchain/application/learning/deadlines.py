"""How long each phase of a round may take, from what there is to do.

Where a round can do without a hospital, all others wait for one that has died until the deadlines of three phases have
passed: of the update, and of the two halves of the vote. So these follow from the work, at ten times what it takes on a
laptop, and a crash costs about a minute. Where a round needs everybody there is nothing to gain: a short deadline would
only void attempts and pause the study, so there is time to start a machine again.
"""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.learning.defaults import DEADLINES
from hmchain.ledger.contracts.learning.studies import Deadlines

_SLOW = 10
_TRAIN_US, _JUDGE_US = 2.4, 0.8
"""Microseconds an image and position of the first layer's output (16 filters), on one core of a laptop."""
_READ_US = 500
"""To decrypt a record: who was started again reads its images before it trains."""
_JUDGED_PERCENT = 25
_BYTES_PER_MS = 1_000
"""Of a connection on which updates are fetched: 1 MB/s."""
_START_MS, _VOTE_MS, _FETCH_MS = 30_000, 15_000, 20_000
"""What a phase takes where there is next to nothing to do: a program that starts, a few blocks, a fetch."""
_STEP_MS = 1_000
_MOST_MS = 600_000


@dataclass(frozen=True)
class Work:
    """What a hospital has to do in a round."""

    images: int
    """That it trains on."""
    records: int
    """Of the largest dataset."""
    positions: int
    """Of the first layer's output."""
    filters: int
    weights: int
    participants: int


def deadlines_for(work: Work, *, needs_all: bool, least_ms: int) -> Deadlines:
    """Deadlines for some work; `needs_all` where no round can do without any of the participants."""
    if needs_all:
        return DEADLINES
    cost = work.positions * (work.filters / 16) ** 2
    train_us = work.images * cost * _TRAIN_US + work.records * _READ_US
    judge_us = work.records * _JUDGED_PERCENT / 100 * cost * _JUDGE_US
    fetch_ms = work.participants * work.weights * 4 / _BYTES_PER_MS

    def span(floor_ms: int, us: float = 0.0, ms: float = 0.0) -> int:
        wanted = floor_ms + _SLOW * us / 1_000 + ms
        steps = -(-int(wanted) // _STEP_MS)
        return max(least_ms, min(_MOST_MS, steps * _STEP_MS))

    fetch = span(_FETCH_MS, ms=fetch_ms)
    return Deadlines(
        commit_ms=span(_START_MS, train_us),
        attest_ms=fetch,
        reveal_ms=span(_FETCH_MS),
        aggregate_ms=fetch,
        verify_ms=fetch,
        gate_ms=span(_VOTE_MS, judge_us),
    )
