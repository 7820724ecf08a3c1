"""Whether a portal can answer: the ledger verified and followed, the stores there. Said to anybody, so in set words."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.node.link import connected
from hmchain.application.node.live import LiveLedger
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.watching import machine_figures
from hmchain.application.watching.kept import Kept
from hmchain.errors import HMChainError

FRESH_SECONDS, SLOW_SECONDS = 1.0, 15.0
_BEHIND_BLOCKS = 10
"""A ledger that is followed is that near to its node's."""


@dataclass(frozen=True)
class Part:
    """One thing that answering takes."""

    name: str
    """`ledger`, `node`, `objects` or `records`."""
    ready: bool
    words: str


@dataclass(frozen=True)
class Ready:
    """Whether a portal can answer, and if not, what is missing."""

    ready: bool
    parts: tuple[Part, ...]


class Readiness:
    """What is asked again and again, and looked at now and then."""

    def __init__(self, live: LiveLedger, place: HospitalFolder) -> None:
        self._live, self._place = live, place
        self._quick = Kept(self._ledger, FRESH_SECONDS)
        self._slow = Kept(self._stores, SLOW_SECONDS)

    def look(self) -> Ready:
        """All of it, as of a moment ago."""
        parts = (*self._quick.get(), *self._slow.get())
        return Ready(all(each.ready for each in parts), parts)

    def _ledger(self) -> tuple[Part, ...]:
        try:
            with self._live.reader() as ledger:
                height = ledger.verified.state.height
        except (HMChainError, OSError):
            return (Part("ledger", False, "it cannot be read, or is not what its members signed"),)
        found = Part("ledger", True, "verified and followed")
        if self._place.node is None:
            return (found,)
        if self._live.words:
            found = Part("ledger", False, "nothing new comes from the node")
        try:
            with connected(self._place.node, patience_seconds=0) as client:
                its_height = client.status().sync_info.latest_block_height
        except HMChainError:
            return found, Part("node", False, "it does not answer")
        if its_height > height + _BEHIND_BLOCKS:
            found = Part("ledger", False, "it is behind the node's")
        return found, Part("node", True, "it answers")

    def _stores(self) -> tuple[Part, ...]:
        found = machine_figures.stores_of(self._place)
        return tuple(Part(each.name, each.answers, "it answers" if each.answers else "no answer") for each in found)
