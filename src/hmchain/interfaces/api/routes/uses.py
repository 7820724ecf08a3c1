"""Uses of a hospital's data: for what, on whose word, until when; and what is owed for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import uses
from hmchain.application.data.uses import DutiesReport, UsesReport
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.readers.explanations import Explanation

VIEW = Rule(Operation.VIEW, Scope.NETWORK)

routes = Routes("uses")

OfDataset = Annotated[
    str,
    Query(
        alias="dataset", pattern="^([a-z0-9][a-z0-9._-]{0,47}/)?([a-z0-9][a-z0-9._-]{0,47})?$",
        description="One alone; of another hospital ORGANISATION/NAME.",
    ),
]  # fmt: skip
Since = Annotated[int, Query(ge=0, le=2**53, alias="since_ms", description="In force since then, or asked for.")]


@routes.get("/uses", VIEW, commands=("uses list",))
def list_uses(call: Call, dataset: OfDataset = "", since: Since = 0) -> UsesReport:
    """What the hospital's data were asked for and used for: by whom, on whose word, from when until when."""
    with call.ledger() as ledger:
        found = uses.reported(ledger, call.about, dataset, since)
    return found if call.own_folder is None else uses.with_machine(found, call.own_folder)


@routes.get("/duties", VIEW, commands=("uses duties",))
def list_duties(call: Call) -> DutiesReport:
    """What is owed to the hospital for the use of its data: due, overdue, met; and what ends within 30 days."""
    with call.ledger() as ledger:
        return uses.owed(ledger, call.about)


@routes.get("/requests/{name}/reasons", VIEW, commands=("uses why",))
def explain_request(call: Call, name: Name) -> list[Explanation]:
    """Why each hospital's policy said what it said of a request, asked again of the version that judged."""
    with call.ledger() as ledger:
        return ledger.explanations(name)
