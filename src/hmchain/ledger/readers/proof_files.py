"""Proofs that one transaction is in a ledger, as files: made on either engine, checked by somebody who has neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.clock import utc
from hmchain.errors import InputError
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import archive, light
from hmchain.ledger.engines.cometbft.archive import NoVotesError
from hmchain.ledger.engines.cometbft.light import OutcomeProof
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers import proofs
from hmchain.ledger.readers.proofs import InclusionProof, ProofError
from hmchain.ledger.readers.signers import Headers, NoHeaders
from hmchain.ledger.readers.transactions import TransactionLine, decoded, kind_of
from hmchain.ledger.readers.trusted import FINISH
from hmchain.ledger.transactions import transaction_digest


class ProofFileError(InputError):
    """A file is no inclusion proof."""

    code = "proof_file"


class InclusionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hmchain inclusion proof 1"):
    """A proof on the embedded engine: all that someone needs who knows nothing but the genesis digest."""

    genesis: Genesis
    proof: InclusionProof


class OutcomeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hmchain cometbft proof 1"):
    """The same of a ledger on CometBFT."""

    genesis: Genesis
    proof: OutcomeProof


ProofFile = InclusionFile | OutcomeFile


@dataclass(frozen=True)
class ProvenTransaction:
    """A transaction that a proof proves, by the proof's own content."""

    transaction: TransactionLine
    """Without the sender's organisation, which is not part of it."""
    height: int
    time_ms: int

    def __str__(self) -> str:
        line = self.transaction
        return f"{line.digest.hex()}: {line.kind}, {line.code}, in block {self.height}, {utc(self.time_ms)} UTC"


def prove(store: BlockStore, genesis: Genesis, headers: Headers, transaction: bytes) -> ProofFile:
    """The proof of a transaction of a log, with the genesis.

    Raises `NoSuchTransactionError`, and `NoVotesError` where neither votes nor headers at hand say that it was decided.
    """
    stored, _ = store.require(transaction)
    if stored.commit.votes:
        return InclusionFile(genesis, proofs.prove(store, transaction))
    if isinstance(headers, NoHeaders) or headers.wait(stored.height + 1) is None:
        raise NoVotesError("this ledger's directory holds no votes that a proof could show", FINISH)
    return OutcomeFile(genesis, archive.prove(store, transaction, headers.wait))


def to_json(file: ProofFile) -> bytes:
    """A proof as JSON that people can read, to hand on."""
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def check(path: Path, genesis: bytes | None, header: bytes | None) -> ProofFile:
    """Check a proof offline against a genesis digest, or the hash of a trusted header.

    Raises `ProofFileError` or `ProofError`.
    """
    try:
        file: ProofFile = decoding.from_json(files.read(path), ProofFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofFileError(
            f"{path} is not an inclusion proof", "`hmchain ledger proof DIGEST --output FILE` writes one"
        ) from error
    verify(file, str(path), genesis, header)
    return file


def verify(file: ProofFile, named: str, genesis: bytes | None, header: bytes | None) -> None:
    """The same of one that was read; `named` is what carries it. Raises `ProofError`."""
    with _well_formed():
        if genesis is not None:
            if file.genesis.digest != genesis:
                raise ProofError(
                    f"{named} is a proof on the network with genesis {file.genesis.digest.hex()}",
                    f"that is not {genesis.hex()}: it proves nothing there",
                )
            _verify(file, file.genesis)
        if header is not None:
            _verify(file, header)


@contextmanager
def _well_formed() -> Iterator[None]:
    """Say of numbers that no ledger has that the proof is malformed."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise ProofError("the proof does not hold: it is malformed", "get it from another member") from error


def _verify(file: ProofFile, anchor: Genesis | bytes) -> None:
    if isinstance(file, OutcomeFile):
        light.verify_outcome(file.proof, anchor)
    else:
        proofs.verify_inclusion(file.proof, anchor)


def own_anchor(file: ProofFile) -> bytes:
    """The digest of a proof's own genesis: what it says itself of its network. Raises `ProofError`."""
    with _well_formed():
        return file.genesis.digest


def lean(file: ProofFile) -> ProofFile:
    """A proof with nothing in it that it is not checked by: nothing rides along. It holds as before.

    Raises `ProofError` for one that is malformed.
    """
    with _well_formed():
        genesis = file.genesis.without_signatures
        if isinstance(file, OutcomeFile):
            return OutcomeFile(genesis, light.lean(file.proof, genesis))
        return InclusionFile(genesis, proofs.lean(file.proof, genesis))


def proven(file: ProofFile) -> ProvenTransaction:
    """The transaction that a proof proves."""
    if isinstance(file, OutcomeFile):
        header = file.proof.decided.signed_header.header
        wire, height, time_ms = file.proof.decided.tx, header.height, light.time_ms(header)
    else:
        wire, height, time_ms = file.proof.wire, file.proof.header.height, file.proof.header.time_ms
    _, body = decoded(wire)
    line = TransactionLine(transaction_digest(wire), kind_of(body), "", file.proof.receipt.code)
    return ProvenTransaction(line, height, time_ms)
