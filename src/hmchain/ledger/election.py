"""The election of a round's master: one draw ranks all candidates, and anyone can draw it again (design, section 5).

The seed comes from secrets that were bound by hashes on the ledger before any was known, so nobody steers it;
candidates and weights are fixed before the first is revealed. The first in the ranking is the master, the others are
its backups in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, pairwise

from hmchain.canonical import Record, digest
from hmchain.errors import LedgerError

CANDIDATES_AFTER_EXCLUSION = 4

_HASH_BITS = 256
_DRAW = "hmchain/election/draw"
_OPENING = "hmchain/election/opening"
_ROUND = "hmchain/election/round"
_VOID = "hmchain/election/void"


class DuplicateCandidateError(LedgerError):
    """One organisation stands twice in an election."""

    code = "duplicate_candidate"


class Candidate(Record, frozen=True):
    """An organisation that may become master, with both its scores (0 to 10 000)."""

    id: str
    consensus: int
    learning: int


def opening_seed(study: str, seeds: Sequence[bytes]) -> bytes:
    """Return the seed of a study's first round from the seeds revealed at its opening, in order of organisation."""
    return digest(_OPENING, study.encode(), *seeds)


def next_seed(study: str, round_number: int, self_seeds: Sequence[bytes]) -> bytes:
    """Return the seed of round `round_number` from the self-mask seeds revealed in the round before it.

    `self_seeds` are those of *all* frozen survivors, in order of organisation. If one can't be recovered, use
    `void_seed`.
    """
    return digest(_ROUND, study.encode(), round_number.to_bytes(8, "big"), *self_seeds)


def void_seed(previous: bytes) -> bytes:
    """Return the seed that follows `previous` when a revealed seed is missing: withholding chooses one bit at most."""
    return digest(_VOID, previous)


def weights(candidates: Sequence[Candidate]) -> tuple[int, ...]:
    """Return the weight of each candidate: min(C, F)^2, at least 1, no share above max(1/3, 2/m) of m candidates."""
    return capped([max(1, min(candidate.consensus, candidate.learning) ** 2) for candidate in candidates])


def capped(raw: Sequence[int]) -> tuple[int, ...]:
    """Return positive weights with the largest lowered to one level, the highest at which no share exceeds the cap.

    With cap c, k weights above the level L and R the sum of the others, L = c (k L + R), so L = c R / (1 - k c). One
    pass down the sorted weights finds the k for which the next weight is not above L. It ends before k c reaches 1,
    since L >= R by then. L is rounded down, so the cap is never exceeded; the others keep their weights.
    """
    share, whole = (1, 3) if len(raw) > 6 else (2, len(raw))
    rest = sum(raw)
    for above, weight in enumerate(sorted(raw, reverse=True)):
        level = share * rest // (whole - above * share)
        if weight <= level:
            return tuple(min(weight, level) for weight in raw)
        rest -= weight
    return ()  # nobody stands


def rank(seed: bytes, candidates: Sequence[Candidate], last_masters: Sequence[str], f: int) -> tuple[str, ...]:
    """Return the ids of all candidates, the master first, its backups after it.

    The `f` who were drawn last (`last_masters` ends with the latest) are excluded if at least 4 candidates remain. An
    excluded candidate is still ranked, behind all others and by the same draw, so that backups never run out sooner for
    it. The order of `candidates` doesn't matter. Raises `DuplicateCandidateError`.
    """
    rested = rested_of(candidates, last_masters, f)
    tired = [candidate for candidate in sorted(candidates, key=_by_id) if candidate not in rested]
    counter = count()
    return (*_drawn(seed, counter, rested), *_drawn(seed, counter, tired))


def rested_of(candidates: Sequence[Candidate], last_masters: Sequence[str], f: int) -> list[Candidate]:
    """Return those among whom the master is drawn, in order; all where fewer than 4 would remain.

    Raises `DuplicateCandidateError`.
    """
    ordered = sorted(candidates, key=_by_id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            raise DuplicateCandidateError(f"{one.id} stands twice in an election", "name each candidate once")
    recent = frozenset(last_masters[-f:] if f else ())
    rested = [candidate for candidate in ordered if candidate.id not in recent]
    return ordered if len(rested) < CANDIDATES_AFTER_EXCLUSION else rested


def _by_id(candidate: Candidate) -> str:
    return candidate.id


def _drawn(seed: bytes, counter: Iterator[int], candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield all candidates in a random order: each next one with probability in proportion to its weight."""
    names = [candidate.id for candidate in candidates]
    shares = list(weights(candidates))
    while names:
        ticket = _below(seed, counter, sum(shares))
        drawn = bisect_right(list(accumulate(shares)), ticket)
        shares.pop(drawn)
        yield names.pop(drawn)


def _below(seed: bytes, counter: Iterator[int], bound: int) -> int:
    """Return an unbiased integer below `bound`: the leading bits of the next hash that gives one."""
    bits = (bound - 1).bit_length()
    while True:
        block = digest(_DRAW, seed, next(counter).to_bytes(8, "big"))
        value = int.from_bytes(block, "big") >> (_HASH_BITS - bits)
        if value < bound:
            return value
