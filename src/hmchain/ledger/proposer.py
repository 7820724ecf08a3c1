"""Who proposes a block: CometBFT's weighted round robin, so that both engines elect alike.

The rules are those of CometBFT v0.38 (`spec/consensus/proposer-selection.md`, `types/validator_set.go`). At each step
every validator's priority grows by its power, the highest proposes and falls by the total power. Before a step
priorities are scaled into a window of twice the total and centred on zero.

Of two validators with equal priority the one with the lower address proposes, as in CometBFT: the first 20 bytes of
SHA-256 of its public key.

One difference in bookkeeping: a set here holds the priorities *before* the step that elects its height's proposer,
where CometBFT keeps those after it and the proposer beside them. So the set of the next height is
`update(advance(validators), changes)`, however many rounds the height took.

Powers are at most 1000 each, so CometBFT's clipping to 64 bits never comes into play.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from math import gcd

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.errors import LedgerError

WINDOW_FACTOR = 2
ADDRESS_BYTES = 20
_SETS_KEPT = 8

Validators = tuple["Validator", ...]


class ValidatorSetError(LedgerError):
    """A change of validators that would halt every node: a duplicate, an unknown removal, an emptied set."""

    code = "validator_set"


class Validator(Record, frozen=True):
    """One validator in the round robin."""

    id: str
    """The organisation."""
    power: int
    priority: int = 0
    address: bytes = b""
    """Of two with equal priority the lower address proposes; where there are none, the lower id."""


def address(public_key: bytes) -> bytes:
    """A validator's address in CometBFT, from its raw Ed25519 public key (20 bytes)."""
    return hashlib.sha256(public_key).digest()[:ADDRESS_BYTES]


def proposer(validators: Validators) -> int:
    """Return the position of the proposer of round 0."""
    return _step(_windowed(validators))[1]


def proposers_of_rounds(validators: Validators, last_round: int) -> list[str]:
    """Return the ids of the proposers of rounds 0 to `last_round` of one height."""
    return list(_proposers_of_rounds(validators, last_round))


@lru_cache(_SETS_KEPT)  # at every height it is asked of the same two sets, by each validator of a process
def _proposers_of_rounds(validators: Validators, last_round: int) -> tuple[str, ...]:
    return tuple(islice(turns(validators), last_round + 1))


def turns(validators: Validators) -> Iterator[str]:
    """The ids of the proposers of rounds 0, 1, ... of one height, without end: every failed round is one step."""
    while True:
        validators, elected = _step(_windowed(validators))
        yield validators[elected].id


def advance(validators: Validators, times: int = 1) -> Validators:
    """Return the set after `times` steps; as in CometBFT it is scaled and centred once, before the first."""
    validators = _windowed(validators)
    for _ in range(times):
        validators, _ = _step(validators)
    return validators


def advance_blocks(validators: Validators, blocks: int) -> Validators:
    """Return the set after `blocks` blocks whose set nobody changed: `advance`, so many times.

    Once priorities have settled, the round robin is a wheel: after as many blocks as there is power (divided by what
    all powers share) everybody has proposed in proportion, and all priorities are those of before. Whole turns of it
    are skipped, so that a year without a change costs no more than two turns.
    """
    if blocks <= 0:
        return validators
    order = sorted(range(len(validators)), key=lambda place: (validators[place].address, validators[place].id))
    powers = [validators[place].power for place in order]
    settled = _windowed(validators)
    priorities = [settled[place].priority for place in order]
    turn = sum(powers) // (gcd(*powers) or 1) or 1
    while blocks >= turn:
        before, priorities, blocks = priorities, _turned(priorities, powers, turn), blocks - turn
        if priorities == before:
            blocks %= turn
    priorities = _turned(priorities, powers, blocks)
    by_place = dict(zip(order, priorities, strict=True))
    return _with_priorities(validators, [by_place[place] for place in range(len(validators))])


