"""Questions to consents as a hospital is given them: read from FHIR, then decided for one use of one record."""

from __future__ import annotations

import json
from typing import Any

from hmchain.records.consents.consent import Consent
from hmchain.records.consents.deciding import UNKNOWN, Asked, Facts, Ruling, decide
from hmchain.records.consents.reading import consents_in, moment
from hmchain.records.consents.uses import Use, UseKind
from hmchain.records.deidentification.patients import PatientRule
from support.pcf_consents import ORGANISATIONS


def read(*resources: dict[str, Any]) -> list[Consent]:
    """The consents as they are decided on."""
    lines = b"\n".join(json.dumps(each).encode() for each in resources)
    return [given.consent for given in consents_in(lines, PatientRule())]


def at(day: str) -> int:
    """The first moment of a day."""
    span = moment(day)
    assert span is not None and span.first_ms is not None
    return span.first_ms


def asked(
    *purposes: str,
    day: str = "2024-01-01",
    recipients: tuple[str, ...] = ("north",),
    facts: Facts = UNKNOWN,
    kind: UseKind = UseKind.TRAIN,
) -> Asked:
    """A use of one record: of the purposes, or research."""
    return Asked(Use(kind, purposes or ("HRESCH",), recipients), at(day), facts, ORGANISATIONS)


def decided(*resources: dict[str, Any], purpose: str = "HRESCH", recipient: str = "north", **more: Any) -> Ruling:
    """What consents say of a use by one organisation for one purpose."""
    return decide(read(*resources), asked(purpose, recipients=(recipient,), **more))
