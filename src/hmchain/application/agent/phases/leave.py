"""Leaving: say that one takes no further part, since the study used up what its request asked of this machine."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent.desk import Desk
from hmchain.ledger.contracts.learning import permitted, studies
from hmchain.ledger.contracts.learning.leaving import LeaveStudy


def leave(desk: Desk) -> Iterator[LeaveStudy]:
    """Leave, once; so the others ask for nothing more here, and wait for nobody."""
    over = desk.allowance.over if desk.allowance else ""
    is_begun = over and desk.study.status not in studies.OVER
    if is_begun and permitted.left(desk.state, desk.name, desk.organisation) is None:
        yield LeaveStudy(desk.name, over)
