"""Break-glass: in an emergency a clinician asks another hospital for one patient's records, without a permit.

For treatment alone, and only where the hospital's policy has a rule that names it: those rules, and no others, judge
it. Who the patient is travels sealed, and so does what there is; whether there was anything is not told here. What is
given is a transfer that is marked for ever: no study, count, release or other transfer may use it. Both hospitals are
told in the same block, and a steward of the giver judges afterwards whether it was justified; who has too much that
nobody has judged yet, or was not justified, gets nothing. Of whose people too much was not justified, together, is
barred at that hospital until stewards of both have looked into it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from hmchain.canonical import Record, digest, encode
from hmchain.ledger import purposes
from hmchain.ledger import sharing_events as events
from hmchain.ledger.context import AGENT, CLINICIAN, STEWARD, Context, require, require_digest
from hmchain.ledger.contracts.data import cedar, datasets, judging, policies, transfers
from hmchain.ledger.contracts.data.policies import Answer, Asked, Terms
from hmchain.ledger.contracts.data.transfers import Transfer
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

ACTION = "breakglass"
"""What a policy's rule calls it: `action == Action::"breakglass"`."""
REASONS = ("cannot-consent", "danger-to-life", "lasting-harm", "urgent-treatment")
"""Why, as a code that says nothing of the patient's illness."""
ANSWER_MS = DAY_MS
"""Who is not answered within that asks again, or calls."""
KEEP_DAYS = 30
"""So long after it was asked for what was given may be used."""
REVIEW_DAYS = 7
"""Within so many days it is judged."""
OPEN_OF_PERSON_MAX = 4
OPEN_OF_ORGANISATION_MAX = 32
"""Not judged yet: of one clinician, and of one organisation at one hospital."""
UNJUSTIFIED_MAX = 2
"""So often within `MEMORY_DAYS`, and a clinician gets nothing more."""
UNJUSTIFIED_OF_ORGANISATION_MAX = 4
"""So often at one hospital within `MEMORY_DAYS`, whoever of its people asked, and an organisation is barred there."""
MEMORY_DAYS = 365


class Status(StrEnum):
    """How far it is; on the ledger it is the word."""

    ASKED = "asked"
    ANSWERED = "answered"
    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"


VERDICTS = (Status.JUSTIFIED.value, Status.UNJUSTIFIED.value)


class Emergency(Record, frozen=True):
    """One patient's records that were asked for without a permit."""

    name: str
    """Of what is given as well."""
    grantee: str
    person: PersonRef
    """Who asked."""
    giver: str
    dataset: str
    version: int
    reason: str
    sealed: bytes
    """Digest (32 bytes) of the object in which the patient's number is sealed to the giver."""
    policy: int
    """The version of the giver's policy that let it be."""
    asked_ms: int
    status: Status
    answered_ms: int
    """0 before."""
    reviewed_by: tuple[PersonRef, ...]
    reviewed_ms: int
    height: int
    """Of its last change."""

    @property
    def digest(self) -> bytes:
        """What was asked, by whom, as what is given is bound to it (32 bytes)."""
        asked = (self.name, self.person, self.giver, self.dataset, self.version, self.reason, self.sealed)
        return digest("hmchain emergency", encode(asked))

    @property
    def until_ms(self) -> int:
        """The last moment at which what was given may be used."""
        return self.asked_ms + KEEP_DAYS * DAY_MS

    @property
    def review_due_ms(self) -> int:
        """Until when a steward of the giver is to judge it."""
        return self.asked_ms + REVIEW_DAYS * DAY_MS

    @property
    def is_reviewed(self) -> bool:
        """Whether it was judged."""
        return self.status.value in VERDICTS

    @property
    def is_misuse(self) -> bool:
        """Whether it was found not to be justified."""
        return self.status is Status.UNJUSTIFIED


class BreakGlass(Record, frozen=True, tag="break_glass"):
    """Transaction (clinician): this patient's records are needed at once, for treatment."""

    name: str
    giver: str
    dataset: str
    version: int
    reason: str
    sealed: bytes


class AnswerGlass(Record, frozen=True, tag="answer_glass"):
    """Transaction (agent of the giver): what there is of this patient; an empty manifest where there is nothing."""

    name: str
    manifest: bytes
    envelope: bytes


