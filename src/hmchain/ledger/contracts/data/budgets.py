"""Budgets: how much may be learned of one person from all counts over a dataset together.

A count is charged once for each hospital's statement (`queries.statement`), at the height at which it is proposed, and
never paid back: its hospital adds one noise to that statement for good, so asking it again tells nothing new and costs
nothing. Epsilons add up (sequential composition), over all versions of a dataset, since these share patients.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.context import Context, require
from hmchain.ledger.contracts.data import policies
from hmchain.ledger.state import State, Table


class Charge(Record, frozen=True):
    """A statement that was paid for."""

    statement: bytes
    request: str
    """By which it was asked for first."""
    epsilon_millionths: int
    height: int


class Spent(Record, frozen=True):
    """What all statements over a dataset cost so far."""

    epsilon_millionths: int


_CHARGES = Table("count_charges", Charge)
"""By organisation, dataset and statement."""
_SPENT = Table("epsilon_spent", Spent)


def spent(state: State, organisation: str, dataset: str) -> int:
    """What counts over a dataset cost so far, in millionths of epsilon."""
    found = _SPENT.get(state, organisation, dataset)
    return found.epsilon_millionths if found is not None else 0


def total(state: State, organisation: str, dataset: str) -> int:
    """What they may cost at most, by the policy in force; nothing where its hospital set no budget."""
    return policies.current(state, organisation, dataset).epsilon_max_millionths


def charges(state: State, organisation: str, dataset: str) -> list[Charge]:
    """All statements that were paid for, in order of their digests."""
    return _CHARGES.all(state, organisation, dataset)


def is_charged(state: State, organisation: str, dataset: str, statement: bytes) -> bool:
    """Whether a statement was paid for."""
    return _CHARGES.get(state, organisation, dataset, statement) is not None


def charge(
    context: Context, organisation: str, dataset: str, statement: bytes, request: str, epsilon_millionths: int
) -> None:
    """Charge a statement, once; refuse (`budget_spent`) one that costs more than is left."""
    if is_charged(context.state, organisation, dataset, statement):
        return
    cost = spent(context.state, organisation, dataset) + epsilon_millionths
    require(cost <= total(context.state, organisation, dataset), "budget_spent")
    paid = Charge(statement, request, epsilon_millionths, context.height)
    _CHARGES.put(context.state, paid, organisation, dataset, statement)
    _SPENT.put(context.state, Spent(cost), organisation, dataset)
    context.emit(events.CountCharged(organisation, dataset, request, epsilon_millionths))
