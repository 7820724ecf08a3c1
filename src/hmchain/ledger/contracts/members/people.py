"""People: the named persons of member organisations, their keys and roles, and whose word an organisation's is.

An organisation begins with its office keys (`membership.Member`): they act as the persons "steward" and "scientist",
and the steward's is its first officer. Officers invite persons with keys of their own (`enrolment`). A name and a key
are given once: what a person decided stays that person's, whatever became of the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hmchain.canonical import Record
from hmchain.ledger.blocks import TimeMs
from hmchain.ledger.context import CLINICIAN, SCIENTIST, STEWARD, Acting, Context, Credential, require, require_name
from hmchain.ledger.contracts.members import membership, upgrades
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

OPERATOR, AUDITOR, OFFICER = "operator", "auditor", "officer"
ETHICS, PROTECTION, CODE = "ethics", "protection", "code"
REVIEWERS = (CODE, ETHICS, PROTECTION)
ROLES = tuple(sorted((STEWARD, SCIENTIST, OPERATOR, AUDITOR, OFFICER, *REVIEWERS)))
ROLES_OF_4 = tuple(sorted((*ROLES, CLINICIAN)))
OFFICES = (STEWARD, SCIENTIST)
"""The persons that an organisation's office keys act as."""
PEOPLE_MAX = 500
"""Of one organisation, those among them that were removed: their names stay known."""


class Status(StrEnum):
    """How it stands with a person, or with an office key; on the ledger it is the word."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


ENROLLED = (Status.ACTIVE, Status.SUSPENDED)


class PersonRef(Record, frozen=True, order=True):
    """Who decided or asked something: a person of an organisation."""

    organisation: str
    person: str
    """A short name that the organisation gives, or of an office."""

    def __str__(self) -> str:
        return f"{self.organisation}/{self.person}"


class Person(Record, frozen=True):
    """A named person of an organisation."""

    organisation: str
    person: str
    roles: tuple[str, ...]
    """In order of name."""
    key: bytes
    """The public key, Ed25519, 32 bytes."""
    status: Status
    since_height: int
    """Of the last change."""

    @property
    def ref(self) -> PersonRef:
        """The person's name on the ledger."""
        return PersonRef(self.organisation, self.person)


class Office(Record, frozen=True):
    """An office key that is not simply in use: suspended, or removed, when the organisation was handed over."""

    organisation: str
    office: str
    status: Status


class CutOff(Record, frozen=True):
    """When a key was cut off last: its person, or office, was suspended, or has another key by the word of others."""

    organisation: str
    person: str
    time_ms: TimeMs


_PEOPLE = Table("people", Person)
_OFFICES = Table("offices", Office)
_CUT_OFF = Table("keys_cut_off", CutOff)


def person(state: State, organisation: str, name: str) -> Person | None:
    """A named person, removed ones too; None for nobody, and for an office."""
    return _PEOPLE.get(state, organisation, name)


def people(state: State, organisation: str) -> list[Person]:
    """All named persons of an organisation, removed ones too, in order of name."""
    return _PEOPLE.all(state, organisation)


def office_status(state: State, organisation: str, office: str) -> Status:
    """How it stands with an office key: active unless it was suspended or given up."""
    kept = _OFFICES.get(state, organisation, office)
    return kept.status if kept is not None else Status.ACTIVE


def require_sender(state: State, key: bytes) -> Credential | Acting:
    """Who signs with this key: an organisation's office or machine, or a person; without roles before the acceptance.

    Refuses `unknown_sender` if no member does, `retired_key` if the key was replaced, `suspended_person` and
    `removed_person`.
    """
    known = membership.credential(state, key)
    entry = membership.membership(state, known.organisation) if known else None
    if known is None or entry is None or not entry.active:
        raise Refusal("unknown_sender")
    if known.role in membership.SIGNING_ROLES:
        require(getattr(entry.member, known.role) == key, "retired_key")
        _require_trusted(office_status(state, known.organisation, known.role))
        return known
    found = _PEOPLE.get(state, known.organisation, known.role)
    assert found is not None  # a key is bound when its person is kept
    _require_trusted(found.status)
    require(found.key == key, "retired_key")
    return Acting(known.organisation, found.person, found.roles if found.status is Status.ACTIVE else ())


def _require_trusted(status: Status) -> None:
    require(status is not Status.REMOVED, "removed_person")
    require(status is not Status.SUSPENDED, "suspended_person")


def sender(of: Credential | Acting) -> PersonRef:
    """Who signed."""
    return PersonRef(of.organisation, of.person)


def status(state: State, ref: PersonRef) -> Status:
    """How it stands with a person or an office; one that nobody knows, or of no member, counts as removed."""
    if not membership.is_active(state, ref.organisation):
        return Status.REMOVED
    if ref.person in OFFICES:
        return office_status(state, ref.organisation, ref.person)
    found = _PEOPLE.get(state, ref.organisation, ref.person)
    return found.status if found is not None else Status.REMOVED


