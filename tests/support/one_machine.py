"""One state machine in memory, and everybody who signs to it: for rules in which votes and engines play no part."""

from __future__ import annotations

from dataclasses import dataclass, field

from hmchain.canonical import Record, digest, encode
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import BlockInput, Receipt
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation, InvitePerson, possession_bytes
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transactions import sign
from hmchain.ledger.transition import Machine
from support.ledger_network import START_MS, genesis, signing_key

STEP_MS = 1000


def person_key(organisation: str, person: str, number: int = 0) -> SigningKey:
    """The same key each time, of a person; a higher number is a later key of theirs."""
    return SigningKey(digest("test person", organisation.encode(), person.encode(), number.to_bytes(4, "big")))


@dataclass
class OneMachine:
    """A machine by the rules of a protocol, a block a transaction."""

    founding: Genesis = field(default_factory=lambda: genesis())
    now_ms: int = START_MS
    sent: int = 0

    def __post_init__(self) -> None:
        self.state = State()
        genesis_file.initialise(self.state, self.founding)
        self.state.commit(0)
        self.machine = Machine(self.state, self.chain)

    @property
    def chain(self) -> str:
        return self.founding.chain_id

    def wire(self, key: SigningKey, body: Record) -> bytes:
        self.sent += 1
        nonce = digest("nonce", self.sent.to_bytes(8, "big"))[:16]
        return sign(key, self.chain, encode(body), nonce, self.now_ms + 600_000)

    def block(self, *wires: bytes) -> tuple[Receipt, ...]:
        self.now_ms += STEP_MS
        height = self.state.height + 1
        result = self.machine.execute(BlockInput(height, self.now_ms, "a", 0, (), (), wires))
        self.machine.commit(height)
        return result.receipts

    def send(self, key: SigningKey, body: Record) -> str:
        """The code of a transaction in a block of its own."""
        return self.block(self.wire(key, body))[0].code

    def office(self, organisation: str, body: Record, office: str = "steward") -> str:
        """The same, by an office key."""
        return self.send(signing_key(organisation, office), body)

    def person(self, organisation: str, name: str, body: Record, number: int = 0) -> str:
        """The same, by a person's key."""
        return self.send(person_key(organisation, name, number), body)

    def invitation(self, organisation: str, name: str, *roles: str, key: SigningKey | None = None) -> InvitePerson:
        """An invitation with a proof that holds."""
        held = key or person_key(organisation, name)
        proof = held.sign(possession_bytes(self.chain, organisation, name, held.public.raw))
        return InvitePerson(name, tuple(sorted(roles)), held.public.raw, proof)

    def enrol(self, organisation: str, name: str, *roles: str) -> None:
        """Have the steward's office invite a person, who accepts: as long as it is the only officer."""
        assert self.office(organisation, self.invitation(organisation, name, *roles)) == "ok"
        assert self.person(organisation, name, AcceptInvitation(tuple(sorted(roles)))) == "ok"
