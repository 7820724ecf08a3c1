"""What officers decide about their hospital's people: who is invited, has which roles, a new key, or none any more."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation, Rule, Scope
from hmchain.application.site import exchanged
from hmchain.application.site.exchanged import OtherChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Digits, Nothing, Organisation, Person
from hmchain.interfaces.api.routes import people as routes
from hmchain.interfaces.portal.components import after_field, check_field, confirmed, file_field, form, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import Later, later, of_later, say
from hmchain.ledger.readers.people import ChangeView, PeopleView, PersonView

DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("officer", "steward"))
"""Officers; before a hospital has any, its steward's office."""
PROPOSE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
OWN = Rule(Operation.CHANGE, Scope.HOSPITAL, HOSPITAL_ROLES)
PATH = "/people"
_ROLES: dict[str, Later] = {
    "officer": later("officer: decides about these people"),
    "steward": later("steward: decides about data"),
    "scientist": later("scientist: asks for data"),
    "clinician": later("clinician: may ask in an emergency"),
    "operator": later("operator: runs the node"),
    "auditor": later("auditor: reads the record"),
    "ethics": later("ethics: reviews requests"),
    "protection": later("data protection: reviews requests"),
    "code": later("code: reviews programs"),
}

CARD_BYTES_MAX = 1 << 20

pages = Pages()


def of_all(call: Call, found: PeopleView) -> h.Node:
    """What an officer can do about the hospital's people."""
    if found.organisation != call.organisation or not may(call, DECIDE):
        return None
    after = after_field(PATH)
    return [
        section(
            say("Invite somebody"),
            h.p[say("The person makes a key on the page “Your keys”, and sends you its file. Compare the key's digits "
                    "by telephone, then invite.")],
            _with_file(call, f"{PATH}/invite", "invited", after, _roles(()), sends=say("Invite")),
            anchor="invite",
        ),
        section(
            say("A new key for somebody"),
            h.p[say("For who lost a key, or whose key was stolen: the old one is dead, and a suspension over. An "
                    "office is given one so, too.")],
            _with_file(call, f"{PATH}/new-key", "renewed", after, sends=say("Let this key sign")),
            anchor="new-key",
        ),
        section(
            say("Only people decide"),
            confirmed(
                say("Give the office keys up"),
                say("For good: the keys of the offices steward and scientist end, and what the office asked for. It "
                    "takes two named officers and a named steward."),
                f"{PATH}/hand-over", csrf_of(call.request), say("Give them up for good"), after,
            ),
            anchor="hand-over",
        ),
    ]  # fmt: skip


def _with_file(call: Call, action: str, place: str, *content: h.Node, sends: str) -> h.Element:
    file = file_field(f"card@{place}", say("File of the key, NAME.json"), accept=".json")
    return form(action, csrf_of(call.request), file, content, sends=sends, has_file=True)


def _roles(held: Sequence[str]) -> h.Element:
    boxes = [check_field(f"role@{role}", of_later(words), value=role, checked=role in held)
             for role, words in _ROLES.items()]  # fmt: skip
    return h.fieldset(".field")[h.legend[say("Acts as")], boxes]


def of_one(call: Call, organisation: str, found: PersonView) -> h.Node:
    """What an officer, or the person, can do about a person."""
    if organisation != call.organisation or call.site.is_read_only or call.who is None:
        return None
    here, csrf = at("people", organisation, found.person), csrf_of(call.request)
    after = after_field(here)
    is_officer, is_self = may(call, DECIDE), call.person.person == found.person
    deeds: list[h.Node] = []
    if found.status == "active" and (is_officer or is_self):
        deeds.append(confirmed(
            say("Cut the key off"),
            say("At once, by you alone: nothing more of this key counts. For a key that was stolen or is lost."),
            f"{here}/suspend", csrf, say("Cut it off"), after,
        ))  # fmt: skip
    if is_officer and not found.is_office:
        deeds += _of_officer(found, here, csrf, after)
    return section(say("What you can do"), deeds, anchor="do") if deeds else None


