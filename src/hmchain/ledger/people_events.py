"""Events of people and of hospitals' policies: see `events`."""

from __future__ import annotations

from hmchain.ledger.ledger_event import AboutMember


class AboutPerson(AboutMember, frozen=True):
    """Something that happened to one person of an organisation, or to an office of it."""

    person: str


class KeysProven(AboutMember, frozen=True, tag="member.keys_proven"):
    """A candidate showed that it holds its keys."""

    challenger: str
    """The member whose word stands for the wrapping key."""
    answer: bytes


class RecoveryAgreed(AboutMember, frozen=True, tag="recovery.agreed"):
    """The members voted a new steward's key for an organisation; its time to object begins."""

    key: bytes
    due_ms: int


class RecoveryObjected(AboutPerson, frozen=True, tag="recovery.objected"):
    """The organisation objected: its key is not lost."""


class KeyRecovered(AboutMember, frozen=True, tag="key.recovered"):
    """An organisation has a steward's key by a vote of others."""

    key: bytes


class PersonInvited(AboutPerson, frozen=True, tag="person.invited"):
    """Officers invited a person to act for the organisation."""

    roles: tuple[str, ...]


class PersonJoined(AboutPerson, frozen=True, tag="person.joined"):
    """A person accepted the invitation, with the key that was named in it."""


class RolesChanged(AboutPerson, frozen=True, tag="person.roles_changed"):
    """A person has other roles."""

    roles: tuple[str, ...]


class PersonSuspended(AboutPerson, frozen=True, tag="person.suspended"):
    """A person's key, or an office's, decides nothing for now."""

    by: str
    """Who said so: an officer, or the person."""


class PersonReinstated(AboutPerson, frozen=True, tag="person.reinstated"):
    """A suspended person acts again."""


class PersonRemoved(AboutPerson, frozen=True, tag="person.removed"):
    """A person acts for the organisation no more."""


class PersonKeyReplaced(AboutPerson, frozen=True, tag="person.key_replaced"):
    """A person signs with another key."""

    key: bytes


class HandedOver(AboutMember, frozen=True, tag="offices.handed_over"):
    """The organisation's office keys decide nothing any more; its named people do."""


class PeopleChangeAsked(AboutPerson, frozen=True, tag="people.change_asked"):
    """An officer asked for a change of the organisation's people, which another has to confirm."""

    change: bytes


class PeopleChangeConfirmed(AboutPerson, frozen=True, tag="people.change_confirmed"):
    """Another officer confirmed it."""

    change: bytes


class PeopleChangeDropped(AboutPerson, frozen=True, tag="people.change_dropped"):
    """An officer took it back."""

    change: bytes


class AboutPolicy(AboutMember, frozen=True):
    """Something that happened to the policy of a dataset."""

    dataset: str


class PolicyProposed(AboutPolicy, frozen=True, tag="policy.proposed"):
    """A policy waits for the word of other persons of its hospital."""

    terms: bytes


class PolicySet(AboutPolicy, frozen=True, tag="policy.set"):
    """A policy is in force."""

    version: int


class PolicyWithdrawn(AboutPolicy, frozen=True, tag="policy.withdrawn"):
    """A policy that waited is not to come."""
