"""Attendance: who voted and who proposed, measured in block time; the numbers behind the consensus score.

A vote in the last commit is for the block (commit), for none (nil), or absent. Only the first helps to decide, so the
other two are missed votes. They are counted apart, since different proposers can cause them: whoever makes the *next*
block may leave a vote out of its commit, but cannot turn a signed vote into a nil one; whoever made the block that was
*voted on* may have sent it late to one validator, so that this one had nothing to vote for. Each kind is laid at the
door of the proposer that can cause it, and each has its own median over *all* other validators, one that proposed
nothing among them: f dishonest proposers spoil f counts of either kind, never 2f of one, however few blocks there are.

A block that is not empty stands for the block time since the one before it, its *span*. So an hour's absence costs the
same on a busy chain as on a quiet one, and nobody makes it dearer with a flood of transactions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import reputation
from hmchain.ledger.blocks import ABSENT, COMMIT, NIL, BlockInput
from hmchain.ledger.state import State, Table

TURN_MS_MAX = 30_000
"""A turn to propose stands for no more than this: one that fails costs others seconds, however quiet the chain is."""
FAILED_TURNS_MIN = 3
"""Fewer turns that failed are nothing."""
SPAN_MS_MAX = 10 * 60 * 1000
"""A block stands for no more than this: one vote that came late after a quiet night is not a night's absence."""


class Epoch(Record, frozen=True):
    """What is counted since genesis, and since the epoch began."""

    blocks: int
    """Non-empty blocks since genesis."""
    started: int
    """The value of `blocks` when this epoch began."""
    started_ms: int
    time_ms: int
    """Of the last non-empty block."""
    span_ms: int
    """What that block stands for."""
    paused: tuple[str, ...]
    """Who was on announced maintenance for a part of this epoch, in order of organisation."""


class Tally(Record, frozen=True):
    """Whose votes were missed at one proposer's door in this epoch."""

    proposer: str
    span_ms: int
    """What all its blocks stand for."""
    missed: tuple[tuple[str, int], ...]
    """Organisation and what the blocks stand for that miss its vote, in order of organisation."""


class Turns(Record, frozen=True):
    """One validator's turns to propose in this epoch."""

    validator: str
    span_ms: int
    """What they all stand for."""
    failed_ms: int
    """What those stand for that failed."""
    failed: int
    """How many failed."""


class Silence(Record, frozen=True):
    """A validator whose last vote was missed; the record goes with its next vote for a block."""

    validator: str
    block: int
    """The last non-empty block, counted from genesis, before its votes were missed."""
    time_ms: int
    witnesses: tuple[str, ...]
    """Proposers at whose doors votes were missed since then, the first ones."""


_EPOCH = Table("epoch", Epoch)
_TALLIES = Table("tallies", Tally)
_TURNS = Table("turns", Turns)
_SILENCES = Table("silences", Silence)


def initialise(state: State) -> None:
    """Begin the first epoch, with the first block that is not empty."""
    _EPOCH.put(state, Epoch(0, 0, 0, 0, 0, ()))


def carry(state: State) -> None:
    """Begin to count anew, as if nothing had been counted; the time of the last block stays what it was."""
    last = epoch(state)
    for table in (_TALLIES, _TURNS, _SILENCES):
        table.clear(state)
    _EPOCH.put(state, Epoch(0, 0, 0, last.time_ms if last else 0, 0, ()))


def epoch(state: State) -> Epoch | None:
    """The epoch that is open; None where nothing was founded."""
    return _EPOCH.get(state)


def silences(state: State) -> dict[str, Silence]:
    """The validators whose last vote was missed."""
    return {silence.validator: silence for silence in _SILENCES.all(state)}


