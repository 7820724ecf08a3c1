"""A validator that fell silent, as the ledger tells it: missing votes, jail, return, and the price in reputation."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.interfaces.report.parts import Incident
from hmchain.ledger import events
from hmchain.ledger.blocks import ABSENT, Block, BlockResult
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.reputation import POWER_JAILED
from hmchain.ledger.state import State


@dataclass
class _Presence:
    """When a validator last voted, and its standing then."""

    height: int
    consensus: int
    power: int


@dataclass
class _Silence:
    """One silence that ended in jail."""

    last: _Presence
    jailed: int
    missed: int = 0
    """Blocks that were decided without it."""
    returned: int = 0
    lowest: int = 0
    """Least consensus score since."""


class Silences:
    """Follows who votes, block by block."""

    def __init__(self, state: State) -> None:
        """`state` is the one that the blocks are executed on."""
        self._state = state
        self._seen: dict[str, _Presence] = {}
        self._missed: dict[str, int] = {}
        self._silences: dict[str, _Silence] = {}

    def follow(self, block: Block, result: BlockResult) -> list[Incident]:
        """Take note of a block that was just executed; the incidents that are settled with it."""
        for vote in block.last_votes:
            if vote.flag == ABSENT:
                self._missed[vote.validator] = self._missed.get(vote.validator, 0) + 1
            elif vote.validator not in self._silences:
                entry = standings.standing(self._state, vote.validator)
                self._seen[vote.validator] = _Presence(block.header.height - 1, entry.consensus, entry.power)
                self._missed[vote.validator] = 0
        happened = events.decode_all(result.all_events)
        for event in happened:
            if isinstance(event, events.ValidatorJailed):
                self._jailed(event.organisation, block.header.height)
            elif isinstance(event, events.ValidatorUnjailed) and event.organisation in self._silences:
                self._silences[event.organisation].returned = block.header.height
        for name, silence in self._silences.items():
            silence.lowest = min(silence.lowest, standings.standing(self._state, name).consensus)
            silence.missed = max(silence.missed, self._missed[name])
        if not any(isinstance(event, events.EpochClosed) for event in happened):
            return []  # an incident is settled when an epoch closes after the return
        over = [name for name, silence in self._silences.items() if silence.returned]
        closed = [(name, self._silences.pop(name)) for name in over]
        return [_told(name, silence, silence.lowest) for name, silence in closed]

    @property
    def open(self) -> list[Incident]:
        """The incidents that are not settled."""
        return [_told(name, silence, None) for name, silence in self._silences.items()]

    def _jailed(self, name: str, height: int) -> None:
        entry = standings.standing(self._state, name)
        last = self._seen.get(name) or _Presence(0, entry.consensus, entry.power)
        self._silences[name] = _Silence(last, height, lowest=entry.consensus)


def _told(name: str, silence: _Silence, after: int | None) -> Incident:
    """A silence and its price; `after` is None before its epochs have closed: the score has not answered yet."""
    last = silence.last
    back = f"took it back in block {silence.returned}, when it had caught up" if silence.returned else "wait for it"
    until = f"to block {silence.returned}" if silence.returned else "on"
    return Incident(
        title="Killed validator",
        hospital=name,
        sentence=f"The machine of {name} was killed and fell silent after block {last.height}. The others decided "
        f"{silence.missed} blocks without its vote, jailed it in block {silence.jailed}, and {back}.",
        height=silence.jailed,
        score="consensus score",
        before=last.consensus,
        after=after,
        consequence=f"voting power {last.power} → {POWER_JAILED} from block {silence.jailed} {until}; the score halves "
        "with an epoch in which a fifth of the votes was missing, and grows again with the next ones",
    )
