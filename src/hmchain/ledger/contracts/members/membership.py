"""Members, their keys, and the votes by which members are admitted or removed and parameters are changed.

A governance action needs two thirds of the active members. Proven aggregation fraud puts a removal vote before them by
itself (`open_removal`).
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record, digest, encode
from hmchain.keys import WrappingPublicKey
from hmchain.ledger import events, people_events
from hmchain.ledger.context import AGENT, SCIENTIST, STEWARD, VALIDATOR, Context, Credential, require, require_name
from hmchain.ledger.contracts.members import parameters, recovery, upgrades
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.recovery import Recover, Recovering
from hmchain.ledger.contracts.members.upgrades import CallOff, Upgrade
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

MEMBERS_MAX = 1000
TITLE_CHARACTERS_MAX = 120
_FINGERPRINT_DIGITS = 32
BALLOT_LIFE_MS = 30 * 24 * 60 * 60 * 1000
"""A ballot that was not carried out by then has lapsed: nobody is bound for ever by a yes."""
OPEN_BALLOTS_MAX = 8
"""Of one member at a time."""
SIGNING_ROLES = (STEWARD, SCIENTIST, AGENT, VALIDATOR)
"""The roles that sign; each is also the name of a `Member`'s field."""


class Member(Record, frozen=True):
    """A member organisation and its public keys (Ed25519, 32 bytes each, one a role)."""

    organisation: str
    """Short name, unique for ever: a removed member cannot come back under it."""
    title: str
    steward: bytes
    """Approves and refuses, votes for the organisation."""
    scientist: bytes
    """Proposes studies."""
    agent: bytes
    """Acts in learning rounds."""
    validator: bytes
    """Signs blocks."""
    wrapping: WrappingPublicKey
    """Secrets for the organisation are wrapped to it."""

    @property
    def fingerprint(self) -> str:
        """128 bits of name, title and keys as people read them aloud: eight groups of four hex digits."""
        digits = digest("hmchain member", encode(self)).hex()[:_FINGERPRINT_DIGITS]
        return " ".join(digits[start : start + 4] for start in range(0, _FINGERPRINT_DIGITS, 4))


class Membership(Record, frozen=True):
    """A member and whether it is one still."""

    member: Member
    active: bool
    since_height: int


class Admit(Record, frozen=True, tag="admit"):
    """Action: take in a new member."""

    member: Member


class Remove(Record, frozen=True, tag="remove"):
    """Action: end a membership."""

    organisation: str


class SetParameters(Record, frozen=True, tag="set_parameters"):
    """Action: change the network parameters."""

    parameters: Parameters


Action = Admit | Remove | SetParameters | Upgrade | CallOff | Recover


class Ballot(Record, frozen=True):
    """An action before the members."""

    action: Action
    opened_height: int
    until_ms: int
    """When it lapses."""
    yes: tuple[str, ...]
    """Organisations in order of name."""
    closed: bool
    """It was carried out, or its last vote was taken back."""

    def is_open(self, time_ms: int) -> bool:
        """Whether it takes votes at this block time."""
        return not self.closed and time_ms < self.until_ms


class OpenBallot(Record, frozen=True):
    """The ballot that had an action before the members last."""

    ballot: bytes
    opener: str
    """The member that opened it; empty where the ledger itself did."""
    until_ms: int


class Opened(Record, frozen=True):
    """The ballots that a member opened last, those that are open among them: nobody has to read all members'."""

    ballots: tuple[bytes, ...]


class ProposeAction(Record, frozen=True, tag="propose_action"):
    """Transaction (steward): put an action to the vote; counts as the proposer's yes.

    What could not be carried out now, or is before the members already, is refused.
    """

    action: Action


class VoteAction(Record, frozen=True, tag="vote_action"):
    """Transaction (steward): vote yes to an open ballot."""

    ballot: bytes


class WithdrawVote(Record, frozen=True, tag="withdraw_vote"):
    """Transaction (steward): take a yes to an open ballot back; with the last one it is over, if a member opened it."""

    ballot: bytes


Bodies = ProposeAction | VoteAction | WithdrawVote