class ReviewGlass(Record, frozen=True, tag="review_glass"):
    """Transaction (steward of the giver): it was justified, or not; then what was given is to be erased at once."""

    name: str
    verdict: str


class LiftBar(Record, frozen=True, tag="lift_bar"):
    """Transaction (steward of giver or grantee): we have looked into what was not justified; the other says so too."""

    giver: str
    grantee: str


Bodies = BreakGlass | AnswerGlass | ReviewGlass | LiftBar


class _Place(Record, frozen=True):
    """An emergency's place in an index."""

    emergency: str


class Misused(Record, frozen=True):
    """When what a clinician asked for was found not to be justified, the last times, in order."""

    times_ms: tuple[int, ...]


class MisusedAt(Record, frozen=True):
    """What an organisation's people asked for at one hospital that was not justified."""

    giver: str
    grantee: str
    times_ms: tuple[int, ...]
    """When it was found, the last times, in order."""
    barred_ms: int
    """Since when nobody of the organisation is given anything there; 0 while it is not barred."""
    lifted_by: tuple[str, ...]
    """Of giver and grantee, who has said since that it looked into all of it."""


_EMERGENCIES = Table("emergencies", Emergency)
_OF_ORGANISATION = Table("emergencies_of", _Place)
"""By giver or grantee, and name."""
_OPEN_OF_PERSON = Table("emergencies_open_of_person", _Place)
"""By organisation, person and name: what nobody has judged yet."""
_OPEN_AT = Table("emergencies_open_at", _Place)
"""By giver, grantee and name: the same."""
_MISUSED = Table("emergencies_misused", Misused)
"""By organisation and person."""
_MISUSED_AT = Table("emergencies_misused_at", MisusedAt)
"""By giver and grantee."""


# -- reading -----------------------------------------------------------------------------------------------------------


def emergency(state: State, name: str) -> Emergency | None:
    """An emergency, or None."""
    return _EMERGENCIES.get(state, name)


def require_emergency(state: State, name: str) -> Emergency:
    """An emergency; refuse `no_such_emergency`."""
    found = emergency(state, name)
    if found is None:
        raise Refusal("no_such_emergency")
    return found


def emergencies(state: State, organisation: str = "") -> list[Emergency]:
    """All of them, or those that an organisation's people asked for or that it was asked for, in order of name."""
    if not organisation:
        return _EMERGENCIES.all(state)
    return [require_emergency(state, each.emergency) for each in _OF_ORGANISATION.all(state, organisation)]


def to_answer(state: State, giver: str, time_ms: int) -> list[Emergency]:
    """What a hospital's agent is to answer now."""
    asked = (each for each in emergencies(state, giver) if each.giver == giver and is_waiting(each, time_ms))
    return [each for each in asked if not is_barred(state, giver, each.grantee)]


def misused(state: State, person: PersonRef, time_ms: int) -> int:
    """How often within `MEMORY_DAYS` what a clinician asked for was not justified; at most `UNJUSTIFIED_MAX`."""
    found = _MISUSED.get(state, person.organisation, person.person)
    since_ms = time_ms - MEMORY_DAYS * DAY_MS
    return sum(each >= since_ms for each in found.times_ms) if found is not None else 0


def is_barred(state: State, giver: str, grantee: str) -> bool:
    """Whether nobody of an organisation is given anything in an emergency by a hospital, since too much was misused."""
    found = _MISUSED_AT.get(state, giver, grantee)
    return found is not None and found.barred_ms > 0


def bars(state: State, organisation: str = "") -> list[MisusedAt]:
    """Who is barred where: all of it, or what an organisation has to do with, in order of giver and grantee."""
    barred = (each for each in _MISUSED_AT.all(state) if each.barred_ms)
    return [each for each in barred if organisation in ("", each.giver, each.grantee)]


def is_waiting(entry: Emergency, time_ms: int) -> bool:
    """Whether it is to be answered still, also if somebody was quick to say that it is justified."""
    return not (entry.answered_ms or entry.is_misuse) and time_ms <= entry.asked_ms + ANSWER_MS


