"""People and roles: who acts for each member, what each may do now, and what waits for a second officer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node import sent
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.portal.components import empty, section, tabs
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import word
from hmchain.interfaces.portal.pages.codes.people import ROLES
from hmchain.interfaces.portal.pages.codes.requests import KINDS
from hmchain.interfaces.portal.pages.everybody import officers
from hmchain.interfaces.portal.pages.words import standing
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, theirs
from hmchain.ledger.readers.people import ChangeView, PeopleView, PersonView, people_of
from hmchain.ledger.readers.powers import Powers

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/people"

pages = Pages()


@dataclass(frozen=True)
class Staff:
    """The people of one member."""

    people: PeopleView
    members: Sequence[str]
    own: bool
    """Whether it is the hospital whose portal this is."""


@pages.show(PATH, VIEW, later("People and roles"))
def own_people_page(call: Call) -> Page:
    """The people of this hospital."""
    return _people_page(call, call.organisation)


@pages.show(PATH + "/{organisation}", VIEW)
def people_page(call: Call, organisation: Name) -> Page:
    """The people of a member."""
    return _people_page(call, organisation)


def _people_page(call: Call, organisation: str) -> Page:
    """The people of a member, and what whoever looks can do about them."""
    found = load(call, organisation)
    shown, view = people(found, call), found.people
    own = officers.of_all(call, view)
    more = officers.recovering(call) if organisation == call.organisation else None
    return replace(shown, content=[shown.content, own, more])


def load(call: Call, organisation: str) -> Staff:
    """The people of a member. Raises `NoOrganisationError`."""
    with call.ledger() as ledger:
        found = people_of(ledger.verified.state, organisation, call.now_ms())
        members = [each.organisation for each in ledger.members()]
    return Staff(found, members, organisation == call.organisation)


@pages.show(PATH + "/{organisation}/{person}", VIEW)
def person_page(call: Call, organisation: Name, person: Name) -> Page:
    """One person, with what that person may do now."""
    with call.ledger() as ledger:
        (found,) = ledger.powers(call.now_ms(), organisation, person)
        staff = people_of(ledger.verified.state, organisation, call.now_ms())
    shown = next(each for each in staff.people if each.person == person)
    page = one_person(found, shown)
    return replace(page, content=[page.content, officers.of_one(call, organisation, shown)])


def people(found: Staff, call: Call | None = None) -> Page:
    """The people of a member, and what waits for its officers; with what whoever asks by `call` can do about it."""
    view = found.people
    lead = say(
        "On the ledger people have short names; who is who only their hospital knows. What they decide is signed with "
        "these keys."
    )
    ways = [(name, f"{PATH}/{name}") for name in found.members]
    content = [
        tabs(say("Members"), ways, f"{PATH}/{view.organisation}"),
        _list(view.people, view.organisation),
        _officers(view.officers),
        _changes(view.changes, call if found.own else None),
        _recovery(view, call),
    ]
    return Page(say("People of {organisation}", organisation=view.organisation), content, lead, active=PATH)


def _list(found: Sequence[PersonView], organisation: str) -> h.Element:
    head = [say("Name"), say("Roles"), say("Stands"), say("Key"), say("Since block")]
    rows = [
        (
            h.a(href=f"{PATH}/{organisation}/{each.person}")[each.person],
            h.fragment[_roles(each.roles), h.small[say("an office")] if each.is_office else None],
            standing(each.status),
            digest(each.key.hex()),
            amount(each.since_height) if each.since_height else "–",
        )
        for each in found
    ]
    return table(head, rows, caption=say("People"), folds=True)


def _roles(found: Sequence[str]) -> str:
    return ", ".join(word(ROLES, each) for each in found)


def _officers(found: Sequence[str]) -> h.Element:
    if len(found) > 1:
        words = say("Officers: {names}. One asks for a change of these people, another confirms it; any one suspends.",
                    names=", ".join(found))  # fmt: skip
    else:
        words = say("The only officer is {name}, and decides alone over these people.", name=", ".join(found) or "–")
    return h.p(".quiet")[words]


def _changes(found: Sequence[ChangeView], call: Call | None) -> h.Element | None:
    waiting = [each for each in found if not each.lapsed]
    if not waiting:
        return None
    title = say("Waits for another officer")
    head = [say("Change"), say("Asked by"), say("Open until"), say("What you can do")]
    rows = [
        (
            theirs(sent.words(each.change)), each.officer, moment(each.until_ms),
            officers.of_change(call, each) if call else "–",
        )
        for each in waiting
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="changes")


def _recovery(view: PeopleView, call: Call | None) -> h.Node:
    if view.recovering is not None:
        words = say(
            "The members voted another steward's key for {organisation}, from {time} on. If its own is not lost, an "
            "officer there objects before.", organisation=view.organisation, time=moment(view.recovering.due_ms),
        )  # fmt: skip
        return [h.p(".caution")[words], officers.of_recovery(call, view) if call else None]
    if view.recovered is not None:
        words = say("Since block {height} the steward's key is one that the other members voted.",
                    height=amount(view.recovered.height))  # fmt: skip
        return h.p(".caution")[words]
    return None


def one_person(found: Powers, person: PersonView) -> Page:
    """What a person may do now."""
    name = f"{found.organisation}/{found.person}"
    facts = definitions((
        (say("stands"), standing(person.status)),
        (say("acts as"), _roles(found.roles) if found.roles else say("nothing now")),
        (say("key"), digest(person.key.hex(), 0)),
        (say("since block"), amount(person.since_height) if person.since_height else ""),
    ))  # fmt: skip
    crumbs = ((say("People of {organisation}", organisation=found.organisation), f"{PATH}/{found.organisation}"),)
    return Page(name, [h.div(".panel")[facts], _permits(found), _open(found)], crumbs=crumbs, active=PATH)


def _permits(found: Powers) -> h.Element:
    title = say("May use now")
    if not found.permits:
        return section(title, empty(say("No permit of this person is in force.")), anchor="permits")
    head = [say("Request"), say("What for"), say("Data"), say("Until")]
    rows = [
        (
            h.a(href=f"/requests/{each.request}")[each.request],
            word(KINDS, each.kind),
            ", ".join(each.allowed),
            moment(each.until_ms),
        )
        for each in found.permits
    ]
    return section(title, table(head, rows, caption=title, folds=True), anchor="permits")


def _open(found: Powers) -> h.Element | None:
    if not found.requests:
        return None
    title = say("Asks for")
    head = [say("Request"), say("Takes part as"), say("Status"), say("Waits for")]
    rows = [
        (
            h.a(href=f"/requests/{each.request}")[each.request], word(ROLES, each.takes_part), standing(each.status),
            ", ".join(each.waits_for) or "–",
        )
        for each in found.requests
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="asks")
