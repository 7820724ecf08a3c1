"""Incidents: opened, acknowledged, contained and closed by a hospital's people, with what they write beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.documents import Document, Documents, readers_of
from hmchain.application.governance.requests.reading import Paper, openable, read_paper, save_paper
from hmchain.errors import InputError
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.incident_codes import Kind, Measure, Severity
from hmchain.ledger.contracts.members.incidents import (
    AcknowledgeIncident,
    CloseIncident,
    ContainIncident,
    NoteIncident,
    OpenIncident,
)
from hmchain.ledger.readers import incidents as reader
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.incidents import IncidentView
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.requests import RequestDocument
from hmchain.ledger.readers.rules import require_sharing
from hmchain.ledger.state import State
from hmchain.plain import is_meant

KINDS, SEVERITIES, MEASURES = (tuple(map(str, codes)) for codes in (Kind, Severity, Measure))


class IncidentCodeError(InputError):
    """A kind, a severity or a measure is none of the codes that a ledger has."""

    code = "incident_code"


class StolenKeyError(InputError):
    """Nobody, or more than one key, is meant by what names a stolen key."""

    code = "stolen_key"


class NoPaperError(InputError):
    """An incident has no document whose digest begins like this."""

    code = "no_incident_document"


@dataclass(frozen=True)
class Report:
    """What somebody says of an incident on opening it."""

    incident: str
    kind: str
    severity: str
    affected: tuple[str, ...] = ()
    """Organisations; those whose keys were stolen are, too, and where nobody is named one's own."""
    stolen: tuple[str, ...] = ()
    """Keys, as `key_named` takes them."""
    detected_ms: int = 0
    """When it was noticed; 0 for now."""


@dataclass(frozen=True)
class IncidentInWords:
    """An incident as people read it."""

    view: IncidentView
    papers: tuple[Paper, ...]
    """What was written beside it, as far as this hospital can read it."""
    signed: tuple[KeyDeed, ...]
    """What the stolen keys signed, by their owners or by thieves, where that is asked for."""
    steps: tuple[tuple[str, str], ...]
    """What this hospital's people can do now, with the commands for it."""


# -- what people do ----------------------------------------------------------------------------------------------------


def opened(user: LedgerUser, papers: Documents, report: Report, paper: Document | None = None) -> IncidentView:
    """Tell all members that something went wrong.

    Raises `OldRulesError`, `IncidentCodeError`, `StolenKeyError`, and what documents and a refusal raise.
    """
    require_sharing(user.state, "incidents need")
    _require(report.kind, KINDS, "kind of incident")
    _require(report.severity, SEVERITIES, "severity")
    keys = _keys(user, report.stolen)
    owners = {owner for key in keys if (owner := _owner(user.state, key))}
    affected = tuple(sorted({*report.affected, *owners} or {user.organisation}))
    now_ms = user.ledger.now_ms()
    evidence = _evidence(user, papers, report.incident, paper)
    body = OpenIncident(
        report.incident, report.kind, report.severity, affected, keys, report.detected_ms or now_ms, evidence
    )
    user.send(body)
    return reader.incident(user.state, report.incident)


def acknowledge(user: LedgerUser, papers: Documents, name: str, paper: Document | None = None) -> IncidentView:
    """Say that the hospital knows of it. Raises `UnknownIncidentError`, and as `opened`."""
    reader.incident(user.state, name)
    user.send(AcknowledgeIncident(name, _evidence(user, papers, name, paper)))
    return reader.incident(user.state, name)


def note(
    user: LedgerUser,
    papers: Documents,
    name: str,
    measures: Sequence[str] = (),
    affected: Sequence[str] = (),
    stolen: Sequence[str] = (),
    paper: Document | None = None,
) -> IncidentView:
    """Say what was done or became known since. Raises `UnknownIncidentError`, and as `opened`."""
    reader.incident(user.state, name)
    if not (measures or affected or stolen or paper):
        raise IncidentCodeError("the note says nothing", "give --measure, --affects, --stolen, --letter or --paper")
    keys = _keys(user, stolen)
    owners = {_owner(user.state, key) for key in keys} - set(reader.incident(user.state, name).affected)
    named = tuple(sorted({*affected, *owners}))
    user.send(NoteIncident(name, _measures(measures), named, keys, _evidence(user, papers, name, paper)))
    return reader.incident(user.state, name)


def contain(
    user: LedgerUser, papers: Documents, name: str, measures: Sequence[str], paper: Document | None = None
) -> IncidentView:
    """Say what the hospital did, after which it goes on no more there. Raises as `note`."""
    reader.incident(user.state, name)
    if not measures:
        raise IncidentCodeError("nothing says what this hospital did", f"give --measure, one of {', '.join(MEASURES)}")
    user.send(ContainIncident(name, _measures(measures), _evidence(user, papers, name, paper)))
    return reader.incident(user.state, name)


