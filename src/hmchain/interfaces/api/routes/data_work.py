"""Work on the hospital's data as jobs: from a source into a dataset, onto the ledger, and out by a way it named."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from starlette.responses import Response

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import long_work, publication, registration
from hmchain.application.data.publication import Publication
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api import answers
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, LedgerName, like
from hmchain.interfaces.api.routes.datasets import CHANGE, OfVersion, routes
from hmchain.records.sources.request import read_request

TAKE_OUT = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
"""Records leave the vault: where the hospital wants a second factor to decide, it takes one."""

LOOKED_AT = 1000
PlaceName = Annotated[str, like("[A-Za-z0-9_-]{1,64}")]
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


class OfRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A record of a registered version."""

    record: Annotated[str, like("[0-9a-f]{1,64}")]
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


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
    wanted, named = call.source(body.source), {"title": body.title, "project": body.project, "profile": body.profile}
    return call.begin_on_records("data extract", body.into, long_work.extract, wanted, body.into, alone=True, **named)


@routes.post("/inspections", CHANGE, job=True, commands=("data inspect",), example=OfSource("mri"))
def inspect_source(call: Call, body: OfSource) -> Job:
    """Look at what a source holds, and what de-identification would do to it; nothing is kept."""
    return call.begin_apart("data inspect", body.source, long_work.inspect, call.source(body.source), limit=LOOKED_AT)


@routes.post("/datasets/{dataset}/registration", CHANGE, job=True, commands=("data register",),
             example=Registering())  # fmt: skip
def fix_version(call: Call, dataset: Dataset, body: Registering) -> Job:
    """Fix a version for good, and write its card and FHIR Provenance; `publication` puts it on the ledger then."""
    return call.begin_apart(
        "data register", dataset, registration.fix, call.folder, dataset, body.version,
        leave_waiting=body.leave_waiting, unlabelled=body.unlabelled, passphrase=call.passphrase,
    )  # fmt: skip


@routes.post("/datasets/{dataset}/publication", TAKE_OUT, signs=True, commands=("data register",), example=OfVersion())
def publish_version(call: Call, dataset: Dataset, body: OfVersion) -> Publication:
    """Put the root and rounded count of a fixed version on the ledger."""
    with call.records() as records:
        version = records.catalogue.version(dataset, body.version)
        schema = publication.schema_of(records, version)
    with call.user() as user:
        return publication.publish(user, version, schema)


@routes.post("/datasets/{dataset}/proofs", TAKE_OUT, commands=("data prove",), private=True,
             answer="application/octet-stream", example=OfRecord(record="3f2a"))  # fmt: skip
def prove_record(call: Call, dataset: Dataset, body: OfRecord) -> Response:
    """A proof, for an auditor, that a registered version holds a record: a file that `audit verify-record` checks.

    It tells the record's id, the digest of its ciphertext, the exact number of records and the key of the version's
    root, and cannot be taken back.
    """
    with call.records() as records, tempfile.TemporaryDirectory(prefix="hmchain-proof-") as folder:
        made = registration.prove(records, body.record, Path(folder) / "proof.json", dataset, body.version)
        return answers.file(made.file.read_bytes(), f"{made.dataset}-{made.version}-proof.json")


@routes.post("/datasets/{dataset}/sending", TAKE_OUT, job=True, commands=("data send",),
             example=WayOut(destination="pacs"))  # fmt: skip
def send_records(call: Call, dataset: Dataset, body: WayOut) -> Job:
    """Send the DICOM records of a version, de-identified but decrypted, to a PACS or archive by its name here."""
    place = read_request(call.destination(body.destination))
    return call.begin_on_records("data send", dataset, long_work.send, dataset, body.version, place)


@routes.post("/datasets/{dataset}/export", TAKE_OUT, job=True, commands=("data export",),
             example=Exporting(destination="exports"))  # fmt: skip
def export_records(call: Call, dataset: Dataset, body: Exporting) -> Job:
    """Write the records of a version, de-identified but decrypted, into a folder below one that `portal.toml` names."""
    below = Path(call.destination(body.destination))
    return call.begin_on_records("data export", dataset, long_work.export, dataset, body.version, below, body.form)
