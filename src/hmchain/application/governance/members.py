"""Decisions that the members of a network take together, each as one steward asks for it or agrees to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.application.governance.delegate import LedgerUser
from hmchain.clock import HOUR_MS, MINUTE_MS, utc
from hmchain.errors import InputError
from hmchain.ledger.contracts.members import maintenance, membership, parameters, standings, upgrades
from hmchain.ledger.contracts.members.admission import Possession, ProposeAdmission, proven
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance, Window
from hmchain.ledger.contracts.members.membership import (
    Action,
    Admit,
    Member,
    ProposeAction,
    Remove,
    SetParameters,
    VoteAction,
    WithdrawVote,
)
from hmchain.ledger.contracts.members.recovery import Recover
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.contracts.members.upgrades import CallOff, Upgrade
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.readers.members import BallotView, action_words, ballots, needed_votes
from hmchain.ledger.reputation import Standing
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.plain import PREFIX_MIN, is_meant

_DIGITS_MAX = 12


class NoBallotError(InputError):
    """No open ballot, or more than one, begins with what was given, or that is too short to name one."""

    code = "no_ballot"


_OBSTACLES = {
    "name_taken": "{name} is a member, or was one: a name is given once",
    "key_taken": "a key of {name} is known already: it makes a new node, with new keys",
    "bad_name": "{name!r} cannot name a hospital",
    "not_a_member": "there is no member {name!r}",
    "wrong_former": "the steward of {name} has another key by now than the one said to be lost",
    "recovery_under_way": "a recovery of {name} waits for its time already",
    "bad_wait": "the waiting time is too short or too long",
    "last_member": "{name} is the last member: there is nobody to leave behind",
    "wrong_protocol": "that is not the protocol after the one in force",
    "upgrade_planned": "another upgrade is agreed on: call it off first",
    "upgrade_too_soon": "that is too soon: every member needs time to install the program",
}
"""Why an action could not be carried out, by the code that the ledger has for it."""


class UselessProposalError(InputError):
    """A proposal that could not be carried out, or is before the members already."""

    code = "useless_proposal"


class NetworkParameterError(InputError):
    """There is no such network parameter, or it cannot have that value."""

    code = "network_parameter"


@dataclass(frozen=True)
class Motion:
    """Something that could be put to the members' vote now: it can be carried out, and is not before them yet."""

    action: Action
    words: str
    """The action in a line."""
    needed: int
    """Votes that carry it."""
    members: int
    body: ProposeAction | ProposeAdmission | None = None
    """What puts it to the vote, if it takes more than the action."""
    ballot: BallotView | None = None
    """It is before the members: it was undecided when its command ended, and came into a block."""


def propose(steward: LedgerUser, moved: Motion) -> BallotView:
    """Put what is moved to the vote, with this hospital's yes. Raises `RefusedTransactionError`."""
    body = moved.body or ProposeAction(moved.action)
    if moved.ballot is not None:
        steward.send(body)  # which says that it is there
        return _ballot(steward.state, moved.ballot.id)
    known = {ballot for ballot, entry in membership.ballots(steward.state) if entry.closed}
    steward.send(body)
    fresh = [
        ballot
        for ballot, entry in membership.ballots(steward.state)
        if ballot not in known and entry.action == moved.action and steward.organisation in entry.yes
    ]
    return next(ballot for ballot in ballots(steward.state) if ballot.id in fresh)


def motion(steward: LedgerUser, action: Action, body: ProposeAdmission | None = None) -> Motion:
    """The motion to carry out an action, by a `body` of its own if it needs one. Raises `UselessProposalError`."""
    state = steward.state
    count = len(membership.active_members(state))
    if (known := steward.included(body or ProposeAction(action))) is not None:
        asked = known.body.action if isinstance(known.body, ProposeAction) else action
        ballot = _ballot(state, membership.ballot_id(asked, known.height))
        return Motion(asked, ballot.action, needed_votes(count), count, body, ballot)
    adds_proof = body is not None and proven(state, body.member) is None
    _require_use(state, action, steward.ledger.now_ms(), adds_proof=adds_proof)
    return Motion(action, action_words(action, parameters.current(state)), needed_votes(count), count, body)


def _require_use(state: State, action: Action, time_ms: int, *, adds_proof: bool) -> None:
    if (ballot := membership.open_ballot(state, action, time_ms)) is not None and not adds_proof:
        raise UselessProposalError(
            "the members have been asked just this already", f"vote: `hmchain network vote {ballot.hex()[:12]}`"
        )
    try:
        membership.require_possible(state, action, state.height + 1, time_ms)
    except Refusal as refusal:
        name = action.member.organisation if isinstance(action, Admit) else ""
        name = action.organisation if isinstance(action, Remove | Recover) else name
        what = _OBSTACLES.get(refusal.code, refusal.code).format(name=name)
        of_rules = isinstance(action, Upgrade | CallOff)
        hint = "`hmchain network upgrade show`" if of_rules else "`hmchain network status` lists the members"
        raise UselessProposalError(what, hint) from refusal


def admission(steward: LedgerUser, member: Member, proof: Possession | None = None) -> Motion:
    """The motion that a hospital joins, since protocol 3 with the proof of its keys. Raises `UselessProposalError`."""
    return motion(steward, Admit(member), None if proof is None else ProposeAdmission(member, proof))


