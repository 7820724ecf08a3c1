"""Policies: what a hospital lets happen with a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hmchain.canonical import Record
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State


class Duty(Record, frozen=True):
    """What whoever uses the data owes afterwards."""

    kind: str
    days: int


class Policy(Record, frozen=True):
    """What one hospital lets happen with one dataset, from a height on."""

    organisation: str
    dataset: str
    version: int
    cedar: bytes
    """Canonical JSON of a Cedar policy set."""
    approvers: int
    automatic: bool
    """A yes decides by itself."""
    minimum_cohort: int
    colluders_min: int
    days_max: int
    epsilon_max_millionths: int
    duties: tuple[Duty, ...]
    licences: tuple[bytes, ...]
    """Digests of terms that the applicant and each member accept."""
    height: int
    persons: tuple[PersonRef, ...]


class Answer(StrEnum):
    """What a policy says of a request."""

    YES = "yes"
    NO = "no"
    LOOK = "look"


@dataclass(frozen=True)
class Verdict:
    """An answer, and the ids of the policies that gave it, sorted."""

    answer: Answer
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What is asked of one dataset, as a policy sees it."""

    organisation: str
    person: str
    roles: tuple[str, ...]
    members: tuple[PersonRef, ...]
    owner: str
    """The hospital whose dataset it is."""
    dataset: str
    kind: str
    purposes: tuple[str, ...]
    diseases: tuple[str, ...]
    code: bytes
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    commercial: bool
    publishes: bool
    regions: tuple[str, ...]
    documents: tuple[str, ...]
    days: int
    rounds: int
    colluders: int
    organisations: tuple[str, ...]
    count: int
    """Records of the version, rounded."""


def current(state: State, organisation: str, dataset: str) -> Policy:
    """The policy in force; where none is set a person must look."""
    return Policy(
        organisation, dataset, 0, b"", approvers=1, automatic=False, minimum_cohort=0, colluders_min=0, days_max=3650,
        epsilon_max_millionths=0, duties=(), licences=(), height=0, persons=(),
    )  # fmt: skip


def judge(policy: Policy, asked: Asked) -> Verdict:
    """What a policy says of what is asked."""
    return Verdict(Answer.LOOK, ("nothing_permits",))
