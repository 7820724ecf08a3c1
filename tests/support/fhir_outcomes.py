"""What de-identification makes of FHIR: clean resources, and what is held."""

from __future__ import annotations

import io
import json
from decimal import Decimal

from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.outcome import Clean, Held, Outcome
from hmchain.records.sources.item import FHIR, Item
from support.health_records import (
    AS_OF,
    Resource,
    ndjson,
    profile,
    pseudonyms,
)

BASIC = FhirDeidentifier(profile("basic"), pseudonyms(), AS_OF)
LONGITUDINAL = FhirDeidentifier(profile("longitudinal"), pseudonyms(), AS_OF)


def outcomes(data: bytes, rules: FhirDeidentifier = BASIC, *, reviewed: bool = False) -> list[Outcome]:
    return list(rules.deidentify(Item("item", FHIR, lambda: io.BytesIO(data)), reviewed=reviewed))


def clean(*some: Resource, rules: FhirDeidentifier = BASIC) -> list[Resource]:
    found = outcomes(ndjson(some), rules)
    assert all(isinstance(outcome, Clean) for outcome in found), found
    return [content(outcome) for outcome in found]


def content(outcome: Outcome) -> Resource:
    assert isinstance(outcome, Clean)
    resource: Resource = json.loads(b"".join(bytes(piece) for piece in outcome.pieces()), parse_float=Decimal)
    return resource


def held(found: list[Outcome]) -> list[str]:
    return [outcome.code for outcome in found if isinstance(outcome, Held)]
