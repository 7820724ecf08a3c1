"""Work on the hospital's data as jobs: from a source into a dataset, onto the ledger, and out by a way it named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import deidentification, export, extraction, publication, registration, sending
from hmchain.application.data.publication import Publication
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, LedgerName
from hmchain.interfaces.api.routes.datasets import CHANGE, OfVersion, routes
from hmchain.plain import Progress
from hmchain.records.destinations.opening import open_destination
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import read_request

TAKE_OUT = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
"""Records leave the vault: where the hospital wants a second factor to decide, it takes one."""

LOOKED_AT = 1000
PlaceName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
"""A name in `portal.toml`: no request names an address or a path of its own."""


class Extraction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is taken from where."""

    source: PlaceName
    into: LedgerName
    title: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    project: LedgerName | None = None
    profile: LedgerName | None = None
    """One that ships with the program."""


class OfSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source by its name."""

    source: PlaceName


class Registering(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version to fix for good."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    leave_waiting: bool = False
    """What waits in quarantine is left out."""
    unlabelled: bool = False
    """Also if nothing can be learnt of it."""


class WayOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a version goes."""

    destination: PlaceName
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Exporting(WayOut, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, and in which form."""

    form: Literal["files", "dicomdir", "bids", "ndjson", "omop"] = "files"


@routes.post("/extractions", CHANGE, job=True, commands=("data extract",),
             example=Extraction(source="mri", into="brain", title="Brain MRI"))  # fmt: skip
def extract(call: Call, body: Extraction) -> Job:
    """Extract, de-identify, encrypt and catalogue what a source holds; the same again goes on where it stopped."""
    wanted = call.source(body.source)

    def work(progress: Progress) -> object:
        with call.records_alone() as records, open_source(wanted) as source:
            return extraction.extract_into(
                records, body.into, source, title=body.title, project=body.project, profile=body.profile,
                schema=wanted.schema, progress=progress,
            )  # fmt: skip

    return call.begin("data extract", body.into, work)


@routes.post("/inspections", CHANGE, job=True, commands=("data inspect",), example=OfSource("mri"))
def inspect_source(call: Call, body: OfSource) -> Job:
    """Look at what a source holds, and what de-identification would do to it; nothing is kept."""
    wanted = call.source(body.source)

    def work(progress: Progress) -> object:
        with open_source(wanted) as source:
            return deidentification.inspect(source, schema=wanted.schema, limit=LOOKED_AT, progress=progress)

    return call.begin("data inspect", body.source, work)


@routes.post("/datasets/{dataset}/registration", CHANGE, job=True, commands=("data register",),
             example=Registering())  # fmt: skip
def fix_version(call: Call, dataset: Dataset, body: Registering) -> Job:
    """Fix a version for good, and write its card and FHIR Provenance; `publication` puts it on the ledger then."""

    def work(progress: Progress) -> object:
        return registration.fix(
            call.folder, dataset, body.version, leave_waiting=body.leave_waiting, unlabelled=body.unlabelled,
            passphrase=call.passphrase, progress=progress,
        )  # fmt: skip

    return call.begin("data register", dataset, work)


@routes.post("/datasets/{dataset}/publication", TAKE_OUT, signs=True, commands=("data register",), example=OfVersion())
def publish_version(call: Call, dataset: Dataset, body: OfVersion) -> Publication:
    """Put the root and rounded count of a fixed version on the ledger."""
    with call.records() as records:
        version = records.catalogue.version(dataset, body.version)
        schema = publication.schema_of(records, version)
    with call.user() as user:
        return publication.publish(user, version, schema)


@routes.post("/datasets/{dataset}/sending", TAKE_OUT, job=True, commands=("data send",),
             example=WayOut(destination="pacs"))  # fmt: skip
def send_records(call: Call, dataset: Dataset, body: WayOut) -> Job:
    """Send the DICOM records of a version, de-identified but decrypted, to a PACS or archive by its name here."""
    place = read_request(call.destination(body.destination))

    def work(progress: Progress) -> object:
        with call.records() as records, open_destination(place) as destination:
            return sending.send(records, records.catalogue.version(dataset, body.version), destination, progress)

    return call.begin("data send", dataset, work)


@routes.post("/datasets/{dataset}/export", TAKE_OUT, job=True, commands=("data export",),
             example=Exporting(destination="exports"))  # fmt: skip
def export_records(call: Call, dataset: Dataset, body: Exporting) -> Job:
    """Write the records of a version, de-identified but decrypted, into a folder below one that `portal.toml` names."""
    below = Path(call.destination(body.destination))

    def work(progress: Progress) -> object:
        with call.records() as records:
            version = records.catalogue.version(dataset, body.version)
            target = below / f"{dataset}-{version.number}-{body.form}"
            return export.export(records, version, target, progress, body.form)

    return call.begin("data export", dataset, work)
