"""Transactions as security events: the kind that each is, by the family that defines it, and what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hmchain.application.security.events import BEGUN, DONE, SENT, Event, Kind
from hmchain.application.security.log import record
from hmchain.canonical import Record
from hmchain.errors import HMChainError
from hmchain.ledger.transactions import transaction_digest

FAMILIES: dict[str, Kind] = {
    **dict.fromkeys(("membership", "admission", "upgrades", "standings", "maintenance"), Kind.NETWORK_DECIDED),
    **dict.fromkeys(("rotation", "office_keys", "recovery"), Kind.KEY_CHANGED),
    "enrolment": Kind.PERSON_CHANGED,
    "anchors": Kind.LOG_ANCHORED,
    "incidents": Kind.INCIDENT,
    **dict.fromkeys(("datasets", "describing"), Kind.DATA_PUBLISHED),
    **dict.fromkeys(("policies", "sharing_terms"), Kind.POLICY_CHANGED),
    **dict.fromkeys(("applying", "applicants"), Kind.ACCESS_ASKED),
    **dict.fromkeys(("deciding", "reviewing", "attachments", "obligations", "approvals"), Kind.ACCESS_DECIDED),
    **dict.fromkeys(("studies", "opening", "closing", "permitted", "counting", "leaving"), Kind.STUDY_CHANGED),
    **dict.fromkeys(("participation", "disputes"), Kind.STUDY_CHANGED),
    "transfers": Kind.TRANSFER,
    "break_glass": Kind.BREAK_GLASS,
    "releases": Kind.RELEASE,
}
"""By the module of `ledger/contracts` in which a body is defined."""
OTHERWISE: dict[str, Kind] = {
    "restore_log": Kind.LOG_RESTORED,
    **dict.fromkeys(("review_glass", "lift_bar"), Kind.BREAK_GLASS_REVIEWED),
}
"""By a body's own tag, where it is of another kind than its family."""
DENIALS = frozenset(
    (
        "wrong_role", "not_accepted", "unknown_sender", "bad_signature", "retired_key", "removed_person",
        "suspended_person", "takes_two_officers", "unproven_keys", "not_a_member", "not_its_applicant",
        "not_the_applicant", "not_involved", "not_asked", "not_called", "own_request", "own_code", "own_change",
        "same_person", "wrong_role_of_person", "policy_denies", "not_approved", "permit_needed", "not_permitted",
        "permit_used", "wrong_grantee", "grant_over", "no_break_glass", "emergencies_barred",
        "emergencies_misused", "not_the_giver", "not_the_grantee", "not_the_proposer",
        "not_its_author", "not_invited", "applicant_gone",
    )
)  # fmt: skip
"""Refusals for want of a right: of a role, a permit, or a person's own part in it."""
_NAMES = ("transfer", "release", "incident", "emergency", "name", "study", "request", "dataset", "person", "role",
          "organisation")  # fmt: skip
_REASONS = ("reason", "verdict", "statement")
_OTHERS = ("grantee", "giver", "hospital")
_DIGESTS = ("manifest", "artefact", "evidence", "content", "terms", "head")
_DIGEST_BYTES = 32


def kind_of(body: type[Record]) -> Kind:
    """The kind of event that a transaction of this body is."""
    tag = str(body.__struct_config__.tag)
    return OTHERWISE.get(tag) or FAMILIES[body.__module__.rpartition(".")[2]]


def event_of(body: Record, person: str, wire: bytes) -> Event:
    """A transaction that somebody sends, before it is known what becomes of it."""
    spec = getattr(body, "spec", body)
    return Event(
        kind_of(type(body)),
        what=str(body.__struct_config__.tag),
        about=_first(spec, _NAMES, str),
        version=_first(body, ("version",), int) or 0,
        other=_first(body, _OTHERS, str),
        person=person,
        outcome=BEGUN,
        reason=_first(body, _REASONS, str),
        transaction=transaction_digest(wire).hex(),
        digest=next((found.hex() for found in _all(body, _DIGESTS, bytes) if len(found) == _DIGEST_BYTES), ""),
    )


def sent(log: Path, body: Record, role: str, wire: bytes) -> None:
    """Write down that a key of the hospital's signs a transaction in this process. Raises `ActivityLogError`."""
    record(log, replace(event_of(body, "", wire), role=role, outcome=SENT))


def _first(body: Any, names: tuple[str, ...], kind: type) -> Any:
    return next(_all(body, names, kind), kind())


def _all(body: Any, names: tuple[str, ...], kind: type) -> Iterator[Any]:
    found = (getattr(body, name, None) for name in names)
    return (each for each in found if type(each) is kind and each)


@contextmanager
def told(log: Path, body: Record, person: str, wire: bytes) -> Iterator[None]:
    """Write down that a signed transaction is sent, before it leaves, and what became of it.

    One that is refused for want of a right is a denial. Raises `ActivityLogError`.
    """
    event = event_of(body, person, wire)
    number = record(log, event)
    try:
        yield
    except HMChainError as error:
        refusal: str = getattr(error, "refusal", "")
        kind = Kind.ACCESS_DENIED if refusal in DENIALS else event.kind
        record(log, replace(event, kind=kind, outcome=refusal or error.code, ends=number))
        raise
    record(log, replace(event, outcome=DONE, ends=number))
