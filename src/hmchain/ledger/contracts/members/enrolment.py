"""Enrolment: an organisation's officers invite its people, change their roles and keys, and take both away again.

Where an organisation has two officers or more, whatever gives power takes two of them: one asks, which is kept by its
digest, and another confirms it. Suspension gives none, so any one officer cuts a key off at once, and a person one's
own. A key is taken up with its own signature: nobody enrols a key that is somebody else's.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record, digest, encode
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import people_events as events
from hmchain.ledger.blocks import TimeMs
from hmchain.ledger.context import STEWARD, Context, Credential, require
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import OFFICES, PEOPLE_MAX, Person, PersonRef, Status
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

CHANGE_LIFE_MS = 14 * DAY_MS
"""A change that no second officer confirmed by then has lapsed."""
CHANGES_MAX = 32
"""Changes of one organisation that wait at a time."""


class InvitePerson(Record, frozen=True, tag="invite_person"):
    """Change (officer): let a person act for the organisation, once that person accepts."""

    person: str
    roles: tuple[str, ...]
    key: bytes
    proof: bytes
    """The key's signature of `possession_bytes`, 64 bytes."""


class ChangeRoles(Record, frozen=True, tag="change_roles"):
    """Change (officer): from now on a person has these roles."""

    person: str
    roles: tuple[str, ...]


class ReinstatePerson(Record, frozen=True, tag="reinstate_person"):
    """Change (officer): a suspended person, or office, acts again."""

    person: str


class RemovePerson(Record, frozen=True, tag="remove_person"):
    """Change (officer): a person acts for the organisation no more; the name is never given again."""

    person: str


class ReplaceKey(Record, frozen=True, tag="replace_key"):
    """Change (officer): a person or office whose key is lost or stolen has another, and is suspended no more."""

    person: str
    key: bytes
    proof: bytes
    """The key's signature of `possession_bytes`, 64 bytes."""


class HandOver(Record, frozen=True, tag="hand_over"):
    """Change (officer): the office keys decide nothing any more, for good; only named people do."""


Change = InvitePerson | ChangeRoles | ReinstatePerson | RemovePerson | ReplaceKey | HandOver


class AcceptInvitation(Record, frozen=True, tag="accept_invitation"):
    """Transaction (the invited person's own key): act for the organisation in these roles, which are those offered."""

    roles: tuple[str, ...]


class SuspendPerson(Record, frozen=True, tag="suspend_person"):
    """Transaction (any officer, or the person itself): this person's key, or this office's, decides nothing for now."""

    person: str


class ConfirmChange(Record, frozen=True, tag="confirm_change"):
    """Transaction (another officer): carry out the change that was asked for."""

    change: bytes
    """`change_id`, 32 bytes."""


class DropChange(Record, frozen=True, tag="drop_change"):
    """Transaction (officer): the change that was asked for is not carried out."""

    change: bytes


Bodies = Change | AcceptInvitation | SuspendPerson | ConfirmChange | DropChange


class PendingChange(Record, frozen=True):
    """A change that waits for a second officer."""

    change: Change
    officer: str
    """Who asked for it."""
    until_ms: TimeMs
    """When it lapses."""


_PENDING = Table("people_changes", PendingChange)


def possession_bytes(chain_id: str, organisation: str, person: str, key: bytes) -> bytes:
    """What a person's new key signs to show that somebody holds it, for this person alone."""
    return digest("hmchain person key", chain_id.encode(), organisation.encode(), person.encode(), key)


def change_id(organisation: str, change: Change) -> bytes:
    """A change's name, 32 bytes."""
    return digest("hmchain people change", organisation.encode(), encode(change))


def pending(state: State, organisation: str) -> list[tuple[bytes, PendingChange]]:
    """The changes that wait, lapsed ones too, with their names, in order of name."""
    return [(change_id(organisation, entry.change), entry) for entry in _PENDING.all(state, organisation)]


def has_lapsed(state: State, organisation: str, entry: PendingChange, time_ms: int) -> bool:
    """Whether a change that waits can be confirmed no more: it is too old, or who asked for it is not trusted now."""
    asker, asked_ms = PersonRef(organisation, entry.officer), entry.until_ms - CHANGE_LIFE_MS
    trusted = _decides(state, organisation, entry.officer) and people.stands(state, asker, asked_ms)
    return entry.until_ms <= time_ms or not trusted


