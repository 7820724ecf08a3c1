"""Reputation: what each organisation has earned, and the voting power that follows from it (design, section 5).

Two scores from 0 to 10 000, kept apart on purpose. The *consensus score* C says how well a validator votes and
proposes; it alone moves voting power. The *learning score* F says how it behaved in the rounds of one study; it counts
only in the election of a round's master, so that a hospital with unusual patients never loses its vote. What somebody
earns in one study counts in no other, or a few colluders would earn it among themselves; breaches count in all.

Integers throughout: scores and powers are whole numbers, sums and offences are fixed point with 16 fractional bits
(`ONE` is 1), times are milliseconds of block time. Divisions round down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

from msgspec.structs import replace

from hmchain.canonical import Record

SCORE_MAX = 10_000
SCORE_START = 5_000
PERMYRIAD = 10_000

POWER_MAX = 1_000
POWER_JAILED = 1
POWER_NONE = 0

ONE = 1 << 16

MISS_LIMIT_PERMYRIAD = 2_000
FAILED_LIMIT_PERMYRIAD = 1_000
GAIN = 200
GAIN_MIN = 10
DAY_MS = 24 * 60 * 60 * 1000
OFFENCE_HALF_LIFE_MS = 30 * DAY_MS
BREACH_HALF_LIFE_MS = 30 * DAY_MS

EPOCH_BLOCKS_MIN = 100
EPOCH_BLOCKS_PER_MEMBER = 10
EPOCH_MS = 6 * 60 * 60 * 1000
JAIL_BLOCKS_PER_MEMBER = 10
JAIL_MS = 10 * 60 * 1000

FADED_DAYS = 365
"""After so many days nothing is left of what was earned in a study."""

MEMBERS_FOR_BAND = 4
SEND_FRACTION = 20
MOVE_FRACTION = 10


class Outcome(IntEnum):
    """How one organisation's part in a learning round ended."""

    ACCEPTED = 0
    LATE = 1
    WITHHELD = 2
    FRAUD = 3


