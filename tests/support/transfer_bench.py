"""Transfers on a bare state: a request for b's and c's records by a; and the chapter of it in a network's life."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from hmchain.ledger.context import AGENT, Acting, Credential
from hmchain.ledger.contracts.data import transfers
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.data.transfers import (
    ConfirmErasure,
    GrantRecords,
    ReceiveRecords,
    RevokeGrant,
    Transfer,
)
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS
from support.ledger_network import Network
from support.request_bench import BRAIN, PLANS, REQUEST, RequestBench, content

MANIFEST, ENVELOPE = b"m" * 32, b"e" * 32
PLAN = PLANS[Kind.TRANSFER]
PURPOSE = "DUO:0000006"


class TransferBench(RequestBench):
    """A bench whose request is for a transfer of b's and c's records to a."""

    def ask(self, *hospitals: str, **changes: Any) -> None:
        self.submit(*hospitals, kind=Kind.TRANSFER, code=b"", **changes)

    def grant(self, **changes: Any) -> GrantRecords:
        body = GrantRecords("given", REQUEST, BRAIN, 1, "a", PURPOSE, MANIFEST, ENVELOPE, self.ms + 30 * DAY_MS)
        return replace(body, **changes)

    def found(self, name: str = "given") -> Transfer:
        return transfers.require_transfer(self.state, name)

    def usable(self) -> bool:
        return transfers.is_usable(self.state, self.found(), self.ms)

    def over(self) -> bool:
        return transfers.is_over(self.state, self.found(), self.ms)

    def sender(self, person: PersonRef) -> Credential | Acting:
        is_agent = person.person == AGENT
        return Credential(person.organisation, AGENT) if is_agent else super().sender(person)


def given(network: Network) -> None:
    """A chapter: two grants to a, of which one is received and taken back, and one never opened; both are erased."""
    until_ms = network.send.clock.ms + 30 * DAY_MS
    asked = replace(content("b", "c", kind=Kind.TRANSFER, code=b""), until_ms=until_ms)
    drafted = (CreateRequest("letters"), SaveDraft("letters", asked), SubmitRequest("letters", asked.digest))
    network.block(*(network.send("a", body, "scientist") for body in drafted))
    yes = ApproveRequest("letters", 1, asked.digest, BRAIN, until_ms)
    network.block(*(network.send(name, yes) for name in "bc"))
    for giver in "bc":
        body = GrantRecords(f"of-{giver}", "letters", BRAIN, 1, "a", PURPOSE, MANIFEST, ENVELOPE, until_ms)
        network.block(network.send(giver, body, "agent"), network.send(giver, replace(body, name="d0"), "scientist"))
    network.block(network.send("a", ReceiveRecords("of-b", MANIFEST), "agent"))
    network.block(network.send("b", RevokeGrant("of-b", "consent")))
    for name, statement in (("of-b", "keys-destroyed"), ("of-c", "never-opened")):
        network.block(network.send("a", ConfirmErasure(name, MANIFEST, statement, bytes(32))))
