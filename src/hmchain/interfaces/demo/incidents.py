"""Incidents of the demo: real faults injected into a real run, answered by the same code as any other.

One after the other: more at once than the protocol withstands would show something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hmchain.application.agent.faults import AgentBehaviour, phases_of
from hmchain.application.agent.phases import HONEST
from hmchain.application.hospital.consortium import Consortium
from hmchain.ledger import events
from hmchain.ledger.blocks import BlockResult
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from hmchain.ledger.events import FraudProven, LedgerEvent

LEDGER_ROUND, MASTER_ROUND = 2, 4
"""From these rounds on the ledger's fault and the master's may happen."""


class Fault(Protocol):
    """Something that goes wrong once in a run."""

    first_round: int
    """It may happen from this round on."""
    done: bool

    def press(self, number: int) -> None:
        """Make it happen in round `number`, or go on with it; called before every step while it is not done."""

    def on_event(self, event: LedgerEvent) -> None:
        """Take note of what the ledger says, and heal whoever was caught. May hear of events of an earlier process."""

    def settle(self) -> None:
        """The study is over: leave nothing broken."""


class DishonestMaster:
    """The master of a round alters the sum."""

    first_round = MASTER_ROUND

    def __init__(self, consortium: Consortium, study: str) -> None:
        self.done = False
        self._consortium = consortium
        self._study = study

    def press(self, number: int) -> None:
        """Tempt whoever is master now."""
        entry = rounds.round_(self._consortium.ledger.state, self._study, number)
        if entry is not None and entry.ranking:
            self.settle()
            self._consortium.hospitals[entry.master].agent.phases = phases_of(AgentBehaviour.FORGE_SUM)

    def on_event(self, event: LedgerEvent) -> None:
        """Fraud was proven."""
        if isinstance(event, FraudProven):
            self.done = True
            self.settle()

    def settle(self) -> None:
        """Heal everybody."""
        for hospital in self._consortium.hospitals.values():
            hospital.agent.phases = HONEST


class Incidents:
    """Lets faults happen in order, once each; what the ledger shows already is not done again."""

    def __init__(self, consortium: Consortium, study: str, last_round: int, faults: Sequence[Fault]) -> None:
        self._consortium, self._study, self._last_round = consortium, study, last_round
        self._faults = list(faults)

    def recall(self, ledger: Path) -> None:
        """Take note of what is in a ledger's blocks already."""
        log = BlockStore(ledger / BLOCKS, read_only=True)
        for stored in log.blocks():
            self.on_block(stored.result)
        log.close()

    def before_step(self) -> None:
        """Press on with the fault whose turn it is."""
        fault, number = next((fault for fault in self._faults if not fault.done), None), self._round()
        if fault is not None and number >= min(fault.first_round, self._last_round):
            fault.press(number)

    def on_block(self, result: BlockResult) -> None:
        """Tell the faults what happened."""
        for event in events.decode_all(result.all_events):
            for fault in self._faults:
                fault.on_event(event)

    def settle(self) -> None:
        """Leave nothing broken when the study is over."""
        for fault in self._faults:
            if not fault.done:
                fault.settle()

    def _round(self) -> int:
        """The round that the study is in; 0 before the first one of training."""
        found = studies.study(self._consortium.ledger.state, self._study)
        return found.progress.round if found is not None and found.status == Status.RUNNING else 0
