"""What was summed over which key: the ledger's own history for the rule in `ledger/sums.py`."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import sums
from hmchain.ledger.context import require
from hmchain.ledger.state import State, Table
from hmchain.ledger.sums import SummedSet


class Claim(Record, frozen=True):
    """The first study that was proposed to start from a key's weights, or that summed over them."""

    study: str


class KeyHistory(Record, frozen=True):
    """The sums of one study over one key."""

    study: str
    sets: tuple[SummedSet, ...]
    """Different sets that were frozen over it, in order: each counts from its freeze, whoever withheld a seed."""
    missed: int
    """Sums over it that were impossible, and attempts that reached no set that may be summed."""


_CLAIMS = Table("claimed_keys", Claim)
_KEYS = Table("sums", KeyHistory)


def history(state: State, key: bytes, study: str) -> KeyHistory:
    """The sums of a study over a key."""
    return _KEYS.get(state, key, study) or KeyHistory(study, (), 0)


def claim(state: State, key: bytes, study: str) -> None:
    """Let no other study be proposed that starts over a key; refuse (`model_taken`) a key that another one has.

    It does not keep a study that is running from arriving there: else whoever proposes one could end another's.
    """
    found = _CLAIMS.get(state, key)
    require(found is None or found.study == study, "model_taken")
    _CLAIMS.put(state, Claim(study), key)


def is_closed_to(state: State, key: bytes, study: str, participants: tuple[str, ...], colluders: int) -> bool:
    """Whether another study summed over the key, with more of these participants than may collude.

    Then one that is honest is in both, and its update the same. Fewer may have made the other study up, to end this
    one: so they cannot. Should one of them be honest after all, its agent remembers, and opens no second set.
    """
    return any(
        len({each.organisation for each in summed} & set(participants)) > colluders
        for other in _KEYS.all(state, key)
        for summed in other.sets
        if other.study != study
    )


def freeze(
    state: State, key: bytes, study: str, participants: tuple[str, ...], frozen: SummedSet, colluders: int
) -> bool:
    """Take a set into the history of its key, if it may be summed there; False, and nothing, if it may not."""
    known = history(state, key, study)
    is_closed = is_closed_to(state, key, study, participants, colluders)
    if is_closed or not sums.admits(known.sets, frozen, colluders):
        return False
    if _CLAIMS.get(state, key) is None:
        _CLAIMS.put(state, Claim(study), key)
    _KEYS.put(state, replace(known, sets=tuple(sums.distinct([*known.sets, frozen]))), key, study)
    return True


def miss(state: State, key: bytes, study: str) -> int:
    """Count an attempt over a key that came to nothing, and return how many did."""
    known = history(state, key, study)
    _KEYS.put(state, replace(known, missed=known.missed + 1), key, study)
    return known.missed + 1
