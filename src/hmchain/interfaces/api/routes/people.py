"""A hospital's people: who acts for it, who may do what, what a key did; and changes, which officers decide on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query

from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation, Rule, Scope
from hmchain.application.governance import members, people, recovery
from hmchain.application.governance.people import Asked
from hmchain.application.governance.staff import Staff
from hmchain.application.site.exchanged import RecoveryCard
from hmchain.application.site.persons import PersonNameError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import (
    NAME_OR_NONE,
    Digits,
    Hash,
    LedgerName,
    Nothing,
    OfMember,
    Organisation,
    Person,
    Signature,
    one_of,
)
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.context import STEWARD
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.people import PeopleView, PersonView
from hmchain.ledger.readers.powers import Powers

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("officer", STEWARD))
"""Officers; before a hospital has any, its steward's office."""
PROPOSE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
OWN = Rule(Operation.CHANGE, Scope.HOSPITAL)
"""What everybody may do for the own key."""

routes = Routes("people")

Roles = Annotated[
    tuple[Annotated[str, one_of(HOSPITAL_ROLES), msgspec.Meta(max_length=20)], ...],
    msgspec.Meta(min_length=1, max_length=9),
]
Someone = Annotated[str, Query(alias="person", pattern=NAME_OR_NONE, description="One; everybody if left out.")]
Since = Annotated[int, Query(ge=1, le=2**53, description="From this block on.")]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that was made for somebody."""

    person: LedgerName
    public: Hash


class Possession(msgspec.Struct, frozen=True):
    """What the new key signs to show that somebody holds it."""

    message: bytes


class Introduced(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key, and its own signature of `possession`."""

    person: LedgerName
    public: Hash
    proof: Signature