def removal(steward: LedgerUser, organisation: str) -> Motion:
    """The motion that a member leaves, for good. Raises `UselessProposalError`."""
    return motion(steward, Remove(organisation))


def setting(steward: LedgerUser, settings: Sequence[str]) -> Motion:
    """The motion for other network parameters, given as `NAME=VALUE`.

    Raises `NetworkParameterError` or `UselessProposalError`.
    """
    return motion(steward, changed_parameters(steward.state, settings))


def upgrade(steward: LedgerUser, protocol: int, after_ms: int | None = None, after_height: int = 0) -> Motion:
    """The motion for the next rules; without a time an hour after the notice that is due.

    Raises `UselessProposalError`.
    """
    soonest_ms = steward.ledger.now_ms() + parameters.founding(steward.state).notice_ms
    after_ms = soonest_ms + HOUR_MS if after_ms is None else max(after_ms, 0)
    return motion(steward, Upgrade(protocol, after_ms, after_height))


def calling_off(steward: LedgerUser) -> Motion:
    """The motion that the agreed upgrade does not take place. Raises `UselessProposalError`, also if none is agreed."""
    agreed = upgrades.planned(steward.state)
    if agreed is None:
        raise UselessProposalError("no upgrade is agreed on", "`hmchain network ballots` lists what is open")
    return motion(steward, CallOff(agreed.protocol))


def changed_parameters(state: State, settings: Sequence[str]) -> SetParameters:
    """The action that sets network parameters, given as `NAME=VALUE`. Raises `NetworkParameterError`."""
    current = parameters.current(state)
    wanted = replace(current, **dict(map(_parameter, settings)))
    if wrong := parameters.out_of_range(wanted):
        least, most = parameters.RANGES[wrong[0]]
        raise NetworkParameterError(
            f"{wrong[0]} cannot be {getattr(wanted, wrong[0])}", f"it may be {least} to {most}; see the reference"
        )
    if wanted == current:
        raise NetworkParameterError("they are in force already", "`hmchain network parameters` shows them")
    return SetParameters(wanted)


def _parameter(setting: str) -> tuple[str, int]:
    name, _, value = setting.partition("=")
    if name not in parameters.RANGES:
        names = ", ".join(parameters.RANGES)
        raise NetworkParameterError(f"there is no network parameter {name!r}", f"give NAME=VALUE, of {names}")
    if not value.isdecimal() or len(value) > _DIGITS_MAX:
        raise NetworkParameterError(f"{name} cannot be {value!r}", f"give a whole number, as in {name}=100")
    return name, int(value)


def vote(steward: LedgerUser, ballot: BallotView) -> BallotView:
    """Vote yes. Raises `RefusedTransactionError`."""
    steward.send(VoteAction(ballot.id))
    return _ballot(steward.state, ballot.id)


def withdraw(steward: LedgerUser, prefix: str) -> BallotView:
    """Take back this hospital's yes. Raises `NoBallotError` and `RefusedTransactionError`."""
    found = open_ballot(steward, prefix, WithdrawVote)
    steward.send(WithdrawVote(found.id))
    return _ballot(steward.state, found.id)


def _ballot(state: State, ballot_id: bytes) -> BallotView:
    return next(ballot for ballot in ballots(state) if ballot.id == ballot_id)


def open_ballot(steward: LedgerUser, prefix: str, asked: type[VoteAction | WithdrawVote] = VoteAction) -> BallotView:
    """The open ballot whose id begins with `prefix`, 4 digits or more. Raises `NoBallotError`.

    One that is over is found too where what is `asked` came into a block when its command had ended.
    """
    if len(prefix) < PREFIX_MIN:
        what = f"{prefix!r} is too short to name a ballot"
        raise NoBallotError(what, f"give {PREFIX_MIN} digits or more of its id: `hmchain network ballots`")
    named = [ballot for ballot in ballots(steward.state) if is_meant(ballot.id, prefix)]
    found = [ballot for ballot in named if ballot.open or steward.included(asked(ballot.id))]
    if len(found) != 1:
        what = "no open ballot begins" if not found else f"{len(found)} open ballots begin"
        raise NoBallotError(f"{what} with {prefix}", "`hmchain network ballots` lists them")
    return found[0]


def announce_maintenance(steward: LedgerUser, minutes: int, in_minutes: int = 0) -> Window:
    """Announce that a hospital's node will be down, from now on or later. Raises `RefusedTransactionError`."""
    from_ms = steward.ledger.now_ms() + in_minutes * MINUTE_MS if in_minutes else 0
    try:
        steward.send(AnnounceMaintenance(from_ms, minutes * MINUTE_MS))
    except RefusedTransactionError as error:
        earlier = maintenance.window(steward.state, steward.organisation)
        if earlier is None or "maintenance_lately" not in error.what:
            raise
        next_ms = earlier.from_ms + maintenance.INTERVAL_MS
        raise RefusedTransactionError(
            f"{error.what}: on {utc(earlier.from_ms)} UTC",
            f"the next may begin on {utc(next_ms)} UTC; a short silence costs little",
        ) from error
    announced = maintenance.window(steward.state, steward.organisation)
    assert announced is not None
    return announced


def unjail(steward: LedgerUser) -> Standing:
    """Ask for a hospital's votes to be counted again. Raises `RefusedTransactionError` if it is not jailed."""
    steward.send(Unjail())
    return standings.standing(steward.state, steward.organisation)
