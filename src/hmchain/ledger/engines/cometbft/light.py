"""Proof that a transaction is in a decided block, checked offline by someone who holds only the genesis.

A node's word counts for nothing here: its header must have the hash that more than two thirds of the founding
validators signed (counted by heads, as `ledger.proofs.verify_inclusion` does), and the transaction must be under that
header's `data_hash`. Encodings are those of CometBFT v0.38 (`types/block.go`, `types/canonical.go`).
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from hmchain import merkle
from hmchain.canonical import encode
from hmchain.errors import AuditError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT, OK, Receipt
from hmchain.ledger.engines.cometbft import wire
from hmchain.ledger.engines.cometbft.answers import Int, MerkleProof
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.transactions import transaction_digest

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
_PRECOMMIT = 2
_DIGESTS = (
    "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
    "last_results_hash", "evidence_hash", "proposer_address",
)  # fmt: skip
"""Fields of a header in hexadecimal, in the order in which its hash has them."""


class LightProofError(AuditError):
    """A proof from a CometBFT node does not hold."""

    code = "light_proof"


class Version(msgspec.Struct, frozen=True):
    """Of block and application."""

    block: Int = 0
    app: Int = 0


class Parts(msgspec.Struct, frozen=True):
    """The cut of a block for gossip."""

    total: Int
    hash: str


class BlockId(msgspec.Struct, frozen=True):
    """A block's name, whole."""

    hash: str
    parts: Parts


class Header(msgspec.Struct, frozen=True):
    """A header, whole."""

    version: Version
    chain_id: str
    height: Int
    time: str
    last_block_id: BlockId
    last_commit_hash: str
    data_hash: str
    validators_hash: str
    next_validators_hash: str
    consensus_hash: str
    app_hash: str
    last_results_hash: str
    evidence_hash: str
    proposer_address: str


class Signature(msgspec.Struct, frozen=True):
    """One validator's vote."""

    block_id_flag: Int
    validator_address: str
    timestamp: str
    signature: bytes | None


class Commit(msgspec.Struct, frozen=True):
    """The votes that decided a block."""

    height: Int
    round: Int
    block_id: BlockId
    signatures: tuple[Signature, ...]


class SignedHeader(msgspec.Struct, frozen=True):
    """A header and the votes for it."""

    header: Header
    commit: Commit


class LightProof(msgspec.Struct, frozen=True):
    """All that a verifier needs besides the genesis; as JSON, to hand on.

    It shows that the transaction was decided, not what became of it: that is under the next header's
    `last_results_hash`.
    """

    signed_header: SignedHeader
    tx: bytes
    path: MerkleProof


class OutcomeProof(msgspec.Struct, frozen=True):
    """A light proof, and what became of the transaction."""

    decided: LightProof
    following: SignedHeader
    """The header after the block's own: it holds the root over the block's results."""
    receipt: Receipt
    path: tuple[bytes, ...]


def verify(proof: LightProof, genesis: Genesis) -> None:
    """Check a proof. Raises `LightProofError` that names what does not hold."""
    with _well_formed():
        _check_founders(proof.signed_header, genesis)
        _check_included(proof)


def verify_outcome(proof: OutcomeProof, anchor: Genesis | bytes) -> None:
    """Check a proof with its outcome against the genesis, or against the hash of a block that is trusted already.

    That block is the one after the transaction's: it names it, and holds what became of it. Raises `LightProofError`
    that names what does not hold.
    """
    with _well_formed():
        _verify_outcome(proof, anchor)


def _verify_outcome(proof: OutcomeProof, anchor: Genesis | bytes) -> None:
    header, following = proof.decided.signed_header.header, proof.following.header
    if isinstance(anchor, Genesis):
        _check_founders(proof.following, anchor)
    else:
        _require(header_hash(following) == anchor, "the block after the transaction's is not the trusted one")
    linked = following.last_block_id.hash == header_hash(header).hex().upper()
    _require(linked, "the following header follows another block")
    _check_included(proof.decided)
    index, total = proof.decided.path.index, proof.decided.path.total
    root = bytes.fromhex(following.last_results_hash)
    _require(
        merkle.verify(result_leaf(proof.receipt), index, total, proof.path, root),
        "the receipt is not under the following header's root",
    )
    _require(proof.receipt.transaction == transaction_digest(proof.decided.tx), "the receipt is another transaction's")


