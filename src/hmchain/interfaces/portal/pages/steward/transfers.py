"""Records that hospitals gave each other: how each stands, what is owed for it, and taking a grant back."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import transfers as services
from hmchain.application.node import transfer_words
from hmchain.application.pages.markup import definitions, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    BAD,
    GOOD,
    PLAIN,
    WARN,
    after_field,
    badge,
    choice_field,
    confirmed,
    empty,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import choices, word
from hmchain.interfaces.portal.pages.codes.requests import REASONS
from hmchain.interfaces.portal.pages.steward import received
from hmchain.interfaces.portal.pages.words import at, may, purpose, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import Later, later, of_later, say, theirs
from hmchain.ledger.readers import transfers as reader
from hmchain.ledger.readers.transfers import Standing, TransferView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
REVOKE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
PATH = "/steward/transfers"
_STANDS: dict[Standing, tuple[Later, str]] = {
    Standing.OFFERED: (later("offered, and not received yet"), PLAIN),
    Standing.RECEIVED: (later("received, and in use"), GOOD),
    Standing.WAITS: (later("not to be used now"), WARN),
    Standing.TO_ERASE: (later("over, and to be erased"), WARN),
    Standing.OVERDUE: (later("over, and its erasure is overdue"), BAD),
    Standing.ERASED: (later("erased, by its receipt"), GOOD),
    Standing.LOST: (later("lost with its grantee's vault: no key was destroyed"), BAD),
}

pages = Pages("steward")


@pages.show(PATH, VIEW, later("Transfers"))
def transfers(call: Call) -> Page:
    """What was given and received: what is owed first."""
    with call.ledger() as ledger:
        found = reader.listed(ledger.verified.state, "" if call.site.is_read_only else call.organisation)
    lead = say("Whole records that travelled, sealed, under a permit or in an emergency; what is owed comes first.")
    if not found:
        return Page(
            say("Transfers"), empty(say("Nothing was given or received. A transfer that comes stands here.")), lead=lead
        )
    head = (say("Name"), say("Of"), say("To"), say("Stands"), say("Until"), say("Request"))
    rows = [
        (
            h.a(href=at("steward", "transfers", each.name))[each.name],
            f"{each.giver}/{each.dataset} v{each.version}",
            each.grantee,
            stands(each.standing),
            until(each.until_ms),
            _request(each),
        )
        for each in found
    ]
    return Page(say("Transfers"), table(head, rows, caption=say("Transfers"), folds=True), lead=lead)


def stands(standing: Standing) -> h.Element:
    """How a transfer stands, as a badge."""
    words, kind = _STANDS[standing]
    return badge(of_later(words), kind)


def _request(each: TransferView) -> h.Node:
    return h.a(href=at("requests", each.request))[each.request] if each.request else say("an emergency")


@pages.show(f"{PATH}/{{name}}", VIEW)
def transfer(call: Call, name: str) -> Page:
    """One transfer."""
    with call.ledger() as ledger:
        found = reader.transfer(ledger.verified.state, name)
    facts = definitions(
        (
            (say("given by"), found.granted_by),
            (say("on"), until(found.granted_ms)),
            (say("given to"), found.grantee),
            (say("records of"), f"{found.giver}/{found.dataset} v{found.version}"),
            (say("for"), purpose(found.purpose)),
            (say("under"), _request(found)),
            (say("until"), until(found.until_ms)),
            (say("received"), until(found.received_ms) if found.received_ms else None),
            (say("taken back"), word(REASONS, found.reason)),
            (say("over since"), until(found.ended_ms) if found.is_over else None),
            (say("to be erased by"), until(found.due_ms) if found.due_ms else None),
            (
                say("receipt"),
                [f"{found.erased_by}, ", until(found.erased_ms), ": ", theirs(transfer_words.STATED[found.statement])]
                if found.erased_by
                else None,
            ),
            (say("since then"), say("records of this version were erased at its giver") if found.withdrawn else None),
            (say("manifest"), h.code[found.manifest.hex()]),
        )
    )
    return Page(
        name,
        [received.deeds(call, found), facts, _revoke(call, found)],
        lead=stands(found.standing),
        crumbs=((say("Transfers"), PATH),),
        active=PATH,
    )


def _revoke(call: Call, found: TransferView) -> h.Node:
    if found.giver != call.organisation or found.is_over or not may(call, REVOKE):
        return None
    return confirmed(
        say("Take it back"),
        say("For good: its grantee may use nothing of it any more, erases it, and signs that."),
        f"{at('steward', 'transfers', found.name)}/revoke",
        csrf_of(call.request),
        say("Take it back for good"),
        after_field(at("steward", "transfers", found.name)),
        choice_field("reason", say("Why"), choices(REASONS, services.REVOKE_REASONS)),
    )


@pages.do(f"{PATH}/{{name}}/revoke", REVOKE)
def revoke(call: Call, name: str, fields: Fields) -> Next:
    """Take a grant back."""
    with call.user() as user:
        services.revoke(user, name, fields.text("reason"))
    return Next(at("steward", "transfers", name), say("It is taken back."))
