"""Who asks: the applicant and the members of a request, who come by invitation, and the terms that each accepts.

Hospitals decide on the people who stood in a submission. Who joins later counts from the next one on; who leaves counts
no more at once. Whoever took part at any time never decides on the request, and who decided on it does not join.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import SCIENTIST, Context, require, require_digest
from hmchain.ledger.contracts.data import applying, requests, reviewing
from hmchain.ledger.contracts.data.requests import Accepted, Entry, Request, Status
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State

PEOPLE_MAX = 32
"""Members of one request and whoever is invited."""
INVOLVED_MAX = 64
"""Whoever took part in one request at any time."""
_OPEN = (Status.DRAFT, Status.SUBMITTED, Status.RETURNED)


class InviteMember(Record, frozen=True, tag="invite_member"):
    """Transaction (applicant): ask a person to take part."""

    request: str
    person: PersonRef


class UninviteMember(Record, frozen=True, tag="uninvite_member"):
    """Transaction (applicant, or who was invited): the invitation is no more."""

    request: str
    person: PersonRef


class JoinRequest(Record, frozen=True, tag="join_request"):
    """Transaction (who was invited): I take part."""

    request: str


class AddMember(Record, frozen=True, tag="add_member"):
    """Transaction (applicant): a person of the applicant's own organisation takes part."""

    request: str
    person: str


class RemoveMember(Record, frozen=True, tag="remove_member"):
    """Transaction (who answers for the request, the member, or its steward or officer): it takes part no more."""

    request: str
    person: PersonRef


class ChangeApplicant(Record, frozen=True, tag="change_applicant"):
    """Transaction (who answers for a request that is not submitted): a member does so from now on."""

    request: str
    applicant: PersonRef


class AcceptLicences(Record, frozen=True, tag="accept_licences"):
    """Transaction (applicant or member): I keep to these terms."""

    request: str
    licences: tuple[bytes, ...]
    """Digests, in order."""


Bodies = (
    InviteMember | UninviteMember | JoinRequest | AddMember | RemoveMember | ChangeApplicant | AcceptLicences
)  # fmt: skip


def _invite(context: Context, body: InviteMember) -> None:
    entry = applying.require_applicant(context, body.request, *_OPEN)
    require(people.is_active(context.state, body.person), "no_such_person")
    _require_new(entry, body.person)
    invited = requests.in_order((*entry.invited, body.person))
    requests.put(context.state, replace(entry, invited=invited, height=context.height))
    context.emit(events.RequestMemberInvited(*_about(context, entry, body.person)))


def _require_new(entry: Request, person: PersonRef) -> None:
    require(person not in (entry.applicant, *entry.members, *entry.invited), "takes_part")
    require(len(entry.members) + len(entry.invited) < PEOPLE_MAX, "request_full")


def _uninvite(context: Context, body: UninviteMember) -> None:
    if people.sender(context.sender) == body.person:
        entry = requests.require_request(context.state, body.request)
    else:
        entry = applying.require_answerable(context, body.request, *_OPEN)
    require(body.person in entry.invited, "not_invited")
    invited = tuple(person for person in entry.invited if person != body.person)
    requests.put(context.state, replace(entry, invited=invited, height=context.height))
    context.emit(events.RequestMemberUninvited(*_about(context, entry, body.person)))


def _accept(context: Context, body: JoinRequest) -> None:
    entry, person = requests.require_request(context.state, body.request), people.sender(context.sender)
    require(person in entry.invited, "not_invited")
    invited = tuple(each for each in entry.invited if each != person)
    _join(context, replace(entry, invited=invited), person)


def _add(context: Context, body: AddMember) -> None:
    entry = applying.require_applicant(context, body.request, *_OPEN)
    person = PersonRef(context.sender.organisation, body.person)
    require(people.is_active(context.state, person), "no_such_person")
    _require_new(entry, person)
    _join(context, entry, person)


def _join(context: Context, entry: Request, person: PersonRef) -> None:
    words = requests.handlings(context.state, entry.name, entry.version)
    decided = any(person in (*word.approvals, *word.decided_by) for word in words)
    said = reviewing.calls(context.state, entry.name, entry.version)
    require(not decided and not any(call.person == person and call.answer for call in said), "has_decided")
    involved = requests.in_order((*entry.involved, person))
    require(len(involved) <= INVOLVED_MAX, "request_full")
    members = requests.in_order((*entry.members, person))
    requests.put(context.state, replace(entry, members=members, involved=involved, height=context.height))
    context.emit(events.RequestMemberAdded(*_about(context, entry, person)))


def _remove(context: Context, body: RemoveMember) -> None:
    entry, sender = requests.require_request(context.state, body.request), context.sender
    if people.sender(sender) != body.person and not people.speaks_for(sender, body.person.organisation):
        applying.require_answerable(context, body.request, *_OPEN)
    require(body.person in entry.members, "no_such_person")
    members = tuple(person for person in entry.members if person != body.person)
    requests.put(context.state, replace(entry, members=members, height=context.height))
    context.emit(events.RequestMemberRemoved(*_about(context, entry, body.person)))


def _change_applicant(context: Context, body: ChangeApplicant) -> None:
    entry = applying.require_answerable(context, body.request, Status.DRAFT, Status.RETURNED)
    state, former = context.state, entry.applicant
    # What was allowed to who is gone is over for good: keys were erased by that, so nobody takes it up again.
    require(entry.version == 0 or not people.is_gone(state, former), "applicant_gone")
    require(body.applicant in entry.members, "no_such_person")
    require(SCIENTIST in people.roles_of(state, body.applicant), "wrong_role_of_person")
    applying.require_room(state, body.applicant)
    requests.OPEN.delete(state, former.organisation, former.person, entry.name)
    requests.OPEN.put(state, Entry(entry.name), body.applicant.organisation, body.applicant.person, entry.name)
    others = (former, *(person for person in entry.members if person != body.applicant))
    members = requests.in_order(others)
    requests.put(state, replace(entry, applicant=body.applicant, members=members, height=context.height))
    context.emit(events.ApplicantChanged(*_about(context, entry, body.applicant)))


def _accept_licences(context: Context, body: AcceptLicences) -> None:
    entry, person = requests.require_request(context.state, body.request), people.sender(context.sender)
    require(entry.status is not Status.CLOSED, "wrong_status")
    require(person in (entry.applicant, *entry.members), "not_involved")
    require(bool(body.licences) and list(body.licences) == sorted(set(body.licences)), "bad_list")
    require_digest(*body.licences)
    asked = _asked(context.state, entry)
    require(set(body.licences) <= asked, "no_such_licence")
    known = requests.accepted(context.state, entry.name, person)
    accepted = tuple(sorted({*(licence for licence in known if licence in asked), *body.licences}))
    requests.ACCEPTED.put(
        context.state, Accepted(accepted, context.height), entry.name, person.organisation, person.person
    )
    context.emit(events.LicencesAccepted(entry.name, person.organisation, person.person, len(accepted)))


def _asked(state: State, entry: Request) -> set[bytes]:
    """All terms of all hospitals for the last version."""
    words = requests.handlings(state, entry.name, entry.version)
    return {licence for word in words for licence in word.licences}


def _about(context: Context, entry: Request, person: PersonRef) -> tuple[str, str, str, str, str]:
    sender = context.sender
    return entry.name, sender.organisation, sender.person, person.organisation, person.person


HANDLERS = {
    InviteMember: _invite,
    UninviteMember: _uninvite,
    JoinRequest: _accept,
    AddMember: _add,
    RemoveMember: _remove,
    ChangeApplicant: _change_applicant,
    AcceptLicences: _accept_licences,
}