_MEMBERS = Table("members", Membership)
_KEYS = Table("keys", Credential)
_BALLOTS = Table("ballots", Ballot)
_OPEN_BALLOTS = Table("open_ballots", OpenBallot)
"""By the digest of the action."""
_OPENED = Table("opened_ballots", Opened)
"""By member."""


def credential(state: State, public_key: bytes) -> Credential | None:
    """Whose key this is, or was before it was replaced, with the handle of a person as role; None for a stranger's."""
    return _KEYS.get(state, public_key)


def keys_of(state: State, organisation: str, role: str) -> list[bytes]:
    """All keys that a role, or a person by handle, of an organisation ever had: for readers, since it looks at all."""
    owner, start = encode(Credential(organisation, role)), len(_KEYS.key())
    return [key[start:] for key, value in state.scan(_KEYS.key()) if value == owner]


def membership(state: State, organisation: str) -> Membership | None:
    """An organisation's membership, past ones too."""
    return _MEMBERS.get(state, organisation)


def recovering(state: State, organisation: str) -> Recovering | None:
    """The recovery of an organisation's key that waits; None where that key was replaced since, so is not lost."""
    waiting, entry = recovery.under_way(state, organisation), membership(state, organisation)
    return waiting if waiting is not None and entry is not None and entry.member.steward == waiting.former else None


def active_members(state: State) -> list[Member]:
    """The members, in order of name."""
    return [entry.member for entry in _MEMBERS.all(state) if entry.active]


def is_active(state: State, organisation: str) -> bool:
    """Whether the organisation is a member now."""
    entry = _MEMBERS.get(state, organisation)
    return entry is not None and entry.active


def ballots(state: State) -> list[tuple[bytes, Ballot]]:
    """All ballots with their ids, in order of id."""
    return [(ballot_id(entry.action, entry.opened_height), entry) for entry in _BALLOTS.all(state)]


def ballot(state: State, ballot_key: bytes) -> Ballot | None:
    """The ballot of an id; None if there is none."""
    return _BALLOTS.get(state, ballot_key)


def open_ballot(state: State, action: Action, time_ms: int) -> bytes | None:
    """The id of the ballot that has an action before the members at this block time; None if there is none."""
    found = _OPEN_BALLOTS.get(state, _action_digest(action))
    return found.ballot if found is not None and time_ms < found.until_ms else None


def require_possible(state: State, action: Action, height: int, time_ms: int) -> None:
    """Refuse an action that could not be carried out in this block, with the code that it would be refused with."""
    if isinstance(action, Admit):
        require(len(active_members(state)) < MEMBERS_MAX, "too_many_members")
        _require_admissible(state, action.member)
    elif isinstance(action, Remove):
        _require_removable(state, action.organisation)
    elif isinstance(action, Upgrade | CallOff):
        upgrades.require_possible(state, action, height, time_ms)
    elif isinstance(action, Recover):
        entry = _MEMBERS.get(state, action.organisation)
        if entry is None or not entry.active:
            raise Refusal("not_a_member")
        require_free(state, action.key)
        recovery.require_possible(state, action, entry.member.steward)
    else:
        require(not parameters.out_of_range(action.parameters), "bad_parameters")


def admit(state: State, member: Member, height: int) -> None:
    """Add a member; refuse a name or a key that was ever used."""
    _require_admissible(state, member)
    for role in SIGNING_ROLES:
        claim(state, Credential(member.organisation, role), getattr(member, role))
    _MEMBERS.put(state, Membership(member, True, height), member.organisation)


def _require_admissible(state: State, member: Member) -> None:
    require_name(member.organisation)
    require(_MEMBERS.get(state, member.organisation) is None, "name_taken")
    require(len(member.title) <= TITLE_CHARACTERS_MAX, "bad_title")
    keys = [getattr(member, role) for role in SIGNING_ROLES]
    for key in keys:
        require_free(state, key)
    require(len(set(keys)) == len(keys), "key_taken")
    require(member.wrapping.has_form, "bad_key")


