"""Sending what a person signed: the second step of everything that goes on the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from hmchain.application.access.permissions import NotAllowedError, Operation, Rule, Scope
from hmchain.application.governance import delegate, people, signing
from hmchain.application.node.meaning import Meaning, meaning
from hmchain.application.site.exchanged import OtherChainError
from hmchain.canonical import decode
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Signature, like
from hmchain.interfaces.api.routing import Routes
from hmchain.interfaces.api.signing import ToSign, to_sign
from hmchain.interfaces.api.waiting import LONG
from hmchain.ledger.transactions import Prepared, Transaction, transaction_digest

SEND = Rule(Operation.ASK, Scope.NETWORK)
READ = Rule(Operation.VIEW, Scope.NETWORK)
NEWCOMER = Rule(Operation.ASK, Scope.PUBLIC)
"""Whoever an officer invited: the signature of the invited key is what lets it in."""

routes = Routes("transactions")

Hex = Annotated[str, like("([0-9a-f]{2})+", max_length=400_000)]


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was to be signed, and the person's signature of it."""

    message: Hex
    signature: Signature


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be signed."""

    message: Hex


@dataclass(frozen=True)
class SentTransaction:
    """What is in the ledger now."""

    digest: bytes
    words: str
    """What it asked for."""


@routes.post("/transactions/meaning", READ, commands=("sign show",), example=Message("90"))
def read_meaning(call: Call, body: Message) -> ToSign:
    """What a signature of these bytes would ask for, read from the bytes alone."""
    return to_sign(bytes.fromhex(body.message))


@routes.post("/transactions", SEND, commands=("sign send",), example=Signed("90", "0" * 128))
def send_transaction(call: Call, body: Signed) -> SentTransaction:
    """Send what whoever is signed in has signed, and wait for its block."""
    found = meaning(bytes.fromhex(body.message))
    if found.sender != call.person.public:
        raise NotAllowedError("this waits for another person's key", "sign in as the person who signs")
    return _sent(call, found, body, call.person.name)


@routes.post("/transactions/acceptance", NEWCOMER, commands=("people accept",), example=Signed("90", "0" * 128))
def send_acceptance(call: Call, body: Signed) -> SentTransaction:
    """Send the acceptance of an invitation, which is all that whoever is invited may do, who cannot sign in yet."""
    found, node = meaning(bytes.fromhex(body.message)), call.node
    if ("kind", "accept_invitation") not in found.fields:
        raise NotAllowedError("this accepts no invitation", "sign in to send something else")
    with call.ledger() as ledger:
        invited = people.invitation_of(ledger.verified.state, node.settings().organisation, found.sender)
    return _sent(call, found, body, invited.person)


def _sent(call: Call, found: Meaning, body: Signed, who: str) -> SentTransaction:
    """Send what its sender's key has signed, and wait for its block."""
    message, signature = bytes.fromhex(body.message), signing.parse_signature(body.signature)
    node, ledger = call.node, call.site.live.ledger
    signing.require_signature(found.sender, signature, message)
    if found.chain_id != ledger.chain_id:
        raise OtherChainError(f"this is of {found.chain_id}, and here is {ledger.chain_id}", "have it made anew")
    wire = Prepared(decode(message, Transaction)).attach(signature)
    with LONG.taken(who):
        delegate.send_wire(node, ledger, found, wire)
    return SentTransaction(transaction_digest(wire), found.words)