def allows(state: State, giver: str, dataset: str, person: PersonRef) -> bool:
    """Whether the policy in force lets this clinician break the glass, by its rules that name it and no others."""
    policy, roles = policies.current(state, giver, dataset), people.roles_of(state, person)
    named = {name: rule for name, rule in cedar.parsed(policy.cedar).items() if _names(rule["action"])}
    if not named or CLINICIAN not in roles:
        return False
    published = datasets.dataset(state, giver, dataset)
    version = datasets.version(state, giver, dataset, published.version) if published is not None else None
    asked = Asked(
        organisation=person.organisation, person=person.person, roles=roles, members=(),
        owner=giver, dataset=dataset, kind=ACTION, purposes=(purposes.CLINICAL_CARE,), diseases=(), code=b"",
        fields=(), labels=(), commercial=False, publishes=False, regions=(), documents=(), days=KEEP_DAYS, rounds=0,
        colluders=0, organisations=(giver,), count=min(version.count, policies.COUNT_MAX) if version else 0,
    )  # fmt: skip
    rules = Terms(cedar.canonical(named), 1, False, 0, 0, 0, 0, (), ())
    return policies.judge(rules, asked).answer is Answer.YES


def _names(action: dict[str, Any]) -> bool:
    """Whether a rule is for this action by name, and not since it is for any."""
    entity = {"id": ACTION, "type": "Action"}
    return entity in (action.get("entity"), *action.get("entities", ()))


# -- handlers ----------------------------------------------------------------------------------------------------------


def _break(context: Context, body: BreakGlass) -> None:
    context.require_role(CLINICIAN)
    state, person = context.state, people.sender(context.sender)
    require(membership.is_active(state, body.giver) and body.giver != person.organisation, "not_a_member")
    datasets.standing_version(state, body.giver, body.dataset, body.version)
    require(body.reason in REASONS, "bad_reason")
    require_digest(body.sealed)
    require(misused(state, person, context.time_ms) < UNJUSTIFIED_MAX, "emergencies_misused")
    require(not is_barred(state, body.giver, person.organisation), "emergencies_barred")
    of_person = len(_OPEN_OF_PERSON.all(state, person.organisation, person.person))
    of_all = len(_OPEN_AT.all(state, body.giver, person.organisation))
    require(of_person < OPEN_OF_PERSON_MAX and of_all < OPEN_OF_ORGANISATION_MAX, "emergencies_not_reviewed")
    judging.charge(context, 2)
    if not allows(state, body.giver, body.dataset, person):  # last: it costs most
        raise Refusal("no_break_glass", kept=True)  # it cost as much, and so counts
    policy = policies.current(state, body.giver, body.dataset).version
    transfers.reserve(state, body.name)
    entry = Emergency(
        body.name, person.organisation, person, body.giver, body.dataset, body.version, body.reason, body.sealed,
        policy, context.time_ms, Status.ASKED, answered_ms=0, reviewed_by=(), reviewed_ms=0, height=context.height,
    )  # fmt: skip
    _EMERGENCIES.put(state, entry, entry.name)
    for organisation in (entry.giver, entry.grantee):
        _OF_ORGANISATION.put(state, _Place(entry.name), organisation, entry.name)
    _OPEN_OF_PERSON.put(state, _Place(entry.name), person.organisation, person.person, entry.name)
    _OPEN_AT.put(state, _Place(entry.name), entry.giver, entry.grantee, entry.name)
    context.emit(events.GlassBroken(*_about(entry), person.person, entry.dataset, entry.reason))


def _answer(context: Context, body: AnswerGlass) -> None:
    context.require_role(AGENT)
    entry = _of_giver(context, body.name)
    require(is_waiting(entry, context.time_ms), "not_waiting")
    require_digest(body.manifest, body.envelope)
    require(not is_barred(context.state, entry.giver, entry.grantee), "emergencies_barred")
    judging.charge(context, 2)
    if not allows(context.state, entry.giver, entry.dataset, entry.person):
        raise Refusal("no_break_glass", kept=True)
    status = entry.status if entry.is_reviewed else Status.ANSWERED
    _put(context, replace(entry, status=status, answered_ms=context.time_ms))
    given = Transfer(
        entry.name, request="", asked=0, content=entry.digest, giver=entry.giver, dataset=entry.dataset,
        version=entry.version, grantee=entry.grantee, purpose=purposes.CLINICAL_CARE, manifest=body.manifest,
        envelope=body.envelope, until_ms=entry.until_ms, status=transfers.Status.OFFERED,
        granted_by=people.sender(context.sender), granted_ms=context.time_ms, received_ms=0, revoked_ms=0, reason="",
        erased_by=(), erased_ms=0, statement="", evidence=b"", height=context.height,
    )  # fmt: skip
    transfers.offer(context, given)
    context.emit(events.GlassAnswered(*_about(entry)))


