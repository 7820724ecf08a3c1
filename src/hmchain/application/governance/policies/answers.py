"""A policy read back as the answers that made it, so that somebody can change one of them."""

from __future__ import annotations

from typing import Any

from hmchain.application.governance.policies.file import PolicyFile, PolicyFileError, terms_of
from hmchain.application.governance.policies.rules import RELEASE_COUNTS, sentence, values_of
from hmchain.application.governance.policies.words import rules_in_words
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data import cedar, policies
from hmchain.ledger.contracts.data.policies import Terms
from hmchain.ledger.purposes import DISEASE_SPECIFIC
from hmchain.ledger.state import State

_LISTS = {
    "kinds": "kinds", "regions": "regions", "people": "people", "fields": "fields", "labels": "labels",
    "institutions": "institutions", "code": "codes", "break-glass": "break_glass", "diseases": "diseases",
    "uses": "uses", "organisation": "not_for_profit",
}  # fmt: skip
"""Rules whose values are an answer, and which."""
_CONDITIONS = {
    "collaboration": "COL", "genetic": "GSO", "ethics-letter": "IRB", "commercial": "NCU", "methods": "NMDS",
    "ancestry": "NPOA", "organisation": "NPU", "project": "PS", "publication": "PUB", "research-type": "RS",
}  # fmt: skip
"""Rules that a condition of DUO makes."""


def answers_in_force(state: State, organisation: str, dataset: str) -> PolicyFile | None:
    """The answers that make the policy in force of a dataset; None where no answers do."""
    return answers_of(policies.current(state, organisation, dataset), dataset)


def answers_of(terms: Terms, dataset: str) -> PolicyFile | None:
    """The answers that make this very policy; None where no answers do."""
    found = cedar.parsed(terms.cedar)
    ours = {name: rule for name, rule in found.items() if sentence(name, rule) is not None}
    said: dict[str, Any] = {
        _LISTS[name]: list(map(str, values_of(rule))) for name, rule in ours.items() if name in _LISTS
    }
    uses = (*said.pop("uses", ()), *((DISEASE_SPECIFIC,) if "diseases" in said else ()))
    file = PolicyFile(
        dataset=dataset, uses=uses, kinds=tuple(said.pop("kinds", ())),
        conditions=[code for name, code in _CONDITIONS.items() if name in ours],
        rounds=next(map(int, values_of(ours["rounds"]))) if "rounds" in ours else 0,
        person_looks=policies.PERSON_LOOKS in ours, release_counts=RELEASE_COUNTS in ours,
        approvers=terms.approvers, automatic=terms.automatic, minimum_cohort=terms.minimum_cohort,
        colluders=terms.colluders_min, days=terms.days_max, epsilon=terms.epsilon_max_millionths / MILLION,
        duties={each.kind: each.days for each in terms.duties}, licences=[each.hex() for each in terms.licences],
        rules={rule.id: rule.cedar for rule in rules_in_words(terms) if rule.cedar}, **said,
    )  # fmt: skip
    try:
        return file if terms_of(file).digest == terms.digest else None
    except PolicyFileError:
        return None
