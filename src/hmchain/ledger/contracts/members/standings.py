"""Standings: the state behind reputation - who voted, who proposed, who failed - and the validator set it leads to.

The rules are pure functions in `reputation` and `proposer`; this contract feeds them from blocks and keeps the result.
Only non-empty blocks count (`attendance`), so an idle chain changes nothing. A change of powers at height H acts at
H + 2, on both engines, since CometBFT can do no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import events, proposer, reputation
from hmchain.ledger.blocks import COMMIT, BlockInput
from hmchain.ledger.context import STEWARD, VALIDATOR, Context, require
from hmchain.ledger.contracts.members import attendance, maintenance, membership, parameters
from hmchain.ledger.contracts.members.attendance import Silence
from hmchain.ledger.contracts.members.people import OPERATOR
from hmchain.ledger.contracts.members.validator_set import (
    Change,
    FormerKey,
    Handover,
    LastHandover,
    Pending,
    ValidatorSet,
)
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.proposer import Validator, Validators
from hmchain.ledger.reputation import POWER_NONE, Standing
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

EFFECT_DELAY_BLOCKS = 2
HANDOVER_BLOCKS_PER_MEMBER = 10
"""An organisation waits so long between two handovers of its power to a new key."""
HANDOVER_BLOCKS = 10
"""So long after a handover it counts as under way: a third of the network may not change its keys at once."""
EVIDENCE_BLOCKS_MAX = 100_000
"""A key that was replaced so long ago accuses nobody any more, as in CometBFT: somebody may have found it."""


class Unjail(Record, frozen=True, tag="unjail"):
    """Transaction (steward or validator key): we are back, before an announced time too; count our votes again."""


Bodies = Unjail

_STANDINGS = Table("standings", Standing)
_VALIDATORS = Table("validators", ValidatorSet)
_FORMER_KEYS = Table("former_validator_keys", FormerKey)
_HANDOVERS = Table("handovers", LastHandover)
"""By organisation."""

_REMEMBERED_SETS, _REMEMBERED_HEIGHTS = 16, 4
_reached: dict[ValidatorSet, tuple[ValidatorSet, ...]] = {}


# -- reading ---------------------------------------------------------------------------------------------------------


def standing(state: State, organisation: str) -> Standing:
    """An organisation's standing; that of a newcomer if it has none."""
    return _STANDINGS.get(state, organisation) or Standing()


def may_stand(state: State, organisation: str) -> bool:
    """Whether an organisation may be drawn as master of a round."""
    return membership.is_active(state, organisation) and reputation.may_stand(standing(state, organisation))


def may_lead(state: State, organisation: str) -> bool:
    """Whether an organisation may be master of a round."""
    return membership.is_active(state, organisation) and reputation.may_lead(standing(state, organisation))


def time_ms(state: State) -> int:
    """Block time of the last block that was not empty."""
    epoch = attendance.epoch(state)
    return epoch.time_ms if epoch else 0


def validators_at(state: State, height: int) -> Validators:
    """The validator set that decides `height` (which may lie at most before the last non-empty block)."""
    entry = _VALIDATORS.get(state)
    return _advanced(entry, height).validators if entry else ()


def validator_count(state: State) -> int:
    """How many validators there were in the last block that was not empty."""
    entry = _VALIDATORS.get(state)
    return len(entry.validators) if entry else 1


def changes_at(state: State, height: int) -> tuple[Change, ...]:
    """The changes of power that are on their way and act from `height` on."""
    entry = _VALIDATORS.get(state)
    return tuple(change for wait in entry.pending if wait.height == height for change in wait.changes) if entry else ()


def _advanced(entry: ValidatorSet, height: int) -> ValidatorSet:
    """The set before the election of `height`'s proposer.

    An idle chain leaves `entry` as it is for years, so how far a look came is remembered, and the next one goes on from
    there: the answer follows from the arguments alone.
    """
    if height <= entry.height:
        return entry
    reached = _reached.get(entry, ())
    found = next((known for known in reached if known.height == height), None)
    if found is None:
        start = max(
            (known for known in reached if known.height < height), default=entry, key=lambda known: known.height
        )
        found = _walked(start, height)
        if len(_reached) >= _REMEMBERED_SETS:
            _reached.clear()
        _reached[entry] = (found, *reached)[:_REMEMBERED_HEIGHTS]  # as a whole: agents read from their own threads
    return found


def forget() -> None:
    """Look at validators as a process does that has just begun; nothing but time is lost."""
    _reached.clear()


