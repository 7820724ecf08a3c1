"""Blocks, votes, commits, evidence and receipts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hmchain import merkle
from hmchain.canonical import Record, digest, encode

# What does not fit is refused when it is decoded, so no stranger's number can break what is computed from it.
Height = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
TimeMs = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Round = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]

ABSENT, COMMIT, NIL = 1, 2, 3
"""Vote flags of a last commit, numbered as CometBFT's BlockIDFlag."""

Flag = Annotated[int, Meta(ge=ABSENT, le=NIL)]

OK = "ok"


class Vote(Record, frozen=True):
    """How one validator voted on the previous block."""

    validator: str
    flag: Flag


class InvalidProposal(Record, frozen=True, tag="invalid_proposal"):
    """Evidence: a block that its proposer signed and that fails re-execution on the state before it."""

    block: bytes
    """The encoded `Block`, of the same height as the block that carries this evidence."""
    signature: bytes


class SignedVote(Record, frozen=True):
    """A vote for one block hash with its signature."""

    height: Height
    round: Round
    block_hash: bytes
    signature: bytes


class DoubleSign(Record, frozen=True, tag="double_sign"):
    """Evidence: two votes of one validator for different blocks of one height and round."""

    validator: str
    first: SignedVote
    second: SignedVote


class EngineReport(Record, frozen=True, tag="engine_report"):
    """Evidence: the consensus engine found a double sign (or an attack on light clients, which takes one).

    It carries no proof: more than two thirds of the power checked it before the block was decided, which only an engine
    with its own evidence pool can claim. `chain.well_formed` refuses it in blocks of the embedded engine.
    """

    validator: str
    height: Height
    """Where it was signed twice."""
    time_ms: TimeMs


Evidence = InvalidProposal | DoubleSign | EngineReport


class BlockInput(Record, frozen=True):
    """All that a block feeds into the state machine; the same inputs give the same state on every engine."""

    height: Height
    time_ms: TimeMs
    """Block time, strictly increasing."""
    proposer: str
    last_round: Round
    """The voting round in which the previous block was decided: rounds before it failed."""
    last_votes: tuple[Vote, ...]
    evidence: tuple[Evidence, ...]
    transactions: tuple[bytes, ...]


class Header(Record, frozen=True):
    """What validators sign."""

    chain_id: str
    height: Height
    time_ms: TimeMs
    round: Round
    proposer: str
    previous: bytes
    """Hash of the previous header; the genesis digest for height 1."""
    votes_root: bytes
    """Hash over the last votes and round."""
    evidence_root: bytes
    transactions_root: bytes
    """RFC 6962 root: inclusion of one transaction can be proven to someone who holds only this header."""
    receipts_root: bytes
    """RFC 6962 root over the receipts, block events last."""
    state_commitment: bytes
    """LtHash16 commitment to the state after this block."""

    @property
    def hash(self) -> bytes:
        """The block's name (32 bytes)."""
        return digest("hmchain block", encode(self))


class Block(Record, frozen=True):
    """A header and what it commits to."""

    header: Header
    last_round: Round
    last_votes: tuple[Vote, ...]
    evidence: tuple[Evidence, ...]
    transactions: tuple[bytes, ...]

    @property
    def input(self) -> BlockInput:
        """What this block feeds into the state machine."""
        h = self.header
        return BlockInput(
            h.height, h.time_ms, h.proposer, self.last_round, self.last_votes, self.evidence, self.transactions
        )


class Commit(Record, frozen=True):
    """The signatures that decided a block: one a validator in order of name, empty where it did not vote for it."""

    height: Height
    round: Round
    block_hash: bytes
    votes: tuple[Vote, ...]
    signatures: tuple[bytes, ...]


class Event(Record, frozen=True):
    """Something that happened in a block, for agents and pages to act on."""

    kind: str
    keys: tuple[str, ...]


class Receipt(Record, frozen=True):
    """What became of one transaction."""

    transaction: bytes
    """Its digest."""
    code: str
    """`ok`, or the name of the refusal."""
    events: tuple[Event, ...]


class BlockResult(Record, frozen=True):
    """What executing a block gave."""

    receipts: tuple[Receipt, ...]
    events: tuple[Event, ...]
    """Of the block itself: evidence, epochs, jail."""

    @property
    def all_events(self) -> tuple[Event, ...]:
        """The events of the transactions in order, then the block's own."""
        return (*self.transaction_events, *self.events)

    @property
    def transaction_events(self) -> tuple[Event, ...]:
        """The events of the transactions, in order."""
        return tuple(event for receipt in self.receipts for event in receipt.events)

    @property
    def root(self) -> bytes:
        """RFC 6962 root over receipts and block events."""
        return merkle.root([*(encode(receipt) for receipt in self.receipts), encode(self.events)])


def votes_root(last_round: int, votes: tuple[Vote, ...]) -> bytes:
    """Hash over the last commit's round and votes."""
    return digest("hmchain last commit", last_round.to_bytes(4, "big"), encode(votes))


def evidence_root(evidence: tuple[Evidence, ...]) -> bytes:
    """Hash over a block's evidence."""
    return digest("hmchain evidence", encode(evidence))


def make_header(
    chain_id: str, inputs: BlockInput, round_: int, previous: bytes, result: BlockResult, commitment: bytes
) -> Header:
    """The header that commits to `inputs` and to what executing them gave."""
    return Header(
        chain_id=chain_id,
        height=inputs.height,
        time_ms=inputs.time_ms,
        round=round_,
        proposer=inputs.proposer,
        previous=previous,
        votes_root=votes_root(inputs.last_round, inputs.last_votes),
        evidence_root=evidence_root(inputs.evidence),
        transactions_root=merkle.root(inputs.transactions),
        receipts_root=result.root,
        state_commitment=commitment,
    )


def make_block(header: Header, inputs: BlockInput) -> Block:
    """The block of a header and its inputs."""
    return Block(header, inputs.last_round, inputs.last_votes, inputs.evidence, inputs.transactions)


def proposal_bytes(header: Header) -> bytes:
    """What a proposer signs."""
    return digest("hmchain proposal", header.hash)


def vote_bytes(chain_id: str, height: int, round_: int, block_hash: bytes) -> bytes:
    """What a validator signs to vote for a block."""
    return digest("hmchain vote", chain_id.encode(), height.to_bytes(8, "big"), round_.to_bytes(4, "big"), block_hash)
