"""One emergency: asked for by a clinician, answered by the other hospital's agent, judged by its steward afterwards."""

from __future__ import annotations

import secrets

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routes import sharing
from hmchain.interfaces.portal.components import (
    GOOD,
    WARN,
    after_field,
    badge,
    check_field,
    choice_field,
    empty,
    form,
    fresh,
    section,
    text_field,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes.requests import REASONS
from hmchain.interfaces.portal.pages.numbers import FieldError
from hmchain.interfaces.portal.pages.steward.emergencies import PATH, judging, reason_of
from hmchain.interfaces.portal.pages.words import at, may, standing, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import later, say, say_n
from hmchain.interfaces.portal.working import latest, work
from hmchain.ledger.readers import emergencies as reader
from hmchain.ledger.readers import transfers
from hmchain.ledger.readers.emergencies import EmergencyView
from hmchain.ledger.readers.transfers import Standing, TransferView, UnknownTransferError

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
TREAT = Rule(Operation.ASK, Scope.HOSPITAL, ("clinician",))
ASK = f"{PATH}/ask"
ANSWER = "share answer"
_REASONS = ("danger-to-life", "lasting-harm", "urgent-treatment", "cannot-consent")

pages = Pages("steward")


@pages.show(ASK, TREAT, later("Ask in an emergency"))
def ask_page(call: Call) -> Page:
    """What a clinician says, and what comes of it."""
    with call.ledger() as ledger:
        found = reader.open_to(ledger.verified.state, call.organisation, call.person.person)
    lead = say("For one patient who cannot wait, for treatment alone. If you can, call the other hospital as well.")
    if not found:
        words = say("No hospital's policy lets you ask: its steward would name your organisation in it. Call there.")
        return Page(say("Ask in an emergency"), empty(words), lead, active=ASK)
    return Page(say("Ask in an emergency"), [_what_follows(), _form(call, found)], lead, active=ASK)


def _what_follows() -> h.Element:
    return section(
        say("What comes of it"),
        h.ol[
            h.li[say("All members read at once that you asked, which hospital, and why. Nobody reads who the patient "
                     "is: the number is sealed to that hospital.")],
            h.li[say("Its agent answers by itself, mostly within a minute; while it trains, when that is done.")],
            h.li[say("What comes is as that hospital keeps it for research: dates are shifted, names and numbers are "
                     "gone. It is no patient's file.")],
            h.li[say("Within 7 days a steward there judges it. If it was not justified, all of it is erased at once. "
                     "After two such cases within a year nobody answers you any more.")],
        ],
        anchor="follows",
    )  # fmt: skip


def _form(call: Call, found: tuple[str, ...]) -> h.Element:
    name = f"emergency-{secrets.token_hex(4)}"
    return section(
        say("Ask"),
        form(
            ASK, csrf_of(call.request),
            h.input(type="hidden", name="name", value=name),
            after_field(at("steward", "emergencies", name)),
            choice_field("where", say("Which hospital, and which of its datasets"), {each: each for each in found}),
            text_field("patient", say("The patient's number there"), required=True, autocomplete="off",
                       maxlength="64", spellcheck="false",
                       help=say("Read it twice: another number brings another patient's records.")),
            text_field("issuer", say("Who issued the number, if not that hospital"), autocomplete="off",
                       maxlength="64"),
            choice_field("reason", say("Why"), codes.choices(REASONS, _REASONS)),
            check_field("sure", say("I treat this patient now, and all members may read that I asked")),
            sends=say("Ask for the records"),
        ),
        anchor="ask",
    )  # fmt: skip


@pages.do(ASK, TREAT)
def ask(call: Call, fields: Fields) -> Next:
    """Ask, at once and for all to see."""
    if fields.text("sure") != "yes":
        raise FieldError("it is not said that you treat this patient", "tick the box, or make a request")
    said = {name: fields.text(name).strip() for name in ("where", "patient", "issuer", "reason", "name")}
    found = sharing.ask_in_emergency(call, body(sharing.AskedEmergency, **said))
    return Next(at("steward", "emergencies", found.name))


@pages.show(f"{PATH}/{{name}}", VIEW)
def emergency(call: Call, name: str) -> Page:
    """One of them."""
    with call.ledger() as ledger:
        state = ledger.verified.state
        found = reader.emergency(state, name)
        try:
            given = transfers.transfer(state, name)
        except UnknownTransferError:
            given = None
    here = at("steward", "emergencies", name)
    return Page(
        name,
        fresh("emergency", here, ("emergency.", "transfer."), _answer(call, found, given), judging(call, found),
              _facts(found, given)),
        lead=standing(found.status) if found.is_reviewed else badge(say("to be judged"), WARN),
        crumbs=((say("Emergencies"), PATH),),
        active=PATH,
    )  # fmt: skip


def _facts(found: EmergencyView, given: TransferView | None) -> h.Element:
    return definitions(
        (
            (say("asked by"), found.person),
            (say("of"), f"{found.giver}/{found.dataset} v{found.version}"),
            (say("why"), reason_of(found)),
            (say("asked"), until(found.asked_ms)),
            (say("answered"), until(found.answered_ms) if found.answered_ms else say("not yet")),
            (say("may be used until"), until(given.until_ms) if given else None),
            (say("to be judged until"), until(found.review_due_ms) if not found.is_reviewed else None),
            (say("judged by"), [found.reviewed_by, ", ", until(found.reviewed_ms)] if found.is_reviewed else None),
            (
                say("what was given"),
                h.a(href=at("steward", "transfers", given.name))[say("see how it stands")] if given else None,
            ),
        )
    )


def _answer(call: Call, found: EmergencyView, given: TransferView | None) -> h.Node:
    """What the clinician who asked can do now."""
    if call.site.is_read_only or call.who is None or found.person != call.person.name:
        return None
    title, here = say("The answer"), at("steward", "emergencies", found.name)
    if given is None:
        words = say("{giver} is asked. This page says when its agent has answered; call there meanwhile.",
                    giver=found.giver)  # fmt: skip
        return section(title, empty(words), anchor="answer")
    if given.standing not in (Standing.OFFERED, Standing.RECEIVED) or not may(call, TREAT):
        return None
    return section(
        title,
        work(call, ANSWER, found.name, here, say("It is taken in: bytes so far"), f"{here}/receive"),
        _came(call, found)
        if given.standing is Standing.RECEIVED
        else form(
            f"{here}/receive", csrf_of(call.request),
            h.p[say("{giver} has answered. Take it in, and sign that it came.", giver=found.giver)],
            sends=say("Take it in"),
        ),
        anchor="answer",
    )  # fmt: skip


def _came(call: Call, found: EmergencyView) -> h.Node:
    job = latest(call, ANSWER, found.name)
    said = job.result if job is not None and job.result is not None and "to_sign" not in job.result else None
    if said is not None and not said["received"]:
        return h.p[
            badge(say("nothing"), WARN), " ",
            say("{giver} has nothing of this patient, or nothing that it may give. The page does not say which.",
                giver=found.giver),
        ]  # fmt: skip
    count = said["received"]["version"]["records"] if said is not None else 0
    return [
        h.p[badge(say("it came"), GOOD), " ", say_n("{count} record", "{count} records", count) if count else None],
        h.p[say("No page shows a patient's record. At this hospital's machine a steward writes them out for you:")],
        h.p[h.code[f"hmchain data export {found.name} --output FOLDER"]],
    ]


@pages.do(f"{PATH}/{{name}}/receive", TREAT)
def receive(call: Call, name: str, fields: Fields) -> Next:
    """Take in what answers it."""
    sharing.receive_answer(call, name, Nothing())
    return Next(f"{at('steward', 'emergencies', name)}#answer")