def _review(context: Context, body: ReviewGlass) -> None:
    context.require_role(STEWARD)
    entry = _of_giver(context, body.name)
    require(not entry.is_reviewed, "already_reviewed")
    require(body.verdict in VERDICTS, "bad_verdict")
    by, person = people.sender(context.sender), entry.person
    reviewed = replace(entry, status=Status(body.verdict), reviewed_by=(by,), reviewed_ms=context.time_ms)
    _put(context, reviewed)
    _OPEN_OF_PERSON.delete(context.state, person.organisation, person.person, entry.name)
    _OPEN_AT.delete(context.state, entry.giver, entry.grantee, entry.name)
    if reviewed.is_misuse:
        _note_misuse(context, person)
        _note_misuse_at(context, entry.giver, entry.grantee)
        given = transfers.transfer(context.state, entry.name)
        if given is not None and given.status not in (transfers.Status.REVOKED, transfers.Status.ERASED):
            transfers.take_back(context, given, "misuse")
    context.emit(events.GlassReviewed(*_about(entry), by.person, body.verdict))


def _note_misuse(context: Context, person: PersonRef) -> None:
    found = _MISUSED.get(context.state, person.organisation, person.person)
    times_ms = (*(found.times_ms if found is not None else ()), context.time_ms)[-UNJUSTIFIED_MAX:]
    _MISUSED.put(context.state, Misused(times_ms), person.organisation, person.person)


def _note_misuse_at(context: Context, giver: str, grantee: str) -> None:
    before, since_ms = _MISUSED_AT.get(context.state, giver, grantee), context.time_ms - MEMORY_DAYS * DAY_MS
    times_ms = (*(before.times_ms if before is not None else ()), context.time_ms)[-UNJUSTIFIED_OF_ORGANISATION_MAX:]
    barred_ms = before.barred_ms if before is not None else 0
    if not barred_ms and sum(each >= since_ms for each in times_ms) >= UNJUSTIFIED_OF_ORGANISATION_MAX:
        barred_ms = context.time_ms
        context.emit(events.GlassBarred(giver, grantee))
    _MISUSED_AT.put(context.state, MisusedAt(giver, grantee, times_ms, barred_ms, lifted_by=()), giver, grantee)


def _lift(context: Context, body: LiftBar) -> None:
    """The bar is gone, and the count begins anew, once both have said so."""
    context.require_role(STEWARD)
    by, found = people.sender(context.sender), _MISUSED_AT.get(context.state, body.giver, body.grantee)
    if found is None or not found.barred_ms:
        raise Refusal("not_barred")
    require(by.organisation in (body.giver, body.grantee), "not_giver_or_grantee")
    require(by.organisation not in found.lifted_by, "already_lifted")
    if found.lifted_by:
        _MISUSED_AT.delete(context.state, body.giver, body.grantee)
    else:
        _MISUSED_AT.put(context.state, replace(found, lifted_by=(by.organisation,)), body.giver, body.grantee)
    context.emit(events.GlassBarLifted(body.giver, body.grantee, by.organisation, by.person))


def _of_giver(context: Context, name: str) -> Emergency:
    entry = require_emergency(context.state, name)
    require(entry.giver == context.sender.organisation, "not_the_giver")
    return entry


def _put(context: Context, entry: Emergency) -> None:
    _EMERGENCIES.put(context.state, replace(entry, height=context.height), entry.name)


def _about(entry: Emergency) -> tuple[str, str, str]:
    return entry.name, entry.giver, entry.grantee


HANDLERS = {BreakGlass: _break, AnswerGlass: _answer, ReviewGlass: _review, LiftBar: _lift}
