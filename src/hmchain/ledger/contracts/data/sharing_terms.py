"""Sharing terms: what of a dataset may leave its hospital without a person's word, and is done otherwise by nobody.

They stand beside the dataset's policy, all of them no until the hospital says otherwise. Whoever widens them needs as
many persons as the policy asks for, each of whom sends the same; one person may narrow them at any time.
"""

from __future__ import annotations

from msgspec.structs import astuple

from hmchain.canonical import Record
from hmchain.ledger import sharing_events as events
from hmchain.ledger.context import STEWARD, Context, require
from hmchain.ledger.contracts.data import datasets, policies
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table


class SharingTerms(Record, frozen=True):
    """What a hospital lets happen with a dataset without asking a person first."""

    counts_released: bool = False
    """Its agent answers releases of counts: yes where the hospital's own checks find nothing, no where they do."""
    break_glass: bool = False
    """Its agent gives one patient's records to a member who says that they are needed for that patient's care."""


class Waiting(Record, frozen=True):
    """Terms that some persons want."""

    terms: SharingTerms
    persons: tuple[PersonRef, ...]
    """In order of time."""
    time_ms: int
    """When the last of them said so."""


class SetSharingTerms(Record, frozen=True, tag="set_sharing_terms"):
    """Transaction (steward): let this be so for a dataset of one's own."""

    dataset: str
    terms: SharingTerms


Bodies = SetSharingTerms

_TERMS = Table("sharing_terms", SharingTerms)
_WAITING = Table("sharing_terms_waiting", Waiting)
_NONE = SharingTerms()


def current(state: State, organisation: str, dataset: str) -> SharingTerms:
    """The terms in force; nothing is let happen where none were set."""
    return _TERMS.get(state, organisation, dataset) or _NONE


def waiting(state: State, organisation: str, dataset: str) -> Waiting | None:
    """What waits for other persons, or None."""
    return _WAITING.get(state, organisation, dataset)


def _set(context: Context, body: SetSharingTerms) -> None:
    context.require_role(STEWARD)
    state, organisation = context.state, context.sender.organisation
    require(datasets.dataset(state, organisation, body.dataset) is not None, "no_such_dataset")
    before = current(state, organisation, body.dataset)
    require(body.terms != before, "no_change")
    person, known = people.sender(context.sender), waiting(state, organisation, body.dataset)
    same = known.persons if known is not None and known.terms == body.terms else ()
    behind = tuple(
        each
        for each in same
        if known is not None and STEWARD in people.roles_of(state, each) and people.stands(state, each, known.time_ms)
    )
    require(person not in behind, "same_person")
    persons = (*behind, person)
    widens = any(new and not old for new, old in zip(astuple(body.terms), astuple(before), strict=True))
    if widens and len(persons) < policies.current(state, organisation, body.dataset).approvers:
        _WAITING.put(state, Waiting(body.terms, persons, context.time_ms), organisation, body.dataset)
        context.emit(events.SharingTermsProposed(organisation, body.dataset, person.person))
        return
    _TERMS.put(state, body.terms, organisation, body.dataset)
    if known is not None:
        _WAITING.delete(state, organisation, body.dataset)
    terms = body.terms
    context.emit(
        events.SharingTermsSet(
            organisation, body.dataset, person.person, int(terms.counts_released), int(terms.break_glass)
        )
    )


HANDLERS = {SetSharingTerms: _set}
