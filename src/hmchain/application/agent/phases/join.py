"""Joining: say that one takes part, once the steward has approved and the data is there."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import Desk
from hmchain.application.agent.protocols import Learner
from hmchain.application.agent.study_keys import opening_seed_hash
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.opening import JoinStudy


def is_due(desk: Desk) -> bool:
    """Whether one may join, and has not."""
    joined = any(join.organisation == desk.organisation for join in opening.joins(desk.state, desk.name))
    return not joined and desk.is_authorised


def join(desk: Desk, learner: Learner) -> Iterator[JoinStudy]:
    """Join, with secrets that are the same after every restart. Raises `UnpinnedError` if the data is another."""
    learner.read()
    drawn = desk.keys.drawn(desk.name, len(desk.study.spec.uses), desk.random)
    yield JoinStudy(desk.name, drawn.wrapping.public, opening_seed_hash(drawn))
