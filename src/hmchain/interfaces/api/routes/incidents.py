"""Incidents: what went wrong at a member, told to all, followed until it is contained and over."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import incidents
from hmchain.application.governance.incidents import IncidentInWords, Report
from hmchain.application.governance.requests.documents import SUFFIXES, Document, text_document
from hmchain.interfaces.api import answers
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import NAME_OF_MEMBER, Code, Digits, LedgerName, Name, Text, like, one_of
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.readers import incidents as reader
from hmchain.ledger.readers.incidents import IncidentView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
VIEW_SEALED = Rule(Operation.VIEW, Scope.HOSPITAL)
SAY = Rule(Operation.DECIDE, Scope.HOSPITAL)
"""In the roles that the ledger asks for: steward, officer, operator, data protection, auditor."""

_MOST = msgspec.Meta(max_length=64)

routes = Routes("incidents")

Living = Annotated[bool, Query(description="Leave out what is closed.")]
Signed = Annotated[bool, Query(description="Also all that the stolen keys signed, whoever had them.")]
Key = Annotated[str, like(NAME_OF_MEMBER)]
MeasureTaken = Annotated[Code, one_of(incidents.MEASURES)]


class IncidentWord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something said of an incident."""

    letter: Text = ""
    """Evidence in words, sealed to the members."""


class IncidentReport(IncidentWord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What went wrong."""

    incident: LedgerName
    kind: Annotated[Code, one_of(incidents.KINDS)]
    severity: Annotated[Code, one_of(incidents.SEVERITIES)] = "medium"
    affects: Annotated[tuple[LedgerName, ...], _MOST] = ()
    stolen: Annotated[tuple[Key, ...], _MOST] = ()
    """Whose keys: ORGANISATION/PERSON."""
    detected_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """When it was noticed; 0 for now."""


class IncidentNote(IncidentWord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was done, or became known, since."""

    measures: Annotated[tuple[MeasureTaken, ...], _MOST] = ()
    affects: Annotated[tuple[LedgerName, ...], _MOST] = ()
    stolen: Annotated[tuple[Key, ...], _MOST] = ()


class Containment(IncidentWord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By which measures it was ended here."""

    measures: Annotated[tuple[MeasureTaken, ...], _MOST]


@routes.get("/incidents", VIEW, commands=("incident list",))
def list_incidents(call: Call, living: Living = False) -> list[IncidentView]:
    """The incidents of all members, those that are open first."""
    with call.ledger() as ledger:
        return list(reader.all_incidents(ledger.verified.state, over=not living))


@routes.get("/incidents/{name}", VIEW, commands=("incident show",))
def show_incident(call: Call, name: Name, signed: Signed = False) -> IncidentInWords:
    """One incident: how far each member is, what was done and said when, and what is next."""
    with call.whole_ledger() if signed else call.ledger() as ledger:
        return incidents.shown(ledger, name, call.sealed, signed=signed)


@routes.get(
    "/incidents/{name}/documents/{digest}", VIEW_SEALED,
    answer="application/octet-stream", commands=("incident document",),
)  # fmt: skip
def read_incident_document(call: Call, name: Name, digest: Digits) -> Response:
    """A document of an incident. Its author chose what is in it: open it as you open mail."""
    with call.ledger() as ledger:
        view, chain_id = reader.incident(ledger.verified.state, name), ledger.genesis.chain_id
    document = incidents.opened_document(call.papers, chain_id, view, digest)
    return answers.file(document.data, f"{name}-{digest[:12]}{SUFFIXES.get(document.media, '')}")


@routes.post("/incidents", SAY, signs=True, commands=("incident open",),
             example=IncidentReport(incident="lost-laptop", kind="key", stolen=("east/s1",)))  # fmt: skip
def open_incident(call: Call, body: IncidentReport) -> IncidentView:
    """Tell all members that something went wrong. Cut a stolen key off first."""
    said = Report(body.incident, body.kind, body.severity, body.affects, body.stolen, body.detected_ms)
    with call.user() as user:
        return incidents.opened(user, call.papers, said, _document(body))


@routes.post("/incidents/{name}/acknowledgement", SAY, signs=True, commands=("incident acknowledge",),
             example=IncidentWord())  # fmt: skip
def acknowledge_incident(call: Call, name: Name, body: IncidentWord) -> IncidentView:
    """Say that this hospital knows of it."""
    with call.user() as user:
        return incidents.acknowledge(user, call.papers, name, _document(body))


@routes.post("/incidents/{name}/notes", SAY, signs=True, commands=("incident note",),
             example=IncidentNote(measures=("persons-told",)))  # fmt: skip
def note_on_incident(call: Call, name: Name, body: IncidentNote) -> IncidentView:
    """Say what was done or became known since; who opened it adds members and keys, others themselves and their own."""
    with call.user() as user:
        return incidents.note(user, call.papers, name, body.measures, body.affects, body.stolen, _document(body))


@routes.post("/incidents/{name}/containment", SAY, signs=True, commands=("incident contain",),
             example=Containment(measures=("key-cut-off",)))  # fmt: skip
def contain_incident(call: Call, name: Name, body: Containment) -> IncidentView:
    """Say what this hospital did, after which it goes on no more here."""
    with call.user() as user:
        return incidents.contain(user, call.papers, name, body.measures, _document(body))


@routes.post("/incidents/{name}/closing", SAY, signs=True, commands=("incident close",), example=IncidentWord())
def close_incident(call: Call, name: Name, body: IncidentWord) -> IncidentView:
    """Say that it is over, once all that are affected contained it: whoever opened it does, for good."""
    with call.user() as user:
        return incidents.close(user, call.papers, name, _document(body))


def _document(body: IncidentWord) -> Document | None:
    return text_document(body.letter) if body.letter else None
