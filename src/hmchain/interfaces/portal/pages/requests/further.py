"""Rarer things to do with a request: ask for the same again, end a part in it, hand it over, note how far it is."""

from __future__ import annotations

from collections.abc import Iterator

import htpy as h

from hmchain.application.access.permissions import allowed
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.api.routes import own_requests, request_decisions
from hmchain.interfaces.portal.components import after_field, choice_field, form, name_field, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes.requests import STAGES
from hmchain.interfaces.portal.pages.numbers import day, whole
from hmchain.interfaces.portal.pages.requests.rules import APPLY, DECIDE, SPEAK
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.ledger.readers.requests import RequestView

pages = Pages()


def forms(view: RequestView, call: Call) -> Iterator[tuple[str, h.Node]]:
    """What whoever asks can do beside deciding and applying."""
    who = call.person
    takes_part = who.name in (view.applicant, *view.members)
    if takes_part and view.status != "draft" and allowed(APPLY, who, call.organisation):
        yield say("Ask for the same again"), _renewal(view, call)
    if view.is_over:
        return
    others = [each for each in (*view.members, *view.invited) if each != view.applicant]
    if who.name == view.applicant and others and allowed(APPLY, who, call.organisation):
        yield say("End somebody's part"), _one_of(view, call, "part", say("End it"), others)
        if view.status in ("draft", "returned") and view.members:
            yield say("Let a member answer for it"), _one_of(view, call, "hand-over", say("Hand it over"), view.members)
    elif who.name in view.members and allowed(SPEAK, who, call.organisation):
        yield say("Take no part any more"), _one_of(view, call, "part", say("End my part"), [who.name])
    if view.of(call.organisation) and view.status == "submitted" and allowed(DECIDE, who, call.organisation):
        yield say("Say how far this hospital is"), _state(view, call)
        yield say("Its number at an office outside"), _outside(view, call)


def _form(view: RequestView, call: Call, deed: str, sends: str, *content: h.Node) -> h.Element:
    here = at("requests", view.request)
    after = after_field(here)
    return form(f"{here}/{deed}", csrf_of(call.request), after, content, label=sends, sends=sends)


def _renewal(view: RequestView, call: Call) -> h.Element:
    return _form(
        view, call, "renew", say("Begin it"),
        h.p[say("A draft comes of it, with the newest versions and its documents, until another day. Hand it in from "
                "its page: hospitals decide anew.")],
        name_field("name@renew", say("Its name"), required=True, help=say("Short, for ever, seen by all members.")),
        text_field("until@renew", say("Until"), kind="date", required=True),
    )  # fmt: skip


def _one_of(view: RequestView, call: Call, deed: str, sends: str, people: list[str] | tuple[str, ...]) -> h.Element:
    who = choice_field(f"person@{deed}", say("Who"), {each: each for each in people})
    return _form(view, call, deed, sends, who)


def _state(view: RequestView, call: Call) -> h.Element:
    what = [
        h.p[say("All who take part read it. It decides nothing.")],
        h.input(type="hidden", name="version", value=str(view.version)),
    ]
    return _form(view, call, "stage", say("Say so"), what, choice_field("state", say("It is"), codes.choices(STAGES)))


def _outside(view: RequestView, call: Call) -> h.Element:
    help = say("As the ethics committee's, in small letters; empty for none.")
    number = name_field("number", say("Number"), view.external, help=help)
    return _form(view, call, "outside", say("Keep it"), number)


@pages.do("/requests/{name}/renew", APPLY)
def renew(call: Call, name: Name, fields: Fields) -> Next:
    """Begin a draft that asks for the same again."""
    until = day("until", fields.text("until"))
    wanted = body(own_requests.Renewal, name=fields.text("name").strip(), until=until.isoformat())
    own_requests.renew_request(call, name, wanted)
    return Next(at("requests", wanted.name), say("The draft is begun."))


@pages.do("/requests/{name}/part", SPEAK)
def end_part(call: Call, name: Name, fields: Fields) -> Next:
    """End a person's part, or take an invitation back."""
    own_requests.end_membership(call, name, body(own_requests.InvolvedPerson, person=fields.text("person")))
    return Next(at("requests", name), say("The part is ended."))


@pages.do("/requests/{name}/hand-over", APPLY)
def hand_over(call: Call, name: Name, fields: Fields) -> Next:
    """Let a member answer for it."""
    own_requests.change_applicant(call, name, body(own_requests.InvolvedPerson, person=fields.text("person")))
    return Next(at("requests", name), say("It is handed over."))


def _word(fields: Fields) -> request_decisions.RequestState:
    """What is said of the version that was read, which the form names."""
    version = whole("version", fields.text("version"))
    return body(request_decisions.RequestState, said=fields.text("state"), version=version)


@pages.do("/requests/{name}/stage", DECIDE)
def stage(call: Call, name: Name, fields: Fields) -> Next:
    """Say how far this hospital is."""
    request_decisions.set_request_state(call, name, _word(fields))
    return Next(at("requests", name), say("It stands there."))


@pages.do("/requests/{name}/outside", DECIDE)
def outside(call: Call, name: Name, fields: Fields) -> Next:
    """Keep the number under which an office outside has it."""
    number = body(request_decisions.OutsideNumber, number=fields.text("number").strip())
    request_decisions.set_outside_number(call, name, number)
    return Next(at("requests", name), say("It is kept."))
