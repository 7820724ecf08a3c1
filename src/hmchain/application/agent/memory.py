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
from hmchain.ledger.contracts.learning.rounds import Phase, Round
from hmchain.ledger.sums import SummedSet


class SumRefusedError(StudyError):
    """A sum would give a hospital's update away, beside others over the same weights: its seed stays shut."""

    code = "sum_refused"


class OpenedSums(Record, frozen=True):
    """What a seed was opened for over one key."""

    sets: tuple[bytes, ...]
    """Fingerprints of the sets that were summed over it by then, in order."""
    round: int
    """The newest round in which it was."""
    data: bytes
    """Digest of the records that the update of that round was made from."""


class SumMemory:
    """The memory, in the agent's own file.

    An entry is 32 bytes a set and is kept for good: as long as the hospital has its data, a ledger that was put back
    from a backup can ask for a sum over any key of the past.
    """

    def __init__(self, store: AgentStore) -> None:
        self._store = store

    def require_same(self, key: bytes, round_: int, data: bytes) -> None:
        """Raise `SumRefusedError` if a seed was opened over the key, in the round, for an update of other records.

        All else in a round's updates repeats with an attempt: the difference of two sums would be that of the records.
        """
        found = self._store.get(_name(key), OpenedSums)
        if found is not None and found.round == round_ and found.data != data:
            raise SumRefusedError(
                "other records may be used than when this round was summed before: the difference would tell of them",
                "the study goes on without this hospital, or ends",
            )

    def allow(
        self,
        key: bytes,
        shown: Sequence[SummedSet],
        candidate: SummedSet,
        colluders: int,
        round_: int = 0,
        data: bytes = b"",
    ) -> None:
        """Remember that a seed is opened for a sum; on disk once `AttemptMemory.opened` has returned.

        `shown` are the sets that the ledger has over the key, the candidate among them. Raises `SumRefusedError` if
        the candidate is not, if the rule does not admit them, or if this agent remembers one that the ledger does not
        have: that is another ledger, and only the very sum that is remembered may be opened on it. Raises what
        `require_same` raises too.
        """
        self.require_same(key, round_, data)
        sets = sums.distinct(shown)
        if candidate not in sets or not all(
            sums.admits(sets[:place], each, colluders) for place, each in enumerate(sets)
        ):
            raise SumRefusedError(
                "what the ledger lets be summed over these weights would give a hospital's update away",
                "compare the ledger with another member's",
            )
        found = self._store.get(_name(key), OpenedSums)
        known = set(found.sets) if found else set()
        fingerprints = {sums.fingerprint(each, colluders) for each in sets}
        if not known <= fingerprints and known != {sums.fingerprint(candidate, colluders)}:
            raise SumRefusedError(
                "over these weights another set was summed, on a ledger that was founded again, forked or put back",
                "go on with that ledger, or close this study and propose another",
            )
        opened = OpenedSums(tuple(sorted(known | fingerprints)), round_, data)
        if opened != found:
            self._store.note(_name(key), opened)


def _name(key: bytes) -> str:
    return f"opened sums/{key.hex()}"


class Acts(Record, frozen=True):
    """How far this agent went in the newest attempt of a study that it saw."""

    round: int
    attempt: int
    height: int
    """The ledger's, when it first saw it or did something in it last."""
    opened: bool
    """It opened its seeds, or was left out and others opened theirs with it."""

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
        is_forgotten = acts.opened and entry.phase in (Phase.COMMIT, Phase.ATTEST)
        if place < acts.place or height < acts.height or is_forgotten:
            if place == acts.place:
                self._store.put(self._name, Acts(*place, _SPOILED, acts.opened))
            raise SumRefusedError(
                "the ledger went back behind what this agent did in the attempt", "the next attempt goes on"
            )

    def is_left_out(self, entry: Round, organisation: str) -> bool:
        """Whether the attempt was frozen without this hospital, whose agent keeps that, and which attempt it saw last.

        The pair seeds with who is left out are opened: its self seed stays shut, also on a ledger that was put back.
        """
        acts = self._store.get(self._name, Acts)
        place = (entry.number, entry.attempt)
        left_out = bool(entry.frozen) and organisation not in entry.frozen
        shut = Acts(*place, _SPOILED, opened=True)
        if left_out and acts != shut and (acts is None or acts.place <= place):
            self._store.put(self._name, shut)
        elif not left_out and (acts is None or acts.place < place):
            self._store.note(self._name, Acts(*place, 0, opened=False))
        return left_out

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
