"""What an agent remembers of sums, whatever ledger asks for them.

A ledger knows its own sums alone. Chains are founded again, forked and put back from backups, and over the same weights
a hospital computes the same update; so each agent holds the rule of `ledger/sums.py` by itself. And a ledger that is
put back runs an attempt a second time under the same mask seeds: who was left out of its set at first, and had its pair
seeds opened, must not open its self seed now (docs/sums.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.agent.store import AgentStore
from hmchain.canonical import Record
from hmchain.errors import StudyError
from hmchain.ledger import sums
from hmchain.ledger.contracts import rounds
from hmchain.ledger.contracts.rounds import Round
from hmchain.ledger.sums import SummedSet


class SumRefusedError(StudyError):
    """A sum would give a hospital's update away, beside others over the same weights: its seed stays shut."""

    code = "sum_refused"


class OpenedSums(Record, frozen=True):
    """Fingerprints of the sets that were summed over one key when a seed was opened for it, in order."""

    sets: tuple[bytes, ...]


class SumMemory:
    """The memory, in the agent's own file.

    An entry is 32 bytes a set and is kept for good: as long as the hospital has its data, a ledger that was put back
    from a backup can ask for a sum over any key of the past.
    """

    def __init__(self, store: AgentStore) -> None:
        self._store = store

    def allow(self, key: bytes, shown: Sequence[SummedSet], candidate: SummedSet, colluders: int) -> None:
        """Remember that a seed is opened for a sum; on disk once `AttemptMemory.opened` has returned.

        `shown` are the sets that the ledger has over the key, the candidate among them. Raises `SumRefusedError` if
        the candidate is not, if the rule does not admit them, or if this agent remembers one that the ledger does not
        have: that is another ledger, and only the very sum that is remembered may be opened on it.
        """
        sets = sums.distinct(shown)
        if candidate not in sets or not all(
            sums.admits(sets[:place], each, colluders) for place, each in enumerate(sets)
        ):
            raise SumRefusedError(
                "what the ledger lets be summed over these weights would give a hospital's update away",
                "compare the ledger with another member's",
            )
        name = f"opened sums/{key.hex()}"
        found = self._store.get(name, OpenedSums)
        known = set(found.sets) if found else set()
        fingerprints = {sums.fingerprint(each, colluders) for each in sets}
        if not known <= fingerprints and known != {sums.fingerprint(candidate, colluders)}:
            raise SumRefusedError(
                "over these weights another set was summed, on a ledger that was founded again, forked or put back",
                "go on with that ledger, or close this study and propose another",
            )
        if not fingerprints <= known:
            self._store.note(name, OpenedSums(tuple(sorted(known | fingerprints))))


class Acts(Record, frozen=True):
    """How far this agent went in the newest attempt of a study in which it vouched for others or opened seeds."""

    round: int
    attempt: int
    height: int
    """The ledger's, when it did so last."""
    opened: bool

    @property
    def place(self) -> tuple[int, int]:
        """Which attempt it was."""
        return self.round, self.attempt


_SPOILED = 1 << 62
"""A height that no ledger reaches: nothing more is done in this attempt."""


class AttemptMemory:
    """One study's acts: none of them is done again on a ledger that has forgotten them."""

    def __init__(self, store: AgentStore, study: str) -> None:
        self._store = store
        self._name = f"{study}/acts"

    def require(self, entry: Round, height: int) -> None:
        """Raise `SumRefusedError` in an attempt in which this agent acted on a ledger that went further."""
        acts = self._store.get(self._name, Acts)
        place = (entry.number, entry.attempt)
        if acts is None or place > acts.place:
            return
        is_forgotten = acts.opened and entry.phase in (rounds.COMMIT, rounds.ATTEST)
        if place < acts.place or height < acts.height or is_forgotten:
            if place == acts.place:
                self._store.put(self._name, Acts(*place, _SPOILED, acts.opened))
            raise SumRefusedError(
                "the ledger went back behind what this agent did in the attempt", "the next attempt goes on"
            )

    def vouched(self, entry: Round, height: int) -> None:
        """Keep that it vouches for others now."""
        self._store.note(self._name, Acts(entry.number, entry.attempt, height, opened=False))

    def opened(self, entry: Round, height: int) -> None:
        """Keep that it opens its seeds now; this and what was allowed just before is on disk when this returns.

        One sync for both, and safety needs it: the power cut that takes what an agent remembers may be the one after
        which a ledger is put back.
        """
        acts = self._store.get(self._name, Acts)
        if acts is None or acts.place != (entry.number, entry.attempt) or not acts.opened:
            self._store.put(self._name, Acts(entry.number, entry.attempt, height, opened=True))
