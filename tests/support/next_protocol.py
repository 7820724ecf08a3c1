"""The next protocol, 5 on top of 4, which only tests know: one rule and one migration.

The rule: an update that is committed in a round is counted, a record a participant of a study. The migration: what
protocol 4 did not count is made good when the record is first touched, from the number of rounds that were before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hmchain.canonical import Record
from hmchain.ledger import contracts, protocols
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.participation import CommitUpdate
from hmchain.ledger.events import StudyAct
from hmchain.ledger.protocols import Rules
from hmchain.ledger.state import State, Table

PROTOCOL = 5


class Commits(Record, frozen=True):
    """How many updates a participant has committed."""

    before: int
    """Rounds of the study until the first that was counted."""
    counted: int


_COMMITS = Table("commits", Commits)


class UpdateCounted(StudyAct, frozen=True, tag="update.counted"):
    """An update was counted."""


def commits(state: State, study: str, organisation: str) -> Commits | None:
    """What is counted of a participant; None before this protocol touched it."""
    return _COMMITS.get(state, study, organisation)


def _commit(context: Context, body: CommitUpdate) -> None:
    contracts.HANDLERS[CommitUpdate](context, body)
    organisation = context.sender.organisation
    known = commits(context.state, body.study, organisation)
    if known is None:
        known = Commits(studies.require_study(context.state, body.study).progress.round, 0)
    _COMMITS.put(context.state, Commits(known.before, known.counted + 1), body.study, organisation)
    context.emit(UpdateCounted(body.study, organisation))


RULES = Rules(PROTOCOL, handlers={**contracts.HANDLERS, CommitUpdate: _commit})


@contextmanager
def known() -> Iterator[None]:
    """A program that knows the next protocol, as long as this lasts."""
    protocols.KNOWN[PROTOCOL] = RULES
    try:
        yield
    finally:
        del protocols.KNOWN[PROTOCOL]