_EVIDENCE = {
    Outcome.ACCEPTED: (ONE, 0),
    Outcome.LATE: (0, ONE // 2),
    Outcome.WITHHELD: (0, 0),
    Outcome.FRAUD: (0, 0),
}
BREACH = {Outcome.WITHHELD: ONE, Outcome.FRAUD: 10 * ONE}
"""Weight of an outcome among the breaches."""


class Conduct(Record, frozen=True):
    """How one organisation behaved in the rounds of one study. The default is that of who just joined it."""

    supported: int = 0
    """S, the sum of good outcomes, fixed point, as it stood on `day`."""
    unsupported: int = 0
    """U, the sum of bad outcomes, likewise."""
    day: int = 0
    """Of block time."""
    muted: bool = False
    """It withheld a seed in this study: from then on its seeds count in no election of the study."""


class Breaches(Record, frozen=True):
    """Withheld seeds and proven frauds of one organisation in all studies."""

    amount: int = 0
    """Fixed point, as it stood at `at_ms`."""
    at_ms: int = 0


class Standing(Record, frozen=True):
    """What the ledger remembers of one organisation's conduct. The default is that of a newcomer."""

    consensus: int = SCORE_START
    """Consensus score C, 0 to 10 000."""
    offences: int = 0
    """Offences, fixed point, as they stood at `offences_at_ms`; `offences_now` says what is left of them."""
    offences_at_ms: int = 0
    """Block time of the last offence."""
    jailed: bool = False
    """Silent for too long: voting power 1 until it is back."""
    jailed_at_height: int = 0
    """Height of the jailing; where a set of powers would be unsafe the newest jail waits."""
    announced: bool = False
    """The jail is announced maintenance, and so far no offence."""
    tombstoned: bool = False
    """No longer a validator, for good."""
    barred: bool = False
    """Never again master of a round: proven aggregation fraud."""
    power: int = POWER_NONE
    """Voting power last sent to the engine; 0 is outside the validator set."""


class PowerSet(Record, frozen=True):
    """The voting powers of the next epoch, in the order of the standings they were computed from."""

    powers: tuple[int, ...]
    waiting: tuple[int, ...]
    """Positions of the jailed whose jail must wait, because the set would be unsafe with it."""


def faults_tolerated(n: int) -> int:
    """Return f, the number of Byzantine members that `n` members tolerate."""
    return (n - 1) // 3


def epoch_is_over(
    blocks: int, elapsed_ms: int, n: int, blocks_min: int = EPOCH_BLOCKS_MIN, ms_min: int = EPOCH_MS
) -> bool:
    """Say whether an epoch of `n` members ends after so many non-empty blocks and so much block time.

    It needs both: by blocks alone a flood of transactions could close many epochs in one short outage.
    """
    return blocks >= max(blocks_min, EPOCH_BLOCKS_PER_MEMBER * n) and elapsed_ms >= ms_min


def halved(value: int, elapsed: int, half_life: int) -> int:
    """Return value * 2^(-elapsed / half_life): exact at whole half-lives, linear in between.

    The interpolation lies above the true curve, by 6.2 % at most, and doesn't compose: two steps decay less than one of
    the same length. So a decaying value is kept with the time it was set, and not rewritten because time passed.
    """
    halvings, rest = divmod(max(0, elapsed), half_life)
    return (value >> halvings) * (2 * half_life - rest) // (2 * half_life)


def offences_now(standing: Standing, now_ms: int) -> int:
    """Return what is left of the offences at `now_ms` (fixed point): half of them every 30 days."""
    return halved(standing.offences, now_ms - standing.offences_at_ms, OFFENCE_HALF_LIFE_MS)


# Learning


def learning_score(conduct: Conduct, breaches: Breaches, now_ms: int) -> int:
    """Return the learning score F = 10^4 (S + 1) / (S + U + 2) / (1 + breaches): one half where nothing is known.

    A breach divides F whatever was earned before, so that no number of good rounds pays for one.
    """
    known = faded(conduct, now_ms)
    earned = SCORE_MAX * (known.supported + ONE) // (known.supported + known.unsupported + 2 * ONE)
    return burdened(earned, breaches, now_ms)


def burdened(score: int, breaches: Breaches, now_ms: int) -> int:
    """Return what is left of a score where breaches are remembered: score / (1 + breaches)."""
    return score * ONE // (ONE + breaches_now(breaches, now_ms))


def faded(conduct: Conduct, now_ms: int) -> Conduct:
    """Return conduct as it counts at `now_ms`: S and U lose an eighth with each day of block time.

    Whole days fade, however many rounds there are in one: what is forgotten cannot be hurried by quick rounds.
    """
    day = now_ms // DAY_MS
    days = min(max(0, day - conduct.day), FADED_DAYS)
    if not days:
        return conduct
    supported, unsupported = (value * 7**days >> 3 * days for value in (conduct.supported, conduct.unsupported))
    return replace(conduct, supported=supported, unsupported=unsupported, day=day)


def record_learning(conduct: Conduct, outcome: Outcome, now_ms: int) -> Conduct:
    """Return the conduct after one round."""
    known = faded(conduct, now_ms)
    good, bad = _EVIDENCE[outcome]
    return Conduct(
        known.supported + good,
        known.unsupported + bad,
        max(conduct.day, now_ms // DAY_MS),
        conduct.muted or outcome is Outcome.WITHHELD,
    )


def breaches_now(breaches: Breaches, now_ms: int) -> int:
    """Return what is left of the breaches at `now_ms` (fixed point): half of them every 30 days."""
    return halved(breaches.amount, now_ms - breaches.at_ms, BREACH_HALF_LIFE_MS)


def record_breach(breaches: Breaches, outcome: Outcome, now_ms: int) -> Breaches:
    """Return the breaches after one more outcome, which need not be one."""
    if outcome not in BREACH:
        return breaches
    return Breaches(breaches_now(breaches, now_ms) + BREACH[outcome], now_ms)


def bar(standing: Standing) -> Standing:
    """Return the standing after proven aggregation fraud: never master again."""
    return replace(standing, barred=True)


def may_stand(standing: Standing) -> bool:
    """Say whether the organisation is a candidate for master of a round; the jailed are, since they may be back."""
    return not (standing.barred or standing.tombstoned)


def may_lead(standing: Standing) -> bool:
    """Say whether the organisation may be master of a round now."""
    return may_stand(standing) and not standing.jailed


# Consensus


def median_miss_rate(misses: Sequence[tuple[int, int]], others: int) -> int:
    """Return how often a validator's votes were missing, in 1/10 000: the lower median over the `others`.

    `misses` has one (missed, total) for each of the other validators at whose doors votes were missed; all the rest
    stand for none, those too that proposed nothing. A proposer may leave an honest vote out, or send its block too late
    to be voted for, so a mean would let f of them slander, and so would a median over those alone who had a turn on a
    quiet chain.
    """
    rates = sorted(PERMYRIAD * min(missed, total) // total for missed, total in misses)
    middle = (others - 1) // 2 - (others - len(rates))
    return rates[middle] if 0 <= middle < len(rates) else 0


def close_epoch(standing: Standing, missed_permyriad: int, failed: int, assigned: int, now_ms: int) -> Standing:
    """Return the standing after an epoch: C grows by max(10, 200 / 2^offences), or halves; in jail it doesn't grow.

    `missed_permyriad` is the median miss rate, `failed` of `assigned` the time of turns to propose; what was missed in
    jail or on announced maintenance is in neither, so a jail of many epochs costs no more than what led to it.
    """
    diligent = missed_permyriad < MISS_LIMIT_PERMYRIAD
    productive = failed * PERMYRIAD <= assigned * FAILED_LIMIT_PERMYRIAD
    if not (diligent and productive):
        return replace(standing, consensus=standing.consensus // 2)
    if standing.jailed:
        return standing
    gain = max(GAIN_MIN, halved(GAIN, offences_now(standing, now_ms), ONE))
    return replace(standing, consensus=min(SCORE_MAX, standing.consensus + gain))


def proven_offence(standing: Standing, now_ms: int) -> Standing:
    """Return the standing after an offence proven to the state machine: C halves at once, one more offence counts."""
    return replace(_with_offence(standing, now_ms), consensus=standing.consensus // 2)


def absent(
    blocks: int,
    elapsed_ms: int,
    witnesses: int,
    n: int,
    blocks_per_member: int = JAIL_BLOCKS_PER_MEMBER,
    ms_min: int = JAIL_MS,
) -> bool:
    """Say whether a validator without a vote for any of the last `blocks` blocks and `elapsed_ms` is to be jailed.

    At least f + 1 different proposers must have borne witness of it, one of them honest.
    """
    return blocks >= blocks_per_member * n and elapsed_ms >= ms_min and witnesses > faults_tolerated(n)


def jail(standing: Standing, height: int, now_ms: int, *, announced: bool = False) -> Standing:
    """Return the standing of a validator that fell silent: an offence, unless it was `announced` maintenance."""
    known = standing if announced else _with_offence(standing, now_ms)
    return replace(known, jailed=True, jailed_at_height=height, announced=announced)


def unjail(standing: Standing) -> Standing:
    """Return the standing of a validator that is back."""
    return replace(standing, jailed=False, jailed_at_height=0, announced=False)


def tombstone(standing: Standing) -> Standing:
    """Return the standing of an organisation that is a validator no more: a proven double sign, or a 2/3 vote."""
    return replace(standing, tombstoned=True)


def _with_offence(standing: Standing, now_ms: int) -> Standing:
    return replace(standing, offences=offences_now(standing, now_ms) + ONE, offences_at_ms=now_ms)


# Voting power


def power_floor(n: int) -> int:
    """Return the least power of an unjailed validator: floor(1000 * 2f / (2f + 1)) + 1, or 1000 if `n` < 4.

    The n - f >= 2f + 1 honest hold more than 2f * 1000 even if all are slandered to the floor, so f attackers at the
    top stay below one third. With fewer than four members no fault is tolerated and all powers are equal.
    """
    if n < MEMBERS_FOR_BAND:
        return POWER_MAX
    f = faults_tolerated(n)
    return POWER_MAX * 2 * f // (2 * f + 1) + 1


def voting_power(consensus: int, n: int) -> int:
    """Return the power that a consensus score earns among `n` members: floor + (1000 - floor) C / 10^4."""
    floor = power_floor(n)
    return floor + (POWER_MAX - floor) * consensus // SCORE_MAX


def safe(powers: Sequence[int], n: int) -> bool:
    """Say whether powers are safe among `n` members: the f largest hold less than a third, and nobody decides alone.

    For f >= 1 the first implies the second. For two or three members f is 0, and only the second says something:
    without it two jails among three would let the third commit by itself.
    """
    largest = sorted(powers, reverse=True)
    total = sum(powers)
    return 3 * sum(largest[: faults_tolerated(n)]) < total and (n < 2 or 3 * largest[0] <= 2 * total)


def next_powers(standings: Sequence[Standing], *, epoch_ends: bool = True) -> PowerSet:
    """Return the powers to send, a safe set always.

    A tombstone has power 0, a jail 1, everyone else the power that C earns, approached slowly. If that set is unsafe,
    all unjailed powers become 1000; if it still is, the newest jail waits. Somebody always stays out of jail, and where
    no member would be left the powers stay as they are: an emptied set halts the engine. Jail and membership may change
    in any block; earned powers only move where an epoch ends.
    """
    n = sum(not standing.tombstoned for standing in standings)
    if not n:
        return PowerSet(tuple(standing.power for standing in standings), ())
    # the last choice, equal powers without a jail, is always safe
    return next(choice for choice in _choices(standings, n, epoch_ends) if safe(choice.powers, n))


def _choices(standings: Sequence[Standing], n: int, epoch_ends: bool) -> Iterator[PowerSet]:
    """Yield the sets that may be sent, the most wanted first: with all jails, then each time without the newest."""
    jails = [i for i, standing in enumerate(standings) if standing.jailed and not standing.tombstoned]
    jails.sort(key=lambda i: (standings[i].jailed_at_height, i))
    for kept in range(min(len(jails), n - 1), -1, -1):
        jailed, waiting = frozenset(jails[:kept]), tuple(sorted(jails[kept:]))
        earned = _powers(standings, jailed, [voting_power(standing.consensus, n) for standing in standings])
        yield PowerSet(tuple(_smoothed(standings, earned, n, epoch_ends)), waiting)
        yield PowerSet(tuple(_powers(standings, jailed, [POWER_MAX] * len(standings))), waiting)


def _powers(standings: Sequence[Standing], jailed: frozenset[int], free: Sequence[int]) -> list[int]:
    """Return `free` with the tombstoned at 0 and the jailed at 1."""
    return [
        POWER_NONE if standing.tombstoned else POWER_JAILED if position in jailed else power
        for position, (standing, power) in enumerate(zip(standings, free, strict=True))
    ]


def _smoothed(standings: Sequence[Standing], targets: list[int], n: int, epoch_ends: bool) -> list[int]:
    """Return how far the powers go towards `targets` now.

    Changes below 5 % are not sent; of the others the largest go first, until 10 % of the total has moved, and one cut
    short goes only if what is left of it is 5 %. Jail and its end are exempt. A change of membership exempts everybody,
    since it moves the band: stepping slowly from 6 to 7 members would leave two attackers 37.5 %.
    """
    current = [standing.power for standing in standings]
    membership_changed = any((standing.power == POWER_NONE) != standing.tombstoned for standing in standings)
    if membership_changed or n < MEMBERS_FOR_BAND:
        return targets
    powers = list(targets)
    budget = sum(current) // MOVE_FRACTION if epoch_ends else 0
    routine = [i for i in range(len(current)) if min(current[i], targets[i]) > POWER_JAILED]
    for i in sorted(routine, key=lambda i: (-abs(targets[i] - current[i]), i)):
        step = min(abs(targets[i] - current[i]), budget)
        if step * SEND_FRACTION < current[i]:
            step = 0
        powers[i] = current[i] + step if targets[i] > current[i] else current[i] - step
        budget -= step
    return powers
