"""What the demo asks of the engine that decides its blocks, and the engines there are.

All that differs between them is here: what must be there before a run, how a consortium is started on the engine, what
can go wrong on it, and how its ledger is left behind for those who read and audit it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from hmchain.application.hospital.consortium import Consortium
from hmchain.interfaces.demo.incidents import Fault
from hmchain.interfaces.demo.preparation import Prepared
from hmchain.interfaces.demo.settings import COMETBFT, DemoSettings
from hmchain.interfaces.report.parts import Fact
from hmchain.ledger.contracts.learning.studies import Deadlines
from hmchain.plain import Progress

COMETBFT_NEEDS = (
    Fact(
        name="program",
        text="cometbft: `make cometbft` builds it once, in about a minute and with a download of 60 MB (70 MB more "
        "where there is no Go); 40 MB on disk",
    ),
    Fact(
        name="libraries",
        text="the extra `cometbft`: `scripts/setup.sh network`, or pip install 'hmchain[cometbft]'; 10 MB",
    ),
    Fact(name="memory, disk", text="about 2 GB and 100 MB for four hospitals: each runs a node of two processes"),
    Fact(
        name="time",
        text="about four minutes on two idle cores, for 80 rounds of 26 steps; 520 of 4, as without a network, take "
        "some ten and make a better model (--rounds 520 --steps 4). Interrupted, the same command goes on",
    ),
    Fact(name="afterwards", text="no process is left behind, however this one ends"),
)


class Stage(Protocol):
    """A consortium that runs on an engine."""

    consortium: Consortium

    def fault(self, say: Callable[[str], None]) -> Fault:
        """What goes wrong with the ledger in this run; `say` tells what nobody could read from the ledger."""

    def seal(self, report: Progress) -> None:
        """Leave in the ledger's directory whatever else it takes to audit it without the engine."""


class Engine(Protocol):
    """One way to decide blocks."""

    title: str
    """What it is, in a few words."""
    limits: tuple[Fact, ...]
    """What a run on it does not show."""

    def require(self, settings: DemoSettings) -> None:
        """Look whether all is there that a run needs. Raises `HMChainError` for what is not, with the way out."""

    def deadlines(self, prepared: Prepared) -> Deadlines:
        """How long a round's phases wait for a hospital."""

    def stage(self, prepared: Prepared, passphrase: str | None) -> AbstractContextManager[Stage]:
        """Found the consortium, or open the one that is there, and run it until the context ends."""


def needs(settings: DemoSettings) -> tuple[Fact, ...]:
    """What a run takes that not every machine has; known before anything of the engine is loaded."""
    return COMETBFT_NEEDS if settings.engine == COMETBFT else ()


def engine_of(settings: DemoSettings) -> Engine:
    """The engine that a run asks for. Raises `ModuleNotFoundError` if libraries that it needs are not installed."""
    # Each needs libraries that the other can do without.
    if settings.engine == COMETBFT:
        from hmchain.interfaces.demo.on_cometbft import CometBFT

        return CometBFT()
    from hmchain.interfaces.demo.on_embedded import Embedded

    return Embedded()