def forget_pending(state: State, organisation: str) -> None:
    """Drop all changes that wait."""
    for name, _ in pending(state, organisation):
        _PENDING.delete(state, organisation, name)


def require_possible(context: Context, organisation: str, change: Change) -> None:
    """Refuse a change that could not be carried out now, with the code that it would be refused with."""
    state = context.state
    match change:
        case InvitePerson(person=name):
            people.require_handle(name)
            people.require_roles(context, change.roles)
            require(people.person(state, organisation, name) is None, "name_taken")
            require(len(people.people(state, organisation)) < PEOPLE_MAX, "too_many_people")
            _require_possession(context, organisation, change)
        case ChangeRoles():
            people.require_roles(context, change.roles)
            entry = _enrolled(state, organisation, change.person)
            require(entry.roles != change.roles, "no_change")
            _require_officer_left(state, organisation, change.person, people.OFFICER in change.roles)
        case ReinstatePerson():
            require(_status(state, organisation, change.person) is Status.SUSPENDED, "not_suspended")
        case RemovePerson():
            _enrolled(state, organisation, change.person)
            _require_officer_left(state, organisation, change.person, stays=False)
        case ReplaceKey():
            require(_status(state, organisation, change.person) is not Status.REMOVED, "no_such_person")
            _require_possession(context, organisation, change)
        case HandOver():
            given_up = people.office_status(state, organisation, STEWARD) is Status.REMOVED
            require(not given_up, "no_change")
            named = [ref for ref in people.with_role(state, organisation, people.OFFICER) if ref.person not in OFFICES]
            stewards = people.with_role(state, organisation, STEWARD)
            deciding = [ref for ref in stewards if ref.person not in OFFICES]
            require(len(named) >= 2 and bool(deciding), "too_few_people")


def _require_possession(context: Context, organisation: str, change: InvitePerson | ReplaceKey) -> None:
    membership.require_free(context.state, change.key)
    proven = possession_bytes(context.chain_id, organisation, change.person, change.key)
    require(PublicKey(ED25519, change.key).verify(change.proof, proven), "bad_proof_of_possession")


def _enrolled(state: State, organisation: str, name: str) -> Person:
    """A named person that was not removed; refuse `no_such_person`."""
    entry = people.person(state, organisation, name)
    if entry is None or entry.status is Status.REMOVED:
        raise Refusal("no_such_person")
    return entry


def _status(state: State, organisation: str, name: str) -> Status:
    if name in OFFICES:
        return people.office_status(state, organisation, name)
    return _enrolled(state, organisation, name).status


def _require_officer_left(state: State, organisation: str, name: str, stays: bool) -> None:
    """An organisation without an officer could never change anything of its people again."""
    left = [officer for officer in people.officers(state, organisation) if officer != name]
    require(stays or bool(left), "last_officer")


def _ask(context: Context, change: Change) -> None:
    """Carry a change out, or keep it until another officer confirms it where there is one."""
    require(people.is_officer(context.sender), "wrong_role")
    state, organisation, officer = context.state, context.sender.organisation, context.sender.person
    require_possible(context, organisation, change)
    if len(people.officers(state, organisation)) < 2:
        _carry_out(context, organisation, change)
        return
    name = change_id(organisation, change)
    waiting = 0
    for known, entry in pending(state, organisation):
        if has_lapsed(state, organisation, entry, context.time_ms):
            _PENDING.delete(state, organisation, known)
        else:
            require(known != name, "change_asked")
            waiting += 1
    require(waiting < CHANGES_MAX, "too_many_changes")
    entry = PendingChange(change, officer, context.time_ms + CHANGE_LIFE_MS)
    _PENDING.put(state, entry, organisation, name)
    context.emit(events.PeopleChangeAsked(organisation, officer, name))


def _confirm(context: Context, body: ConfirmChange) -> None:
    entry = _waiting(context, body.change)
    organisation, officer = context.sender.organisation, context.sender.person
    require(officer != entry.officer, "own_change")
    # Who asked must still be trusted: a thief's request does not outlive the thief.
    require(not has_lapsed(context.state, organisation, entry, context.time_ms), "change_lapsed")
    require_possible(context, organisation, entry.change)
    _PENDING.delete(context.state, organisation, body.change)
    context.emit(events.PeopleChangeConfirmed(organisation, officer, body.change))
    _carry_out(context, organisation, entry.change)


