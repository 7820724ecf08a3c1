"""Which rules are in force, and the next ones that the members have agreed on.

A ballot (see `membership`) agrees on the next protocol, far enough ahead that every member can install the program that
knows it; another ballot calls it off. At the end of the first block that is at or past the agreed time and height the
next protocol comes into force, from the block after it on: so every program learns it from a committed state, before
anybody votes by the new rules. What the genesis says, the headers' app version too, stays as it is.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.blocks import BlockInput, Height, TimeMs
from hmchain.ledger.context import require
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.state import State, Table

REQUESTS = 3
"""The first protocol in which studies stand under permits, and who joins shows that it holds its keys."""
SHARING = 4
"""The first protocol in which records are transferred, results released, and incidents and logs told to the members."""


class Since(Record, frozen=True):
    """A protocol, and the first height of its rules."""

    protocol: int
    height: Height


class Protocols(Record, frozen=True):
    """All protocols that the chain has followed, in order."""

    since: tuple[Since, ...]


class Upgrade(Record, frozen=True, tag="upgrade"):
    """Action: follow the next protocol from the block on that comes after both, a time and a height."""

    protocol: int
    after_ms: TimeMs
    after_height: Height


class CallOff(Record, frozen=True, tag="call_off"):
    """Action: the agreed upgrade does not take place."""

    protocol: int


_PROTOCOLS = Table("protocols", Protocols)
_PLANNED = Table("planned_upgrade", Upgrade)


def found(state: State, protocol: int) -> None:
    """Begin with the protocol that the genesis names."""
    _PROTOCOLS.put(state, Protocols((Since(protocol, 0),)))


def at(state: State, height: int) -> int:
    """The protocol by whose rules the block at `height` is executed; a height beyond the next block's is not known."""
    kept = _PROTOCOLS.get(state)
    assert kept is not None  # written before the first block
    return next(since.protocol for since in reversed(kept.since) if since.height <= height)


def has_requests(state: State) -> bool:
    """Whether the next block's rules have requests, permits and proofs of who joins."""
    return at(state, state.height + 1) >= REQUESTS


def has_sharing(state: State) -> bool:
    """Whether the next block's rules have transfers, releases, incidents and anchors of logs."""
    return at(state, state.height + 1) >= SHARING


def planned(state: State) -> Upgrade | None:
    """The upgrade that the members have agreed on and that has not come yet."""
    return _PLANNED.get(state)


def require_possible(state: State, action: Upgrade | CallOff, height: int, time_ms: int) -> None:
    """Refuse what could not be carried out in this block.

    `wrong_protocol` unless it is the next one, `upgrade_planned` while another upgrade is agreed, `upgrade_too_soon`
    for less notice than the genesis demands; `no_upgrade` where there is none of that protocol to call off.
    """
    agreed = planned(state)
    if isinstance(action, CallOff):
        require(agreed is not None and agreed.protocol == action.protocol, "no_upgrade")
        return
    require(action.protocol == at(state, height) + 1, "wrong_protocol")
    require(agreed is None, "upgrade_planned")
    require(action.after_ms >= time_ms + parameters.founding(state).notice_ms, "upgrade_too_soon")


def carry_out(state: State, action: Upgrade | CallOff) -> None:
    """The members have agreed."""
    _PLANNED.put(state, action) if isinstance(action, Upgrade) else _PLANNED.delete(state)


def carry(state: State, protocol: int, height: int) -> None:
    """Go on by a protocol, the one in force or a later one, from `height` on; one that was agreed on may still come."""
    kept, agreed = _PROTOCOLS.get(state), planned(state)
    assert kept is not None  # written before the first block
    if kept.since[-1].protocol < protocol:
        _PROTOCOLS.put(state, Protocols((*kept.since, Since(protocol, height))))
    if agreed is not None and agreed.protocol <= protocol:
        _PLANNED.delete(state)


def end_block(state: State, inputs: BlockInput) -> list[events.ProtocolChanged]:
    """Put the agreed protocol in force from the next block on, if its time and its height have come."""
    agreed, kept = planned(state), _PROTOCOLS.get(state)
    if agreed is None or kept is None or inputs.time_ms < agreed.after_ms or inputs.height < agreed.after_height:
        return []
    _PROTOCOLS.put(state, Protocols((*kept.since, Since(agreed.protocol, inputs.height + 1))))
    _PLANNED.delete(state)
    return [events.ProtocolChanged(agreed.protocol, inputs.height + 1)]
