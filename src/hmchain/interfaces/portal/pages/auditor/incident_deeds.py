"""What a hospital's people say of incidents: one opened, known, noted on, contained and over."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.incidents import KINDS, MEASURES, SEVERITIES, IncidentInWords
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.api.routes import incidents as routes
from hmchain.interfaces.portal.components import (
    after_field,
    check_field,
    choice_field,
    confirmed,
    form,
    section,
    text_field,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes import people
from hmchain.interfaces.portal.pages.numbers import FieldError
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say

SAY = Rule(Operation.DECIDE, Scope.HOSPITAL, ("auditor", "officer", "operator", "protection", "steward"))
PATH, OPEN = "/auditor/incidents", "/auditor/incidents-open"

pages = Pages("auditor")


def opening(call: Call) -> h.Node:
    """The way to open one."""
    return h.p[h.a(".button", href=OPEN)[say("Open an incident")]] if may(call, SAY) else None


@pages.show(OPEN, SAY)
def open_page(call: Call) -> Page:
    """What is told to all members."""
    with call.ledger() as ledger:
        members = [each.organisation for each in ledger.members()]
    words = text_field(
        "incident",
        say("A short name"),
        required=True,
        maxlength="48",
        spellcheck="false",
        help=say("Small letters, digits and hyphens. All members read it, for ever: nobody's name."),
    )
    return Page(
        say("Open an incident"),
        [
            h.p(".caution")[say("Was a key stolen? Cut it off first, on the page of the person: that is quicker.")],
            form(
                OPEN, csrf_of(call.request),
                words,
                choice_field("kind", say("What it is"), codes.choices(people.INCIDENTS, KINDS)),
                choice_field("severity", say("How grave"), codes.choices(people.SEVERITIES, SEVERITIES), "medium",
                             help=say("Members answer within 7 days, 3 days or 1 day.")),
                _affected("open", members, call.organisation),
                _stolen("open"),
                text_field("noticed", say("When it was noticed (UTC)"), kind="datetime-local",
                           help=say("Left empty: now.")),
                _letter("open"),
                sends=say("Tell all members"),
            ),
        ],
        lead=say("All members read at once that something went wrong, answer, and say what they did about it."),
        crumbs=((say("Incidents"), PATH),),
        active=PATH,
    )  # fmt: skip


def deeds(call: Call, found: IncidentInWords, members: list[str]) -> h.Node:
    """What whoever looks can say of one now."""
    if not found.steps or not may(call, SAY):
        return None
    return section(say("What you can do"), _first(found, call.organisation), list(_forms(call, found, members)),
                   anchor="do")  # fmt: skip


def _first(found: IncidentInWords, organisation: str) -> h.Node:
    """Keys of the hospital that sign still: nothing is contained before they are cut off."""
    own = [each.of for each in found.view.keys if each.signs and each.of.startswith(f"{organisation}/")]
    return [
        h.p(".caution")[
            say("The key of {person} signs still.", person=each), " ",
            h.a(href=at("people", *each.split("/", 1)))[say("Cut it off")],
        ]
        for each in own
    ]  # fmt: skip


def _forms(call: Call, found: IncidentInWords, members: list[str]) -> Iterator[h.Element]:
    csrf, here = csrf_of(call.request), f"{PATH}/{found.view.incident}"
    after = after_field(here)
    possible = {command.split(" ")[1] for _, command in found.steps if command.startswith("incident ")}
    if "acknowledge" in possible:
        yield h.div(".panel")[
            form(f"{here}/acknowledge", csrf, after, h.p[say("This hospital has read it.")],
                 sends=say("Say that it is known here"))
        ]  # fmt: skip
    if "contain" in possible:
        yield _folded(
            say("It is contained here"),
            form(f"{here}/contain", csrf, after,
                 h.p[say("It goes on no more at this hospital. All members read by which measures.")],
                 _measures("contain"), _letter("contain"), sends=say("Say that it is contained here")),
        )  # fmt: skip
    if "note" in possible:
        yield _folded(
            say("Add something to it"),
            form(f"{here}/note", csrf, after, _measures("note"), _affected("note", members), _stolen("note"),
                 _letter("note"), sends=say("Add it")),
        )  # fmt: skip
    if "close" in possible:
        yield confirmed(
            say("It is over"),
            say("For good, by another person than who contained it here, where there is another."),
            f"{here}/close", csrf, say("Close it for good"), after,
        )  # fmt: skip


def _folded(words: str, content: h.Node) -> h.Element:
    return h.details(".deed")[h.summary[words], content]


def _measures(deed: str) -> h.Element:
    boxes = [check_field(f"measure@{deed}-{code}", words, value=code)
             for code, words in codes.choices(people.MEASURES, MEASURES).items()]  # fmt: skip
    return h.fieldset(".field")[h.legend[say("What was done")], boxes]


def _affected(deed: str, members: list[str], own: str = "") -> h.Element:
    boxes = [check_field(f"affects@{deed}-{name}", name, value=name, checked=name == own) for name in members]
    return h.fieldset(".field")[h.legend[say("Members that are affected")], boxes]


def _stolen(deed: str) -> h.Element:
    return text_field(f"stolen@{deed}", say("Whose keys were stolen"), spellcheck="false",
                      help=say("ORGANISATION/PERSON, several with commas. Nothing if none was."))  # fmt: skip


def _letter(deed: str) -> h.Element:
    return text_field(
        f"letter@{deed}",
        say("What happened, in words"),
        lines=4,
        maxlength="20000",
        help=say("Sealed to the members; the ledger has its digest alone. No patient's name."),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def _told(fields: Fields) -> dict[str, object]:
    return {"letter": fields.text("letter").replace("\r\n", "\n").strip()}


def _known_since(fields: Fields) -> dict[str, object]:
    return {"measures": fields.texts("measure"), "affects": fields.texts("affects"),
            "stolen": _names(fields.text("stolen")), **_told(fields)}  # fmt: skip


def _moment(text: str) -> int:
    """A moment in UTC, in milliseconds; 0 for none. Raises `FieldError`."""
    if not text:
        return 0
    try:
        return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise FieldError("that is no moment", "as 2028-06-30T14:05") from error


@pages.do(OPEN, SAY)
def open_(call: Call, fields: Fields) -> Next:
    """Tell all members that something went wrong."""
    said = {name: fields.text(name).strip() for name in ("incident", "kind", "severity")}
    more = {"affects": fields.texts("affects"), "stolen": _names(fields.text("stolen")), **_told(fields)}
    asked = body(routes.IncidentReport, **said, **more, detected_ms=_moment(fields.text("noticed")))
    fields.after = f"{PATH}/{asked.incident}"
    routes.open_incident(call, asked)
    return Next(fields.after, say("All members know."))


@pages.do(PATH + "/{incident}/acknowledge", SAY)
def acknowledge(call: Call, incident: Name, fields: Fields) -> Next:
    """Say that this hospital knows of it."""
    routes.acknowledge_incident(call, incident, routes.IncidentWord())
    return Next(f"{PATH}/{incident}", say("All members know that it is known here."))


@pages.do(PATH + "/{incident}/note", SAY)
def note(call: Call, incident: Name, fields: Fields) -> Next:
    """Say what was done or became known since."""
    routes.note_on_incident(call, incident, body(routes.IncidentNote, **_known_since(fields)))
    return Next(f"{PATH}/{incident}", say("It stands beside it."))


@pages.do(PATH + "/{incident}/contain", SAY)
def contain(call: Call, incident: Name, fields: Fields) -> Next:
    """Say that it goes on no more here."""
    routes.contain_incident(call, incident, body(routes.Containment, measures=fields.texts("measure"), **_told(fields)))
    return Next(f"{PATH}/{incident}", say("It is contained here."))


@pages.do(PATH + "/{incident}/close", SAY)
def close(call: Call, incident: Name, fields: Fields) -> Next:
    """Say that it is over."""
    routes.close_incident(call, incident, routes.IncidentWord())
    return Next(f"{PATH}/{incident}", say("It is over."))
