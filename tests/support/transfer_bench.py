"""Transfers on a bare state: a request for b's and c's records by a; and the chapter of it in a network's life."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from hmchain.ledger.context import AGENT, Acting, Credential
from hmchain.ledger.contracts.data import transfers
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.break_glass import AnswerGlass, BreakGlass, LiftBar, ReviewGlass
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.data.policies import SetPolicy
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.data.transfers import (
    ConfirmErasure,
    GrantRecords,
    ReceiveRecords,
    RevokeGrant,
    Transfer,
)
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation, InvitePerson, possession_bytes
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.reputation import DAY_MS
from support.ledger_network import Network, signing_key
from support.policy_bed import compiled
from support.request_bench import BRAIN, PLANS, REQUEST, RequestBench, content, terms

MANIFEST, ENVELOPE = b"m" * 32, b"e" * 32
PLAN = PLANS[Kind.TRANSFER]
PURPOSE = "DUO:0000006"
SEALED = b"s" * 32
CLINICIAN = "a/d0"
OPENS = 'permit(principal in Organisation::"a", action == Action::"breakglass", resource);'
"""The rule of a policy by which a's clinicians may break the glass."""
GLASS = BreakGlass("night", "b", BRAIN, 1, "danger-to-life", SEALED)


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


def broken(network: Network) -> None:
    """A chapter: clinicians of a ask b in emergencies; one is answered and justified, four are not, which bars a."""
    for clinician in ("d0", "d1"):
        key, roles = signing_key("a", clinician), ("clinician",)
        proof = key.sign(possession_bytes(network.send.chain, "a", clinician, key.public.raw))
        network.block(network.send("a", InvitePerson(clinician, roles, key.public.raw, proof)))
        network.block(network.send("a", AcceptInvitation(roles), clinician))
    network.block(network.send("a", GLASS, "d0"))  # before the policy lets it
    network.block(network.send("b", SetPolicy(BRAIN, terms(cedar=compiled(break_glass=OPENS)))))
    network.block(*(network.send("a", replace(GLASS, name=name), "d0") for name in ("night", "day")))
    network.block(network.send("b", AnswerGlass("night", MANIFEST, ENVELOPE), "agent"))
    network.block(
        network.send("b", ReviewGlass("night", "justified")), network.send("b", ReviewGlass("day", "unjustified"))
    )
    network.block(network.send("b", AnswerGlass("day", MANIFEST, ENVELOPE), "agent"))
    for name, clinician in (("more-0", "d0"), ("more-1", "d1"), ("more-2", "d1")):
        network.block(network.send("a", replace(GLASS, name=name), clinician))
        network.block(network.send("b", ReviewGlass(name, "unjustified")))
    network.block(network.send("a", replace(GLASS, name="barred"), "d1"))
    for name in "cab":
        network.block(network.send(name, LiftBar("b", "a")))
    network.block(network.send("b", SetPolicy(BRAIN, terms())))
