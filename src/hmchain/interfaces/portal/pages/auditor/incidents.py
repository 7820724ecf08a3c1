"""Incidents: what went wrong at a member, how far each member is, and what was done and said."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import incidents
from hmchain.application.governance.incidents import IncidentInWords
from hmchain.application.governance.requests.reading import Paper, Reading
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Digits, Name
from hmchain.interfaces.api.routes import incidents as routes
from hmchain.interfaces.portal.components import BAD, GOOD, WARN, badge, empty, fresh, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.auditor import incident_deeds
from hmchain.interfaces.portal.pages.auditor.incident_deeds import PATH
from hmchain.interfaces.portal.pages.codes import word
from hmchain.interfaces.portal.pages.codes.people import INCIDENT_DEEDS, INCIDENTS, MEASURES, SEVERITIES
from hmchain.interfaces.portal.pages.words import standing
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, theirs
from hmchain.ledger.readers import incidents as reader
from hmchain.ledger.readers.incidents import Answer, IncidentView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
_CHANGES = ("incident.", "key.")

pages = Pages("auditor")


def open_count(call: Call) -> int:
    """So many incidents are open."""
    with call.ledger() as ledger:
        return len(reader.all_incidents(ledger.verified.state, over=False))


@pages.show(PATH, VIEW, later("Incidents"), open_count)
def incidents_page(call: Call) -> Page:
    """All incidents, those that are open first."""
    with call.ledger() as ledger:
        found = reader.all_incidents(ledger.verified.state)
    return listed(found, incident_deeds.opening(call))


@pages.show(PATH + "/{incident}", VIEW)
def incident_page(call: Call, incident: Name) -> Page:
    """One incident."""
    with call.ledger() as ledger:
        found = incidents.shown(ledger, incident, call.sealed)
        members = [each.organisation for each in ledger.members()]
    return shown(found, incident_deeds.deeds(call, found, members))


@pages.show(PATH + "/{incident}/documents/{digest}", routes.VIEW_SEALED)
def document(call: Call, incident: Name, digest: Digits) -> Response:
    """A document of an incident."""
    found: Response = routes.read_incident_document(call, incident, digest)
    return found


def listed(found: Sequence[IncidentView], opening: h.Node = None) -> Page:
    """All incidents in a list."""
    lead = say("What a member told all others: a stolen key, records in wrong hands, a machine that was broken into.")
    shown = _table(found) if found else empty(say("No member has opened an incident."))
    return Page(say("Incidents"), [opening, fresh("incidents", PATH, _CHANGES, shown)], lead)


def _table(found: Sequence[IncidentView]) -> h.Element:
    head = [
        say("Incident"),
        say("Kind"),
        say("How grave"),
        say("Stage"),
        say("Affected"),
        say("Opened by"),
        say("Opened"),
    ]
    rows = [
        (
            h.a(href=f"{PATH}/{each.incident}")[each.incident], word(INCIDENTS, each.kind),
            word(SEVERITIES, each.severity),
            standing(each.stage),
            ", ".join(each.affected), each.opener, moment(each.opened_ms),
        )
        for each in found
    ]  # fmt: skip
    return table(head, rows, caption=say("Incidents"), folds=True)


def shown(found: IncidentInWords, deeds: h.Node = None) -> Page:
    """One incident, with how far each member is."""
    view = found.view
    facts = definitions((
        (say("stage"), standing(view.stage)),
        (say("kind"), word(INCIDENTS, view.kind)),
        (say("how grave"), word(SEVERITIES, view.severity)),
        (say("opened by"), f"{view.opener}, {moment(view.opened_ms)}"),
        (say("noticed"), moment(view.detected_ms)),
        (say("affected"), ", ".join(view.affected)),
        (say("closed"), moment(view.closed_ms) if view.closed_ms else ""),
    ))  # fmt: skip
    content = [deeds, h.div(".panel")[facts], _keys(view), _answers(view.answers), _words(found)]
    title = say("Incident {name}", name=view.incident)
    part = fresh("incident", f"{PATH}/{view.incident}", _CHANGES, content)
    return Page(title, part, crumbs=((say("Incidents"), PATH),), active=PATH)


def _keys(view: IncidentView) -> h.Element | None:
    if not view.keys:
        return None
    title = say("Stolen keys")
    rows = [
        (
            each.of or say("nobody here"), digest(each.key.hex()),
            badge(say("it signs still"), BAD) if each.signs else badge(say("cut off"), GOOD),
        )
        for each in view.keys
    ]  # fmt: skip
    return section(
        title, table([say("Whose"), say("Key"), say("Stands")], rows, caption=title, folds=True), anchor="keys"
    )


def _answers(found: Sequence[Answer]) -> h.Element:
    title = say("How far each member is")
    head = [say("Member"), say("Affected"), say("Knows of it"), say("Contained"), say("To do")]
    rows = [
        (
            each.organisation, say("yes") if each.affected else say("no"),
            moment(each.acknowledged_ms) if each.acknowledged_ms else "–",
            moment(each.contained_ms) if each.contained_ms else "–", _owed(each),
        )
        for each in found
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="answers")


def _owed(each: Answer) -> h.Node:
    if not each.owes:
        return badge(say("nothing"), GOOD)
    words = say("contain it") if each.owes == "contain" else say("say that it knows of it")
    return [words, " ", badge(say("overdue"), BAD) if each.overdue else None]


def _words(found: IncidentInWords) -> h.Element:
    title, papers = say("What was done and said"), {each.digest: each for each in found.papers}
    head = [say("When"), say("Who"), say("What"), say("Measures"), say("In words"), say("Block")]
    rows = [
        (
            moment(each.time_ms), [each.by, None if each.stands else badge(say("the key was cut off since"), WARN)],
            word(INCIDENT_DEEDS, each.deed), ", ".join(word(MEASURES, one) for one in each.measures) or "–",
            _paper(found.view.incident, papers[each.evidence]) if each.evidence else "–",
            h.a(href=f"/auditor/blocks/{each.height}")[amount(each.height)],
        )
        for each in found.view.said
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="said")


def _paper(incident: str, each: Paper) -> h.Node:
    """What was written beside a word, for those it is sealed to."""
    if each.reading is not Reading.READ:
        return theirs(f"{each.reading}: {each.reason}" if each.reason else str(each.reading))
    if each.text:
        return h.details[h.summary[say("Read it")], h.pre(".letter")[each.text]]
    return h.a(href=f"{PATH}/{incident}/documents/{each.digest.hex()}", download=True)[each.title or say("a file")]
