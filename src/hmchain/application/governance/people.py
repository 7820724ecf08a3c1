"""An organisation's people, as its officers and they themselves have them enrolled, changed, suspended and removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.node import sent
from hmchain.application.site import exchanged
from hmchain.application.site.exchanged import OtherChainError, PersonCard
from hmchain.application.site.keyring import person_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.persons import PersonNameError
from hmchain.errors import InputError
from hmchain.keys import SigningKey, is_sealed, load_key, save_key
from hmchain.ledger.context import SCIENTIST, is_name
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.members import enrolment, membership, people
from hmchain.ledger.contracts.members.enrolment import (
    AcceptInvitation,
    ChangeRoles,
    ConfirmChange,
    DropChange,
    HandOver,
    InvitePerson,
    ReinstatePerson,
    RemovePerson,
    ReplaceKey,
    SuspendPerson,
    possession_bytes,
)
from hmchain.ledger.contracts.members.enrolment import Change as Change
from hmchain.ledger.contracts.members.people import ROLES_OF_4, Person, PersonRef
from hmchain.ledger.readers.people import PeopleView, people_of
from hmchain.ledger.state import State
from hmchain.plain import PREFIX_MIN, is_meant


class BadRolesError(InputError):
    """There are no such roles."""

    code = "bad_person_roles"


class NoChangeError(InputError):
    """No change of the organisation's people, or more than one, begins with what was given."""

    code = "no_people_change"


class NoInvitationError(InputError):
    """Nobody invited the person whose key this is."""

    code = "no_invitation"


@dataclass(frozen=True)
class NewKey:
    """A person's new key on this machine, and the file that introduces it to an officer."""

    organisation: str
    person: str
    key: bytes
    private: Path
    card: Path
    sealed: bool = True
    """A passphrase protects it."""


@dataclass(frozen=True)
class Asked:
    """A change of the organisation's people: carried out, or waiting for another officer."""

    words: str
    change: bytes
    waits: bool
    officers: tuple[str, ...]
    invited: str = ""
    """The person who accepts now, if this was an invitation and is carried out."""
    other: str = ""
    """An officer who did not ask."""


def new_key(folder: NodeFolder, handle: str, card: Path, private: Path | None, passphrase: str | None) -> NewKey:
    """Make a person's key, and the file that an officer needs of it: the key, and the proof that somebody holds it.

    Of a key that is there, the file that is not is made again. Raises `PersonNameError`, `NodeSettingsError`,
    `NotJoinedError`, `KeyFileError` where both are there, and `WrongPassphraseError`.
    """
    _require_name(handle)
    organisation, chain_id = folder.settings().organisation, folder.joined().genesis.chain_id
    place = private or person_key_file(folder.keys, handle)
    if place.exists() and not card.exists():
        key = load_key(SigningKey, place, passphrase)
    else:
        save_key(key := SigningKey.generate(), place, passphrase)
    proof = key.sign(possession_bytes(chain_id, organisation, handle, key.public.raw))
    exchanged.save(PersonCard(chain_id, organisation, handle, key.public.raw, proof), card)
    return NewKey(organisation, handle, key.public.raw, place, card, is_sealed(place))


def parse_roles(texts: Sequence[str]) -> tuple[str, ...]:
    """Roles in order, each once. Raises `BadRolesError`."""
    given = sorted({role.strip() for text in texts for role in text.split(",")} - {""})
    if not given or any(role not in ROLES_OF_4 for role in given):
        hint = f"give some of {', '.join(ROLES_OF_4)}"
        raise BadRolesError(f"{', '.join(given) or 'nothing'} is no list of roles", hint)
    return tuple(given)


def overview(user: LedgerUser) -> PeopleView:
    """The people of the user's organisation."""
    return people_of(user.state, user.organisation, user.ledger.now_ms())


def _card(user: LedgerUser, path: Path) -> PersonCard:
    card = exchanged.load_card(path)
    exchanged.require_chain(path, card.chain_id, user.ledger.chain_id)
    if card.organisation != user.organisation:
        hint = f"the person makes a key for {user.organisation}: `hmchain people key NAME`"
        raise OtherChainError(f"{path} introduces a person of {card.organisation}", hint)
    return card


def invitation(user: LedgerUser, path: Path, roles: Sequence[str]) -> InvitePerson:
    """The invitation of whose file this is. Raises `NetworkFileError`, `OtherChainError` and `BadRolesError`."""
    card = _card(user, path)
    return InvitePerson(card.person, parse_roles(roles), card.key, card.proof)


def introduced(user: LedgerUser, handle: str, key: bytes, proof: bytes, roles: Sequence[str] = ()) -> Change:
    """The invitation of somebody whose key was made elsewhere, or without roles the change of a key to that one.

    `proof` is the key's signature of `possession`. Raises `PersonNameError` and `BadRolesError`.
    """
    _require_name(handle)
    return InvitePerson(handle, parse_roles(roles), key, proof) if roles else ReplaceKey(handle, key, proof)


