"""What may stand in a request: names, codes, numbers and digests within bounds, each list in order and each item once.

Nothing here looks at the state: whether the datasets exist is asked when the request is submitted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hmchain.ledger import purposes
from hmchain.ledger.context import is_name, require, require_digest
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.data.requests import SUMMED, Content, Kind, Resources

PURPOSES_MAX = 16
DISEASES_MAX = 16
DATASETS_MAX = 32
"""Each is judged by its policy in the block of the submission."""
FIELDS_MAX = 256
LABELS_MAX = 64
REGIONS_MAX = 64
DOCUMENTS_MAX = 32
PLAN_BYTES_MAX = 48 << 10
ROUNDS_MAX = 10_000
HOURS_MAX = 10_000
MEMORY_MIB_MAX = 1 << 24
COLLUDERS_MAX = 1000

REGION = re.compile(r"[A-Z]{2}")
"""A country's code, ISO 3166-1 alpha-2."""


def require_sound(content: Content, *, is_planned: bool = False) -> None:
    """Refuse a content that could not be decided on, with the code of what is wrong with it.

    `is_planned` says that its plan was read, as that of a training always is before.
    """
    # A code that is none, or a condition alone, would be judged as no purpose at all.
    uses = all(map(purposes.is_purpose, content.purposes)) and any(map(purposes.is_use, content.purposes))
    require(_in_order(content.purposes, PURPOSES_MAX) and uses, "bad_purpose")
    known = all(map(purposes.is_disease, content.diseases))
    require(_in_order(content.diseases, DISEASES_MAX) and known, "bad_disease")
    require_datasets(content)
    for names, most in ((content.fields, FIELDS_MAX), (content.labels, LABELS_MAX)):
        require(_in_order(names, most) and all(map(is_name, names)), "bad_fields")
    require(len(content.plan) <= PLAN_BYTES_MAX, "bad_plan")
    if content.kind is Kind.COUNT:
        queries.plan_of(content.plan)
    elif content.kind is not Kind.TRAIN and not is_planned:  # a study's plan is the learning layer's to read
        require(not content.plan, "bad_plan")
    if content.code:
        require_digest(content.code)
    require(0 <= content.colluders <= COLLUDERS_MAX, "bad_colluders")
    require(_within(content.resources), "bad_resources")
    require(_in_order(content.regions, REGIONS_MAX) and all(map(REGION.fullmatch, content.regions)), "bad_regions")
    digests = [document.digest for document in content.documents]
    require(len(digests) <= DOCUMENTS_MAX and len(set(digests)) == len(digests), "bad_documents")
    require_digest(*digests)


def require_datasets(content: Content) -> None:
    """Refuse (`bad_datasets`) what cannot be asked for together."""
    datasets = content.datasets
    places = [(each.organisation, each.dataset) for each in datasets]
    hospitals = [each.organisation for each in datasets]
    named = all(is_name(each.organisation) and is_name(each.dataset) for each in datasets)
    once = len(set(places)) == len(places)
    alone = content.kind not in SUMMED or len(set(hospitals)) == len(hospitals)
    require(len(datasets) >= 1 and _in_order(datasets, DATASETS_MAX) and named and once and alone, "bad_datasets")


def _in_order(items: Sequence[Any], most: int) -> bool:
    """Whether they are few enough and rise, so that each is there once."""
    return len(items) <= most and all(first < second for first, second in pairwise(items))


def _within(asked: Resources) -> bool:
    return 0 <= asked.rounds <= ROUNDS_MAX and 0 <= asked.hours <= HOURS_MAX and 0 <= asked.memory_mib <= MEMORY_MIB_MAX
