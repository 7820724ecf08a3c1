"""People: members of organisations with keys and roles of their own."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.context import SCIENTIST, STEWARD, Acting, Credential
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.state import State

OFFICES = (STEWARD, SCIENTIST)
"""The persons that an organisation's own keys act as."""


class PersonRef(Record, frozen=True, order=True):
    """A person of an organisation, by the short name that the organisation gave."""

    organisation: str
    person: str

    def __str__(self) -> str:
        return f"{self.organisation}/{self.person}"


def sender(of: Credential | Acting) -> PersonRef:
    """Who signed."""
    return PersonRef(of.organisation, of.person)


def is_active(state: State, person: PersonRef) -> bool:
    """Whether the person's word counts now: a member's person who is neither suspended nor removed."""
    return person.person in OFFICES and membership.is_active(state, person.organisation)


def is_gone(state: State, person: PersonRef) -> bool:
    """Whether the person's word will never count again: removed, of an organisation that is no member, or unknown."""
    return not is_active(state, person)
