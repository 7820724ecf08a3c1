"""A small consortium with fixed keys, shared by the ledger's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hmchain.canonical import Record, digest, encode
from hmchain.keys import SigningKey, WrappingKey
from hmchain.ledger.blocks import BlockResult
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members.admission import Possession, ProposeAdmission, admission_bytes, answer_digest
from hmchain.ledger.contracts.members.membership import Admit, Member, ProposeAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.genesis import Genesis, found
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.transactions import sign

NAME = "test"
SALT = bytes(range(32))
START_MS = 1_700_000_000_000
ROLES = ("steward", "scientist", "agent", "validator")
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))


@cache
def signing_key(name: str, role: str) -> SigningKey:
    return SigningKey(digest("test key", name.encode(), role.encode()))


@cache
def member(name: str) -> Member:
    wrapping = WrappingKey(digest("test", name.encode()) * 2, digest("test", name.encode()))
    return Member(name, name.upper(), *(signing_key(name, role).public.raw for role in ROLES), wrapping.public)


def genesis(names: str = "abcd", parameters: Parameters | None = None, protocol: int = FOUNDING) -> Genesis:
    return found(NAME, START_MS, (member(name) for name in names), SALT, parameters, protocol=protocol)


CHAIN = genesis().chain_id


def possession(newcomer: Member, chain: str = CHAIN, **instead: SigningKey) -> Possession:
    """A candidate's proof by its own keys, or by others instead, of a challenge that was answered."""
    answer = answer_digest(b"secret of the challenge")
    signed = admission_bytes(chain, newcomer, answer)
    keys = {role: instead.get(role, signing_key(newcomer.organisation, role)) for role in ROLES}
    return Possession(*(keys[role].sign(signed) for role in ROLES), answer)


def admission(newcomer: Member, chain: str = CHAIN, protocol: int = FOUNDING, **instead: SigningKey) -> Record:
    """What proposes to admit a candidate, by the rules of a protocol."""
    if protocol < 3:
        return ProposeAction(Admit(newcomer))
    return ProposeAdmission(newcomer, possession(newcomer, chain, **instead))


def validator_keys(names: str = "abcdefg") -> dict[str, SigningKey]:
    return {name: signing_key(name, "validator") for name in names}


@dataclass
class Clock:
    """Block time, moved by hand."""

    ms: int = START_MS

    def __call__(self) -> int:
        return self.ms


@dataclass
class Sender:
    """Signs transactions with nonces that never repeat."""

    clock: Clock = field(default_factory=Clock)
    chain: str = CHAIN
    sent: int = 0

    def __call__(self, name: str, body: Record, role: str = "steward", life_ms: int = 600_000) -> bytes:
        self.sent += 1
        nonce = digest("test nonce", self.sent.to_bytes(8, "big"))[:16]
        return sign(signing_key(name, role), self.chain, encode(body), nonce, self.clock.ms + life_ms)

    def dataset(self, name: str, dataset: str) -> bytes:
        return self(name, RegisterDataset(dataset, SCHEMA))


@dataclass
class Network:
    """An embedded ledger and someone who writes to it."""

    directory: Path
    ledger: EmbeddedLedger
    send: Sender

    @classmethod
    def found(
        cls, directory: Path, names: str = "abcd", parameters: Parameters | None = None, protocol: int = FOUNDING
    ) -> Network:
        founding, keys = genesis(names, parameters, protocol), validator_keys()
        send = Sender(chain=founding.chain_id)
        ledger = EmbeddedLedger.create(directory, founding, keys, clock_ms=send.clock)
        return cls(directory, ledger, send)

    def block(self, *wires: bytes, step_ms: int = 1000) -> BlockResult:
        """Submit and decide one block."""
        self.send.clock.ms += step_ms
        for wire in wires:
            self.ledger.submit(wire)
        decided = self.ledger.produce_block()
        assert decided is not None
        return decided[1]

    def fill(self, blocks: int, first: int = 0) -> None:
        """So many blocks of one dataset each."""
        for number in range(first, first + blocks):
            self.block(self.send.dataset("abcd"[number % 4], f"d{number}"))

    def reopen(self) -> EmbeddedLedger:
        self.ledger.close()
        self.ledger = EmbeddedLedger(self.directory, validator_keys(), clock_ms=self.send.clock)
        return self.ledger

    def commitments(self) -> set[bytes]:
        """The different states that the validators have; one if all is well."""
        return {validator.state.commitment() for validator in self.ledger.validators.values()}
