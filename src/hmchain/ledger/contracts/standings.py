"""Standings: the state behind reputation - who voted, who proposed, who failed - and the validator set it leads to.

The rules are pure functions in `reputation` and `proposer`; this contract feeds them from blocks and keeps the result.
Only non-empty blocks count, so an idle chain changes nothing. A change of powers at height H acts at H + 2, on both
engines, since CometBFT can do no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import proposer, reputation
from hmchain.ledger.blocks import ABSENT, BlockInput, Event
from hmchain.ledger.context import STEWARD, VALIDATOR, Context, require
from hmchain.ledger.contracts import membership, parameters
from hmchain.ledger.election import Candidate
from hmchain.ledger.proposer import Validator, Validators
from hmchain.ledger.reputation import Outcome, Standing
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

EFFECT_DELAY_BLOCKS = 2
PROPOSALS_PER_MEMBER = 10


class Pending(Record, frozen=True):
    """Changes of power that are on their way."""

    height: int
    """From this height on they act."""
    changes: tuple[tuple[str, int], ...]


class ValidatorSet(Record, frozen=True):
    """The validators and their priorities before the election of `height`'s proposer."""

    height: int
    validators: tuple[Validator, ...]
    pending: tuple[Pending, ...]


class Proposal(Record, frozen=True):
    """One turn to propose, taken or failed."""

    validator: str
    failed: bool


class Presence(Record, frozen=True):
    """When a validator was last seen voting."""

    block: int
    """Counted in non-empty blocks."""
    time_ms: int


class Tally(Record, frozen=True):
    """Per epoch and proposer: whose votes its blocks lacked."""

    blocks: int
    missed: tuple[tuple[str, int], ...]
    """Organisation and count, in order of organisation."""


class Epoch(Record, frozen=True):
    """The counters behind the consensus score."""

    blocks: int
    """Non-empty blocks since genesis."""
    started: int
    """The value of `blocks` when this epoch began."""
    proposals: tuple[Proposal, ...]
    """The last 10 n turns."""
    seen: tuple[tuple[str, Presence], ...]
    tallies: tuple[tuple[str, Tally], ...]
    """One a proposer, in order of organisation."""


class Unjail(Record, frozen=True, tag="unjail"):
    """Transaction (steward or validator key): we are back; count our votes again."""


Bodies = Unjail

_STANDINGS = Table("standings", Standing)
_VALIDATORS = Table("validators", ValidatorSet)
_EPOCH = Table("epoch", Epoch)


# -- reading ---------------------------------------------------------------------------------------------------------


def standing(state: State, organisation: str) -> Standing:
    """An organisation's standing; that of a newcomer if it has none."""
    return _STANDINGS.get(state, organisation) or Standing()


def may_lead(state: State, organisation: str) -> bool:
    """Whether an organisation may be master of a round."""
    return membership.is_active(state, organisation) and reputation.may_lead(standing(state, organisation))


def candidates(state: State, organisations: tuple[str, ...]) -> tuple[Candidate, ...]:
    """Those of the organisations that may be master, with their scores."""
    found = []
    for organisation in organisations:
        if may_lead(state, organisation):
            entry = standing(state, organisation)
            found.append(Candidate(organisation, entry.consensus, reputation.learning_score(entry)))
    return tuple(found)


def validators_at(state: State, height: int) -> Validators:
    """The validator set that decides `height` (which may lie at most before the last non-empty block)."""
    entry = _VALIDATORS.get(state)
    return _advanced(state, entry, height).validators if entry else ()


def changes_at(state: State, height: int) -> tuple[tuple[str, int], ...]:
    """The changes of power (organisation, new power) that are on their way and act from `height` on."""
    entry = _VALIDATORS.get(state)
    return tuple(change for wait in entry.pending if wait.height == height for change in wait.changes) if entry else ()


def _advanced(state: State, entry: ValidatorSet, height: int) -> ValidatorSet:
    validators, pending = entry.validators, entry.pending
    for reached in range(entry.height + 1, height + 1):
        due = [change for wait in pending if wait.height == reached for change in wait.changes]
        validators = proposer.update(proposer.advance(validators), due, _addresses(state, due))
        pending = tuple(wait for wait in pending if wait.height > reached)
    return ValidatorSet(max(height, entry.height), validators, pending)


