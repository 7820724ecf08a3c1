"""Office keys that are lost: the organisation objects to a recovery, or the key that was voted is taken up."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import people_events as events
from hmchain.ledger.context import STEWARD, Context, Credential, require
from hmchain.ledger.contracts.members import enrolment, membership, people, recovery
from hmchain.ledger.contracts.members.people import OFFICER, PersonRef, Status
from hmchain.ledger.transactions import Refusal


class ObjectRecovery(Record, frozen=True, tag="object_recovery"):
    """Transaction (the key said to be lost, or any officer): the organisation's key is not lost."""


class CompleteRecovery(Record, frozen=True, tag="complete_recovery"):
    """Transaction (any member's steward): the waiting time is over; the organisation has the key that was voted."""

    organisation: str


Bodies = ObjectRecovery | CompleteRecovery


def _object(context: Context, body: ObjectRecovery) -> None:
    require(people.is_officer(context.sender), "wrong_role")
    organisation = context.sender.organisation
    require(recovery.under_way(context.state, organisation) is not None, "no_recovery")
    recovery.forget(context.state, organisation)
    context.emit(events.RecoveryObjected(organisation, context.sender.person))


def _complete(context: Context, body: CompleteRecovery) -> None:
    context.require_role(STEWARD)
    state, organisation = context.state, body.organisation
    waiting, entry = recovery.under_way(state, organisation), membership.membership(state, organisation)
    if waiting is None or entry is None:
        raise Refusal("no_recovery")
    require(context.time_ms >= waiting.due_ms, "not_due")
    require(entry.member.steward == waiting.former, "wrong_former")  # it was rotated: it is not lost
    membership.change_key(state, Credential(organisation, STEWARD), waiting.key)
    recovery.forget(state, organisation)
    recovery.keep(state, organisation, waiting.key, context.height)
    _begin_anew(context, organisation)
    context.emit(events.KeyRecovered(organisation, waiting.key))


def _begin_anew(context: Context, organisation: str) -> None:
    """Make the steward's office the only officer: the others were silent all the time, and would have to confirm."""
    state = context.state
    people.cut_off(state, PersonRef(organisation, STEWARD), context.time_ms)
    people.set_office(state, organisation, STEWARD, Status.ACTIVE)
    enrolment.forget_pending(state, organisation)
    for person in people.people(state, organisation):
        if OFFICER in person.roles:
            left = tuple(role for role in person.roles if role != OFFICER)
            people.keep(state, replace(person, roles=left, since_height=context.height))


HANDLERS = {ObjectRecovery: _object, CompleteRecovery: _complete}
