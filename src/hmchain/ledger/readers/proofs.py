"""Inclusion proofs: one transaction and what became of it, checked offline by someone who has no ledger.

A proof carries the header, the commit that decided it, and the Merkle paths (RFC 6962) of the transaction and of its
receipt. The verifier brings the genesis, or the hash of a header it trusts.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from hmchain import decoding, merkle
from hmchain.canonical import NotCanonicalError, Record, decode, encode
from hmchain.errors import AuditError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.blocks import COMMIT, Commit, Header, Receipt, Vote, vote_bytes
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.transactions import SignedTransaction, transaction_digest


class ProofError(AuditError):
    """An inclusion proof does not hold."""

    code = "proof"


class InclusionProof(Record, frozen=True):
    """That a transaction is in a decided block, and with which outcome."""

    header: Header
    commit: Commit
    wire: bytes
    """The transaction as it was signed."""
    position: int
    count: int
    """Transactions in the block; its receipts are one more, block events being the last."""
    path: tuple[bytes, ...]
    receipt: Receipt
    receipt_path: tuple[bytes, ...]


def prove(store: BlockStore, transaction: bytes) -> InclusionProof:
    """The proof for the transaction with this digest. Raises `NoSuchTransactionError`."""
    stored, position = store.require(transaction)
    block, result = stored.block, stored.result
    receipts = [*(encode(receipt) for receipt in result.receipts), encode(result.events)]
    return InclusionProof(
        header=block.header,
        commit=stored.commit,
        wire=block.transactions[position],
        position=position,
        count=len(block.transactions),
        path=tuple(merkle.path(block.transactions, position)),
        receipt=result.receipts[position],
        receipt_path=tuple(merkle.path(receipts, position)),
    )


def verify_inclusion(proof: InclusionProof, anchor: Genesis | bytes) -> None:
    """Check a proof against the genesis, or against the hash of a header that is trusted already.

    With the genesis, more than two thirds of the *founding* validators must have signed the block, counted by heads:
    sound as long as fewer than a third of them are dishonest, whatever has become of powers and members since. Where
    too few founders are left, bring a header hash from an audit.

    Raises `ProofError` that names what does not hold.
    """
    if isinstance(anchor, Genesis):
        _check_founders(proof, anchor)
    else:
        _require(proof.header.hash == anchor, "the header is not the trusted one")
    _require(
        merkle.verify(proof.wire, proof.position, proof.count, proof.path, proof.header.transactions_root),
        "the transaction is not under the header's root",
    )
    _require(
        merkle.verify(
            encode(proof.receipt), proof.position, proof.count + 1, proof.receipt_path, proof.header.receipts_root
        ),
        "the receipt is not under the header's root",
    )
    _require(proof.receipt.transaction == transaction_digest(proof.wire), "the receipt is another transaction's")
    _check_signature(proof)


def lean(proof: InclusionProof, genesis: Genesis) -> InclusionProof:
    """A proof with the founders' signatures alone: what else stands in a commit is nobody's word, and can say anything.

    It holds as before, against the genesis or a header.
    """
    header, signed = proof.header, _founders(proof, genesis)
    votes = tuple(Vote(name, COMMIT) for name in sorted(signed))
    signatures = tuple(signed[vote.validator] for vote in votes)
    return replace(proof, commit=Commit(header.height, header.round, header.hash, votes, signatures))


def to_json(proof: InclusionProof) -> bytes:
    """A proof as JSON, to hand on."""
    return msgspec.json.encode(proof)


def from_json(data: bytes) -> InclusionProof:
    """A proof from JSON. Raises `ProofError`."""
    try:
        return decoding.from_json(data, InclusionProof)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofError("this is not an inclusion proof", "ask for it again") from error


def _check_founders(proof: InclusionProof, genesis: Genesis) -> None:
    header, commit = proof.header, proof.commit
    _require(header.chain_id == genesis.chain_id, f"the header belongs to chain {header.chain_id}")
    _require(commit.block_hash == header.hash, "the commit is for another block")
    _require(len(commit.votes) == len(commit.signatures), "the commit lacks signatures")
    signed, founders = _founders(proof, genesis), len(genesis.members)
    _require(3 * len(signed) > 2 * founders, f"only {len(signed)} of {founders} founders signed the block")


def _founders(proof: InclusionProof, genesis: Genesis) -> dict[str, bytes]:
    """The founding members' genuine signatures under a block, by name."""
    header, commit = proof.header, proof.commit
    founders = {member.organisation: PublicKey(ED25519, member.validator) for member in genesis.members}
    message = vote_bytes(header.chain_id, header.height, header.round, header.hash)
    return {
        vote.validator: signature
        for vote, signature in zip(commit.votes, commit.signatures, strict=False)
        if vote.flag == COMMIT and vote.validator in founders and founders[vote.validator].verify(signature, message)
    }


def _check_signature(proof: InclusionProof) -> None:
    """The transaction's own signature: who sent it. A block may carry one that fails, with a receipt that says so."""
    try:
        signed = decode(proof.wire, SignedTransaction)
    except NotCanonicalError:
        _require(proof.receipt.code in ("malformed", "oversized"), "the transaction is malformed")
        return
    sender = PublicKey(signed.transaction.algorithm, signed.transaction.sender)
    if not sender.verify(signed.signature, encode(signed.transaction)):
        _require(proof.receipt.code != "ok", "the transaction's signature does not hold")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ProofError(f"the proof does not hold: {what}", "get it from another member, or audit the ledger")