def lean(proof: OutcomeProof, genesis: Genesis) -> OutcomeProof:
    """A proof with nothing in it that it is not checked by, in one spelling; it holds as before.

    Of the votes the founders' genuine ones are left, under the header that vouches for all; what else stands among
    votes is nobody's word, and can say anything. Raises `LightProofError` for one that is malformed.
    """
    with _well_formed():
        decided = _in_one_spelling(proof.decided.signed_header.header)
        following = _in_one_spelling(proof.following.header)
        votes = _founders_votes(proof.following.commit, genesis)
        return replace(
            proof,
            decided=replace(proof.decided, signed_header=_voted(decided, ())),
            following=_voted(following, votes, proof.following.commit),
        )


def _voted(header: Header, votes: Sequence[Signature], commit: Commit | None = None) -> SignedHeader:
    """A header with these votes of a commit; where there are none, a commit that names it and says nothing else."""
    number, parts = 0, Parts(0, "")
    if votes and commit is not None:
        number, parts = commit.round, Parts(commit.block_id.parts.total, _upper(commit.block_id.parts.hash))
    return SignedHeader(
        header, Commit(header.height, number, BlockId(_upper(header_hash(header).hex()), parts), tuple(votes))
    )


def _founders_votes(commit: Commit, genesis: Genesis) -> list[Signature]:
    """The founders' genuine votes, one each, in order of address."""
    founders = {member.organisation: member.validator for member in genesis.members}
    found = {
        name: replace(vote, validator_address=_upper(vote.validator_address), timestamp=_written(vote.timestamp))
        for name, vote in _genuine(commit, genesis.chain_id, founders)
    }
    return sorted(found.values(), key=lambda vote: vote.validator_address)


def _in_one_spelling(header: Header) -> Header:
    """A header whose digests and time are spelt as CometBFT does: others give the same hash."""
    digests = {name: _upper(getattr(header, name)) for name in _DIGESTS}
    last = header.last_block_id
    block_id = BlockId(_upper(last.hash), Parts(last.parts.total, _upper(last.parts.hash)))
    return replace(header, time=_written(header.time), last_block_id=block_id, **digests)


def _upper(digest: str) -> str:
    return bytes.fromhex(digest).hex().upper()


def _written(text: str) -> str:
    seconds, nanos = _parsed(text)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def result_leaf(receipt: Receipt) -> bytes:
    """A leaf under `last_results_hash`: the deterministic fields of a transaction's result, which is a receipt."""
    return wire.number(1, int(receipt.code != OK)) + wire.octets(2, encode(receipt))


def results_root(receipts: Sequence[Receipt]) -> bytes:
    """`last_results_hash` of the header after a block with these receipts (32 bytes)."""
    return merkle.root([result_leaf(receipt) for receipt in receipts])


def commit_hash(commit: Commit) -> bytes:
    """`last_commit_hash` of the header after a block that this commit decided (32 bytes)."""
    return merkle.root([_commit_signature(vote) for vote in commit.signatures])


def _check_founders(signed: SignedHeader, genesis: Genesis) -> None:
    founders = {member.organisation: member.validator for member in genesis.members}
    count = len(signers(signed, genesis.chain_id, founders))
    _require(3 * count > 2 * len(founders), f"only {count} of {len(founders)} founders signed the block")


def _check_included(proof: LightProof) -> None:
    leaf, root = sha256(proof.tx).digest(), bytes.fromhex(proof.signed_header.header.data_hash)
    _require(
        merkle.verify(leaf, proof.path.index, proof.path.total, proof.path.aunts, root),
        "the transaction is not under the header's root",
    )


def signers(signed: SignedHeader, chain_id: str, validators: Mapping[str, bytes]) -> set[str]:
    """Whose genuine votes decided a header, of `validators` (name to public key).

    Raises `LightProofError` if the votes are for another block, or the header is of another chain.
    """
    header, commit = signed.header, signed.commit
    with _well_formed():
        _require(header_hash(header) == bytes.fromhex(commit.block_id.hash), "the votes are for another block")
        _require(header.height == commit.height, "the votes are of another height")
        _require(header.chain_id == chain_id, f"the header belongs to chain {header.chain_id}")
        return {name for name, _ in _genuine(commit, chain_id, validators)}


