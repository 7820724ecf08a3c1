"""A policy is read back as the answers that made it; one that no answers make is not."""

from __future__ import annotations

import pytest

from hmchain.application.governance.policies.answers import answers_of
from hmchain.application.governance.policies.file import PolicyFile, terms_of
from hmchain.ledger.contracts.data.policies import Terms, default
from support.policy_bed import terms

OWN = 'forbid(principal in Organisation::"west", action, resource) when { context.asked.rounds > 10 };'
FILES = (
    PolicyFile(dataset="brain"),
    PolicyFile(
        dataset="brain", uses=("disease-research", "clinical-care"), diseases=["MONDO:0005070"],
        conditions=["NPUNCU", "IRB", "PUB", "US", "IS"], regions=["DE", "fi"], not_for_profit=["west", "north"],
        people=["north/s1"], institutions=["north"], approvers=2, minimum_cohort=128, epsilon=0.25,
        duties={"publish": 730, "delete": 0}, rules={"few-rounds-for-west": OWN},
    ),
    PolicyFile(
        dataset="brain", conditions=["NPU", "NPOA", "GSO", "PS", "RS", "NMDS", "COL"], kinds=("transfer",),
        fields=["age"], labels=["glioma"], break_glass=["west"], codes=["ab" * 32], rounds=7, person_looks=False,
        automatic=True, colluders=0, days=0, release_counts=True, licences=["cd" * 32],
    ),
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_answers_make_the_policy_that_they_are_read_from(file: PolicyFile) -> None:
    made = terms_of(file)
    found = answers_of(made, "brain")
    assert found is not None and terms_of(found).digest == made.digest


@pytest.mark.parametrize("found", [default("east", "brain"), terms(kinds="forbid(principal, action, resource);")])
def test_what_no_answers_make_is_not_read_back(found: Terms) -> None:
    assert answers_of(found, "brain") is None
