"""What members have that others may ask for: every dataset's newest version, and what its policy would say."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.context import SCIENTIST
from hmchain.ledger.contracts.data import budgets, datasets, policies, requests
from hmchain.ledger.contracts.data.budgets import Charge
from hmchain.ledger.contracts.data.datasets import Dataset, Schema, Version
from hmchain.ledger.contracts.data.policies import Asked, Policy
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.state import State

_MEDIA = {
    "application/dicom": "DICOM objects",
    "application/fhir+json": "FHIR resources",
    "application/vnd.apache.parquet": "tables",
    "x-application/hl7-v2+er7": "HL7 messages",
}


@dataclass(frozen=True)
class PaidCount:
    """A question that a dataset's budget paid for: asking it again is free."""

    request: str
    """By which it was asked first."""
    applicant: str
    """As ORGANISATION/PERSON."""
    epsilon: float
    height: int


@dataclass(frozen=True)
class BudgetView:
    """The budget of a dataset for counts, and what paid for what."""

    organisation: str
    dataset: str
    total: float
    spent: float
    paid: tuple[PaidCount, ...]
    """In order of height."""


@dataclass(frozen=True)
class DatasetOffer:
    """One dataset of a member, as others see it."""

    organisation: str
    dataset: str
    version: int
    """The newest that stands."""
    records: str
    """Their number, rounded as published, in words."""
    holds: str
    """The form of its records, in words."""
    counts_people: bool
    """Whether people can be counted in it."""
    people_min: int
    """With fewer people its hospital gives no number."""
    epsilon_left: float
    """Of its budget for counts."""
    policy: Policy
    answer: str
    """What the policy would say to a count for health research: yes, no or look. Empty if nobody asks."""
    reasons: tuple[str, ...]


def offers(state: State, asker: str = "", purpose: str = "DUO:0000006", days: int = 90) -> tuple[DatasetOffer, ...]:
    """All datasets of active members that have a version to ask for, in order; `asker` is the member that would ask."""
    found = []
    for entry in datasets.datasets(state):
        version = _newest(state, entry)
        if version is not None and membership.is_active(state, entry.organisation):
            found.append(_offer(state, entry, version, asker, purpose, days))
    return tuple(found)


def budget(state: State, organisation: str, dataset: str) -> BudgetView:
    """What counts over a dataset may cost in all, and did; of an unknown dataset that is nothing."""
    place = (state, organisation, dataset)
    paid = sorted(
        (_paid(state, each) for each in budgets.charges(*place)), key=lambda each: (each.height, each.request)
    )
    return BudgetView(
        organisation, dataset, budgets.total(*place) / MILLION, budgets.spent(*place) / MILLION, tuple(paid)
    )


def _paid(state: State, charge: Charge) -> PaidCount:
    entry = requests.request(state, charge.request)
    applicant = str(entry.applicant) if entry is not None else ""
    return PaidCount(charge.request, applicant, charge.epsilon_millionths / MILLION, charge.height)


def _newest(state: State, entry: Dataset) -> Version | None:
    numbers = range(entry.version, 0, -1)
    found = (datasets.version(state, entry.organisation, entry.name, number) for number in numbers)
    return next((version for version in found if version is not None and not version.withdrawn), None)


def _offer(state: State, entry: Dataset, version: Version, asker: str, purpose: str, days: int) -> DatasetOffer:
    policy = policies.current(state, entry.organisation, entry.name)
    place = (state, entry.organisation, entry.name)
    said = policies.judge(policy, _asked(entry, version, asker, purpose, days)) if asker else None
    return DatasetOffer(
        organisation=entry.organisation,
        dataset=entry.name,
        version=version.version,
        records=count_words(version.count),
        holds=_holds(entry),
        counts_people=counting.is_countable(entry.schema),
        people_min=counting.people_min(*place),
        epsilon_left=max(0, budgets.total(*place) - budgets.spent(*place)) / MILLION,
        policy=policy,
        answer=said.answer.value if said else "",
        reasons=said.reasons if said else (),
    )


def _holds(entry: Dataset) -> str:
    schema = entry.schema
    if isinstance(schema, Schema):
        return f"{schema.modality}, {schema.height} x {schema.width}, classes {', '.join(schema.classes)}"
    return ", ".join(_MEDIA.get(name, name) for name in schema.media_types)


def _asked(entry: Dataset, version: Version, asker: str, purpose: str, days: int) -> Asked:
    return Asked(
        organisation=asker, person=SCIENTIST, roles=(SCIENTIST,), members=(), owner=entry.organisation,
        dataset=entry.name, kind=str(Kind.COUNT), purposes=(purpose,), diseases=(), code=b"", fields=(), labels=(),
        commercial=False, publishes=False, regions=(), documents=(), days=days, rounds=0, colluders=1,
        organisations=(entry.organisation,), count=version.count,
    )  # fmt: skip