def _of_officer(found: PersonView, here: str, csrf: str, after: h.Node) -> list[h.Node]:
    deeds: list[h.Node] = []
    if found.status == "suspended":
        deeds.append(confirmed(
            say("Let the key act again"), say("Only where nothing was stolen after all."),
            f"{here}/reinstate", csrf, say("Let it act again"), after,
        ))  # fmt: skip
    if found.status in ("active", "invited"):
        deeds.append(confirmed(
            say("Change the roles"), say("All roles that are ticked, and no others."),
            f"{here}/roles", csrf, say("Give these roles"), after, _roles(found.roles),
        ))  # fmt: skip
    if found.status != "removed":
        deeds.append(confirmed(
            say("Remove this person"),
            say("For good, with all that the person asked for and was allowed. The name is never given again."),
            f"{here}/remove", csrf, say("Remove for good"), after,
        ))  # fmt: skip
    return deeds


def of_change(call: Call, each: ChangeView) -> h.Node:
    """What another officer can do about a change that waits."""
    if not may(call, DECIDE):
        return "–"
    way, csrf = f"{PATH}/changes/{each.id.hex()}", csrf_of(call.request)
    after = after_field(PATH)
    drop = confirmed(say("Drop it"), say("It comes to nothing."), f"{way}/drop", csrf, say("Drop it"), after)
    if each.officer == call.person.person:
        return drop
    confirm = confirmed(
        say("Confirm it"), say("It is carried out."), f"{way}/confirm", csrf, say("Carry it out"), after
    )
    return [confirm, drop]


def of_recovery(call: Call, found: PeopleView) -> h.Node:
    """What can be done about a steward's key that the members voted: object at home, or put it in force elsewhere."""
    if found.recovering is None:
        return None
    csrf, after = csrf_of(call.request), after_field(at("people", found.organisation))
    if found.organisation == call.organisation:
        return confirmed(
            say("Our key is not lost"), say("The vote comes to nothing, and the key that we have goes on."),
            f"{PATH}/recovery/object", csrf, say("Object"), after,
        ) if may(call, DECIDE) else None  # fmt: skip
    if not may(call, PROPOSE) or found.recovering.due_ms > call.now_ms():
        return None
    return confirmed(
        say("Put the new key in force"), say("Its time to object is over. The old key is dead then."),
        f"{PATH}/recovery/{found.organisation}/complete", csrf, say("Put it in force"), after,
    )  # fmt: skip


def recovering(call: Call) -> h.Node:
    """Put another hospital's lost key to the vote."""
    if not may(call, PROPOSE):
        return None
    return section(
        say("Another hospital lost its steward's key"),
        h.p[say("It sends you recovery.json. Compare the key's digits by telephone; then the members vote. That "
                "hospital can object for a week.")],
        form(
            f"{PATH}/recovery/propose", csrf_of(call.request), after_field("/operator/ballots"),
            file_field("card@recovery", "recovery.json", accept=".json"),
            sends=say("Put it to the vote"), has_file=True,
        ),
        anchor="recover",
    )  # fmt: skip


# -- deeds -------------------------------------------------------------------------------------------------------------


def _introduced(call: Call, fields: Fields) -> dict[str, str]:
    """Whom a file introduces, for this hospital of this network."""
    card = exchanged.read_card(fields.file("card").file.read())
    with call.ledger() as ledger:
        chain_id = ledger.genesis.chain_id
    if (card.chain_id, card.organisation) != (chain_id, call.organisation):
        raise OtherChainError(
            f"this file introduces a person of {card.organisation} at {card.chain_id}",
            f"the person makes a key for {call.organisation} at this portal",
        )
    return {"person": card.person, "public": card.key.hex(), "proof": card.proof.hex()}


@pages.do(f"{PATH}/invite", DECIDE, file_bytes=CARD_BYTES_MAX)
def invite(call: Call, fields: Fields) -> Next:
    """Invite whom a file introduces."""
    said = _introduced(call, fields)
    routes.invite_person(call, body(routes.Invitation, roles=fields.texts("role"), **said))
    return Next(PATH, say("Invited; the person accepts on the page “Accept an invitation”."))


