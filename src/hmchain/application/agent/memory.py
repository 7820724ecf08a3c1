"""What an agent remembers of sums: over each key the sets that it opened a seed for, whatever ledger asked.

A ledger knows its own sums alone. Chains are founded again, forked and put back from backups, and over the same weights
a hospital computes the same update; so each agent holds the rule of `ledger/sums.py` by itself (docs/sums.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.agent.store import AgentStore
from hmchain.canonical import Record
from hmchain.errors import StudyError
from hmchain.ledger import sums
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
        """Remember that a seed is opened for a sum; on disk when this returns.

        `shown` are the sets that the ledger has over the key, the candidate among them. Raises `SumRefusedError` if
        the rule does not admit them, or if this agent remembers one that the ledger does not have: that is another
        ledger, and only the very sum that is remembered may be opened on it.
        """
        sets = sums.distinct([*shown, candidate])
        if not all(sums.admits(sets[:place], each, colluders) for place, each in enumerate(sets)):
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
            self._store.put(name, OpenedSums(tuple(sorted(known | fingerprints))))