def _addresses(state: State, changes: Sequence[tuple[str, int]]) -> dict[str, bytes]:
    found = {name: membership.membership(state, name) for name, _ in changes}
    return {name: proposer.address(entry.member.validator) for name, entry in found.items() if entry}


# -- learning ----------------------------------------------------------------------------------------------------------


def record_learning(context: Context, organisation: str, outcome: Outcome) -> None:
    """Count the outcome of a learning round."""
    renewed = reputation.record_learning(standing(context.state, organisation), outcome)
    _STANDINGS.put(context.state, renewed, organisation)


def bar(context: Context, organisation: str) -> None:
    """Proven aggregation fraud: barred from mastership for good."""
    _STANDINGS.put(context.state, reputation.bar(standing(context.state, organisation)), organisation)
    context.emit("standing.barred", organisation)


# -- blocks ------------------------------------------------------------------------------------------------------------


def initialise(state: State, height: int) -> None:
    """Give every founding member its standing and power."""
    organisations = [member.organisation for member in membership.active_members(state)]
    powers = reputation.next_powers([Standing()] * len(organisations)).powers
    for organisation, power in zip(organisations, powers, strict=True):
        _STANDINGS.put(state, Standing(power=power), organisation)
    changes = list(zip(organisations, powers, strict=True))
    validators = proposer.update((), changes, _addresses(state, changes))
    _VALIDATORS.put(state, ValidatorSet(height, validators, ()))
    _EPOCH.put(state, Epoch(0, 0, (), (), ()))


def begin_block(state: State, inputs: BlockInput) -> None:
    """Count the last commit's votes, and the turns to propose that led to it."""
    epoch = _require_epoch(state)
    entry = _VALIDATORS.get(state)
    if entry is None:
        raise Refusal("not_initialised")
    proposals = list(epoch.proposals)
    if inputs.height > 1 and inputs.last_votes:
        turns = proposer.proposers_of_rounds(_advanced(state, entry, inputs.height - 1).validators, inputs.last_round)
        proposals += [Proposal(name, round_ < inputs.last_round) for round_, name in enumerate(turns)]
    blocks = epoch.blocks + 1
    window = PROPOSALS_PER_MEMBER * len(entry.validators)
    seen = dict(epoch.seen)
    for validator in entry.validators:
        seen.setdefault(validator.id, Presence(blocks, inputs.time_ms))
    for vote in inputs.last_votes:
        if vote.flag != ABSENT:
            seen[vote.validator] = Presence(blocks, inputs.time_ms)
    tallies = dict(epoch.tallies)
    tallies[inputs.proposer] = _count_votes(tallies.get(inputs.proposer, Tally(0, ())), inputs)
    renewed = Epoch(
        blocks, epoch.started, tuple(proposals[-window:]), tuple(sorted(seen.items())), tuple(sorted(tallies.items()))
    )
    _EPOCH.put(state, renewed)
    _VALIDATORS.put(state, _advanced(state, entry, inputs.height))


def _count_votes(tally: Tally, inputs: BlockInput) -> Tally:
    missed = dict(tally.missed)
    for vote in inputs.last_votes:
        if vote.flag == ABSENT:
            missed[vote.validator] = missed.get(vote.validator, 0) + 1
    return Tally(tally.blocks + bool(inputs.last_votes), tuple(sorted(missed.items())))


def offence(state: State, organisation: str, time_ms: int, *, double_sign: bool) -> list[Event]:
    """A proven offence halves the consensus score at once; a double sign ends the validator for good."""
    before = standing(state, organisation)
    after = reputation.proven_offence(before, time_ms)
    if double_sign:
        after = reputation.tombstone(after)
    _STANDINGS.put(state, after, organisation)
    kind = "standing.double_sign" if double_sign else "standing.invalid_proposal"
    return [Event(kind, (organisation, str(before.consensus), str(after.consensus)))]


def forge(state: State, organisation: str) -> None:
    """Write what a dishonest proposer would into its own state: the best score. Fault injection; nobody agrees."""
    _STANDINGS.put(state, replace(standing(state, organisation), consensus=reputation.SCORE_MAX), organisation)