def close(user: LedgerUser, papers: Documents, name: str, paper: Document | None = None) -> IncidentView:
    """Say that it is over. Raises as `acknowledge`."""
    reader.incident(user.state, name)
    user.send(CloseIncident(name, _evidence(user, papers, name, paper)))
    return reader.incident(user.state, name)


def key_named(state: State, text: str, organisation: str) -> bytes:
    """The public key that `east/s1` names: a person's or office's; of several that it had, `east/s1:3f9a` names one.

    Raises `StolenKeyError`.
    """
    name, _, digits = text.partition(":")
    of, _, person = name.rpartition("/")
    known = membership.keys_of(state, of or organisation, person)
    found = [key for key in known if not digits or is_meant(key, digits)]
    if len(found) == 1:
        return found[0]
    if not known:
        raise StolenKeyError(f"{text!r} names no key of a member", "name one as ORGANISATION/PERSON; offices are, too")
    all_of_them = ", ".join(f"{of or organisation}/{person}:{key.hex()[:8]}" for key in known)
    raise StolenKeyError(f"{text!r} names {len(found)} keys", f"name one of {all_of_them}")


def _keys(user: LedgerUser, texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(sorted({key_named(user.state, text, user.organisation) for text in texts}))


def _owner(state: State, key: bytes) -> str:
    owner = membership.credential(state, key)
    return owner.organisation if owner is not None else ""


def _measures(codes: Sequence[str]) -> tuple[str, ...]:
    for code in codes:
        _require(code, MEASURES, "measure")
    return tuple(sorted(set(codes)))


def _require(code: str, known: Sequence[str], what: str) -> None:
    if code not in known:
        raise IncidentCodeError(f"{code!r} is no {what} on a ledger", f"give one of {', '.join(known)}")


def _place(incident: str) -> str:
    """What an incident's documents stand with: no request has such a name."""
    return f"incident {incident}"


def _evidence(user: LedgerUser, papers: Documents, incident: str, paper: Document | None) -> bytes:
    """The digest of what goes with a word, sealed to all members."""
    if paper is None:
        return b""
    everybody = (member.organisation for member in membership.active_members(user.state))
    return papers.put(user.ledger.chain_id, _place(incident), paper, readers_of(user.state, everybody))


# -- what people read --------------------------------------------------------------------------------------------------


def shown(
    ledger: LedgerReader, name: str, papers: Documents | None, *, signed: bool = False, since_ms: int = 0
) -> IncidentInWords:
    """One incident, with what this hospital may read; where `signed`, also what stolen keys signed since a time.

    Raises `UnknownIncidentError`, and what reading the whole log raises.
    """
    state, chain_id = ledger.verified.state, ledger.genesis.chain_id
    view = reader.incident(state, name)
    read = [read_paper(papers, chain_id, _place(name), each) for each in _documents(view)]
    deeds = ledger.deeds([each.key for each in view.keys]) if signed and view.keys else []
    organisation = papers.folder.organisation if papers is not None else ""
    return IncidentInWords(
        view,
        tuple(read),
        tuple(deed for deed in deeds if deed.time_ms >= since_ms),
        reader.steps(state, view, organisation),
    )


def save(papers: Documents, chain_id: str, view: IncidentView, prefix: str, out: Path) -> Paper:
    """Write a document of an incident into a new file. Raises `NoPaperError`, and as `reading.save`."""
    return save_paper(papers, chain_id, _place(view.incident), _named(view, prefix), out)


def opened_document(papers: Documents, chain_id: str, view: IncidentView, prefix: str) -> Document:
    """A document of an incident, to be handed to a person as a file. Raises `NoPaperError`, and as `openable`."""
    return openable(papers, chain_id, _place(view.incident), _named(view, prefix))


def _named(view: IncidentView, prefix: str) -> RequestDocument:
    found = [each for each in _documents(view) if is_meant(each.digest, prefix)]
    if len(found) != 1:
        what = f"incident {view.incident} has {'no' if not found else 'more than one'} document {prefix!r}"
        raise NoPaperError(what, f"`hmchain incident show {view.incident}` has their digests")
    return found[0]


def _documents(view: IncidentView) -> list[RequestDocument]:
    """Each once, as it came first."""
    first = {word.evidence: word for word in reversed(view.said) if word.evidence}
    words = sorted(first.values(), key=lambda word: word.number)
    return [RequestDocument(word.deed, word.evidence, word.by, word.height, False, 0) for word in words]
