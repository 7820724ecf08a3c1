"""What was summed over which key: the ledger's own history for the rule in `ledger/sums.py`."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import sums
from hmchain.ledger.context import require
from hmchain.ledger.state import State, Table
from hmchain.ledger.sums import SummedSet


class KeyHistory(Record, frozen=True):
    """The sums over one key."""

    study: str
    """The one study that may sum over it: that which did so first, before that which was proposed first."""
    sets: tuple[SummedSet, ...]
    """Different sets that were frozen over it, in order: each counts from its freeze, whoever withheld a seed."""
    missed: int
    """Sums over it that were impossible, and attempts that reached no set that may be summed."""


_KEYS = Table("sums", KeyHistory)


def history(state: State, key: bytes, study: str) -> KeyHistory:
    """The sums over a key; of `study` if there are none yet."""
    return _KEYS.get(state, key) or KeyHistory(study, (), 0)


def claim(state: State, key: bytes, study: str) -> None:
    """Let no other study be proposed that starts over a key; refuse (`model_taken`) a key that another one has.

    It does not keep a study that is running from arriving there: else whoever proposes one could end another's.
    """
    require(history(state, key, study).study == study, "model_taken")
    _KEYS.put(state, history(state, key, study), key)


def is_closed_to(known: KeyHistory, study: str) -> bool:
    """Whether another study summed over the key."""
    return bool(known.sets) and known.study != study


def freeze(state: State, key: bytes, study: str, frozen: SummedSet, colluders: int) -> bool:
    """Take a set into the history of its key, if it may be summed there; False, and nothing, if it may not."""
    known = history(state, key, study)
    if is_closed_to(known, study) or not sums.admits(known.sets, frozen, colluders):
        return False
    sets = tuple(sums.distinct([*known.sets, frozen]))
    _KEYS.put(state, replace(known, study=study, sets=sets), key)
    return True


def miss(state: State, key: bytes, study: str) -> int:
    """Count an attempt over a key that came to nothing, and return how many did."""
    known = history(state, key, study)
    _KEYS.put(state, replace(known, missed=known.missed + 1), key)
    return known.missed + 1