def end_block(state: State, inputs: BlockInput) -> list[Event]:
    """Jail the silent, close the epoch if it is over, and send new powers where anything calls for them."""
    events = _follow_membership(state)
    epoch = _require_epoch(state)
    events += _jail_silent(state, epoch, inputs)
    members = [name for name in _names(state) if not standing(state, name).tombstoned]
    length = reputation.epoch_length(len(members), parameters.current(state).epoch_blocks_min)
    over = epoch.blocks - epoch.started >= length
    if over:
        _close_epoch(state, epoch, members, inputs.time_ms)
        events.append(Event("epoch.closed", (str(epoch.blocks),)))
    if events or over or _power_waits(state):
        _send_powers(state, inputs.height, epoch_ends=over)
    return events


def _names(state: State) -> list[str]:
    entry = _VALIDATORS.get(state)
    names = {validator.id for validator in entry.validators} if entry else set()
    return sorted(names | {member.organisation for member in membership.active_members(state)})


def _follow_membership(state: State) -> list[Event]:
    """Give newcomers a standing, and end the validators of members that were removed."""
    events = []
    for organisation in _names(state):
        known = _STANDINGS.get(state, organisation)
        if known is None:
            _STANDINGS.put(state, Standing(), organisation)
            events.append(Event("validator.joined", (organisation,)))
        elif not known.tombstoned and not membership.is_active(state, organisation):
            _STANDINGS.put(state, reputation.tombstone(known), organisation)
            events.append(Event("validator.left", (organisation,)))
    return events


def _jail_silent(state: State, epoch: Epoch, inputs: BlockInput) -> list[Event]:
    rules = parameters.current(state)
    seen = dict(epoch.seen)
    events = []
    for organisation in _names(state):
        entry, last = standing(state, organisation), seen.get(organisation)
        if last is None or entry.jailed or entry.tombstoned or entry.power == 0:
            continue
        blocks, elapsed_ms = epoch.blocks - last.block, inputs.time_ms - last.time_ms
        if reputation.absent(blocks, elapsed_ms, len(seen), rules.jail_blocks_per_member, rules.jail_ms):
            _STANDINGS.put(state, reputation.jail(entry, inputs.height, inputs.time_ms), organisation)
            events.append(Event("validator.jailed", (organisation,)))
    return events


def _close_epoch(state: State, epoch: Epoch, members: list[str], time_ms: int) -> None:
    for organisation in members:
        misses = [
            (dict(tally.missed).get(organisation, 0), tally.blocks)
            for proposer_, tally in epoch.tallies
            if proposer_ != organisation
        ]
        turns = [turn for turn in epoch.proposals if turn.validator == organisation]
        failed = sum(turn.failed for turn in turns)
        renewed = reputation.close_epoch(
            standing(state, organisation), reputation.median_miss_rate(misses), failed, len(turns), time_ms
        )
        _STANDINGS.put(state, renewed, organisation)
    _EPOCH.put(state, replace(epoch, started=epoch.blocks, tallies=()))


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
    changes = []
    for organisation, entry, power in zip(organisations, entries, powers, strict=True):
        if power != entry.power:
            changes.append((organisation, power))
            _STANDINGS.put(state, replace(entry, power=power), organisation)
    current = _VALIDATORS.get(state)
    if changes and current is not None:
        pending = (*current.pending, Pending(height + EFFECT_DELAY_BLOCKS, tuple(changes)))
        _VALIDATORS.put(state, replace(current, pending=pending))


def _require_epoch(state: State) -> Epoch:
    epoch = _EPOCH.get(state)
    if epoch is None:
        raise Refusal("not_initialised")
    return epoch


def _unjail(context: Context, body: Unjail) -> None:
    context.require_role(STEWARD, VALIDATOR)
    organisation = context.sender.organisation
    entry = standing(context.state, organisation)
    require(entry.jailed and not entry.tombstoned, "not_jailed")
    _STANDINGS.put(context.state, reputation.unjail(entry), organisation)
    epoch = _require_epoch(context.state)
    seen = dict(epoch.seen)
    seen[organisation] = Presence(epoch.blocks, context.time_ms)
    _EPOCH.put(context.state, replace(epoch, seen=tuple(sorted(seen.items()))))
    context.emit("validator.unjailed", organisation)


HANDLERS = {Unjail: _unjail}
