"""Incidents: what went wrong at one member or several, and who says that it is known, contained and over.

All members share the record of one: each says that it knows of it, each that is affected what it did, and who opened it
closes it. What people write goes beside it as documents, by their digests. Where keys were stolen, they are named, and
their organisation contains nothing as long as one of them signs: the ledger knows that, and it is nobody's word. Only
somebody else there may say that it was not stolen after all.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import sharing_events as events
from hmchain.ledger.blocks import Height, TimeMs
from hmchain.ledger.context import STEWARD, Context, require, require_digest, require_name
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.incident_codes import (
    ACKNOWLEDGE_MS,
    CONTAIN_MS,
    KNOWING,
    Deed,
    Kind,
    Measure,
    Severity,
)
from hmchain.ledger.contracts.members.people import AUDITOR, OFFICER, OPERATOR, PROTECTION, PersonRef
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

ANSWERING = (STEWARD, OFFICER, OPERATOR, PROTECTION)
"""The roles in which people speak for their organisation on an incident."""
NOTICING = (*ANSWERING, AUDITOR)
"""The roles in which people may open one, and say more of it."""
OPEN_MAX = 8
"""Incidents of one organisation that are open at a time; what a key opened before it was cut off takes no room."""
NOTES_MAX = 64
"""Of one organisation about one incident."""
KEYS_MAX = 32
DETECTED_MS_MAX = 366 * DAY_MS
"""How long before it is opened an incident may have been noticed."""


class Incident(Record, frozen=True):
    """An incident."""

    incident: str
    kind: Kind
    severity: Severity
    affected: tuple[str, ...]
    """Organisations, in order of name."""
    keys: tuple[bytes, ...]
    """Public keys that were stolen, in order."""
    opener: PersonRef
    detected_ms: TimeMs
    opened_ms: TimeMs
    height: Height
    """At which it was opened."""
    words: int
    """How many there are."""
    closed_ms: TimeMs
    """0 while it is open."""

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return not self.closed_ms

    @property
    def due_ms(self) -> int:
        """Until when members say that they know of it."""
        return self.opened_ms + ACKNOWLEDGE_MS[self.severity]


class Word(Record, frozen=True):
    """One thing that somebody said of an incident, or did."""

    number: int
    """From 1 on."""
    deed: Deed
    by: PersonRef
    time_ms: TimeMs
    height: Height
    measures: tuple[Measure, ...]
    affected: tuple[str, ...]
    """Organisations that it adds; of a closing those that never said what they did."""
    keys: tuple[bytes, ...]
    """Keys that it adds."""
    evidence: bytes
    """Digest (32 bytes) of the document that goes with it; empty for none."""


class OpenIncident(Record, frozen=True, tag="open_incident"):
    """Transaction (steward, officer, operator, data protection, auditor of a member): something went wrong."""

    incident: str
    kind: str
    severity: str
    affected: tuple[str, ...]
    """Member organisations, one or more, in order of name."""
    keys: tuple[bytes, ...]
    """Public keys of theirs that were stolen, in order; those that no ledger knows, as wrapping keys, are none."""
    detected_ms: TimeMs
    """A time to come is now."""
    evidence: bytes


class AcknowledgeIncident(Record, frozen=True, tag="acknowledge_incident"):
    """Transaction (steward, officer, operator, data protection of any other member): the organisation knows of it."""

    incident: str
    evidence: bytes


class NoteIncident(Record, frozen=True, tag="note_incident"):
    """Transaction (as to open): what was done or became known since.

    Others than oneself, and their keys, are added by the opener's organisation.
    """

    incident: str
    measures: tuple[str, ...]
    """In order; none where nothing was done."""
    affected: tuple[str, ...]
    """Member organisations to be added, in order; so are `keys`."""
    keys: tuple[bytes, ...]
    evidence: bytes


class ContainIncident(Record, frozen=True, tag="contain_incident"):
    """Transaction (as to acknowledge, of an affected member): what it did, after which it goes on no more there.

    Refused while a key of it that is named signs, unless somebody else than the key's person says `not-affected` alone.
    """

    incident: str
    measures: tuple[str, ...]
    """In order, one or more."""
    evidence: bytes


class CloseIncident(Record, frozen=True, tag="close_incident"):
    """Transaction (as to acknowledge, of the opener's organisation): it is over wherever somebody said what was done.

    By another person than who contained it there, where there is another.
    """

    incident: str
    evidence: bytes


Bodies = OpenIncident | AcknowledgeIncident | NoteIncident | ContainIncident | CloseIncident


class OpenOne(Record, frozen=True):
    """That an incident is open."""

    incident: str


_INCIDENTS = Table("incidents", Incident)
_WORDS = Table("incident_words", Word)
"""By incident and number."""
_OPEN = Table("incidents_open", OpenOne)
"""By the opener's organisation and incident: nobody reads all that ever were to see which are open."""


# -- reading -----------------------------------------------------------------------------------------------------------


def incident(state: State, name: str) -> Incident | None:
    """An incident, or None."""
    return _INCIDENTS.get(state, name)


def incidents(state: State) -> list[Incident]:
    """All that ever were, in order of name."""
    return _INCIDENTS.all(state)


def open_incidents(state: State, opener: str = "") -> list[Incident]:
    """Those that are open, or those of them that one organisation opened."""
    named = (_INCIDENTS.get(state, each.incident) for each in _OPEN.all(state, *((opener,) if opener else ())))
    return [found for found in named if found is not None]


def words(state: State, name: str) -> list[Word]:
    """All that was said of an incident, in order."""
    return _WORDS.all(state, name)


def owing(state: State, entry: Incident) -> list[str]:
    """The members that have not said that they know of it, of those that were members when it was opened."""
    known = _said(state, entry, *KNOWING)
    return [name for name in _members(state, entry.height) if name not in known]


def uncontained(state: State, entry: Incident) -> list[str]:
    """The affected members that have not said what they did, or one of whose stolen keys signs still, or again."""
    contained, signing = _said(state, entry, Deed.CONTAIN), _signing(state, entry)
    members = [name for name in entry.affected if membership.is_active(state, name)]
    return [name for name in members if name not in contained or name in signing]


def silent(state: State, entry: Incident, time_ms: TimeMs) -> list[str]:
    """Those of them that no closing waits for any more: they said nothing, and none of their stolen keys signs."""
    spoke = _said(state, entry, Deed.CONTAIN) | _signing(state, entry)
    named = {name: word.time_ms for word in reversed(words(state, entry.incident)) for name in word.affected}
    return [name for name in uncontained(state, entry) if name not in spoke and time_ms >= named[name] + CONTAIN_MS]


def _signing(state: State, entry: Incident) -> set[str]:
    named = (key for key in entry.keys if signs(state, key) and not _is_vouched_for(state, entry, key))
    return {_owner(state, key) for key in named}


def _is_vouched_for(state: State, entry: Incident, key: bytes) -> bool:
    """Whether somebody else of its organisation said, once a key was named, that nothing was the matter there."""
    owner = membership.credential(state, key)
    named = min((word.number for word in words(state, entry.incident) if key in word.keys), default=0)
    return owner is not None and any(
        word.number > named
        and _vouches(word.measures)
        and word.by.organisation == owner.organisation
        and word.by.person != owner.role
        for word in _standing(state, entry, Deed.CONTAIN)
    )


def _standing(state: State, entry: Incident, *deeds: Deed) -> list[Word]:
    """What was said of these, by people whose key was not cut off since."""
    found = (word for word in words(state, entry.incident) if word.deed in deeds)
    return [word for word in found if people.stands(state, word.by, word.time_ms)]


def _said(state: State, entry: Incident, *deeds: Deed) -> set[str]:
    return {word.by.organisation for word in _standing(state, entry, *deeds)}


def _vouches(measures: tuple[str, ...]) -> bool:
    """Whether an organisation says that nothing was the matter there: its keys are its own."""
    return measures == (Measure.NOT_AFFECTED,)


def signs(state: State, key: bytes) -> bool:
    """Whether the ledger takes what a key signs: it was neither replaced nor suspended, nor its person removed."""
    try:
        people.require_sender(state, key)
    except Refusal:
        return False
    return True


def _owner(state: State, key: bytes) -> str:
    found = membership.credential(state, key)
    return found.organisation if found is not None else ""


def _members(state: State, since: int) -> list[str]:
    """The members of now that were members at a height."""
    entries = (membership.membership(state, member.organisation) for member in membership.active_members(state))
    return [entry.member.organisation for entry in entries if entry is not None and entry.since_height <= since]


# -- what people do ----------------------------------------------------------------------------------------------------


def _open(context: Context, body: OpenIncident) -> None:
    context.require_role(*NOTICING)
    state, now_ms, opener = context.state, context.time_ms, people.sender(context.sender)
    require_name(body.incident)
    require(incident(state, body.incident) is None, "name_taken")
    require(body.kind in list(Kind) and body.severity in list(Severity) and bool(body.affected), "bad_incident")
    require(now_ms - DETECTED_MS_MAX <= body.detected_ms, "bad_incident")
    own = open_incidents(state, opener.organisation)
    of_its_own = [each for each in own if people.stands(state, each.opener, each.opened_ms)]
    require(len(of_its_own) < OPEN_MAX, "too_many_incidents")
    _require_known(state, body.affected, body.keys, body.affected)
    severity = Severity(body.severity)
    made = Incident(
        body.incident, Kind(body.kind), severity, body.affected, body.keys, opener, min(body.detected_ms, now_ms),
        now_ms, context.height, 0, 0,
    )  # fmt: skip
    _OPEN.put(state, OpenOne(body.incident), opener.organisation, body.incident)
    _say(context, made, Deed.OPEN, body.evidence, (), body.affected, body.keys)
    context.emit(events.IncidentOpened(body.incident, opener.organisation, opener.person, severity, body.affected))


def _acknowledge(context: Context, body: AcknowledgeIncident) -> None:
    context.require_role(*ANSWERING)
    entry, organisation = _require_open(context, body.incident), context.sender.organisation
    known = _said(context.state, entry, *KNOWING)
    require(organisation not in known, "already_told")
    _say(context, entry, Deed.ACKNOWLEDGE, body.evidence)
    context.emit(events.IncidentAcknowledged(body.incident, organisation, context.sender.person))


def _note(context: Context, body: NoteIncident) -> None:
    context.require_role(*NOTICING)
    state, organisation = context.state, context.sender.organisation
    entry, measures = _require_open(context, body.incident), _measures(body.measures)
    notes = [word for word in _standing(state, entry, Deed.NOTE) if word.by.organisation == organisation]
    require(len(notes) < NOTES_MAX, "too_many_notes")
    affected = tuple(sorted({*entry.affected, *body.affected}))
    keys = tuple(sorted({*entry.keys, *body.keys}))
    require(bool(body.evidence or measures) or (affected, keys) != (entry.affected, entry.keys), "bad_incident")
    _require_known(state, body.affected, body.keys, affected)
    require(len(keys) <= KEYS_MAX, "bad_incident")
    named = {*body.affected, *(_owner(state, key) for key in body.keys)}
    require(organisation == entry.opener.organisation or named <= {organisation}, "not_the_opener")
    widened = replace(entry, affected=affected, keys=keys)
    _say(context, widened, Deed.NOTE, body.evidence, measures, body.affected, body.keys)
    context.emit(events.IncidentNoted(body.incident, organisation, context.sender.person, affected))


def _contain(context: Context, body: ContainIncident) -> None:
    context.require_role(*ANSWERING)
    state, organisation = context.state, context.sender.organisation
    entry = _require_open(context, body.incident)
    require(organisation in entry.affected, "not_affected")
    require(bool(body.measures), "bad_incident")
    signing = [membership.credential(state, key) for key in entry.keys if signs(state, key)]
    own = [owner.role for owner in signing if owner is not None and owner.organisation == organisation]
    vouched = _vouches(body.measures) and context.sender.person not in own
    require(vouched or not own, "key_still_signs")
    require(organisation in uncontained(state, entry), "already_told")
    _say(context, entry, Deed.CONTAIN, body.evidence, _measures(body.measures))
    context.emit(events.IncidentContained(body.incident, organisation, context.sender.person, body.measures))


def _close(context: Context, body: CloseIncident) -> None:
    context.require_role(*ANSWERING)
    state, sender = context.state, people.sender(context.sender)
    entry = _require_open(context, body.incident)
    left = not membership.is_active(state, entry.opener.organisation)
    require(left or sender.organisation == entry.opener.organisation, "not_the_opener")
    missing = [name for name in silent(state, entry, context.time_ms) if name != sender.organisation]
    require(uncontained(state, entry) == missing, "not_contained")
    require(context.time_ms >= entry.due_ms or not owing(state, entry), "not_acknowledged")
    _require_another(state, entry, sender)
    _OPEN.delete(state, entry.opener.organisation, entry.incident)
    _say(context, replace(entry, closed_ms=context.time_ms), Deed.CLOSE, body.evidence, (), tuple(missing))
    context.emit(events.IncidentClosed(body.incident, sender.organisation, sender.person, tuple(missing)))


def _require_another(state: State, entry: Incident, sender: PersonRef) -> None:
    """Let nobody say alone that it is contained and that it is over: one key may be the stolen one."""
    said = [word.by for word in words(state, entry.incident) if word.deed is Deed.CONTAIN]
    last = [by for by in said if by.organisation == sender.organisation][-1:]
    others = {ref for role in ANSWERING for ref in people.with_role(state, sender.organisation, role)} - {sender}
    require(sender not in last or not others, "own_word")


# -- what all of it has ------------------------------------------------------------------------------------------------


def _require_open(context: Context, name: str) -> Incident:
    entry = incident(context.state, name)
    if entry is None:
        raise Refusal("no_such_incident")
    require(entry.is_open, "incident_closed")
    return entry


def _require_known(state: State, affected: Iterable[str], keys: Iterable[bytes], all_affected: Iterable[str]) -> None:
    """Refuse what names no members, or no keys of those that are affected, each once and in order."""
    organisations, named = list(affected), list(keys)
    in_order = organisations == sorted(set(organisations)) and named == sorted(set(named))
    require(in_order and len(named) <= KEYS_MAX, "bad_incident")
    require(all(membership.is_active(state, name) for name in organisations), "not_a_member")
    require(all(_owner(state, key) in all_affected for key in named), "no_such_key")


def _measures(codes: tuple[str, ...]) -> tuple[Measure, ...]:
    """Refuse (`bad_incident`) what is no list of measures, in order, each once."""
    require(all(code in list(Measure) for code in codes) and list(codes) == sorted(set(codes)), "bad_incident")
    return tuple(map(Measure, codes))


def _say(
    context: Context,
    entry: Incident,
    deed: Deed,
    evidence: bytes,
    measures: tuple[Measure, ...] = (),
    affected: tuple[str, ...] = (),
    keys: tuple[bytes, ...] = (),
) -> None:
    """Keep what was said, and the incident with it; refuse what is no digest of a document."""
    if evidence:
        require_digest(evidence)
    number, by = entry.words + 1, people.sender(context.sender)
    word = Word(number, deed, by, context.time_ms, context.height, measures, affected, keys, evidence)
    _WORDS.put(context.state, word, entry.incident, number)
    _INCIDENTS.put(context.state, replace(entry, words=number), entry.incident)


HANDLERS = {
    OpenIncident: _open,
    AcknowledgeIncident: _acknowledge,
    NoteIncident: _note,
    ContainIncident: _contain,
    CloseIncident: _close,
}
