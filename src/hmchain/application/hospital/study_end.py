"""The end of a study, for those who wait for it."""

from __future__ import annotations

from typing import assert_never

from hmchain.errors import StudyError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.state import State


class StudyPausedError(StudyError):
    """A study stopped and waits for its scientist."""

    code = "study_paused"


def is_finished(state: State, name: str) -> bool:
    """True of a study that has made its model. Raises `StudyPausedError` for one that waits for people, or is over."""
    study = studies.study(state, name)
    status = study.status if study else None
    match status:
        case Status.PROPOSED | Status.AGREEING | Status.CONFIRMING | Status.RUNNING:
            return False
        case Status.FINISHED:
            return True
        case Status.PAUSED | Status.REFUSED | Status.CLOSED | None:
            raise StudyPausedError(f"study {name} is {status or 'unknown'}", "see `hmchain study status`")
        case _:
            assert_never(status)
