"""What the members vote on: newcomers, removals, parameters, upgrades, lost keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import htpy as h
from fastapi import Path

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import members
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    BAD,
    GOOD,
    PLAIN,
    WARN,
    after_field,
    badge,
    confirmed,
    empty,
    fresh,
    section,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.words import may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, theirs
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.rules import PARAMETER_RANGES, ParametersView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
PATH = "/operator/ballots"
_CHANGES = ("ballot.", "member.", "parameters.", "protocol.", "upgrade.")

pages = Pages("operator")

BallotId = Annotated[str, Path(pattern="^[0-9a-f]{8,64}$")]


@dataclass(frozen=True)
class Votes:
    """All ballots, and what whoever looks may do."""

    ballots: Sequence[BallotView]
    parameters: ParametersView
    organisation: str
    may_vote: bool
    csrf: str


def open_count(call: Call) -> int:
    """So many ballots wait for this hospital's vote."""
    with call.ledger() as ledger:
        return sum(each.waits_for(call.organisation) for each in ledger.ballots())


@pages.show(PATH, VIEW, later("Ballots and upgrades"), open_count)
def ballots_page(call: Call) -> Page:
    """All that the members were asked to decide."""
    with call.ledger() as ledger:
        found = Votes(
            ledger.ballots(), ledger.parameters(), call.organisation, may(call, DECIDE), csrf_of(call.request)
        )
    return ballots(found)


@pages.do(PATH + "/{ballot}/yes", DECIDE)
def vote_yes(call: Call, ballot: BallotId, fields: Fields) -> Next:
    """Vote yes."""
    with call.user() as user:
        members.vote(user, members.open_ballot(user, ballot))
    return Next(PATH, say("Your vote is in a block."))


@pages.do(PATH + "/{ballot}/withdraw", DECIDE)
def withdraw_vote(call: Call, ballot: BallotId, fields: Fields) -> Next:
    """Take this hospital's yes back."""
    with call.user() as user:
        members.withdraw(user, ballot)
    return Next(PATH, say("Your vote was taken back."))


def ballots(found: Votes) -> Page:
    """Those that are open first, each with what there is to know before one votes."""
    lead = say(
        "Two thirds of the members carry a ballot. Once it is carried it is done, and no vote can be taken back."
    )
    waiting = [each for each in found.ballots if each.open]
    over = [each for each in found.ballots if not each.open]
    content = [
        section(
            say("Open"),
            [_open(each, found) for each in waiting] or empty(say("Nothing is put to the vote.")),
            anchor="open",
        ),
        section(say("Over"), _over(over), anchor="over") if over else None,
        _parameters(found.parameters),
    ]
    return Page(say("Ballots and upgrades"), fresh("ballots", PATH, _CHANGES, content), lead)


def _open(ballot: BallotView, found: Votes) -> h.Element:
    facts = definitions((
        *((theirs(name), theirs(value)) for name, value in ballot.details),
        (say("yes so far"), ", ".join(ballot.yes) or "–"),
        (say("carried by"), say("{count} members", count=amount(ballot.needed))),
        (say("open until"), say("{time}; then it lapses", time=moment(ballot.until_ms))),
        (say("opened in block"), h.a(href=f"/auditor/blocks/{ballot.opened_height}")[amount(ballot.opened_height)]),
        (say("ballot"), digest(ballot.id.hex())),
    ))  # fmt: skip
    has_voted = found.organisation in ballot.yes
    title = theirs(f"{ballot.action[:1].upper()}{ballot.action[1:]}")
    return h.article(".panel", id=f"ballot-{ballot.id.hex()[:12]}")[
        h.h3[title, badge(say("you voted yes"), GOOD) if has_voted else None],
        facts,
        _deed(ballot, found, has_voted=has_voted),
    ]


def _deed(ballot: BallotView, found: Votes, *, has_voted: bool) -> h.Element | None:
    """What whoever looks can do: vote, or take the vote back."""
    id = ballot.id.hex()
    if not found.may_vote:
        word = "withdraw" if has_voted else "vote"
        return h.p(".quiet")[say("The steward votes here, or with:"), " ", h.code[f"hmchain network {word} {id[:12]}"]]
    after = after_field(PATH)
    if has_voted:
        question = say("Take your yes back? You can vote again as long as the ballot is open.")
        return confirmed(
            say("Take my yes back"), question, f"{PATH}/{id}/withdraw", found.csrf, say("Take it back"), after
        )
    question = say("Vote yes? Once enough members did, it is done.")
    return confirmed(say("Vote yes"), question, f"{PATH}/{id}/yes", found.csrf, say("Yes, vote"), after)


def _over(found: Sequence[BallotView]) -> h.Element:
    head = [say("Proposal"), say("Outcome"), say("Yes"), say("Opened in block")]
    rows = [
        (
            theirs(each.action), _outcome(each), ", ".join(each.yes) or "–",
            h.a(href=f"/auditor/blocks/{each.opened_height}")[amount(each.opened_height)],
        )
        for each in found
    ]  # fmt: skip
    return table(head, rows, caption=say("Over"), folds=True)


def _outcome(ballot: BallotView) -> h.Element:
    if ballot.passed:
        return badge(say("carried"), GOOD)
    if ballot.withdrawn:
        return badge(say("taken back"), PLAIN)
    return badge(say("lapsed"), WARN if ballot.yes else BAD)


def _parameters(found: ParametersView) -> h.Element:
    title = say("Parameters in force")
    rows = [
        (h.code[name], amount(value), say("{least} to {most}", least=amount(least), most=amount(most)))
        for name, value in found.parameters.items()
        for least, most in (PARAMETER_RANGES[name],)
    ]
    shown = table([say("Parameter"), say("Value"), say("May be")], rows, caption=title, folds=True, class_="numbers")
    more = h.p[h.a(href=f"{PATH}/propose")[say("Propose something to the members")]]
    return section(title, shown, more, anchor="parameters")
