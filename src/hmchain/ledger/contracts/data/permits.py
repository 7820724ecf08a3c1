"""Permits: what all decisions on a request together allow, at a block's time.

Nothing is stored: a permit follows from the request's last submission, each hospital's word on it, and who of its
people counts now. So whatever ends one of these ends the permit with it, at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.canonical import digest
from hmchain.ledger import purposes
from hmchain.ledger.contracts.data import datasets, requests
from hmchain.ledger.contracts.data.requests import Content, Decided, Handling, Kind, Request, Status, Submission
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State


@dataclass(frozen=True, slots=True)
class Allowed:
    """One dataset version that may be used."""

    organisation: str
    dataset: str
    version: int
    until_ms: int
    """The last moment at which it may."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be done, with which data, by whom."""

    request: str
    version: int
    """Of the request."""
    kind: Kind
    purposes: tuple[str, ...]
    plan: bytes
    """Digest of the plan (`plan_digest`)."""
    allowed: tuple[Allowed, ...]
    """In order of organisation and dataset."""
    persons: tuple[PersonRef, ...]
    """The applicant and the members who were decided on and still take part, in order."""


@dataclass(frozen=True, slots=True)
class _InForce:
    """What hospitals' decisions are about."""

    entry: Request
    submitted: Submission
    content: Content


def plan_digest(plan: bytes) -> bytes:
    """The name of what is to be computed (32 bytes)."""
    return digest("hmchain plan", plan)


def permit(state: State, request: str, time_ms: int) -> Permit | None:
    """What a request allows at a block time; None if that is nothing."""
    found = _in_force(state, request)
    if found is None:
        return None
    entry, content = found.entry, found.content
    allowed = tuple(
        Allowed(word.organisation, word.dataset, use.version, word.until_ms)
        for use, word in zip(content.datasets, requests.handlings(state, request, entry.version), strict=True)
        if _holds(state, found, word, use.version, time_ms)
    )
    if not allowed:
        return None
    plan, persons = plan_digest(content.plan), _people(state, found)
    return Permit(request, entry.version, content.kind, content.purposes, plan, allowed, persons)


def authorised(
    state: State,
    organisation: str,
    request: str,
    time_ms: int,
    *,
    kind: Kind,
    plan: bytes,
    dataset: str,
    version: int,
    purpose: str,
    is_begun: bool = False,
) -> bool:
    """Whether a hospital allows, at this block time, that its dataset version is used so.

    Of a version that was withdrawn since records of it were erased nothing new may be made; what `is_begun` goes on
    without them.
    `plan` is the encoding of what is to be computed, as the request's content has it.
    """
    found = _in_force(state, request)
    word = requests.handling(state, found.entry, organisation, dataset) if found is not None else None
    if found is None or word is None:
        return False
    content = found.content
    # Policies judged the uses; what else is named are conditions of them.
    for_it = purpose in content.purposes and purposes.is_use(purpose)
    asked = (content.kind, content.plan) == (kind, plan) and for_it
    named = requests.DatasetVersion(organisation, dataset, version) in content.datasets
    return asked and named and _holds(state, found, word, version, time_ms, is_begun=is_begun)


def is_over(state: State, request: str, organisation: str, time_ms: int) -> bool:
    """Whether nothing of a hospital is allowed under a request any more, and never will be again.

    A hospital's yes that ended, by its word or by its date, does not come back with another version: who wants to go on
    copies the request.
    """
    entry = requests.request(state, request)
    if entry is None or entry.status is Status.CLOSED or not membership.is_active(state, organisation):
        return True
    if people.is_gone(state, entry.applicant):
        return True
    words = requests.last_words(state, request, organisation)
    return bool(words) and all(has_ended(word, time_ms) for word in words)


def has_ended(word: Handling, time_ms: int) -> bool:
    """Whether a hospital's yes was in force and is no more."""
    return word.status is Decided.REVOKED or (word.status is Decided.APPROVED and time_ms > word.until_ms)


def persons(state: State, request: str) -> tuple[PersonRef, ...]:
    """Whose use of it hospitals decided on: applicant and members of the last submission who still take part."""
    found = _in_force(state, request)
    return _people(state, found) if found is not None else ()


def _in_force(state: State, request: str) -> _InForce | None:
    """The last submission of a request, if whoever made it still asks."""
    entry = requests.request(state, request)
    if entry is None or entry.status not in (Status.SUBMITTED, Status.RETURNED):
        return None
    submitted = requests.submission(state, request, entry.version)
    content = requests.content(state, request, entry.version)
    if submitted is None or content is None or submitted.applicant != entry.applicant:
        return None
    return _InForce(entry, submitted, content) if people.is_active(state, entry.applicant) else None


def _holds(
    state: State, found: _InForce, word: Handling, version: int, time_ms: int, *, is_begun: bool = False
) -> bool:
    if word.status is not Decided.APPROVED or time_ms > word.until_ms:
        return False
    if not membership.is_active(state, word.organisation) or not _accepted_by_all(state, found, word):
        return False
    published = datasets.version(state, word.organisation, word.dataset, version)
    return published is not None and (is_begun or not published.withdrawn)


def _accepted_by_all(state: State, found: _InForce, word: Handling) -> bool:
    """Whether the applicant and every member who still counts accepted the terms of a hospital's yes."""
    accepted = (requests.accepted(state, word.request, person) for person in _people(state, found))
    return all(set(word.licences) <= set(each) for each in accepted)


def _people(state: State, found: _InForce) -> tuple[PersonRef, ...]:
    """Who was decided on, still takes part, and counts now; in order."""
    members = (person for person in found.submitted.members if person in found.entry.members)
    asking = sorted((found.submitted.applicant, *members))
    return tuple(person for person in asking if people.is_active(state, person))