def change_key(state: State, owner: Credential, key: bytes) -> bytes:
    """Give an active member's role another key and return the one it replaces, which stays known as the member's."""
    entry = _MEMBERS.get(state, owner.organisation)
    if entry is None or not entry.active:
        raise Refusal("not_a_member")
    claim(state, owner, key)
    _MEMBERS.put(state, replace(entry, member=replace(entry.member, **{owner.role: key})), owner.organisation)
    former: bytes = getattr(entry.member, owner.role)
    return former


def change_wrapping_key(state: State, organisation: str, key: WrappingPublicKey) -> None:
    """Publish another key to which secrets for an active member are wrapped from now on."""
    entry = _MEMBERS.get(state, organisation)
    if entry is None or not entry.active:
        raise Refusal("not_a_member")
    _MEMBERS.put(state, replace(entry, member=replace(entry.member, wrapping=key)), organisation)


def claim(state: State, owner: Credential, key: bytes) -> None:
    """Bind a key to its owner for ever; refuse one that anybody ever had."""
    require_free(state, key)
    _KEYS.put(state, owner, key)


def require_free(state: State, key: bytes) -> None:
    """Refuse what is no key (`bad_key`), and one that anybody ever had (`key_taken`)."""
    require(len(key) == 32, "bad_key")
    require(_KEYS.get(state, key) is None, "key_taken")


def remove(state: State, organisation: str, height: int) -> None:
    """End a membership: its keys stay known, and can no longer do anything."""
    _MEMBERS.put(state, Membership(_require_removable(state, organisation), False, height), organisation)


def _require_removable(state: State, organisation: str) -> Member:
    entry = _MEMBERS.get(state, organisation)
    if entry is None or not entry.active:
        raise Refusal("not_a_member")
    require(len(active_members(state)) > 1, "last_member")
    return entry.member


def ballot_id(action: Action, opened_height: int) -> bytes:
    """A ballot's id, 32 bytes."""
    return digest("hmchain ballot", encode(action), opened_height.to_bytes(8, "big"))


def open_removal(context: Context, organisation: str) -> None:
    """Put a member's removal before the members, with nobody's vote yet, unless it is there already."""
    action = Remove(organisation)
    known = open_ballot(context.state, action, context.time_ms)
    if known is None:
        ballot = _open(context, action, "")
        context.emit(events.BallotOpened(ballot, ("remove", organisation)))
    else:
        _index(context.state, action, OpenBallot(known, "", _open_one(context, known).until_ms))


def _open(context: Context, action: Action, opener: str) -> bytes:
    ballot, until_ms = ballot_id(action, context.height), context.time_ms + BALLOT_LIFE_MS
    yes = (opener,) if opener else ()
    _BALLOTS.put(context.state, Ballot(action, context.height, until_ms, yes, False), ballot)
    _index(context.state, action, OpenBallot(ballot, opener, until_ms))
    return ballot


def _index(state: State, action: Action, ballot: OpenBallot) -> None:
    _OPEN_BALLOTS.put(state, ballot, _action_digest(action))


def _require_share(context: Context) -> tuple[bytes, ...]:
    """The sender's open ballots; refuse (`too_many_ballots`) if there is no room for one more."""
    state, organisation = context.state, context.sender.organisation
    opened = _OPENED.get(state, organisation)
    known = [(ballot, _BALLOTS.get(state, ballot)) for ballot in (opened.ballots if opened else ())]
    own = tuple(ballot for ballot, entry in known if entry is not None and entry.is_open(context.time_ms))
    require(len(own) < OPEN_BALLOTS_MAX, "too_many_ballots")
    for ballot, entry in known:
        if entry is not None and ballot not in own:
            _close(state, ballot, entry)
    return own


def _close(state: State, ballot: bytes, entry: Ballot) -> None:
    """Take a ballot that is over from the index, where another one may have its place by now."""
    place = _action_digest(entry.action)
    known = _OPEN_BALLOTS.get(state, place)
    if known is not None and known.ballot == ballot:
        _OPEN_BALLOTS.delete(state, place)


def _open_one(context: Context, ballot: bytes) -> Ballot:
    """A ballot that takes votes; refuse `no_such_ballot` and `ballot_lapsed`."""
    entry = _BALLOTS.get(context.state, ballot)
    if entry is None or entry.closed:
        raise Refusal("no_such_ballot")
    require(entry.is_open(context.time_ms), "ballot_lapsed")
    return entry


