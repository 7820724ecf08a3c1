"""The people of an organisation as the ledger has them, what waits for a second officer, and keys that others gave."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.errors import InputError
from hmchain.ledger.contracts.members import enrolment, membership, people, recovery
from hmchain.ledger.contracts.members.enrolment import Change
from hmchain.ledger.contracts.members.people import OFFICES, PersonRef, Status
from hmchain.ledger.state import State


class NoOrganisationError(InputError):
    """No member has that name, or had it."""

    code = "no_organisation"


@dataclass(frozen=True)
class PersonView:
    """One person of an organisation, or an office of it."""

    person: str
    roles: tuple[str, ...]
    status: Status
    key: bytes
    """The public key."""
    since_height: int
    """Of the last change; 0 for an office."""
    is_office: bool
    decides: bool
    """Whether the person's word counts now."""


@dataclass(frozen=True)
class ChangeView:
    """A change that waits for a second officer."""

    id: bytes
    change: Change
    officer: str
    """Who asked for it."""
    until_ms: int
    lapsed: bool


@dataclass(frozen=True)
class RecoveryView:
    """A steward's key that the other members gave an organisation, or will unless it objects."""

    key: bytes
    due_ms: int
    """From when on it can be taken up; 0 once it was."""
    height: int
    """At which it was; 0 before that."""


@dataclass(frozen=True)
class PeopleView:
    """An organisation's people."""

    organisation: str
    is_member: bool
    people: tuple[PersonView, ...]
    officers: tuple[str, ...]
    """Those who count where two are needed."""
    changes: tuple[ChangeView, ...]
    recovering: RecoveryView | None
    recovered: RecoveryView | None


def people_of(state: State, organisation: str, time_ms: int) -> PeopleView:
    """The people of an organisation. Raises `NoOrganisationError`."""
    entry = membership.membership(state, organisation)
    if entry is None:
        raise NoOrganisationError(f"there is no member {organisation!r}", "`hmchain network status` lists the members")
    offices = tuple(_office(state, entry.member, office) for office in OFFICES)
    named = tuple(_named(state, each) for each in people.people(state, organisation))
    waiting, given = membership.recovering(state, organisation), recovery.recovered(state, organisation)
    return PeopleView(
        organisation,
        entry.active,
        offices + named,
        tuple(people.officers(state, organisation)),
        tuple(
            ChangeView(
                name,
                each.change,
                each.officer,
                each.until_ms,
                enrolment.has_lapsed(state, organisation, each, time_ms),
            )
            for name, each in enrolment.pending(state, organisation)
        ),
        None if waiting is None else RecoveryView(waiting.key, waiting.due_ms, 0),
        None if given is None else RecoveryView(given.key, 0, given.height),
    )


def keys_of(state: State, organisation: str, handle: str) -> tuple[bytes, ...]:
    """All keys that a person or office has, or had before they were replaced, in order."""
    return tuple(sorted(membership.keys_of(state, organisation, handle)))


def _office(state: State, member: membership.Member, office: str) -> PersonView:
    ref = PersonRef(member.organisation, office)
    status = people.office_status(state, member.organisation, office)
    roles = (people.OFFICER, office) if office == people.OFFICES[0] else (office,)
    key: bytes = getattr(member, office)
    return PersonView(office, roles, status, key, 0, is_office=True, decides=people.is_active(state, ref))


def _named(state: State, each: people.Person) -> PersonView:
    decides = people.is_active(state, each.ref)
    return PersonView(each.person, each.roles, each.status, each.key, each.since_height, False, decides)