@pages.do(f"{PATH}/new-key", DECIDE, file_bytes=CARD_BYTES_MAX)
def new_key(call: Call, fields: Fields) -> Next:
    """Let a person, or an office, sign with the key of a file."""
    said = _introduced(call, fields)
    routes.replace_key(call, said["person"], body(routes.Introduced, **said))
    return Next(PATH, say("The new key signs."))


@pages.do(f"{PATH}/hand-over", DECIDE)
def hand_over(call: Call, fields: Fields) -> Next:
    """Have only named people decide."""
    routes.hand_over(call, Nothing())
    return Next(PATH, say("Only people decide."))


@pages.do(f"{PATH}/changes/{{digest}}/confirm", DECIDE)
def confirm(call: Call, digest: Digits, fields: Fields) -> Next:
    """Carry out what another officer asked for."""
    routes.confirm_change(call, digest, Nothing())
    return Next(PATH, say("It is carried out."))


@pages.do(f"{PATH}/changes/{{digest}}/drop", DECIDE)
def drop(call: Call, digest: Digits, fields: Fields) -> Next:
    """Have it come to nothing."""
    routes.drop_change(call, digest, Nothing())
    return Next(PATH, say("It comes to nothing."))


@pages.do(f"{PATH}/recovery/object", DECIDE)
def object_to(call: Call, fields: Fields) -> Next:
    """Say that this hospital's key is not lost."""
    routes.object_to_recovery(call, Nothing())
    return Next(PATH, say("The vote comes to nothing."))


@pages.do(f"{PATH}/recovery/propose", PROPOSE, file_bytes=CARD_BYTES_MAX)
def propose_recovery(call: Call, fields: Fields) -> Next:
    """Put another hospital's new key to the vote."""
    card = exchanged.read_recovery(fields.file("card").file.read())
    with call.ledger() as ledger:
        if card.chain_id != ledger.genesis.chain_id:
            raise OtherChainError("this file was made for another network", "have it made anew")
    said = {"organisation": card.organisation, "former": card.former.hex(), "public": card.key.hex()}
    routes.propose_recovery(call, body(routes.Recovery, proof=card.proof.hex(), **said))
    return Next("/operator/ballots", say("The members vote on it."))


@pages.do(f"{PATH}/recovery/{{organisation}}/complete", PROPOSE)
def complete(call: Call, organisation: Organisation, fields: Fields) -> Next:
    """Put a key in force that the members voted."""
    routes.complete_recovery(call, organisation, Nothing())
    return Next(at("people", organisation), say("The new key is in force."))


@pages.do(f"{PATH}/{{organisation}}/{{person}}/suspend", OWN)
def suspend(call: Call, organisation: Organisation, person: Person, fields: Fields) -> Next:
    """Cut a key off at once."""
    routes.suspend_person(call, person, Nothing())
    return Next(at("people", organisation, person), say("The key is cut off."))


@pages.do(f"{PATH}/{{organisation}}/{{person}}/reinstate", DECIDE)
def reinstate(call: Call, organisation: Organisation, person: Person, fields: Fields) -> Next:
    """Let a suspended person act again."""
    routes.reinstate_person(call, person, Nothing())
    return Next(at("people", organisation, person), say("The key acts again."))


@pages.do(f"{PATH}/{{organisation}}/{{person}}/remove", DECIDE)
def remove(call: Call, organisation: Organisation, person: Person, fields: Fields) -> Next:
    """End what a person does for this hospital."""
    routes.remove_person(call, person, Nothing())
    return Next(at("people", organisation, person), say("The person is removed."))


@pages.do(f"{PATH}/{{organisation}}/{{person}}/roles", DECIDE)
def change_roles(call: Call, organisation: Organisation, person: Person, fields: Fields) -> Next:
    """Give a person these roles, and take all others away."""
    routes.change_roles(call, person, body(routes.NewRoles, roles=fields.texts("role")))
    return Next(at("people", organisation, person), say("The roles are changed."))
