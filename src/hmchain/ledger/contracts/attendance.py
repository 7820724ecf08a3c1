"""Attendance: who voted and who proposed, counted from blocks; the numbers behind the consensus score.

A vote in the last commit is for the block (commit), for none (nil), or absent. Only the first helps to decide, so the
other two are missed votes. They are counted apart, since different proposers can cause them: whoever makes the *next*
block may leave a vote out of its commit, but cannot turn a signed vote into a nil one; whoever made the block that was
*voted on* may have sent it late to one validator, so that this one had nothing to vote for. Each kind is laid at the
door of the proposer that can cause it, and each has its own median over proposers: f dishonest proposers spoil f counts
of either kind, never 2f of one.
"""

from __future__ import annotations

from collections.abc import Iterable

from hmchain.canonical import Record
from hmchain.ledger import reputation
from hmchain.ledger.blocks import Vote

Tallies = tuple[tuple[str, "Tally"], ...]
"""One a proposer, in order of organisation."""


class Proposal(Record, frozen=True):
    """One turn to propose, taken or failed."""

    validator: str
    failed: bool


class Presence(Record, frozen=True):
    """When a validator was last seen voting for a block."""

    block: int
    """Counted in non-empty blocks."""
    time_ms: int


class Tally(Record, frozen=True):
    """Per epoch and proposer: whose votes were missed."""

    blocks: int
    missed: tuple[tuple[str, int], ...]
    """Organisation and count, in order of organisation."""


class Epoch(Record, frozen=True):
    """The counters behind the consensus score."""

    blocks: int
    """Non-empty blocks since genesis."""
    started: int
    """The value of `blocks` when this epoch began."""
    time_ms: int
    """Of the last non-empty block."""
    proposals: tuple[Proposal, ...]
    """The last 10 n turns."""
    seen: tuple[tuple[str, Presence], ...]
    absent: Tallies
    """Votes that a proposer's blocks lacked."""
    nil: Tallies
    """Votes for nothing where a proposer's block was decided."""
    paused: tuple[str, ...]
    """Who was on announced maintenance for a part of this epoch, in order of organisation."""


def counted(tallies: Tallies, proposer: str, votes: Iterable[Vote], flag: int) -> Tallies:
    """The tallies with one more block on a proposer's account: who of its voters voted as `flag` says."""
    found = dict(tallies)
    known = found.get(proposer, Tally(0, ()))
    missed = dict(known.missed)
    for vote in votes:
        if vote.flag == flag:
            missed[vote.validator] = missed.get(vote.validator, 0) + 1
    found[proposer] = Tally(known.blocks + 1, tuple(sorted(missed.items())))
    return tuple(sorted(found.items()))


def miss_rate(epoch: Epoch, organisation: str) -> int:
    """How often a validator's votes were missed in this epoch, in 1/10 000: absent and nil, each by its median."""
    rates = [_median_rate(tallies, organisation) for tallies in (epoch.absent, epoch.nil)]
    return min(reputation.PERMYRIAD, sum(rates))


def _median_rate(tallies: Tallies, organisation: str) -> int:
    others = [tally for proposer, tally in tallies if proposer != organisation]
    return reputation.median_miss_rate([(dict(tally.missed).get(organisation, 0), tally.blocks) for tally in others])