def _drop(context: Context, body: DropChange) -> None:
    _waiting(context, body.change)
    _PENDING.delete(context.state, context.sender.organisation, body.change)
    context.emit(events.PeopleChangeDropped(context.sender.organisation, context.sender.person, body.change))


def _waiting(context: Context, change: bytes) -> PendingChange:
    """A change that waits in the sender's organisation; refuse `wrong_role`, `no_such_change` and `change_lapsed`."""
    require(people.is_officer(context.sender), "wrong_role")
    entry = _PENDING.get(context.state, context.sender.organisation, change)
    if entry is None:
        raise Refusal("no_such_change")
    require(context.time_ms < entry.until_ms, "change_lapsed")
    return entry


def _decides(state: State, organisation: str, officer: str) -> bool:
    if officer in OFFICES:
        return people.office_status(state, organisation, officer) is Status.ACTIVE
    entry = people.person(state, organisation, officer)
    return entry is not None and entry.status is Status.ACTIVE and people.OFFICER in entry.roles


def _carry_out(context: Context, organisation: str, change: Change) -> None:
    state, height = context.state, context.height
    match change:
        case InvitePerson(person=name, key=key):
            people.bind(state, key, PersonRef(organisation, name))
            people.keep(state, Person(organisation, name, change.roles, key, Status.INVITED, height))
            context.emit(events.PersonInvited(organisation, name, change.roles))
        case ChangeRoles(person=name):
            _change(context, _enrolled(state, organisation, name), roles=change.roles)
            context.emit(events.RolesChanged(organisation, name, change.roles))
        case ReinstatePerson(person=name):
            _set_status(context, organisation, name, Status.ACTIVE)
            context.emit(events.PersonReinstated(organisation, name))
        case RemovePerson(person=name):
            _set_status(context, organisation, name, Status.REMOVED)
            context.emit(events.PersonRemoved(organisation, name))
        case ReplaceKey(person=name, key=key):
            if name in OFFICES:
                membership.change_key(state, Credential(organisation, name), key)
            else:
                people.bind(state, key, PersonRef(organisation, name))
                _change(context, _enrolled(state, organisation, name), key=key)
            people.cut_off(state, PersonRef(organisation, name), context.time_ms)
            if _status(state, organisation, name) is Status.SUSPENDED:
                _set_status(context, organisation, name, Status.ACTIVE)
            context.emit(events.PersonKeyReplaced(organisation, name, key))
        case HandOver():
            for office in OFFICES:
                people.set_office(state, organisation, office, Status.REMOVED)
            context.emit(events.HandedOver(organisation))


def _change(context: Context, entry: Person, **changes: object) -> None:
    people.keep(context.state, replace(entry, since_height=context.height, **changes))


def _set_status(context: Context, organisation: str, name: str, status: Status) -> None:
    if name in OFFICES:
        people.set_office(context.state, organisation, name, status)
    else:
        _change(context, _enrolled(context.state, organisation, name), status=status)


def _accept(context: Context, body: AcceptInvitation) -> None:
    organisation, name = context.sender.organisation, context.sender.person
    entry = people.person(context.state, organisation, name)
    if entry is None or entry.status is not Status.INVITED:
        raise Refusal("not_invited")
    require(entry.roles == body.roles, "other_roles")
    _change(context, entry, status=Status.ACTIVE)
    context.emit(events.PersonJoined(organisation, name))


def _suspend(context: Context, body: SuspendPerson) -> None:
    organisation = context.sender.organisation
    require(people.is_officer(context.sender) or body.person == context.sender.person, "wrong_role")
    require(_status(context.state, organisation, body.person) is Status.ACTIVE, "not_active")
    _set_status(context, organisation, body.person, Status.SUSPENDED)
    people.cut_off(context.state, PersonRef(organisation, body.person), context.time_ms)
    context.emit(events.PersonSuspended(organisation, body.person, context.sender.person))


HANDLERS = {
    InvitePerson: _ask,
    ChangeRoles: _ask,
    ReinstatePerson: _ask,
    RemovePerson: _ask,
    ReplaceKey: _ask,
    HandOver: _ask,
    AcceptInvitation: _accept,
    SuspendPerson: _suspend,
    ConfirmChange: _confirm,
    DropChange: _drop,
}
