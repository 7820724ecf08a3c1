"""A participant in a running study: asks which phase the round is in, and does what its file says (`phases/`)."""

from __future__ import annotations

from typing import assert_never

from hmchain.application.agent import closing
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.phases import Acting, Phases
from hmchain.application.agent.repair import Repairs
from hmchain.ledger import contracts
from hmchain.ledger.contracts.learning.rounds import Phase

_MASKED_PHASES = (Phase.COMMIT, Phase.ATTEST, Phase.REVEAL)
"""In which an update may still lose a mask."""


class Participant:
    """One organisation in one running study."""

    def __init__(self, desk: RoundDesk) -> None:
        self.desk = desk
        self._repairs = Repairs(desk.exchange)
        self._round: int | None = None
        self.sat_out = False
        """Whether it was told that the hospital sits out of a count."""

    def publish(self, phases: Phases) -> None:
        """Upload what the ledger binds; give lost objects back to the store."""
        desk = self.desk
        if desk.entry.phase in (Phase.COMMIT, Phase.ATTEST):
            phases.publish(desk)
        self._repairs.make(desk.state, desk.study, desk.entry, desk.node.now_ms())

    def act(self, phases: Phases) -> list[contracts.Body]:
        """What the round's phase asks of this participant now."""
        desk = self.desk
        self._enter_round()
        desk.learn_prior()
        is_left_out = desk.attempts.is_left_out(desk.entry, desk.organisation)
        if not is_left_out and desk.entry.phase in _MASKED_PHASES:
            desk.attempts.require(desk.entry, desk.state.height)
        match desk.entry.phase:
            case Phase.COMMIT:
                return self._first(phases.commit, phases.attest)
            case Phase.ATTEST:
                return self._first(phases.attest)
            case Phase.REVEAL:
                return self._first(phases.reveal)
            case Phase.AGGREGATE:
                return self._first(phases.aggregate, phases.dispute)
            case Phase.VERIFY:
                return self._first(phases.verify, phases.dispute)
            case Phase.GATE_COMMIT:
                return self._first(phases.vote)
            case Phase.GATE_REVEAL:
                return self._first(phases.open_vote)
            case Phase.FINAL:
                return []
            case _:
                assert_never(desk.entry.phase)

    def _first(self, *phases: Acting) -> list[contracts.Body]:
        """What the first of these says that has anything to say."""
        for phase in phases:
            if bodies := list(phase(self.desk)):
                return bodies
        return []

    def _enter_round(self) -> None:
        """On a new round, and after a start: erase and withdraw what belonged to the rounds before."""
        desk = self.desk
        if desk.entry.number != self._round:
            closing.close_rounds(desk.state, desk.name, desk.entry.number, desk.store, desk.keys, desk.exchange)
            desk.clear()
            self._round = desk.entry.number
