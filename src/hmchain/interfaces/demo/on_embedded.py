"""The demo on the embedded engine: all validators in one process, nothing to install."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.defaults import DEADLINES
from hmchain.interfaces.demo.incidents import LEDGER_ROUND
from hmchain.interfaces.demo.preparation import Prepared, chain_name, salt, titles
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.interfaces.report.parts import Fact
from hmchain.interfaces.report.summary import ONE_PROCESS
from hmchain.ledger import genesis, proposer
from hmchain.ledger.contracts.learning.studies import Deadlines
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.engines.validator import Behaviour
from hmchain.ledger.events import InvalidProposalSigned, LedgerEvent
from hmchain.plain import Progress

PARAMETERS = Parameters(epoch_ms=1_000)
"""A run of minutes shows what takes hours."""


class DishonestProposer:
    """A validator proposes a block whose state gives itself the best reputation."""

    first_round = LEDGER_ROUND

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.done = False
        self._ledger = ledger
        self._tempted = False

    def press(self, number: int) -> None:
        """Tempt whose turn it is to propose."""
        if not self._tempted:
            validators = standings.validators_at(self._ledger.state, self._ledger.height + 1)
            self._ledger.set_behaviour(validators[proposer.proposer(validators)].id, Behaviour.INVALID_BLOCK)
            self._tempted = True

    def on_event(self, event: LedgerEvent) -> None:
        """The block was voted down."""
        if isinstance(event, InvalidProposalSigned):
            self.done = True
            self.settle()

    def settle(self) -> None:
        """Heal everybody."""
        for name in self._ledger.validators:
            self._ledger.set_behaviour(name, Behaviour.HONEST)


class EmbeddedStage:
    """A consortium on the embedded engine."""

    def __init__(self, consortium: Consortium, ledger: EmbeddedLedger) -> None:
        self.consortium = consortium
        self._ledger = ledger

    def fault(self, say: Callable[[str], None]) -> DishonestProposer:
        """A dishonest proposer."""
        return DishonestProposer(self._ledger)

    def seal(self, report: Progress) -> None:
        """Blocks and votes are in the ledger's directory already."""


class Embedded:
    """All validators in this process."""

    title = "embedded: all validators in one process"
    limits: tuple[Fact, ...] = (ONE_PROCESS,)

    def require(self, settings: DemoSettings) -> None:
        """Nothing that is not there already."""

    def deadlines(self, prepared: Prepared) -> Deadlines:
        """Long: nobody is away."""
        return DEADLINES

    @contextmanager
    def stage(self, prepared: Prepared, passphrase: str | None) -> Iterator[EmbeddedStage]:
        """Found the consortium, or open the one that is there."""
        path = prepared.folder.path
        if (prepared.folder.ledger / genesis.FILE).exists():
            consortium = Consortium.open(path, passphrase=passphrase)
        else:
            # A founding that was cut short left keys that nothing refers to.
            shutil.rmtree(prepared.folder.hospitals, ignore_errors=True)
            consortium = Consortium.create(
                path,
                chain_name(prepared),
                titles(prepared),
                passphrase=passphrase,
                parameters=PARAMETERS,
                salt=salt(prepared),
            )
        with consortium:
            assert isinstance(consortium.ledger, EmbeddedLedger)  # what both give
            yield EmbeddedStage(consortium, consortium.ledger)