def _walked(entry: ValidatorSet, height: int) -> ValidatorSet:
    validators, reached = entry.validators, entry.height
    for wait in entry.pending:  # in order of height
        if wait.height <= height:
            validators = proposer.advance_blocks(validators, wait.height - reached)
            validators, reached = _changed(validators, wait.changes), wait.height
    pending = tuple(wait for wait in entry.pending if wait.height > height)
    validators = proposer.advance_blocks(validators, height - reached)
    return ValidatorSet(height, validators, pending, entry.handovers)


def _changed(validators: Validators, changes: Sequence[Change]) -> Validators:
    addresses = {change.organisation: proposer.address(change.key) for change in changes}
    return proposer.update(validators, [(change.organisation, change.power) for change in changes], addresses)


def voting_keys(state: State, height: int) -> dict[str, bytes]:
    """The key by which each validator of `height` signs (heights as in `validators_at`)."""
    return {validator.id: _key_at(state, validator) for validator in validators_at(state, height)}


def _key_at(state: State, validator: Validator) -> bytes:
    entry = membership.membership(state, validator.id)
    if entry is not None and proposer.address(entry.member.validator) == validator.address:
        return entry.member.validator
    former = (known.key for known in _FORMER_KEYS.all(state, validator.id))
    return next(key for key in former if proposer.address(key) == validator.address)


def accountable_keys(state: State, organisation: str, height: int) -> list[bytes]:
    """The keys whose signatures at `height` an organisation answers for: its own, and those it had then."""
    entry, current = membership.membership(state, organisation), _VALIDATORS.get(state)
    if entry is None or current is None:
        return []
    oldest = current.height - EVIDENCE_BLOCKS_MAX
    former = [known for known in _FORMER_KEYS.all(state, organisation) if height < known.until_height >= oldest]
    return [entry.member.validator, *(known.key for known in former)]


def former_owners(state: State) -> dict[bytes, str]:
    """Whose the validator keys were that have been replaced, by their addresses."""
    return {proposer.address(known.key): known.organisation for known in _FORMER_KEYS.all(state)}


def bar(context: Context, organisation: str) -> None:
    """Proven aggregation fraud: barred from mastership for good."""
    _STANDINGS.put(context.state, reputation.bar(standing(context.state, organisation)), organisation)
    context.emit(events.Barred(organisation))


# -- blocks ------------------------------------------------------------------------------------------------------------


def initialise(state: State, height: int) -> None:
    """Give every founding member its standing and power."""
    organisations = [member.organisation for member in membership.active_members(state)]
    powers = reputation.next_powers([Standing()] * len(organisations)).powers
    for organisation, power in zip(organisations, powers, strict=True):
        _STANDINGS.put(state, Standing(power=power), organisation)
    changes = [_change(state, name, power) for name, power in zip(organisations, powers, strict=True)]
    _VALIDATORS.put(state, ValidatorSet(height, _changed((), changes), (), ()))
    attendance.initialise(state)


def carry(state: State, height: int, time_ms: int) -> None:
    """Let the members that are left decide from `height` on: all of them are back, and none is on its way out.

    Who signed twice stays ended. What was counted of votes and turns is dropped, since most of it is of who is lost;
    scores stay.
    """
    active = [member.organisation for member in membership.active_members(state)]
    for organisation in _names(state):
        known = standing(state, organisation)
        if organisation not in active:
            _STANDINGS.put(state, replace(reputation.tombstone(known), power=POWER_NONE), organisation)
            continue
        maintenance.end(state, organisation, time_ms)
        _STANDINGS.put(state, replace(reputation.unjail(known), power=POWER_NONE), organisation)
    voting = [name for name in active if not standing(state, name).tombstoned]
    powers = reputation.next_powers([standing(state, name) for name in voting]).powers
    for organisation, power in zip(voting, powers, strict=True):
        _STANDINGS.put(state, replace(standing(state, organisation), power=power), organisation)
    changes = [_change(state, name, power) for name, power in zip(voting, powers, strict=True)]
    _VALIDATORS.put(state, ValidatorSet(height, _changed((), changes), (), ()))
    for table in (_FORMER_KEYS, _HANDOVERS):
        table.clear(state)
    attendance.carry(state)


def powers(state: State, organisations: Iterable[str]) -> tuple[int, ...]:
    """The voting power that each of these has, or is about to have."""
    return tuple(standing(state, organisation).power for organisation in organisations)


def begin_block(state: State, inputs: BlockInput) -> None:
    """Count the last commit's votes, and the turns to propose that led to it."""
    entry = _require_validators(state)
    missed = [vote.validator for vote in inputs.last_votes if vote.flag != COMMIT]
    paused = _paused(state, entry, inputs.time_ms)
    jailed = [name for name in missed if (known := standing(state, name)).jailed and not known.announced]
    attendance.count(state, inputs, _last_turns(entry, inputs), paused, {*paused, *jailed})
    _VALIDATORS.put(state, _advanced(entry, inputs.height))


