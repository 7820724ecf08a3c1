"""What a person may do now: roles in force, permits that the person may use, requests that are open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hmchain.errors import InputError
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import permits, requests
from hmchain.ledger.contracts.data.permits import Permit
from hmchain.ledger.contracts.data.requests import Decided, Request, Status
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State

APPLICANT, MEMBER = "applicant", "member"


class UnknownPersonError(InputError):
    """No member organisation has a person of that name."""

    code = "unknown_person_on_ledger"


@dataclass(frozen=True)
class HeldPermit:
    """A permit that a person may use now."""

    request: str
    kind: str
    purposes: tuple[str, ...]
    allowed: tuple[str, ...]
    """Dataset versions, written ORGANISATION/DATASET version N."""
    until_ms: int
    """When the first of them ends."""
    plan: bytes
    """Digest of what may be computed, and nothing else."""


@dataclass(frozen=True)
class OpenRequest:
    """A request that is not closed, in which a person takes part."""

    request: str
    takes_part: str
    """`applicant` or `member`."""
    status: str
    version: int
    waits_for: tuple[str, ...]
    """The hospitals that have not decided, in order."""


@dataclass(frozen=True)
class Powers:
    """All that a person may do now, by what the ledger says."""

    organisation: str
    person: str
    status: str
    roles: tuple[str, ...]
    """In which the person's word counts now; none for one who is suspended."""
    permits: tuple[HeldPermit, ...]
    requests: tuple[OpenRequest, ...]

    def __str__(self) -> str:
        roles = ", ".join(self.roles) or "no role"
        open_ = f"{len(self.permits)} permits, {len(self.requests)} open requests"
        return f"{self.organisation}/{self.person}, {self.status}: {roles}; {open_}"


def powers(state: State, time_ms: int, organisation: str, person: str) -> Powers:
    """What one person may do at a time. Raises `UnknownPersonError`."""
    ref = PersonRef(organisation, person)
    if person not in people.OFFICES and people.person(state, organisation, person) is None:
        known = ", ".join(each.person for each in _persons(state, organisation)) or "nobody"
        raise UnknownPersonError(f"there is no {ref}", f"people of {organisation}: {known}")
    taking_part = [entry for name in requests.involving(state, ref) for entry in _open(state, name, ref)]
    return Powers(
        organisation,
        person,
        people.status(state, ref),
        _roles(state, ref),
        tuple(found for entry in taking_part for found in _held(state, time_ms, entry, ref)),
        tuple(_open_request(state, entry, ref) for entry in taking_part),
    )


def all_powers(state: State, time_ms: int, organisation: str) -> list[Powers]:
    """What each person of an organisation may do at a time, its offices first."""
    return [powers(state, time_ms, organisation, ref.person) for ref in _persons(state, organisation)]


def _roles(state: State, ref: PersonRef) -> tuple[str, ...]:
    """With the officer's, which the steward's office has besides its own."""
    roles = people.roles_of(state, ref)
    return (people.OFFICER, *roles) if roles and ref.person == STEWARD else roles


def _persons(state: State, organisation: str) -> list[PersonRef]:
    offices = [PersonRef(organisation, office) for office in people.OFFICES]
    return [*offices, *(each.ref for each in people.people(state, organisation))]


def _open(state: State, name: str, ref: PersonRef) -> Iterator[Request]:
    entry = requests.request(state, name)
    if entry is not None and entry.status is not Status.CLOSED and ref in (entry.applicant, *entry.members):
        yield entry


def _held(state: State, time_ms: int, entry: Request, ref: PersonRef) -> Iterator[HeldPermit]:
    found = permits.permit(state, entry.name, time_ms)
    if found is not None and ref in found.persons:
        yield _view(found)


def _view(found: Permit) -> HeldPermit:
    named = tuple(f"{each.organisation}/{each.dataset} version {each.version}" for each in found.allowed)
    until_ms = min(each.until_ms for each in found.allowed)
    return HeldPermit(found.request, found.kind, found.purposes, named, until_ms, found.plan)


def _open_request(state: State, entry: Request, ref: PersonRef) -> OpenRequest:
    words = requests.handlings(state, entry.name, entry.version)
    waits = sorted({word.organisation for word in words if word.status is Decided.WAITING})
    role = APPLICANT if ref == entry.applicant else MEMBER
    return OpenRequest(entry.name, role, entry.status, entry.version, tuple(waits))
