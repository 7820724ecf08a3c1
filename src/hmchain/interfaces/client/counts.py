"""Cohort counts, what may be counted, and what it may cost, as flows."""

from __future__ import annotations

from hmchain.application.governance.counts import CountStanding
from hmchain.interfaces.client.flows import Flow, listed, read
from hmchain.interfaces.client.whose import of_member
from hmchain.ledger.readers.catalogue import BudgetView, DatasetOffer


def counts() -> Flow[list[CountStanding]]:
    """The counts that were asked for, and how far they are."""
    return listed("/counts", CountStanding)


def offers() -> Flow[list[DatasetOffer]]:
    """What all members have, and what each policy says to a count."""
    return listed("/offers", DatasetOffer)


def budget(dataset: str) -> Flow[BudgetView]:
    """What counts over a dataset may cost, and did: one of the hospital's, or ORGANISATION/DATASET."""
    organisation, _, name = dataset.rpartition("/")
    return of_member(organisation, lambda owner: read(f"/budgets/{owner}/{name}", BudgetView))