@contextmanager
def _well_formed() -> Iterator[None]:
    """Say of what is no hash, number or time, where one stands, that the proof is malformed."""
    try:
        yield
    except (ValueError, OverflowError):
        raise LightProofError("the proof does not hold: it is malformed", "get it from another member") from None


def double_signers(
    first: SignedHeader, second: SignedHeader, chain_id: str, validators: Mapping[str, bytes]
) -> tuple[str, ...]:
    """Who decided both of two different blocks of one height, of `validators` (name to public key), in order of name.

    Two members whose nodes show different blocks at one height hold a proof with their two signed headers: no more than
    two thirds of the power can decide either, so more than a third signed both. Nobody has to be asked, or believed.
    Empty if the headers are the same or of different heights. Raises `LightProofError` as `signers` does.
    """
    both = signers(first, chain_id, validators) & signers(second, chain_id, validators)
    differ = first.header.height == second.header.height and header_hash(first.header) != header_hash(second.header)
    return tuple(sorted(both)) if differ else ()


def header_hash(header: Header) -> bytes:
    """The block's name: RFC 6962 root over the encoded fields (32 bytes)."""
    return merkle.root(
        [
            wire.number(1, header.version.block) + wire.number(2, header.version.app),
            wire.octets(1, header.chain_id.encode()),
            wire.number(1, header.height),
            _timestamp(header.time),
            _block_id(header.last_block_id),
            *(wire.octets(1, bytes.fromhex(getattr(header, name))) for name in _DIGESTS),
        ]
    )


def time_ms(header: Header) -> int:
    """When the block was made, as its header says, rounded down. Raises `LightProofError`."""
    return milliseconds(header.time)


def milliseconds(text: str) -> int:
    """A time as CometBFT writes it, in milliseconds since 1970, rounded down. Raises `LightProofError`."""
    try:
        seconds, nanos = _parsed(text)
    except ValueError:
        raise LightProofError(f"{text!r} is no time", "get it from another member") from None
    return seconds * 1000 + nanos // 1_000_000


def vote_bytes(chain_id: str, commit: Commit, vote: Signature) -> bytes:
    """The bytes that a validator signed: a length and a canonical vote. The chain comes from whoever verifies."""
    body = (
        wire.number(1, _PRECOMMIT)
        + wire.fixed(2, commit.height)
        + wire.fixed(3, commit.round)
        + wire.message(4, _block_id(commit.block_id))
        + wire.message(5, _timestamp(vote.timestamp))
        + wire.octets(6, chain_id.encode())
    )
    return wire.varint(len(body)) + body


def _genuine(commit: Commit, chain_id: str, validators: Mapping[str, bytes]) -> Iterator[tuple[str, Signature]]:
    by_address = {proposer.address(key).hex().upper(): (name, key) for name, key in validators.items()}
    for vote in commit.signatures:
        name, key = by_address.get(vote.validator_address.upper(), ("", b""))
        if vote.block_id_flag == COMMIT and key:
            message = vote_bytes(chain_id, commit, vote)
            if PublicKey(ED25519, key).verify(vote.signature or b"", message):
                yield name, vote


def _block_id(block: BlockId) -> bytes:
    """The parts are written even where they are empty."""
    parts = wire.number(1, block.parts.total) + wire.octets(2, bytes.fromhex(block.parts.hash))
    return wire.octets(1, bytes.fromhex(block.hash)) + wire.message(2, parts)


def _timestamp(text: str) -> bytes:
    seconds, nanos = _parsed(text)
    return wire.number(1, seconds) + wire.number(2, nanos)


def _commit_signature(vote: Signature) -> bytes:
    """The time is written even where nobody voted."""
    return (
        wire.number(1, vote.block_id_flag)
        + wire.octets(2, bytes.fromhex(vote.validator_address))
        + wire.message(3, _timestamp(vote.timestamp))
        + wire.octets(4, vote.signature or b"")
    )


def _parsed(text: str) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds. Raises `ValueError`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    seconds = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    return seconds, int((match[2] or "").ljust(9, "0"))


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise LightProofError(f"the proof does not hold: {what}", "get it from another member, or audit the ledger")