def count_failed_turns(state: State, inputs: BlockInput) -> None:
    """Of an empty block that follows one with transactions: charge the turns that failed before that one.

    On a quiet chain an empty block follows every other one; who fails just the turns that matter would never pay else.
    It happens once after each block with transactions, so an idle chain stays idle even where every round fails.
    """
    entry, epoch = _VALIDATORS.get(state), attendance.epoch(state)
    if entry is None or epoch is None or not epoch.blocks:
        return
    if inputs.last_round and entry.height == inputs.height - 1:
        attendance.count_turns(state, _last_turns(entry, inputs), _paused(state, entry, inputs.time_ms))


def _last_turns(entry: ValidatorSet, inputs: BlockInput) -> list[str]:
    """Who had the turns to propose the last block, the last of them with success; none where nobody voted on one."""
    if inputs.height == 1 or not inputs.last_votes:
        return []
    return proposer.proposers_of_rounds(_advanced(entry, inputs.height - 1).validators, inputs.last_round)


def _paused(state: State, entry: ValidatorSet, time_ms: int) -> list[str]:
    """The validators that are on announced maintenance."""
    return [validator.id for validator in entry.validators if maintenance.is_paused(state, validator.id, time_ms)]


def offence(state: State, organisation: str, time_ms: int, *, double_sign: bool) -> list[LedgerEvent]:
    """A proven offence halves the consensus score at once; a double sign ends the validator for good."""
    before = standing(state, organisation)
    after = reputation.proven_offence(before, time_ms)
    if double_sign:
        after = reputation.tombstone(after)
    _STANDINGS.put(state, after, organisation)
    offence = events.DoubleSigned if double_sign else events.InvalidProposalSigned
    return [offence(organisation, before.consensus, after.consensus)]


def forge(state: State, organisation: str) -> None:
    """Write what a dishonest proposer would into its own state: the best score. Fault injection; nobody agrees."""
    _STANDINGS.put(state, replace(standing(state, organisation), consensus=reputation.SCORE_MAX), organisation)


def end_block(state: State, inputs: BlockInput) -> list[LedgerEvent]:
    """Jail the silent, close the epoch if it is over, and send new powers where anything calls for them."""
    said = _follow_membership(state)
    members = [name for name in _names(state) if not standing(state, name).tombstoned]
    said += _jail_silent(state, members, inputs)
    over = _close_epoch(state, members, inputs.time_ms)
    said += over
    if said or _power_waits(state) or _require_validators(state).handovers:
        _send_powers(state, inputs.height, epoch_ends=bool(over))
    return said


def _names(state: State) -> list[str]:
    entry = _VALIDATORS.get(state)
    names = {validator.id for validator in entry.validators} if entry else set()
    return sorted(names | {member.organisation for member in membership.active_members(state)})


def _follow_membership(state: State) -> list[LedgerEvent]:
    """Give newcomers a standing, and end the validators of members that were removed."""
    said: list[LedgerEvent] = []
    for organisation in _names(state):
        known = _STANDINGS.get(state, organisation)
        if known is None:
            _STANDINGS.put(state, Standing(), organisation)
            said.append(events.ValidatorJoined(organisation))
        elif not known.tombstoned and not membership.is_active(state, organisation):
            _STANDINGS.put(state, reputation.tombstone(known), organisation)
            said.append(events.ValidatorLeft(organisation))
    return said


def _jail_silent(state: State, members: list[str], inputs: BlockInput) -> list[LedgerEvent]:
    """Jail whoever is on announced maintenance, at once and without an offence, and whoever was silent too long.

    Who stays away beyond what it announced is silent as anybody else.
    """
    said: list[LedgerEvent] = []
    silences = attendance.silences(state)
    for organisation in members:
        entry = standing(state, organisation)
        announced = maintenance.is_paused(state, organisation, inputs.time_ms)
        if entry.power == 0 or (entry.jailed and (announced or not entry.announced)):
            continue
        silent = organisation in silences and _silent_too_long(state, silences[organisation], len(members), inputs)
        if announced or silent:
            attendance.forgive(state, organisation)
            jailed = reputation.jail(entry, inputs.height, inputs.time_ms, announced=announced)
            _STANDINGS.put(state, jailed, organisation)
            said.append((events.ValidatorPaused if announced else events.ValidatorJailed)(organisation))
    return said


def _silent_too_long(state: State, silence: Silence, n: int, inputs: BlockInput) -> bool:
    rules, epoch = parameters.current(state), attendance.epoch(state)
    blocks, elapsed_ms = (epoch.blocks if epoch else 0) - silence.block, inputs.time_ms - silence.time_ms
    limits = rules.jail_blocks_per_member, rules.jail_ms
    return reputation.absent(blocks, elapsed_ms, len(silence.witnesses), n, *limits)


