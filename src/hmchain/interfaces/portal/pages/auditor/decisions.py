"""Decisions and permits: who asked for what, each hospital's word, what is allowed now, and what left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.reasons import reason_words
from hmchain.application.governance.requests import reading
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api import paging
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.portal import components
from hmchain.interfaces.portal.components import GOOD, WARN, badge, empty, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes.requests import DUTIES, KINDS, REASONS
from hmchain.interfaces.portal.pages.words import purpose, said, standing, terms
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, theirs
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.explanations import Explanation
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.ledger.readers.requests import HospitalWord, RequestView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/auditor/decisions"

pages = Pages("auditor")


@dataclass(frozen=True)
class Decisions:
    """All that was asked for and decided."""

    requests: Sequence[RequestView]
    """Those of this part."""
    releases: Sequence[ReleaseView]
    total: int
    """Requests in all."""
    offset: int = 0
    limit: int = paging.LIMIT


@pages.show(PATH, VIEW, later("Decisions and permits"))
def decisions_page(call: Call, offset: paging.Offset = 0, limit: paging.Limit = paging.LIMIT) -> Page:
    """Requests with every hospital's word, a part of them at a time, and all releases."""
    with call.ledger() as ledger:
        found = reader.requests_of(ledger.verified.state, "")
        shown = found[offset : offset + limit]
        return decisions(Decisions(shown, ledger.releases(), len(found), offset, limit))


@pages.show(PATH + "/{request}", VIEW)
def decision_page(call: Call, request: Name) -> Page:
    """One request: what was asked, each word, and why policies said what they said."""
    with call.ledger() as ledger:
        return decision(reading.shown(ledger, request, None), ledger.explanations(request))


def decisions(found: Decisions) -> Page:
    """All that was asked for and decided, in two lists."""
    lead = say("Nothing is used without a request, a word of every hospital asked, and a permit that holds.")
    return Page(say("Decisions and permits"), [_requests(found), _releases(found.releases)], lead, active=PATH)


def _requests(found: Decisions) -> h.Element:
    title = say("Requests")
    if not found.total:
        words = say("Nobody has asked for anything yet. A scientist's first request will stand here.")
        return section(title, empty(words), anchor="requests")
    head = [
        say("Request"),
        say("What for"),
        say("Asked by"),
        say("Status"),
        say("Each hospital's word"),
        say("Allowed until"),
    ]
    rows = [
        (
            h.a(href=f"{PATH}/{each.request}")[each.request],
            _what_for(each), each.applicant, standing(each.status), _words(each.decisions), _until(each),
        )
        for each in found.requests
    ]  # fmt: skip
    way = components.pages(PATH, {}, found.offset, found.limit, found.total)
    return section(title, table(head, rows, caption=title, folds=True), way, anchor="requests")


def _what_for(found: RequestView) -> h.Node:
    if found.content is None:
        return "–"
    purposes = [[h.br if place else None, purpose(each)] for place, each in enumerate(found.content.purposes)]
    return [codes.word(KINDS, found.content.kind), h.small[purposes]]


def _words(found: Sequence[HospitalWord]) -> h.Node:
    if not found:
        return say("not asked yet")
    return [h.div[each.organisation, " ", standing(each.status)] for each in found]


def _until(found: RequestView) -> str:
    allowed = [each.until_ms for each in found.allows]
    return moment(min(allowed)) if allowed else "–"


def _releases(found: Sequence[ReleaseView]) -> h.Element:
    title = say("Releases")
    if not found:
        words = say("Nothing was asked to leave: no model, no count, no table.")
        return section(title, empty(words), anchor="releases")
    head = [
        say("Release"),
        say("What would leave"),
        say("Asked by"),
        say("Status"),
        say("Each hospital's word"),
        say("Last change"),
    ]
    rows = [
        (
            each.release, theirs(each.what), each.by, standing(each.status),
            [h.div[one.organisation, " ", standing(one.decision)] for one in each.words], moment(each.time_ms),
        )
        for each in found
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="releases")


# --- one request --------------------------------------------------------------------------------------------------


