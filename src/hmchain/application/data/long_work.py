"""Long work on a hospital's records as a process of its own is handed it: by names and places, with nothing open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hmchain.application.data import deidentification, extraction, preparation, sending
from hmchain.application.data import export as exporting
from hmchain.application.data.deidentification import Inspection
from hmchain.application.data.export import ExportedRecords, Form
from hmchain.application.data.extraction import ExtractedVersion
from hmchain.application.data.preparation import PreparedImages
from hmchain.application.data.sending import SentRecords
from hmchain.application.site.hospital import HospitalFolder, Records, open_records, read_records
from hmchain.plain import Progress
from hmchain.records.destinations.opening import open_destination
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest

_T = TypeVar("_T")


def on_records(
    service: Callable[..., _T], place: HospitalFolder, passphrase: str | None, *given: object,
    alone: bool = False, progress: Progress | None = None, **named: Any,
) -> _T:  # fmt: skip
    """What a service gives that takes a hospital's records first; `alone` is for what changes them.

    Raises as the service, and as `open_records` or `read_records`.
    """
    with (open_records if alone else read_records)(place, passphrase) as records:
        return service(records, *given, progress=progress, **named)


def extract(records: Records, wanted: SourceRequest, into: str, **named: Any) -> ExtractedVersion:
    """As `extraction.extract_into`, of a source that is opened for it."""
    with open_source(wanted) as source:
        return extraction.extract_into(records, into, source, schema=wanted.schema, **named)


def inspect(wanted: SourceRequest, *, limit: int, progress: Progress | None = None) -> Inspection:
    """As `deidentification.inspect`, of a source that is opened for it."""
    with open_source(wanted) as source:
        return deidentification.inspect(source, schema=wanted.schema, limit=limit, progress=progress)


def prepare(records: Records, dataset: str, number: int | None, into: str, **named: Any) -> PreparedImages:
    """As `preparation.prepare`, of a version by its number."""
    return preparation.prepare(records, records.catalogue.version(dataset, number), into, **named)


def send(
    records: Records, dataset: str, number: int | None, to: SourceRequest, progress: Progress | None = None
) -> SentRecords:
    """As `sending.send`, of a version by its number."""
    with open_destination(to) as destination:
        return sending.send(records, records.catalogue.version(dataset, number), destination, progress)


def export(
    records: Records, dataset: str, number: int | None, below: Path, form: Form, progress: Progress | None = None
) -> ExportedRecords:
    """As `export.export`, of a version by its number, into a folder of its own `below` another."""
    version = records.catalogue.version(dataset, number)
    return exporting.export(records, version, below / f"{dataset}-{version.number}-{form}", progress, form)
