"""The two incidents of the demo: real faults injected into a real run, caught by the same code as any other."""

from __future__ import annotations

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.consortium import Consortium
from hmchain.ledger import proposer
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.contracts import rounds, standings, studies
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.engines.validator import Behaviour

PROPOSER_ROUND = 2
MASTER_ROUND = 4


class Incidents:
    """Makes one proposer and one master dishonest, once each; what the ledger shows already is not done again."""

    def __init__(self, consortium: Consortium, study: str, last_round: int) -> None:
        assert isinstance(consortium.ledger, EmbeddedLedger)  # faults can be injected into its validators
        self._consortium = consortium
        self._ledger = consortium.ledger
        self._study = study
        kinds = {event.kind for _, event in self._ledger.events(1)}
        self._proposer_done = "standing.invalid_proposal" in kinds
        self._master_done = "round.fraud" in kinds
        self._proposer_round, self._master_round = min(PROPOSER_ROUND, last_round), min(MASTER_ROUND, last_round)
        found = studies.study(self._ledger.state, study)
        if found is not None and found.status == studies.RUNNING:
            self._tempt(found.progress.round)  # a run that is resumed in the middle of a round

    def on_block(self, block: Block, result: BlockResult) -> None:
        """Heal who was caught, and tempt who is next."""
        for event in result.all_events:
            if event.kind == "standing.invalid_proposal":
                self._proposer_done = True
                self._ledger.set_behaviour(event.keys[0], Behaviour.HONEST)
            elif event.kind == "round.fraud":
                self._master_done = True
                self._consortium.hospitals[event.keys[2]].agent.behaviour = AgentBehaviour.HONEST
            elif event.kind == "round.opened" and event.keys[0] == self._study:
                self._tempt(int(event.keys[1]))

    def _tempt(self, number: int) -> None:
        if number >= self._proposer_round and not self._proposer_done:
            validators = standings.validators_at(self._ledger.state, self._ledger.height + 1)
            self._ledger.set_behaviour(validators[proposer.proposer(validators)].id, Behaviour.INVALID_BLOCK)
        if number >= self._master_round and not self._master_done:
            entry = rounds.round_(self._ledger.state, self._study, number)
            if entry is not None and entry.ranking:
                self._consortium.hospitals[entry.master].agent.behaviour = AgentBehaviour.FORGE_SUM
