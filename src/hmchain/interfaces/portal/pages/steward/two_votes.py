"""Releases from quarantine that take two people: each signs in the own browser, and who may is kept here."""

from __future__ import annotations

import json

import htpy as h
import msgspec

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import signed_review
from hmchain.application.data.reviewing import Desk
from hmchain.application.data.signed_review import ToSign
from hmchain.application.pages.markup import digest, table
from hmchain.application.site import persons
from hmchain.clock import MINUTE_MS, now_ms
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import confirmed, empty, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.layout import token_field
from hmchain.interfaces.portal.pages.numbers import FieldError, whole
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say, say_n, theirs
from hmchain.interfaces.portal.wording import words
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.readers.people import PersonView, people_of

PATH = "/steward/quarantine"
ADD = Rule(Operation.DECIDE, Scope.HOSPITAL, ("officer", "steward"))
_REVIEWS = {"steward", "protection"}
_OLDEST_MINUTES = 60
_SHOWN = 50

pages = Pages("steward")


def panel(call: Call, desk: Desk) -> h.Node:
    """What whoever reviews signs before the marks are applied; nothing where no release takes two people."""
    sender, minutes = call.person.public, now_ms() // MINUTE_MS
    found = signed_review.to_sign(desk, sender, minutes * MINUTE_MS) if sender else ()
    if not found:
        return None
    title = say("Releases that two people sign")
    if not signed_review.is_known(call.folder, sender):
        return section(title, empty(say("Your key does not decide here yet. Have it added below.")), anchor="sign")
    told = {"data_votes": json.dumps([_told(each) for each in found]), "data_sender": sender.hex()}
    rows = [
        (h.code[each.held.item.hex()[:12]], f"{each.held.dataset} v{each.held.version}", theirs(each.held.reason))
        for each in found[:_SHOWN]
    ]
    count = say_n("You release {count} item. It goes through once another person releases it, too.",
                  "You release {count} items. Each goes through once another person does.", len(found))  # fmt: skip
    return section(
        title,
        h.p[count, " ", say("All your marks are applied with it.")],
        table((say("Item"), say("Dataset"), say("Held for")), rows, caption=title, folds=True),
        h.form(".entry", method="post", action=f"{PATH}/sign", **told)[
            token_field(csrf_of(call.request)),
            h.input(type="hidden", name="minutes", value=str(minutes)),
            h.input(type="hidden", name="signatures"),
            h.p(".send")[h.button(".main", type="submit", disabled=True)[say("Sign and apply")]],
            h.div(data_told=True, role="status"),
            h.noscript[h.p(".problem")[say("Signing needs scripts: your key stays in this browser.")]],
            words(),
        ],
        anchor="sign",
    )


def _told(found: ToSign) -> dict[str, object]:
    """What the browser makes the signed bytes of, as `Vote.message` does."""
    held, vote = found.held, found.vote
    return {
        "item": held.item.hex(), "dataset": held.dataset, "version": str(held.version), "reason": held.reason,
        "state": vote.state, "reviewer": vote.reviewer, "at": str(vote.at_ms),
        "regions": msgspec.json.encode(vote.regions).decode(),
    }  # fmt: skip


def decide(call: Call, desk: Desk, fields: Fields) -> None:
    """Make decisions of all marks at a desk, with what was signed of them. Raises `FieldError`."""
    minutes, now = whole("minutes", fields.text("minutes")), now_ms() // MINUTE_MS
    if not 0 <= now - minutes <= _OLDEST_MINUTES:
        raise FieldError("what was signed is too old", "load the page again")
    found = signed_review.to_sign(desk, call.person.public, minutes * MINUTE_MS)
    signatures = fields.text("signatures").split()
    if len(signatures) != len(found) or not all(_is_signature(each) for each in signatures):
        raise FieldError("the marks were changed meanwhile, or are not all signed", "load the page again")
    signed = [each.signed(bytes.fromhex(made)) for each, made in zip(found, signatures, strict=True)]
    signed_review.apply(desk, call.folder, call.person.public, signed)


def _is_signature(text: str) -> bool:
    return len(text) == 128 and all(letter in "0123456789abcdef" for letter in text)


# -- who decides -------------------------------------------------------------------------------------------------------


def deciders(call: Call) -> h.Node:
    """The people whose keys count where two must release, and how others are added."""
    if call.site.is_read_only or not may(call, ADD):
        return None
    known = persons.known(call.folder)
    keys = {each.key.raw for each in known}
    rows = [(each.name, digest(each.key.raw.hex())) for each in known]
    title = say("Who releases where it takes two")
    return section(
        title,
        table((say("Name"), say("Key")), rows, caption=title, folds=True)
        if rows
        else empty(say("Nobody yet: where a profile wants two people, nothing is released.")),
        [_adding(call, each) for each in _stewards(call) if each.key not in keys],
        anchor="deciders",
    )


def _stewards(call: Call) -> list[PersonView]:
    """The hospital's people who may review."""
    with call.ledger() as ledger:
        found = people_of(ledger.verified.state, call.organisation, call.now_ms()).people
    return [each for each in found if each.decides and _REVIEWS & set(each.roles)]


def _adding(call: Call, each: PersonView) -> h.Element:
    return confirmed(
        say("Let {person} release", person=each.person),
        [say("With the key that the ledger has for this person:"), " ", digest(each.key.hex())],
        f"{at('steward', 'quarantine', 'deciders', each.person)}/add", csrf_of(call.request),
        say("Let this key count"),
    )  # fmt: skip


@pages.do(f"{PATH}/deciders/{{person}}/add", ADD)
def add(call: Call, person: str, fields: Fields) -> Next:
    """Let a person of the hospital release with the key that the ledger has."""
    found = next((each for each in _stewards(call) if each.person == person), None)
    if found is None:
        raise FieldError("nobody of that name may review here", "give the role of a steward first")
    persons.add_public(call.folder, f"{call.organisation}/{person}", PublicKey(ED25519, found.key))
    return Next(f"{PATH}#deciders", say("The key counts."))
