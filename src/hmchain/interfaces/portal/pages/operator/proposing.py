"""What a steward puts to the members' vote: other parameters, the next rules, that a member leaves."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes import network
from hmchain.interfaces.portal.components import after_field, choice_field, confirmed, empty, section, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.numbers import whole
from hmchain.interfaces.portal.pages.operator.ballots import DECIDE, PATH
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, say
from hmchain.ledger.readers.rules import PARAMETER_RANGES, RulesView

LOOK = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward",))
_VALUE_MAX = 10**9 - 1

pages = Pages("operator")


@pages.show(f"{PATH}/propose", LOOK)
def propose_page(call: Call) -> Page:
    """What can be proposed."""
    with call.ledger() as ledger:
        members, rules = [each.organisation for each in ledger.members()], ledger.rules()
        now = ledger.parameters().parameters
    others = {each: each for each in members if each != call.organisation}
    return Page(
        say("Propose something to the members"),
        [_parameters(call, dict(now)), _rules(call, rules), _removal(call, others), _admission()],
        lead=say("Your signature is the proposal, and this hospital's yes. Two thirds of the members carry it."),
        crumbs=((say("Ballots and upgrades"), PATH),),
        active=PATH,
    )


def _form(call: Call, deed: str, words: str, question: str, *content: h.Node) -> h.Element:
    after = after_field(PATH)
    return confirmed(words, question, f"{PATH}/propose/{deed}", csrf_of(call.request), words, after, content)


def _parameters(call: Call, now: dict[str, int]) -> h.Element:
    ranges = {
        name: say("{name}: now {value}, may be {least} to {most}", name=name, value=amount(now.get(name, 0)),
                  least=amount(least), most=amount(most))
        for name, (least, most) in PARAMETER_RANGES.items()
    }  # fmt: skip
    return section(
        say("Another parameter"),
        _form(
            call, "set", say("Propose this value"), say("It is in force as soon as it is carried."),
            choice_field("name", say("Parameter"), ranges),
            text_field("value", say("Value"), required=True, inputmode="numeric"),
        ),
        anchor="set",
    )  # fmt: skip


def _rules(call: Call, rules: RulesView) -> h.Element:
    title = say("The next rules")
    if rules.next:
        question = say("The agreed upgrade to protocol {protocol} does not take place.", protocol=rules.next)
        return section(title, _form(call, "call-off", say("Propose to call it off"), question), anchor="rules")
    known = [each for each in rules.known if each > rules.protocol]
    if not known:
        return section(title, empty(say("This program knows no newer rules than those in force.")), anchor="rules")
    question = say("They come into force an hour after the notice that is due. Every member needs a program that knows "
                   "them.")  # fmt: skip
    choice = choice_field("protocol", say("Protocol"), {str(each): str(each) for each in known})
    return section(title, _form(call, "upgrade", say("Propose these rules"), question, choice), anchor="rules")


def _removal(call: Call, others: dict[str, str]) -> h.Element:
    question = say("For good: its votes, its requests and what it was given end with it.")
    choice = choice_field("member", say("Member"), others)
    return section(
        say("That a member leaves"), _form(call, "remove", say("Propose that it leaves"), question, choice),
        anchor="remove",
    )  # fmt: skip


def _admission() -> h.Element:
    words = say("A hospital that wants to join is asked at this hospital's machine, whose key opens its answer:")
    return section(
        say("A new member"), h.p[words],
        h.p[h.code["hmchain network challenge FILE"], " ", h.code["hmchain network admit FILE"]], anchor="admit",
    )  # fmt: skip


def _propose(call: Call, proposal: object) -> Next:
    network.propose_to_members(call, network.Motions(proposal))  # type: ignore[arg-type]
    return Next(PATH, say("The members vote on it."))


@pages.do(f"{PATH}/propose/set", DECIDE)
def propose_parameter(call: Call, fields: Fields) -> Next:
    """Put another value to the vote."""
    value = whole("the value", fields.text("value"), 0, _VALUE_MAX)
    return _propose(call, body(network.Settings, kind="set", parameters={fields.text("name"): value}))


@pages.do(f"{PATH}/propose/upgrade", DECIDE)
def propose_rules(call: Call, fields: Fields) -> Next:
    """Put the next rules to the vote."""
    protocol = whole("the protocol", fields.text("protocol"), 1, 1000)
    return _propose(call, body(network.NextRules, kind="upgrade", protocol=protocol))


@pages.do(f"{PATH}/propose/call-off", DECIDE)
def propose_calling_off(call: Call, fields: Fields) -> Next:
    """Put to the vote that the agreed upgrade does not take place."""
    return _propose(call, network.CallingOff())


@pages.do(f"{PATH}/propose/remove", DECIDE)
def propose_removal(call: Call, fields: Fields) -> Next:
    """Put to the vote that a member leaves."""
    return _propose(call, body(network.Removal, kind="remove", member=fields.text("member")))