def possession(chain_id: str, organisation: str, handle: str, key: bytes) -> bytes:
    """What a key signs to show that somebody holds it who is to act by a name. Raises `PersonNameError`."""
    _require_name(handle)
    return possession_bytes(chain_id, organisation, handle, key)


def _require_name(handle: str) -> None:
    if not is_name(handle):
        hint = "a short name that all members may read, of a-z, 0-9, '.', '_' and '-': s1; the real one stays here"
        raise PersonNameError(f"{handle!r} is no name for the ledger", hint)


def replacement(user: LedgerUser, path: Path) -> ReplaceKey:
    """The change of a person's key to the one in a file. Raises `NetworkFileError` and `OtherChainError`."""
    card = _card(user, path)
    return ReplaceKey(card.person, card.key, card.proof)


def roles_changed(handle: str, roles: Sequence[str]) -> ChangeRoles:
    """The change of a person's roles. Raises `BadRolesError`."""
    return ChangeRoles(handle, parse_roles(roles))


def reinstated(handle: str) -> ReinstatePerson:
    """The change that a suspended person acts again."""
    return ReinstatePerson(handle)


def removed(handle: str) -> RemovePerson:
    """The change that a person acts no more, for good."""
    return RemovePerson(handle)


def handed_over() -> HandOver:
    """The change that the office keys decide nothing any more."""
    return HandOver()


def ended_by(user: LedgerUser, change: Change) -> tuple[str, ...]:
    """The requests that end for good with whoever asked for them: nobody takes over what hospitals decided on."""
    match change:
        case RemovePerson(person=gone):
            return _asked_for(user, gone)
        case HandOver():
            return _asked_for(user, SCIENTIST)
    return ()


def _asked_for(user: LedgerUser, person: str) -> tuple[str, ...]:
    return tuple(requests.open_requests(user.state, PersonRef(user.organisation, person)))


def ask(user: LedgerUser, change: Change) -> Asked:
    """Ask for a change, as an officer; where there is no other it is carried out. Raises as `LedgerUser.send`."""
    user.send(change)
    name = enrolment.change_id(user.organisation, change)
    waits = any(known == name for known, _ in enrolment.pending(user.state, user.organisation))
    return _asked(user, name, change, waits=waits)


def _asked(user: LedgerUser, name: bytes, change: Change, *, waits: bool) -> Asked:
    officers = tuple(people.officers(user.state, user.organisation))
    invited = change.person if isinstance(change, InvitePerson) and not waits else ""
    own = membership.credential(user.state, user.signer.public.raw)
    other = next((each for each in officers if own is None or each != own.person), "")
    return Asked(sent.words(change), name, waits, officers, invited, other)


def waiting(user: LedgerUser, prefix: str) -> tuple[bytes, Change]:
    """The change that waits whose id begins with `prefix`, 4 digits or more. Raises `NoChangeError`."""
    known = enrolment.pending(user.state, user.organisation)
    found = [(name, entry.change) for name, entry in known if is_meant(name, prefix)]
    if len(found) != 1:
        what = "no change begins" if not found else "more than one change begins"
        hint = f"give {PREFIX_MIN} digits or more of its id: `hmchain people list`"
        raise NoChangeError(f"{what} with {prefix!r}", hint)
    return found[0]


def confirm(user: LedgerUser, name: bytes, change: Change) -> Asked:
    """Carry out what another officer asked for, by its id. Raises as `LedgerUser.send`."""
    user.send(ConfirmChange(name))
    return _asked(user, name, change, waits=False)


def drop(user: LedgerUser, name: bytes, change: Change) -> Asked:
    """Take back what an officer asked for, by its id. Raises as `LedgerUser.send`."""
    user.send(DropChange(name))
    return Asked(f"not to {sent.words(change)}", name, False, tuple(people.officers(user.state, user.organisation)))


def suspend(user: LedgerUser, handle: str) -> None:
    """Cut a person's key, or an office's, off at once. Raises as `LedgerUser.send`."""
    user.send(SuspendPerson(handle))


def invited(user: LedgerUser) -> Person:
    """The invitation of the user's own key. Raises `NoInvitationError`."""
    return invitation_of(user.state, user.organisation, user.signer.public.raw)


def invitation_of(state: State, organisation: str, public: bytes) -> Person:
    """An organisation's invitation of a key. Raises `NoInvitationError`."""
    known = membership.credential(state, public)
    is_ours = known is not None and known.organisation == organisation
    entry = people.person(state, organisation, known.role) if known is not None and is_ours else None
    if entry is not None and entry.status is people.Status.ACTIVE:
        raise NoInvitationError(f"{entry.person} accepted already, and acts", "`hmchain people list` shows the people")
    if entry is None or entry.status is not people.Status.INVITED:
        hint = "an officer does, with the file of that key: `hmchain people invite NAME.json --role ROLE`"
        raise NoInvitationError("nobody invited the person whose key this is", f"{hint}; whose key is meant: --as NAME")
    return entry


def accept(user: LedgerUser, entry: Person) -> None:
    """Accept an invitation, in the roles that it names. Raises as `LedgerUser.send`."""
    user.send(AcceptInvitation(entry.roles))
