"""One field to search by."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node import search as service
from hmchain.application.node.search import LETTERS_MAX, Found
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes

VIEW = Rule(Operation.VIEW, Scope.NETWORK)

routes = Routes("search")

Wanted = Annotated[
    str, Query(min_length=1, max_length=LETTERS_MAX, description="A name or a part of it, a height, a digest.")
]


@routes.get("/search", VIEW)
def search(call: Call, q: Wanted) -> list[Found]:
    """What the ledger has under a name or begins with some digits: what is called exactly so first."""
    with call.ledger() as ledger:
        return list(service.search(ledger, call.about, q))