def count(
    state: State, inputs: BlockInput, turns: Sequence[str], paused: Collection[str], excused: Collection[str]
) -> None:
    """Count a non-empty block: the votes on the block before it, and the `turns` to propose that led there.

    Turns of the `paused` that failed, and votes of the `excused` that were missed, are not counted.
    """
    open_ = epoch(state) or Epoch(0, 0, 0, 0, 0, ())
    first = open_.blocks == 0
    span_ms = 0 if first else min(inputs.time_ms - open_.time_ms, SPAN_MS_MAX)
    now = replace(
        open_,
        blocks=open_.blocks + 1,
        started_ms=inputs.time_ms if first else open_.started_ms,
        time_ms=inputs.time_ms,
        span_ms=span_ms,
        paused=tuple(sorted({*open_.paused, *paused})),
    )
    _EPOCH.put(state, now)
    if not turns:
        return
    count_turns(state, turns, paused)
    witnesses_max = reputation.faults_tolerated(len(inputs.last_votes)) + 1
    silent = silences(state)
    for flag, proposer in ((ABSENT, inputs.proposer), (NIL, turns[-1])):
        missed = [v.validator for v in inputs.last_votes if v.flag == flag and v.validator not in excused]
        _tally(state, flag, proposer, span_ms, missed)
        for validator in missed:
            known = silent.get(validator) or Silence(validator, open_.blocks, open_.time_ms, ())
            witnesses = tuple(sorted({*known.witnesses, proposer}))
            if len(witnesses) <= witnesses_max and witnesses != known.witnesses:
                _SILENCES.put(state, replace(known, witnesses=witnesses), validator)
    for vote in inputs.last_votes:
        if vote.flag == COMMIT and vote.validator in silent:
            forgive(state, vote.validator)


def _tally(state: State, flag: int, proposer: str, span_ms: int, missed: Sequence[str]) -> None:
    """One more block at a proposer's door, and whose votes it misses."""
    known = _TALLIES.get(state, flag, proposer) or Tally(proposer, 0, ())
    found = dict(known.missed)
    for validator in missed:
        found[validator] = found.get(validator, 0) + span_ms
    _TALLIES.put(state, Tally(proposer, known.span_ms + span_ms, tuple(sorted(found.items()))), flag, proposer)


def count_turns(state: State, turns: Sequence[str], paused: Collection[str]) -> None:
    """Count turns to propose, all but the last of which failed; each stands for what the last non-empty block does."""
    open_ = epoch(state)
    span_ms = min(open_.span_ms, TURN_MS_MAX) if open_ else 0
    for number, validator in enumerate(turns):
        if validator not in paused:
            known = _TURNS.get(state, validator) or Turns(validator, 0, 0, 0)
            failed = int(number < len(turns) - 1)
            renewed = Turns(
                validator,
                known.span_ms + span_ms,
                known.failed_ms + failed * span_ms,
                known.failed + failed,
            )
            _TURNS.put(state, renewed, validator)


def forgive(state: State, validator: str) -> None:
    """It is back: what was missed until now jails it no more."""
    _SILENCES.delete(state, validator)


def failed_turns(state: State, members: Sequence[str], elapsed_ms: int) -> dict[str, tuple[int, int]]:
    """Of each member the time of turns that failed, and of all its turns: its equal share of the epoch at least."""
    known = {turns.validator: turns for turns in _TURNS.all(state)}
    share_ms = elapsed_ms // max(1, len(members))
    found = {}
    for name in members:
        turns = known.get(name, Turns(name, 0, 0, 0))
        found[name] = turns.failed_ms if turns.failed >= FAILED_TURNS_MIN else 0, max(share_ms, turns.span_ms)
    return found


def miss_rates(state: State, members: Sequence[str], elapsed_ms: int) -> dict[str, int]:
    """How often each member's votes were missed in this epoch, in 1/10 000: absent and nil, each by its median.

    At one proposer's door that is the time of its blocks that miss the vote, over the time of all its blocks or its
    equal share of the epoch, whichever is longer: nobody is judged by a few moments that somebody chose.
    """
    share_ms = max(1, elapsed_ms // max(1, len(members)))
    total = dict.fromkeys(members, 0)
    for flag in (ABSENT, NIL):
        doors: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for tally in _TALLIES.all(state, flag):
            for validator, missed_ms in tally.missed:
                if tally.proposer in total and tally.proposer != validator:
                    doors[validator].append((missed_ms, max(share_ms, tally.span_ms)))
        for name in members:
            total[name] += reputation.median_miss_rate(doors[name], len(members) - 1)
    return {name: min(reputation.PERMYRIAD, rate) for name, rate in total.items()}


def begin_epoch(state: State) -> None:
    """Forget what was counted in the epoch that is over."""
    open_ = epoch(state)
    if open_ is not None:
        _EPOCH.put(state, replace(open_, started=open_.blocks, started_ms=open_.time_ms, paused=()))
    for flag in (ABSENT, NIL):
        for tally in _TALLIES.all(state, flag):
            _TALLIES.delete(state, flag, tally.proposer)
    for turns in _TURNS.all(state):
        _TURNS.delete(state, turns.validator)