def decision(found: RequestInWords, why: Sequence[Explanation]) -> Page:
    """One request as its decisions bind it."""
    view = found.view
    asked = terms(found.asked)
    facts = definitions((
        (say("status"), standing(view.status)),
        (say("version"), amount(view.version)),
        (say("asked by"), ", ".join((view.applicant, *view.members))),
        (say("made"), moment(view.created_ms)),
        (say("handed in"), moment(view.submitted_ms) if view.submitted_ms else ""),
        (say("next"), theirs(found.next)),
        (say("digest of the content: what a decision binds"), digest(view.digest.hex(), 0)),
    ))  # fmt: skip
    content = [
        h.div(".panel")[facts],
        section(say("What was asked, and is bound by a decision"), h.div(".panel")[asked], anchor="asked")
        if found.asked
        else None,
        _each_word(view),
        _why(why),
        _said(found),
        _duties(found),
        section(
            say("What would be computed"),
            h.div(".panel")[terms(found.plan)],
            anchor="plan",
        )
        if found.plan
        else None,
    ]
    return Page(
        say("Request {name}", name=view.request), content, crumbs=((say("Decisions and permits"), PATH),), active=PATH
    )


def _each_word(view: RequestView) -> h.Element:
    title = say("Each hospital's word")
    if not view.decisions:
        return section(title, empty(say("No hospital was asked yet: the request was not handed in.")), anchor="words")
    head = [
        say("Hospital"),
        say("Data"),
        say("Word"),
        say("Its policy said"),
        say("Persons"),
        say("When"),
        say("Holds until"),
    ]
    rows = [
        (
            each.organisation, say("{dataset}, version {version}", dataset=each.dataset, version=amount(each.version)),
            h.fragment[standing(each.status), " ", codes.word(REASONS, each.reason)],
            standing(each.answer),
            _persons(each), moment(each.time_ms) if each.time_ms else "–",
            _holds(each),
        )
        for each in view.decisions
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="words")


def _persons(each: HospitalWord) -> str:
    named = ", ".join(each.approvals or each.decided_by)
    if each.answer == "no" or not each.needed:
        return named or "–"
    return say(
        "{count} of {needed}: {named}", count=amount(len(each.approvals)), needed=amount(each.needed), named=named
    )


def _holds(each: HospitalWord) -> h.Node:
    if not each.until_ms:
        return "–"
    return moment(each.until_ms) if each.holds else [moment(each.until_ms), " ", badge(say("not in force"), WARN)]


def _why(why: Sequence[Explanation]) -> h.Element | None:
    if not why:
        return None
    title = say("Why each policy said so")
    head = [
        say("Hospital"),
        say("Version asked"),
        say("Policy"),
        say("Answer"),
        say("Its rules"),
        say("Set by"),
        say("Asked again"),
    ]
    rows = [
        (
            f"{each.organisation}/{each.dataset}", amount(each.submission), amount(each.policy), standing(each.answer),
            [h.div[theirs(reason_words(one))] for one in each.reasons] or "–", ", ".join(each.set_by) or "–",
            badge(say("same answer"), GOOD) if each.agrees else standing(each.again),
        )
        for each in why
    ]  # fmt: skip
    note = say("Every version of a policy stays on the ledger: each was asked again just now.")
    return section(title, h.p(".quiet")[note], table(head, rows, caption=title, folds=True), anchor="why")


def _said(found: RequestInWords) -> h.Element | None:
    if not found.said:
        return None
    title = say("What people said beside it")
    head = [say("Who"), say("What"), say("For"), say("Block")]
    rows = [
        (
            each.word.by,
            [said(each.word), h.small[each.text] if each.text else None],
            each.word.hospital or "–", h.a(href=f"/auditor/blocks/{each.word.height}")[amount(each.word.height)],
        )
        for each in found.said
    ]  # fmt: skip
    note = say(
        "What was written is sealed to those who take part; the ledger shows that it was said, by whom and when."
    )
    return section(title, table(head, rows, caption=title, folds=True), h.p(".quiet")[note], anchor="said")


def _duties(found: RequestInWords) -> h.Element | None:
    if not found.duties:
        return None
    title = say("What is owed for it")
    head = [say("Duty"), say("To"), say("Data"), say("Stands"), say("Due"), say("Shown by")]
    rows = [
        (
            codes.word(DUTIES, each.kind), each.organisation, each.dataset, standing(each.standing),
            moment(each.due_ms),
            ", ".join(each.shown_by) or "–",
        )
        for each in found.duties
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="duties")