def lapse_ballots(state: State, time_ms: int) -> None:
    """Let every open ballot lapse at a time: who voted, and how many it took, was so in another circle of members."""
    for ballot, entry in ballots(state):
        if entry.is_open(time_ms):
            _BALLOTS.put(state, replace(entry, until_ms=time_ms), ballot)
            _close(state, ballot, entry)


def _action_digest(action: Action) -> bytes:
    return digest("hmchain action", encode(action))


def propose(context: Context, body: ProposeAction) -> None:
    """Put an action to the vote."""
    context.require_role(STEWARD)
    own = _require_share(context)  # first: it costs nothing
    require_possible(context.state, body.action, context.height, context.time_ms)
    known = _BALLOTS.get(context.state, ballot_id(body.action, context.height))
    require(known is None and open_ballot(context.state, body.action, context.time_ms) is None, "ballot_exists")
    ballot = _open(context, body.action, context.sender.organisation)
    _OPENED.put(context.state, Opened((*own, ballot)), context.sender.organisation)
    context.emit(events.BallotOpened(ballot))
    _count(context, ballot, _open_one(context, ballot))


def _propose_by_2(context: Context, body: ProposeAction) -> None:
    """The same by the rules of protocol 2, which read no action that came later."""
    if isinstance(body.action, Recover):
        raise Refusal("malformed")
    propose(context, body)


def vote(context: Context, body: VoteAction) -> None:
    """Vote yes to an open ballot."""
    context.require_role(STEWARD)
    ballot = _open_one(context, body.ballot)
    require(context.sender.organisation not in ballot.yes, "already_voted")
    require_possible(context.state, ballot.action, context.height, context.time_ms)
    yes = tuple(sorted((*ballot.yes, context.sender.organisation)))
    _count(context, body.ballot, replace(ballot, yes=yes))


def _withdraw(context: Context, body: WithdrawVote) -> None:
    context.require_role(STEWARD)
    ballot, organisation = _open_one(context, body.ballot), context.sender.organisation
    require(organisation in ballot.yes, "not_voted")
    yes = tuple(name for name in ballot.yes if name != organisation)
    known = _OPEN_BALLOTS.get(context.state, _action_digest(ballot.action))
    # What the ledger itself put before the members, a proven fraud's removal, is not its culprit's to take back.
    is_over = not yes and known is not None and known.opener != ""
    _BALLOTS.put(context.state, replace(ballot, yes=yes, closed=is_over), body.ballot)
    if is_over:
        _close(context.state, body.ballot, ballot)
    context.emit(events.BallotWithdrawn(body.ballot, organisation))


def _count(context: Context, ballot_key: bytes, ballot: Ballot) -> None:
    members = [member.organisation for member in active_members(context.state)]
    yes = sum(1 for organisation in ballot.yes if organisation in members)
    passed = 3 * yes >= 2 * len(members)
    _BALLOTS.put(context.state, replace(ballot, closed=passed), ballot_key)
    if passed:
        _close(context.state, ballot_key, ballot)
        _carry_out(context, ballot.action)
        context.emit(events.BallotPassed(ballot_key))


def _carry_out(context: Context, action: Action) -> None:
    if isinstance(action, Admit):
        admit(context.state, action.member, context.height)
        context.emit(events.MemberAdmitted(action.member.organisation))
    elif isinstance(action, Remove):
        remove(context.state, action.organisation, context.height)
        context.emit(events.MemberRemoved(action.organisation))
    elif isinstance(action, Upgrade | CallOff):
        upgrades.carry_out(context.state, action)
        agreed = isinstance(action, Upgrade)
        context.emit((events.UpgradeAgreed if agreed else events.UpgradeCalledOff)(action.protocol))
    elif isinstance(action, Recover):
        begun = recovery.begin(context.state, action, context.time_ms)
        context.emit(people_events.RecoveryAgreed(action.organisation, action.key, begun.due_ms))
    else:
        parameters.change(context.state, action.parameters)
        context.emit(events.ParametersChanged())


HANDLERS = {ProposeAction: _propose_by_2, VoteAction: vote, WithdrawVote: _withdraw}
