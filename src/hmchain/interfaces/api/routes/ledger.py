"""Blocks, transactions, and proofs that one is in the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.readers.blocks import BlockView
from hmchain.ledger.readers.transactions import TransactionView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)

routes = Routes("ledger")

Digest = Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="Of the transaction, or its first digits.")]
Height = Annotated[
    int | None, Query(alias="from", ge=1, le=2**53, description="The first block; the last ones if left out.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="At most so many.")]


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
