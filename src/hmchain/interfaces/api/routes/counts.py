"""Counts of people: what members have, how many fit, what one's own hospital would answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import cohorts
from hmchain.application.data.cohorts import CohortCheck
from hmchain.application.governance import counts
from hmchain.application.governance.counts import CountQuestion, CountStanding
from hmchain.application.models.counts import CountResult, result
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import NAME_OF_MEMBER, Dataset, DatasetName, LedgerName, Name, Organisation, like
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.readers import catalogue
from hmchain.ledger.readers.catalogue import BudgetView, DatasetOffer

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
VIEW_RESULT = Rule(Operation.VIEW, Scope.HOSPITAL)
ASK = Rule(Operation.ASK, Scope.HOSPITAL, (SCIENTIST,))
COUNT_HERE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))
"""In one's own records, exactly: it is written into the hospital's log."""

routes = Routes("counts")

Query = Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]
Place = Annotated[str, like(NAME_OF_MEMBER + "(@[0-9]{1,6})?")]


class AskedCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to count, and where."""

    query: Query
    """In the language of cohort queries."""
    datasets: Annotated[tuple[Place, ...], msgspec.Meta(min_length=1, max_length=32)]
    """ORGANISATION/DATASET each, or with @VERSION; one of a hospital."""
    purposes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=10)] = ("health-research",)
    epsilon: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    """How much may be learned of one person; less is more noise."""
    name: DatasetName = ""
    """Made of the question, if it is empty."""
    without_waiting: bool = False
    """Count now, with the hospitals that have allowed it."""


class OwnCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to count in one's own records."""

    query: Query
    dataset: LedgerName
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


WOMEN = "female and age 50..79"


@routes.get("/offers", VIEW, commands=("cohort datasets",))
def list_offers(call: Call) -> list[DatasetOffer]:
    """What all members have: the form of their records, how many, and what each policy says to a count."""
    with call.ledger() as ledger:
        return list(catalogue.offers(ledger.verified.state, call.about))


@routes.get("/budgets/{organisation}/{dataset}", VIEW, commands=("cohort budget",))
def show_budget(call: Call, organisation: Organisation, dataset: Dataset) -> BudgetView:
    """What counts over a dataset may cost in all, what they did, and who asked."""
    with call.ledger() as ledger:
        return counts.budget(ledger.verified.state, organisation, dataset)


@routes.get("/counts", VIEW, commands=("cohort list",))
def list_counts(call: Call) -> list[CountStanding]:
    """The counts that were asked for, and how far they are."""
    with call.ledger() as ledger:
        return list(counts.listed(ledger.verified.state))


@routes.get("/counts/{name}", VIEW, commands=("cohort list",))
def show_count(call: Call, name: Name) -> CountStanding:
    """How far one count is."""
    with call.ledger() as ledger:
        return counts.standing(ledger.verified.state, name)


@routes.get("/counts/{name}/result", VIEW_RESULT, commands=("cohort result",))
def show_count_result(call: Call, name: Name) -> CountResult:
    """About how many people, with how much noise, at which hospitals; never one hospital's number."""
    with call.ledger() as ledger:
        state = ledger.verified.state
        return result(call.place, state, counts.standing(state, name).study or name, call.passphrase)


@routes.post(
    "/counts", ASK, signs=True, commands=("cohort count",),
    example=AskedCount(query=WOMEN, datasets=("north/patients", "east/patients")),
)  # fmt: skip
def ask_for_count(call: Call, body: AskedCount) -> CountStanding:
    """Ask hospitals how many people fit; asked again once they have decided, it is counted by those that allow it.

    Hospitals whose policies say yes by themselves decide at once. What is charged to budgets is never paid back.
    """
    question = CountQuestion(body.query, body.datasets, body.purposes, body.epsilon, name=body.name)
    with call.user() as user:
        found = counts.ask(user, question)
        if found.is_unused and (body.without_waiting or not found.waits_for):
            found = counts.propose(user, found.count)
        return found


@routes.post("/counts/check", COUNT_HERE, commands=("cohort check",), example=OwnCount(query=WOMEN, dataset="patients"))
def check_cohort(call: Call, body: OwnCount) -> CohortCheck:
    """Count in one's own records, exactly; nothing of it leaves the hospital, and it is logged."""
    year = datetime.fromtimestamp(call.now_ms() / 1000, UTC).year
    with call.records() as records:
        return cohorts.check(records, body.dataset, body.version, body.query, year)
