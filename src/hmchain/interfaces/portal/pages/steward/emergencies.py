"""Emergencies: one patient's records at once, and what is said of it afterwards."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import table
from hmchain.application.sharing import emergencies as services
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.portal.components import BAD, WARN, after_field, badge, confirmed, empty, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import word
from hmchain.interfaces.portal.pages.codes.requests import REASONS
from hmchain.interfaces.portal.pages.words import at, may, standing, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, later, say
from hmchain.ledger.readers import emergencies as reader
from hmchain.ledger.readers.emergencies import Bar, Emergencies, EmergencyView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
JUDGE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
PATH = "/steward/emergencies"

pages = Pages("steward")


def _found(call: Call) -> Emergencies:
    with call.ledger() as ledger:
        return reader.emergencies(ledger.verified.state, "" if call.site.is_read_only else call.organisation)


def to_judge(call: Call) -> int:
    """How many emergencies this hospital has yet to judge."""
    return sum(each.giver == call.organisation and not each.is_reviewed for each in _found(call).listed)


@pages.show(PATH, VIEW, later("Emergencies"), to_judge)
def emergencies(call: Call) -> Page:
    """All of them: what nobody has judged yet first."""
    found = _found(call)
    lead = say("A clinician asks another hospital for one patient's records at once, by name, for all to see. The "
               "hospital that was asked judges it afterwards.")  # fmt: skip
    if not found.listed:
        return Page(
            say("Emergencies"), empty(say("There was no emergency. One that comes stands here at once.")), lead=lead
        )
    head = (say("Name"), say("Asked by"), say("Of"), say("Why"), say("Asked"), say("Stands"))
    counted = [(each.person, *map(amount, (each.asked, each.waiting, each.justified, each.unjustified)))
               for each in found.counted]  # fmt: skip
    columns = (say("Clinician"), say("Asked"), say("Not judged"), say("Justified"), say("Not justified"))
    return Page(
        say("Emergencies"),
        [
            [_barred(call, each) for each in found.barred],
            [judging(call, each) for each in found.listed],
            table(head, [_row(each) for each in found.listed], caption=say("Emergencies"), folds=True),
            section(say("By clinician"), table(columns, counted, caption=say("By clinician"), folds=True)),
        ],
        lead=lead,
    )  # fmt: skip


def _barred(call: Call, bar: Bar) -> h.Element:
    """Who is given nothing; stewards of both hospitals can say that they looked into it."""
    what = say("{giver} gives {grantee} nothing, for misuse.", giver=bar.giver, grantee=bar.grantee)
    hint = say("Stewards of both look into it, and each says so here.")
    said = say("{hospital} has said so.", hospital=bar.lifted_by) if bar.lifted_by else None
    told = h.p(".caution")[h.b[say("Barred")], ": ", what, " ", hint, " ", said]
    other = {bar.giver: bar.grantee, bar.grantee: bar.giver}.get(call.organisation)
    if other is None or bar.lifted_by == call.organisation or not may(call, JUDGE):
        return told
    return h.div[
        told,
        confirmed(say("We looked into it"), say("You say so for all members to see. Once both have, it is over."),
                  f"{PATH}/bars/{other}/lift", csrf_of(call.request), say("We looked into it"),
                  after_field(PATH)),
    ]  # fmt: skip


def reason_of(each: EmergencyView) -> str:
    """Why it was asked, in words."""
    return word(REASONS, each.reason)


def _row(each: EmergencyView) -> tuple[h.Node, ...]:
    late: h.Node = [badge(say("overdue"), BAD), " "] if each.overdue else None
    due: h.Node = [badge(say("to be judged"), WARN), " ", until(each.review_due_ms)]
    return (
        h.a(href=at("steward", "emergencies", each.name))[each.name], each.person, f"{each.giver}/{each.dataset}",
        reason_of(each), until(each.asked_ms),
        [standing(each.status), f" {each.reviewed_by}"] if each.is_reviewed else [late, due],
    )  # fmt: skip


def judging(call: Call, each: EmergencyView) -> h.Node:
    """The two words that a steward of the hospital that gave can say, for good."""
    if each.giver != call.organisation or each.is_reviewed or not may(call, JUDGE):
        return None
    csrf, path = csrf_of(call.request), at("steward", "emergencies", each.name)
    after = after_field(PATH)
    return section(
        say("{person} asked for a patient of {dataset}", person=each.person, dataset=each.dataset),
        h.p[reason_of(each), ", ", until(each.asked_ms)],
        confirmed(say("It was justified"), say("You say so for good, and for all members to see."),
                  f"{path}/justified", csrf, say("It was justified"), after),
        confirmed(say("It was not justified"), say("You say so for good. What was given is erased at once."),
                  f"{path}/unjustified", csrf, say("It was not justified"), after),
        anchor=f"judge-{each.name}",
    )  # fmt: skip


@pages.do(f"{PATH}/bars/{{organisation}}/lift", JUDGE)
def lift(call: Call, organisation: Name, fields: Fields) -> Next:
    """Say that what was misused between this hospital and another was looked into."""
    with call.user() as user:
        services.lift(user, organisation)
    return Next(PATH, say("You said so."))


@pages.do(f"{PATH}/{{name}}/{{verdict}}", JUDGE)
def judge(call: Call, name: str, verdict: str, fields: Fields) -> Next:
    """Say for good whether an emergency was justified."""
    with call.user() as user:
        services.review(call.folder, user, name, verdict)
    return Next(PATH, say("It is judged."))