def _turned(priorities: list[int], powers: list[int], blocks: int) -> list[int]:
    """Priorities after `blocks` steps, each of a block of its own; of equal ones the first proposes."""
    total = sum(powers)
    for _ in range(blocks):
        if max(priorities) - min(priorities) > WINDOW_FACTOR * total or not 0 <= sum(priorities) < len(priorities):
            priorities = _centred(priorities, total)
        priorities = [priority + power for priority, power in zip(priorities, powers, strict=True)]
        elected = priorities.index(max(priorities))
        priorities[elected] -= total
    return priorities


def update(
    validators: Validators, changes: Sequence[tuple[str, int]], addresses: Mapping[str, bytes] | None = None
) -> Validators:
    """Return the set with `changes` of (id, new power) applied, in order of id; power 0 removes.

    A newcomer starts at -1.125 times the total power (removals not yet deducted), so that leaving and joining again
    never pays. `update((), ...)` makes the set of the genesis block; `addresses` are those of the newcomers. One
    that is given another address than it has changes its key: to CometBFT one leaves and another joins. Raises
    `ValidatorSetError` on what CometBFT would halt on.
    """
    if not changes:
        return validators
    powers = {validator.id: validator.power for validator in validators}
    _check(powers, changes)
    places = {name: (addresses or {}).get(name, b"") for name, _ in changes}
    grown = powers | {name: power for name, power in changes if power}
    removed = {name for name, power in changes if not power}
    moved = {entry.id for entry in validators if places.get(entry.id, entry.address) != entry.address} - removed
    total = sum(grown.values()) + sum(powers[name] for name in moved)
    newcomer = -(total + total // 8)
    joining = {name: Validator(name, 0, newcomer, place) for name, place in places.items()}
    known = joining | {validator.id: validator for validator in validators if validator.id not in moved}
    return _windowed(tuple(replace(known[name], power=grown[name]) for name in sorted(grown) if name not in removed))


def _check(powers: dict[str, int], changes: Sequence[tuple[str, int]]) -> None:
    names = [name for name, _ in changes]
    if len(set(names)) < len(names):
        raise ValidatorSetError("a validator is changed twice in one block", "send one change for each validator")
    for name, power in changes:
        if power < 0:
            raise ValidatorSetError(f"the power of {name} would be negative", "powers are 0 (leaves) to 1000")
        if not power and name not in powers:
            raise ValidatorSetError(f"{name} is no validator and cannot be removed", "leave it out of the changes")
    if not any((powers | dict(changes)).values()):
        raise ValidatorSetError("no validator would be left", "keep at least one")


def _step(validators: Validators) -> tuple[Validators, int]:
    """Return the set after one step, and the position of the validator that it elects."""
    total = sum(validator.power for validator in validators)
    raised = [validator.priority + validator.power for validator in validators]
    elected = min(range(len(raised)), key=lambda position: _turn(raised[position], validators[position]))
    raised[elected] -= total
    return _with_priorities(validators, raised), elected


def _turn(priority: int, validator: Validator) -> tuple[int, bytes, str]:
    return -priority, validator.address, validator.id


def _windowed(validators: Validators) -> Validators:
    """Scale priorities into the window of twice the total power, then centre them."""
    total = sum(validator.power for validator in validators)
    return _with_priorities(validators, _centred([validator.priority for validator in validators], total))


def _centred(priorities: list[int], total: int) -> list[int]:
    window = WINDOW_FACTOR * total
    spread = max(priorities) - min(priorities)
    if spread > window:
        ratio = -(-spread // window)
        # Go divides towards zero
        priorities = [abs(priority) // ratio * (1 if priority > 0 else -1) for priority in priorities]
    average = sum(priorities) // len(priorities)
    return [priority - average for priority in priorities]


def _with_priorities(validators: Validators, priorities: Sequence[int]) -> Validators:
    return tuple(
        replace(validator, priority=priority) for validator, priority in zip(validators, priorities, strict=True)
    )
