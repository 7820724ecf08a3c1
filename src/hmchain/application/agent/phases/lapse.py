"""Saying that a time is over: one after the other, until somebody has."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent import turns
from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.participation import Tick


def lapse(desk: Desk) -> Iterator[Tick]:
    """Say that a study which does not open is over its time.

    A deadline takes blocks too: where there are no others, these make them.
    """
    until_ms = desk.study.progress.deadline_ms + desk.order * turns.OPENING_STEP_MS
    if desk.study.status in studies.OPENING and desk.node.now_ms() > until_ms:
        yield Tick(desk.name)


def tick(desk: RoundDesk) -> Iterator[Tick]:
    """Say that a phase's deadline has passed: whose turn it is at once."""
    turn = (desk.order - desk.state.height) % len(desk.study.spec.uses)
    if desk.node.now_ms() > desk.entry.deadline_ms + turn * turns.STEP_MS:
        yield Tick(desk.name)
