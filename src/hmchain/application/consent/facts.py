"""What rules about data ask of a record, read from the record itself; only where a consent names data.

De-identification moved its dates, so they are moved back; it left out who authored it and how sensitive it is, and may
have left out codes that no public system has, so that is not known.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hmchain.application.site.hospital import Records
from hmchain.clock import DAY_MS
from hmchain.records.consents.consent import Coding, Span
from hmchain.records.consents.deciding import RESOURCE_TYPES, UNKNOWN, Facts
from hmchain.records.consents.reading import moment
from hmchain.records.deidentification.fhir.deidentifier import MEDIA_TYPE as FHIR_JSON
from hmchain.records.deidentification.fhir.resources import decode
from hmchain.records.deidentification.fhir.rules import objects, target
from hmchain.records.deidentification.profile import FhirRules
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.terminology import fhir_systems, first_name

DICOM_TYPE = "application/dicom"
_DATES = (
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod",
    "onsetDateTime", "onsetPeriod", "occurrenceDateTime", "occurrencePeriod", "started", "period", "authoredOn",
    "recordedDate", "issued", "date", "created",
)  # fmt: skip
"""Elements of resources that say when what they tell of was, the first that there is counts."""
_CODED_ELSEWHERE = "medicationReference"
"""Where this stands the code is another resource's."""
_UIDS = "urn:ietf:rfc:3986"
"""The system by which FHIR names classes of DICOM objects."""
_DICOM_DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate")


class FactsOf:
    """Reads facts of records of one version."""

    def __init__(self, records: Records, dataset: str, version: int, made: Sequence[Pseudonyms]) -> None:
        self._records, self._dataset, self._version = records, dataset, version
        self._made = made[0] if len(made) == 1 else None
        entry = records.catalogue.dataset(dataset)
        self._are_moved = entry is not None and entry.profile.dates == "shift"
        self._systems = fhir_systems(entry.profile.fhir if entry is not None else FhirRules())

    def of(self, record: str, subject: str) -> Facts:
        """What is known of a record; nothing of what is neither a FHIR resource nor a DICOM object."""
        entry = self._records.catalogue.record(self._dataset, self._version, record)
        if entry is None or self._made is None:
            return UNKNOWN
        data = self._records.vault.get(self._dataset, self._version, record)
        back = -self._made.shift(subject) if self._are_moved else timedelta()
        if entry.media_type == FHIR_JSON:
            return replace(_of_resource(decode(data), back, self._made), coded=self._coded)
        return _of_object(data, back) if entry.media_type == DICOM_TYPE else UNKNOWN

    def _coded(self, named: Coding) -> Coding | None:
        """A code as records have it; None of one that would have been taken away."""
        check = self._systems.get(named.system)
        return _code(named.system, named.code) if check is not None and check(named.code) else None


def _code(system: str, code: str) -> Coding:
    return Coding(first_name(system), code)


def _of_resource(resource: dict[str, Any], back: timedelta, made: Pseudonyms) -> Facts:
    kind = str(resource["resourceType"])
    within = list(_within(resource))
    codes = {_code(str(each.get("system", "")), each["code"]) for each in within if type(each.get("code")) is str}
    names = (target(each, {}) for each in within)
    return Facts(
        classes=frozenset({Coding(RESOURCE_TYPES, kind)}),
        codes=None if _CODED_ELSEWHERE in resource else frozenset(codes),
        span=_moved(next(_spans(resource), None), back),
        name=f"{kind}/{resource['id']}",
        related=frozenset("/".join(each) for each in names if each),
        called=partial(_called, made),
    )


def _within(element: Any) -> Iterator[dict[str, Any]]:
    """All objects of a resource, itself among them."""
    for each in objects(element):
        yield each
        for inner in each.values():
            yield from _within(inner)


def _called(made: Pseudonyms, name: str) -> str:
    kind, _, own = name.partition("/")
    return f"{kind}/{made.identifier('fhir', f'{kind}/{own}')}"


def _spans(resource: dict[str, Any]) -> Iterator[Span | None]:
    for element in _DATES:
        value = resource.get(element)
        if type(value) is dict:
            start, end = moment(value.get("start")), moment(value.get("end"))
            yield Span(start.first_ms, end.last_ms) if start and end else None
        elif value is not None:
            yield moment(value)


def _moved(span: Span | None, back: timedelta) -> Span | None:
    """A time as it was before the dates were moved; what is known to the month or year alone moved as its middle."""
    if span is None or span.first_ms is None or span.last_ms is None or not back:
        return span
    days_ms = back.days * DAY_MS
    wider_ms = 0 if span.last_ms - span.first_ms <= DAY_MS else span.last_ms - span.first_ms
    return Span(span.first_ms + days_ms - wider_ms, span.last_ms + days_ms + wider_ms)


def _of_object(data: bytes, back: timedelta) -> Facts:
    import pydicom  # takes a moment, and few consents name data

    found = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    text = next((str(found.get(name)) for name in _DICOM_DATES if found.get(name)), "")
    span = None
    if len(text) == len("YYYYMMDD") and text.isdigit():
        try:
            first_ms = int(datetime(int(text[:4]), int(text[4:6]), int(text[6:]), tzinfo=UTC).timestamp() * 1000)
            span = Span(first_ms, first_ms + DAY_MS - 1)
        except ValueError:
            pass
    kind = str(found.get("SOPClassUID", ""))
    return Facts(classes=frozenset({Coding(_UIDS, kind)}) if kind else None, span=_moved(span, back))
