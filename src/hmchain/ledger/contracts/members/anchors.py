"""Anchors: how far the log of an organisation's security events was, so that it can be made anew by nobody.

A log is a chain: its length and its last link say all of it, and nothing of what it says. Anchors go forward alone. Who
lost a part of the log and goes on from a copy has a steward say so, which stays. The state knows the last anchor; all
there ever were stand in the blocks, and a log has to fit each of them: its own hospital could anchor another one.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import sharing_events
from hmchain.ledger.blocks import Height, TimeMs
from hmchain.ledger.context import AGENT, STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

SIZE_MAX = 1 << 53
"""More lines than a log has."""


class Anchor(Record, frozen=True):
    """The last of an organisation: its log had so many lines, of which the last has this link."""

    organisation: str
    size: int
    head: bytes
    time_ms: TimeMs
    height: Height


class Loss(Record, frozen=True):
    """A log that lost lines which had been anchored, by the word of its steward."""

    organisation: str
    anchored: int
    """So many lines it had."""
    head: bytes
    """The link of the last of them."""
    kept: int
    """So many of them are there still: the rest is lost."""
    size: int
    """So many it had when that was said, with those that were written since."""
    by: PersonRef
    time_ms: TimeMs
    height: Height


class AnchorLog(Record, frozen=True, tag="anchor_log"):
    """Transaction (agent, steward, operator or auditor): the log has `size` lines, the last with the link `head`."""

    size: int
    head: bytes


class RestoreLog(Record, frozen=True, tag="restore_log"):
    """Transaction (steward): anchored lines after the first `kept` are lost; the log went on from a copy."""

    kept: int
    size: int
    head: bytes


Bodies = AnchorLog | RestoreLog

_ANCHORS = Table("log_anchors", Anchor)
_LOSSES = Table("log_losses", Loss)
"""By organisation and height: one a block."""
TABLES = (_ANCHORS, _LOSSES)
"""All that is known of logs."""


def anchor(state: State, organisation: str) -> Anchor | None:
    """The last anchor of an organisation's log."""
    return _ANCHORS.get(state, organisation)


def losses(state: State, organisation: str) -> list[Loss]:
    """Everything that an organisation said was lost of its log, the first first."""
    return sorted(_LOSSES.all(state, organisation), key=lambda each: each.height)


def _require_sound(body: AnchorLog | RestoreLog) -> None:
    require_digest(body.head)
    require(0 < body.size <= SIZE_MAX, "bad_size")


def _anchor(context: Context, body: AnchorLog) -> None:
    context.require_role(AGENT, STEWARD, people.OPERATOR, people.AUDITOR)
    _require_sound(body)
    last = anchor(context.state, context.sender.organisation)
    require(last is None or body.size > last.size, "log_not_longer")
    _put(context, body)
    context.emit(sharing_events.LogAnchored(context.sender.organisation, body.size, body.head))


def _restore(context: Context, body: RestoreLog) -> None:
    context.require_role(STEWARD)
    _require_sound(body)
    state, organisation = context.state, context.sender.organisation
    last = anchor(state, organisation)
    if last is None or not 0 <= body.kept < min(last.size, body.size):
        raise Refusal("log_not_lost")
    by = people.sender(context.sender)
    lost = Loss(organisation, last.size, last.head, body.kept, body.size, by, context.time_ms, context.height)
    _LOSSES.put(state, lost, organisation, str(context.height))
    _put(context, body)
    context.emit(sharing_events.LogRestored(organisation, last.size, body.kept, body.size, body.head, by.person))


def _put(context: Context, body: AnchorLog | RestoreLog) -> None:
    organisation = context.sender.organisation
    found = Anchor(organisation, body.size, body.head, context.time_ms, context.height)
    _ANCHORS.put(context.state, found, organisation)


HANDLERS = {AnchorLog: _anchor, RestoreLog: _restore}
