"""One transaction: who signed it, what it asks for, what became of it, and the proof that it is in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import htpy as h
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.terms import terms_of
from hmchain.application.node import sent
from hmchain.application.node.meaning import fields_of
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Digits
from hmchain.interfaces.portal.components import empty, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.auditor import blocks
from hmchain.interfaces.portal.pages.auditor.blocks import outcome, vouched
from hmchain.interfaces.portal.pages.codes import word, worded
from hmchain.interfaces.portal.pages.codes.events import EVENTS
from hmchain.interfaces.portal.pages.codes.people import ROLES
from hmchain.interfaces.portal.pages.codes.transactions import TRANSACTIONS
from hmchain.interfaces.portal.pages.words import capital, terms
from hmchain.interfaces.portal.proving import proof_panel
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, moment, say, theirs
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.transactions import TransactionView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/auditor/transactions/{digest}"
_SHOWN_LETTERS = 2000
_RAW_LETTERS = 200

pages = Pages("auditor")


@dataclass(frozen=True)
class Told:
    """A transaction, and the ledger that it is in."""

    transaction: TransactionView
    genesis: bytes
    """The digest of its genesis: what a proof is checked against."""


@pages.show(PATH, VIEW)
def transaction_page(call: Call, digest: Digits) -> Page:
    """One transaction, by its digest or the first digits of it."""
    with call.ledger() as ledger:
        return transaction(Told(ledger.transaction(digest), ledger.genesis.digest))


@pages.show(PATH + "/proof.json", VIEW)
def transaction_proof(call: Call, digest: Digits) -> Response:
    """The proof that a transaction is in the ledger, as a file to hand on."""
    with call.ledger() as ledger:
        made = proof_files.to_json(ledger.proof(digest))
    headers = {"Content-Disposition": f'attachment; filename="proof-{digest[:12].lower()}.json"'}
    return Response(made, headers=headers, media_type="application/json")


def transaction(told: Told) -> Page:
    """One transaction in full."""
    found = told.transaction
    crumbs = (
        (say("Blocks"), blocks.PATH),
        (say("Block {height}", height=amount(found.height)), f"{blocks.PATH}/{found.height}"),
    )
    title = say("Transaction {digest}", digest=found.digest.hex()[:12])
    lead = _words(found)
    return Page(
        title, [_head(found), _says(found), _terms(found), _events(found), proof(told)], lead, crumbs, blocks.PATH
    )


def _words(found: TransactionView) -> h.Node:
    if found.body is None:
        return say("Nobody can read this one: it is malformed.")
    told = sent.words(found.body)
    return theirs(f"{capital(told)}.") if " " in told else f"{capital(word(TRANSACTIONS, told))}."


def _head(found: TransactionView) -> h.Element:
    known = say(
        "{organisation}, with the key of its {role}", organisation=found.organisation, role=word(ROLES, found.role)
    )
    facts = (
        (say("what became of it"), outcome(found.receipt.code)),
        (say("signed by"), known if found.organisation else say("a key that nobody here has")),
        (say("kind"), worded(TRANSACTIONS, found.kind)),
        (say("block"), h.a(href=f"{blocks.PATH}/{found.height}")[amount(found.height)]),
        (say("place in the block"), amount(found.position + 1)),
        (say("time"), say("{time}, by the validators' clocks", time=moment(found.time_ms))),
        (say("could be sent until"), moment(found.expires_ms) if found.expires_ms else ""),
        (say("vouched for"), vouched(found.vouched)),
        (say("digest"), digest(found.digest.hex(), 0)),
    )
    return h.div(".panel")[definitions(facts)]


def _says(found: TransactionView) -> h.Element:
    title = say("What was signed")
    if found.body is None:
        return section(title, empty(say("It is malformed: the ledger refused it unread.")), anchor="signed")
    facts = [(name.replace("_", " "), _value(value)) for name, value in fields_of(found.body) if value]
    shown = definitions(facts) if facts else empty(say("It says nothing but its kind."))
    return section(title, h.div(".panel")[shown], anchor="signed")


def _value(text: str) -> h.Node:
    """A field's value; one of many letters folds, and very long ones are cut."""
    if len(text) <= _RAW_LETTERS:
        return text
    cut = text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…"
    return h.details[h.summary[say("{count} characters", count=amount(len(text)))], h.code[cut]]


def _terms(found: TransactionView) -> h.Element | None:
    pinned = terms_of(found)
    if not pinned:
        return None
    return section(say("What its stewards are asked to approve"), h.div(".panel")[terms(pinned)], anchor="terms")


def _events(found: TransactionView) -> h.Element | None:
    if not found.receipt.events:
        return None
    title = say("What happened")
    rows = [(worded(EVENTS, each.kind), blocks.about(each.keys)) for each in found.receipt.events]
    return section(title, table([say("Event"), say("About")], rows, caption=title, folds=True), anchor="events")


def proof(told: Told) -> h.Element:
    """The proof of it, which the page itself checks, and the way to check it elsewhere."""
    whole = told.transaction.digest.hex()
    file = f"/auditor/transactions/{whole}/proof.json"
    genesis = told.genesis.hex()
    return section(
        say("Proof"),
        proof_panel(file, whole),
        h.p[h.a(href=file, download=True)[say("The proof, as a file")]],
        h.p(".quiet")[say("To check the file anywhere, offline:")],
        h.pre[h.code[f"hmchain audit proof proof-{whole[:12]}.json --genesis {genesis}"]],
        anchor="inclusion",
    )  # fmt: skip
