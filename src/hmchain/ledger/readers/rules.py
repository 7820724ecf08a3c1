"""Which rules a chain follows, and which ones come."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger import protocols
from hmchain.ledger.contracts.members import upgrades
from hmchain.ledger.state import State


@dataclass(frozen=True)
class RulesView:
    """The protocol in force, and what the members have agreed on."""

    protocol: int
    """Of the next block."""
    known: tuple[int, ...]
    """Protocols that this program knows."""
    next: int | None
    """The protocol that was agreed on and has not come yet; None if none is."""
    after_ms: int
    after_height: int


def rules_of(state: State) -> RulesView:
    """The rules of a committed state."""
    agreed = upgrades.planned(state)
    protocol, known = upgrades.at(state, state.height + 1), tuple(sorted(protocols.KNOWN))
    if agreed is None:
        return RulesView(protocol, known, None, 0, 0)
    return RulesView(protocol, known, agreed.protocol, agreed.after_ms, agreed.after_height)