def _close_epoch(state: State, members: list[str], now_ms: int) -> list[LedgerEvent]:
    """Count what the epoch brought if it is over, and begin the next."""
    epoch, rules = attendance.epoch(state), parameters.current(state)
    if epoch is None:
        return []
    blocks, elapsed_ms = epoch.blocks - epoch.started, now_ms - epoch.started_ms
    if not reputation.epoch_is_over(blocks, elapsed_ms, len(members), rules.epoch_blocks_min, rules.epoch_ms):
        return []
    missed = attendance.miss_rates(state, members, elapsed_ms)
    turns = attendance.failed_turns(state, members, elapsed_ms)
    for organisation in members:
        before = standing(state, organisation)
        renewed = reputation.close_epoch(before, missed[organisation], *turns[organisation], now_ms)
        if organisation in epoch.paused and renewed.consensus > before.consensus:
            continue  # who was away earns nothing
        _STANDINGS.put(state, renewed, organisation)
    attendance.begin_epoch(state)
    return [events.EpochClosed(epoch.blocks)]


def _power_waits(state: State) -> bool:
    """Whether someone was tombstoned or came back from jail and still has the power of before."""
    return any(
        entry.power > 0 if entry.tombstoned else entry.power == reputation.POWER_JAILED and not entry.jailed
        for entry in _STANDINGS.all(state)
    )


def _send_powers(state: State, height: int, *, epoch_ends: bool) -> None:
    organisations = _names(state)
    entries = [standing(state, organisation) for organisation in organisations]
    powers = reputation.next_powers(entries, epoch_ends=epoch_ends).powers
    current = _require_validators(state)
    replaced = {handover.organisation: handover.former for handover in current.handovers}
    changes = []
    for organisation, entry, power in zip(organisations, entries, powers, strict=True):
        if power != entry.power or organisation in replaced:
            changes.append(_change(state, organisation, power, replaced.get(organisation, b"")))
            _STANDINGS.put(state, replace(entry, power=power), organisation)
    if changes:
        pending = (*current.pending, Pending(height + EFFECT_DELAY_BLOCKS, tuple(changes)))
        _VALIDATORS.put(state, replace(current, pending=pending, handovers=()))


def _change(state: State, organisation: str, power: int, former: bytes = b"") -> Change:
    """The power of an organisation's validator key; one that ends is taken from the key that has it."""
    entry = membership.membership(state, organisation)
    if former and not power:
        return Change(organisation, power, former, b"")
    return Change(organisation, power, entry.member.validator if entry else b"", former)


def _require_validators(state: State) -> ValidatorSet:
    entry = _VALIDATORS.get(state)
    if entry is None:
        raise Refusal("not_initialised")
    return entry


def hand_over(context: Context, organisation: str, former: bytes) -> None:
    """Move an organisation's power from the validator key `former` to the one that it has now, at the block's end.

    Refuses `not_a_validator`, `rotated_lately`, and `handovers_under_way` where too many do so at once: their nodes
    must all take up the new keys, and the others decide alone meanwhile.
    """
    state, height = context.state, context.height
    entry, current = standing(state, organisation), _require_validators(state)
    require(entry.power > POWER_NONE and not entry.tombstoned, "not_a_validator")
    members = len(current.validators)
    last, until_height = _HANDOVERS.get(state, organisation), height + EFFECT_DELAY_BLOCKS
    is_rested = last is None or height >= last.until_height + HANDOVER_BLOCKS_PER_MEMBER * members
    require(is_rested, "rotated_lately")
    under_way = sum(height < known.until_height + HANDOVER_BLOCKS for known in _HANDOVERS.all(state))
    require(under_way < max(1, reputation.faults_tolerated(members)), "handovers_under_way")
    _HANDOVERS.put(state, LastHandover(until_height), organisation)
    _FORMER_KEYS.put(state, FormerKey(organisation, former, until_height), organisation, former)
    _VALIDATORS.put(state, replace(current, handovers=(*current.handovers, Handover(organisation, former))))


def _unjail(context: Context, body: Unjail) -> None:
    context.require_role(STEWARD, VALIDATOR, OPERATOR)
    organisation = context.sender.organisation
    entry = standing(context.state, organisation)
    require(entry.jailed and not entry.tombstoned, "not_jailed")
    _STANDINGS.put(context.state, reputation.unjail(entry), organisation)
    maintenance.end(context.state, organisation, context.time_ms)
    attendance.forgive(context.state, organisation)
    context.emit(events.ValidatorUnjailed(organisation))


HANDLERS = {Unjail: _unjail}
