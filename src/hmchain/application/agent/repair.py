"""Which objects others may have to fetch now: whoever keeps one gives it back to a store that lost it.

Between two rounds the joint model lies in a few objects and in caches; without them nobody that was started anew could
go on. So it is not left to whoever made an object to keep it there.
"""

from __future__ import annotations

from typing import assert_never

from hmchain.application.agent import contents, turns
from hmchain.application.agent.exchange import Exchange
from hmchain.ledger.contracts.learning import models, rounds
from hmchain.ledger.contracts.learning.rounds import Phase, Round
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.state import State

Sized = tuple[bytes, int]
"""An object's address, and the size that it must have."""


class Repairs:
    """Gives objects that a round needs back to a store that lost them, out of one participant's cache."""

    def __init__(self, kept: Exchange) -> None:
        self._kept = kept
        self._looked: tuple[int, int, bool] | None = None

    def make(self, state: State, study: Study, entry: Round, now_ms: int) -> None:
        """Look when an attempt begins, and again where a phase takes long."""
        if entry.phase not in (Phase.COMMIT, Phase.AGGREGATE, Phase.VERIFY):
            return
        is_late = turns.is_late(entry, rounds.span_ms(study.spec.deadlines, entry.phase), now_ms)
        moment = (entry.number, entry.attempt, is_late)
        if moment != self._looked if entry.phase == Phase.COMMIT else is_late:
            self._looked = moment
            for address, size in of_round(state, study, entry):
                self._kept.repair(address, size)


def of_round(state: State, study: Study, entry: Round) -> list[Sized]:
    """What the phase of a round needs: models to start from, updates to sum, what the master posted."""
    match entry.phase:
        case Phase.COMMIT:
            return _made(state, study, 0, entry.base_round)
        case Phase.AGGREGATE | Phase.VERIFY:
            return _summed(state, study, entry) + _made(state, study, entry.number)
        case Phase.ATTEST | Phase.REVEAL | Phase.GATE_COMMIT | Phase.GATE_REVEAL | Phase.FINAL:
            return []
        case _:
            assert_never(entry.phase)


def _summed(state: State, study: Study, entry: Round) -> list[Sized]:
    """The updates of the frozen set."""
    size = contents.update_size(study.rule(entry.number))
    updates = rounds.contributions(state, entry)
    return [(update.object, size) for update in updates if update.organisation in entry.frozen]


def of_outcome(state: State, study: Study) -> list[Sized]:
    """What a finished study leaves: its model, and the class counts that give predictions their prior."""
    model = models.model(state, study.spec.name)
    return [] if model is None else _made(state, study, 0, model.round)


def _made(state: State, study: Study, *numbers: int) -> list[Sized]:
    """What rounds made: each one's object and the copies of it."""
    found = []
    for number in sorted(set(numbers)):
        if (entry := rounds.round_(state, study.spec.name, number)) is not None:
            found += [(address, contents.model_size(study.rule(number))) for address in entry.objects]
    return found
