"""Blocks, transactions, and proofs that one is in the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api import answers
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.blocks import BlockView
from hmchain.ledger.readers.proof_files import ProvenTransaction
from hmchain.ledger.readers.transactions import TransactionView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)

routes = Routes("ledger")

Digest = Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="Of the transaction, or its first digits.")]
Height = Annotated[
    int | None, Query(alias="from", ge=1, le=2**53, description="The first block; the last ones if left out.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]
Anchor = Annotated[str, Query(pattern="^([0-9a-f]{64})?$", description="Known by another way.")]
PROOF_BYTES_MAX = 4 << 20


@routes.get("/blocks", VIEW, commands=("ledger blocks",))
def list_blocks(call: Call, first: Height = None, limit: Limit = 20) -> tuple[BlockView, ...]:
    """The blocks from a height on, or the last ones."""
    with call.ledger() as ledger:
        return tuple(ledger.blocks(first, limit))


@routes.get("/transactions/{digest}", VIEW, commands=("ledger tx",))
def show_transaction(call: Call, digest: Digest) -> TransactionView:
    """One transaction, with sender and outcome."""
    with call.ledger() as ledger:
        return ledger.transaction(digest)


@routes.get("/transactions/{digest}/proof", VIEW, answer="application/octet-stream", commands=("ledger proof",))
def prove_transaction(call: Call, digest: Digest) -> Response:
    """The proof that a transaction is in the ledger, for somebody who knows nothing but the genesis digest."""
    with call.ledger() as ledger:
        made = proof_files.to_json(ledger.proof(digest))
    return answers.file(made, f"proof-{digest[:12].lower()}.json")


@routes.post("/proofs/check", VIEW, bytes_max=PROOF_BYTES_MAX, commands=("ledger check-proof", "audit proof"))
def check_proof(call: Call, upload: Upload, genesis: Anchor = "", header: Anchor = "") -> ProvenTransaction:
    """Check a proof, a file, against the digest of a genesis or the hash of a header; of this ledger without either."""
    known = bytes.fromhex(genesis) if genesis else None
    trusted = bytes.fromhex(header) if header else None
    if known is None and trusted is None:
        with call.ledger() as ledger:
            known = ledger.genesis.digest
    return proof_files.proven(proof_files.check(upload.path, known, trusted))
