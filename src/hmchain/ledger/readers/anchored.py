"""The log of an organisation's security events, as far as the ledger knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hmchain.ledger.contracts.members import anchors
from hmchain.ledger.contracts.members.anchors import Anchor, Loss
from hmchain.ledger.state import State


@dataclass(frozen=True)
class AnchoredLog:
    """The last anchor of a log, and what its steward said was lost of it."""

    organisation: str
    anchor: Anchor | None
    losses: tuple[Loss, ...]

    @property
    def heads(self) -> Mapping[int, bytes]:
        """The link of each line that a log must have to be the one that was anchored."""
        return {self.anchor.size: self.anchor.head} if self.anchor is not None else {}


def anchored(state: State, organisation: str) -> AnchoredLog:
    """What the ledger knows of the log of an organisation."""
    return AnchoredLog(organisation, anchors.anchor(state, organisation), tuple(anchors.losses(state, organisation)))
