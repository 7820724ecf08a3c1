"""Validators: power, votes given, blocks proposed, and reputation over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.charts import Axis, Series, line_chart
from hmchain.application.pages.markup import bar, definitions, table
from hmchain.application.watching.standing import Course
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty, in_place, progress, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.operator.overview import standing
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, share, theirs
from hmchain.ledger.readers.attendance import Attendance
from hmchain.ledger.readers.members import ValidatorStatus, tolerated
from hmchain.ledger.readers.rules import RulesView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/operator/network"
_SCORE_MAX = 10_000

pages = Pages("operator")


@dataclass(frozen=True)
class NetworkView:
    """The network, and how it came to stand so."""

    members: Sequence[ValidatorStatus]
    attendance: Attendance
    course: Course
    rules: RulesView
    chain_id: str


@pages.show(PATH, VIEW, later("Validators and reputation"))
def network_page(call: Call) -> Page:
    """All validators, and how they came to stand so."""
    course = watch.of_app(call.request.app).standings.course()
    with call.ledger() as ledger:
        found = NetworkView(
            ledger.members(), ledger.attendance(), course, ledger.rules(), ledger.genesis.chain_id
        )  # fmt: skip
    return network(found)


def network(found: NetworkView) -> Page:
    """Validators, then votes, then reputation over time."""
    failing = tolerated(found.members)
    lead = say(
        "A block needs more than two thirds of the voting power. Of {members} validators {failing} may fail or lie.",
        members=amount(len(found.members)), failing=amount(failing),
    )  # fmt: skip
    content = [_validators(found.members), _votes(found.attendance), _course(found.course), _rules(found)]
    return Page(say("Validators and reputation"), content, lead)


def _validators(found: Sequence[ValidatorStatus]) -> h.Element:
    title = say("Validators")
    total = sum(each.proposed for each in found) or 1
    head = [
        say("Member"), say("Voting power"), say("Share of all power"), say("Reputation"), say("Learning score"),
        say("Blocks proposed"), say("Stands"),
    ]  # fmt: skip
    rows = [
        (
            h.fragment[each.organisation, h.small[each.title]], amount(each.power),
            h.fragment[bar(each.share_permyriad / 10_000), share(each.share_permyriad / 10_000)],
            amount(each.consensus), amount(each.learning),
            h.fragment[amount(each.proposed), h.small[share(each.proposed / total, 0)]],
            h.fragment[standing(each), _window(each)],
        )
        for each in found
    ]  # fmt: skip
    note = say("Reputation is 0 to 10,000, for voting and proposing; the learning score is for conduct in studies. "
               "Blocks are counted over the last 200.")  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), h.p(".quiet")[note], anchor="validators")


def _window(each: ValidatorStatus) -> h.Element | None:
    if not each.jailed or not each.maintenance_until_ms:
        return None
    return h.small[say("maintenance until {time}", time=moment(each.maintenance_until_ms))]


def _votes(found: Attendance) -> h.Element:
    title = say("Votes given in time")
    if not found.members:
        words = say("No block tells of votes yet: each tells of those on the one before it.")
        return section(title, empty(words), anchor="votes")
    rows = [
        (each.organisation, share(each.whole.share), amount(each.whole.of - each.whole.given),
         _strip([part.share for part in each.parts], each.organisation))
        for each in found.members
    ]  # fmt: skip
    head = [say("Member"), say("Present"), say("Votes missing"), say("From the oldest block to the newest")]
    note = say(
        "Over the last {blocks} blocks that are not empty, {first} to {last}. A vote that came too late is missing "
        "here, too.",
        blocks=amount(found.blocks), first=amount(found.first), last=amount(found.last),
    )  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), h.p(".quiet")[note], anchor="votes")


def _strip(shares: Sequence[float | None], name: str) -> h.Element:
    """Shares from left to right, each a box whose filled part is the share; the numbers stand beside it."""
    width = 8
    known = [each for each in shares if each is not None]
    boxes = [(index * width, each) for index, each in enumerate(shares) if each is not None]
    lack = "".join(f"M{x} 0h{width - 1}v16h-{width - 1}z" for x, _ in boxes)
    fill = "".join(f"M{x} 16h{width - 1}v-{16 * each:.1f}h-{width - 1}z" for x, each in boxes if each)
    label = say("{name}: at worst {least} present in a part", name=name, least=share(min(known, default=None)))
    return h.svg(
        class_="strip k0", viewBox=f"0 0 {max(1, len(shares)) * width} 16", role="img", aria_label=label,
        preserveAspectRatio="none",
    )[h.path(class_="lack", d=lack), h.path(class_="fill", d=fill)]  # fmt: skip


def _course(found: Course) -> h.Element:
    title = say("Reputation over time")
    if found.of:
        words = say("It is worked out from the blocks now, by executing each of them again.")
        return h.div("#course", hx_get=PATH, hx_trigger="load delay:2s", **in_place("course"))[
            section(
                title,
                h.p[words],
                progress(say("Blocks executed"), found.done, found.of if found.done else None),
                anchor="reputation",
            )
        ]
    points = found.points
    if found.trouble:
        return h.div("#course")[section(title, empty(theirs(found.trouble)), anchor="reputation")]
    if len(points) < 2:
        words = say("This ledger has too many blocks to execute all of them again: its history begins when this portal "
                    "started. Come back later.")  # fmt: skip
        return h.div("#course")[section(title, empty(words), anchor="reputation")]
    names = sorted({name for each in points for name in each.members})
    lines = [
        Series(
            name,
            [(each.height, each.members[name].consensus if name in each.members else None) for each in points],
            index,
        )
        for index, name in enumerate(names)
    ]
    chart = line_chart(
        say("Reputation by block"), lines,
        x=Axis(say("block"), write=amount, tick=amount, integers=True),
        y=Axis(say("reputation"), (0.0, float(_SCORE_MAX)), write=amount, tick=amount, integers=True),
        label=_said(found), data=_table(found, names),
    )  # fmt: skip
    begins = None if found.is_whole else h.p(".quiet")[say("It begins when this portal was started.")]
    jailed = _jailed(found, names)
    return h.div("#course")[
        section(title, h.p[_said(found)], h.div(".pair")[chart], jailed, begins, anchor="reputation")
    ]


def _said(found: Course) -> str:
    last = found.points[-1].members
    least = min(last, key=lambda name: last[name].consensus)
    return say(
        "After block {height} {name} has the lowest reputation, {score} of 10,000.",
        height=amount(found.points[-1].height), name=least, score=amount(last[least].consensus),
    )  # fmt: skip


def _table(found: Course, names: Sequence[str]) -> h.Element:
    step = max(1, len(found.points) // 40)
    last = len(found.points) - 1
    shown = [each for index, each in enumerate(found.points) if index % step == 0 or index == last]
    rows = [
        (
            amount(each.height), moment(each.time_ms),
            *(amount(each.members[name].consensus) if name in each.members else "–" for name in names),
        )
        for each in shown
    ]  # fmt: skip
    return table([say("Block"), say("Time"), *names], rows, caption=say("Reputation by block"))


def _jailed(found: Course, names: Sequence[str]) -> h.Element | None:
    """Spans in which a member's votes did not count."""
    spans: list[tuple[str, int, int | None]] = []
    for name in names:
        since: int | None = None
        for each in found.points:
            there = each.members.get(name)
            if there is not None and there.jailed and since is None:
                since = each.height
            elif since is not None and (there is None or not there.jailed):
                spans.append((name, since, each.height))
                since = None
        if since is not None:
            spans.append((name, since, None))
    if not spans:
        return None
    title = say("Votes that did not count")
    rows = [(name, amount(first), amount(last) if last else say("still")) for name, first, last in spans]
    return table([say("Member"), say("From about block"), say("To about block")], rows, caption=title, folds=True)


def _rules(found: NetworkView) -> h.Element:
    facts = definitions((
        (say("network"), found.chain_id),
        (say("protocol in force"), amount(found.rules.protocol)),
        (say("protocols that this program knows"), ", ".join(map(str, found.rules.known))),
        (
            say("comes next"),
            say("protocol {protocol} after {time} and block {height}", protocol=found.rules.next,
                time=moment(found.rules.after_ms), height=amount(found.rules.after_height))
            if found.rules.next
            else "",
        ),
    ))  # fmt: skip
    more = h.a(href="/operator/ballots")[say("Ballots and upgrades")]
    return section(say("Rules"), h.div(".panel")[facts], anchor="rules", actions=more)