def is_active(state: State, ref: PersonRef) -> bool:
    """Whether the person's word counts now: a member's person who accepted and is neither suspended nor removed."""
    return status(state, ref) is Status.ACTIVE


def is_gone(state: State, ref: PersonRef) -> bool:
    """Whether the person's word will never count again: removed, of an organisation that is no member, or unknown."""
    return status(state, ref) is Status.REMOVED


def stands(state: State, ref: PersonRef, said_ms: int) -> bool:
    """Whether what somebody said at a block time, and waits for others' word, may still be that person's own.

    The key may have been a thief's until it was cut off: who has it back, or has another, says it again.
    """
    known = _CUT_OFF.get(state, ref.organisation, ref.person)
    return known is None or known.time_ms < said_ms


def cut_off_ms(state: State, ref: PersonRef) -> int:
    """The block time at which the key of somebody was cut off last; 0 if it never was."""
    known = _CUT_OFF.get(state, ref.organisation, ref.person)
    return known.time_ms if known is not None else 0


def cut_off(state: State, ref: PersonRef, time_ms: int) -> None:
    """Let nothing that a key said so far count together with what others say from now on."""
    _CUT_OFF.put(state, CutOff(ref.organisation, ref.person, time_ms), ref.organisation, ref.person)


def roles_of(state: State, ref: PersonRef) -> tuple[str, ...]:
    """The roles in which a person's word counts now; empty for one whose does not."""
    if not is_active(state, ref):
        return ()
    found = _PEOPLE.get(state, ref.organisation, ref.person)
    return found.roles if found is not None else (ref.person,)


def is_officer(sender: Credential | Acting) -> bool:
    """Whether the sender decides over the organisation's people: an officer, or the holder of the steward's office."""
    return OFFICER in sender.roles or (isinstance(sender, Credential) and sender.role == STEWARD)


def speaks_for(sender: Credential | Acting, organisation: str) -> bool:
    """Whether the sender is a steward or officer of the organisation."""
    return sender.organisation == organisation and (STEWARD in sender.roles or is_officer(sender))


def officers(state: State, organisation: str) -> list[str]:
    """The officers by name. A suspended one counts: nobody makes himself the only one by suspending the others."""
    named = [each.person for each in people(state, organisation) if OFFICER in each.roles and each.status in ENROLLED]
    return ([STEWARD] if office_status(state, organisation, STEWARD) in ENROLLED else []) + named


def deciding_keys(state: State, organisation: str) -> tuple[tuple[bytes, ...], int]:
    """The keys of the officers whose word counts now, in order of key, and how many of them give power: two of two."""
    named = [each.key for each in people(state, organisation) if OFFICER in each.roles and each.status is Status.ACTIVE]
    entry = membership.membership(state, organisation)
    if entry is not None and office_status(state, organisation, STEWARD) is Status.ACTIVE:
        named.append(entry.member.steward)
    return tuple(sorted(named)), min(2, len(officers(state, organisation)))


def with_role(state: State, organisation: str, role: str) -> list[PersonRef]:
    """The persons who may act in a role now, offices among them."""
    in_office = role in OFFICES and office_status(state, organisation, role) is Status.ACTIVE
    offices = [PersonRef(organisation, role)] if in_office else []
    active = [each for each in people(state, organisation) if each.status is Status.ACTIVE]
    return offices + [each.ref for each in active if role in each.roles]


def keep(state: State, entry: Person) -> None:
    """Write a person."""
    _PEOPLE.put(state, entry, entry.organisation, entry.person)


def bind(state: State, key: bytes, ref: PersonRef) -> None:
    """Bind a key to its person for ever; refuse one that anybody ever had."""
    membership.claim(state, Credential(ref.organisation, ref.person), key)


def set_office(state: State, organisation: str, office: str, status: Status) -> None:
    """Suspend, give up or take up an office key again."""
    if status is Status.ACTIVE:
        _OFFICES.delete(state, organisation, office)
    else:
        _OFFICES.put(state, Office(organisation, office, status), organisation, office)


def known_roles(state: State, height: int) -> tuple[str, ...]:
    """The roles that people may have by the rules of the block at `height`, in order of name."""
    return ROLES_OF_4 if upgrades.at(state, height) >= upgrades.SHARING else ROLES


def require_roles(context: Context, roles: Sequence[str]) -> None:
    """Refuse (`bad_roles`) what is no list of known roles, in order, each once."""
    known = bool(roles) and set(roles) <= set(known_roles(context.state, context.height))
    require(known and tuple(roles) == tuple(sorted(set(roles))), "bad_roles")


def require_handle(name: str) -> None:
    """Refuse (`bad_name`) what cannot name a person, offices among it."""
    require_name(name)
    require(name not in membership.SIGNING_ROLES, "bad_name")