class Invitation(Introduced, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who is to act for this hospital."""

    roles: Roles


class NewRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All roles that a person is to have."""

    roles: Roles


class Recovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key that a hospital asks the others for, as its file has it."""

    organisation: LedgerName
    former: Hash
    public: Hash
    proof: Signature
    days: Annotated[int, msgspec.Meta(ge=0, le=90)] = 0
    """How long that hospital may object; as long as the network asks at least, if 0."""


@routes.get("/people", VIEW, commands=("people list",))
def list_people(call: Call, of: OfMember = "") -> PeopleView:
    """A member's people, their roles and keys, and what waits for a second officer."""
    with call.ledger() as ledger:
        return Staff(call.organisation, ledger).people(of)


@routes.get("/people/{person}", VIEW, commands=("people show",))
def show_person(call: Call, person: Person, of: OfMember = "") -> PersonView:
    """One person, with the whole key."""
    with call.ledger() as ledger:
        return Staff(of or call.organisation, ledger).person(person)


@routes.get("/powers", VIEW, commands=("people powers",))
def list_powers(call: Call, person: Someone = "", of: OfMember = "") -> list[Powers]:
    """What a person may do now, or everybody: roles, permits in force, and requests that are open."""
    with call.ledger() as ledger:
        return Staff(call.organisation, ledger).powers(person, of)


@routes.get("/people/{person}/deeds", VIEW, commands=("people deeds",))
def list_deeds(call: Call, person: Person, since: Since = 1, of: OfMember = "") -> list[KeyDeed]:
    """All that a person's key signed, the keys before it too: for one that was stolen."""
    with call.whole_ledger() as ledger:
        return Staff(of or call.organisation, ledger).deeds(person, since)


@routes.post("/people/possession", VIEW, commands=("people key",), example=NewKey("s1", "00" * 32))
def read_possession(call: Call, body: NewKey) -> Possession:
    """What a new key signs, wherever it is, to show an officer that somebody holds it."""
    with call.whole_ledger() as ledger:
        chain_id = ledger.genesis.chain_id
    return Possession(people.possession(chain_id, call.organisation, body.person, bytes.fromhex(body.public)))


@routes.post(
    "/people", DECIDE, signs=True, commands=("people invite",),
    example=Invitation(person="s1", public="00" * 32, proof="00" * 64, roles=("steward",)),
)  # fmt: skip
def invite_person(call: Call, body: Invitation) -> Asked:
    """Invite a person to act for this hospital, who then accepts. Compare the key's digits by telephone first."""
    with call.user() as user:
        key, proof = bytes.fromhex(body.public), bytes.fromhex(body.proof)
        return people.ask(user, people.introduced(user, body.person, key, proof, body.roles))


@routes.post(
    "/people/{person}/key", DECIDE, signs=True, commands=("people replace-key",),
    example=Introduced(person="s1", public="00" * 32, proof="00" * 64),
)  # fmt: skip
def replace_key(call: Call, person: Person, body: Introduced) -> Asked:
    """Let a person, or an office, sign with a new key; the old one is dead, and a suspension over."""
    if body.person != person:
        raise PersonNameError(f"the key is {body.person}'s", f"have one made for {person}")
    with call.user() as user:
        key, proof = bytes.fromhex(body.public), bytes.fromhex(body.proof)
        return people.ask(user, people.introduced(user, person, key, proof))


@routes.post(
    "/people/{person}/roles", DECIDE, signs=True, commands=("people roles",), example=NewRoles(("steward", "ethics"))
)
def change_roles(call: Call, person: Person, body: NewRoles) -> Asked:
    """Give a person these roles, and take all others away."""
    with call.user() as user:
        return people.ask(user, people.roles_changed(person, body.roles))


@routes.post("/people/{person}/suspension", OWN, signs=True, commands=("people suspend",), example=Nothing())
def suspend_person(call: Call, person: Person, body: Nothing) -> PeopleView:
    """Cut a key off at once: any one officer does, and everybody one's own. For a key that was stolen or is lost."""
    with call.user() as user:
        people.suspend(user, person)
        return people.overview(user)


@routes.post("/people/{person}/reinstatement", DECIDE, signs=True, commands=("people reinstate",), example=Nothing())
def reinstate_person(call: Call, person: Person, body: Nothing) -> Asked:
    """Let a suspended person act again, with the same key."""
    with call.user() as user:
        return people.ask(user, people.reinstated(person))


@routes.post("/people/{person}/removal", DECIDE, signs=True, commands=("people remove",), example=Nothing())
def remove_person(call: Call, person: Person, body: Nothing) -> Asked:
    """End what a person does for this hospital, for good; the name is never given again."""
    with call.user() as user:
        return people.ask(user, people.removed(person))


@routes.post("/offices/end", DECIDE, signs=True, commands=("people hand-over",), example=Nothing())
def hand_over(call: Call, body: Nothing) -> Asked:
    """Have only named people decide from now on; the office keys of steward and scientist end for good."""
    with call.user() as user:
        return people.ask(user, people.handed_over())


@routes.post("/people/changes/{digest}/confirmation", DECIDE, signs=True, commands=("people confirm",),
             example=Nothing())  # fmt: skip
def confirm_change(call: Call, digest: Digits, body: Nothing) -> Asked:
    """Carry out what another officer asked for."""
    with call.user() as user:
        return people.confirm(user, *people.waiting(user, digest))


@routes.post("/people/changes/{digest}/end", DECIDE, signs=True, commands=("people drop",), example=Nothing())
def drop_change(call: Call, digest: Digits, body: Nothing) -> Asked:
    """Have a change that waits come to nothing."""
    with call.user() as user:
        return people.drop(user, *people.waiting(user, digest))


@routes.post(
    "/recoveries", PROPOSE, signs=True, commands=("people recover propose",),
    example=Recovery(organisation="east", former="00" * 32, public="11" * 32, proof="00" * 64),
)  # fmt: skip
def propose_recovery(call: Call, body: Recovery) -> BallotView:
    """Put it to the members' vote that a hospital has another steward's key, unless it objects in time."""
    with call.user() as user:
        key, former = bytes.fromhex(body.public), bytes.fromhex(body.former)
        card = RecoveryCard(user.ledger.chain_id, body.organisation, former, key, bytes.fromhex(body.proof))
        return members.propose(user, recovery.motion_of(user, card, body.days))


@routes.post("/recoveries/own/objection", DECIDE, signs=True, commands=("people recover object",), example=Nothing())
def object_to_recovery(call: Call, body: Nothing) -> PeopleView:
    """Object to the key that others voted for this hospital: its own is not lost."""
    with call.user() as user:
        recovery.object_to(user)
        return people.overview(user)


@routes.post(
    "/recoveries/{organisation}/completion", PROPOSE, signs=True, commands=("people recover complete",),
    example=Nothing(),
)  # fmt: skip
def complete_recovery(call: Call, organisation: Organisation, body: Nothing) -> PeopleView:
    """Put the key in force that the members voted for a hospital, once its time to object is over."""
    with call.user() as user:
        recovery.complete(user, organisation)
        return people.overview(user)
