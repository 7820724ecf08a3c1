"""The hospital's own datasets: versions, what they hold, cards, labels, and what was done with them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query

from hmchain.application.access.permissions import AUDITOR, STEWARD, Operation, Rule, Scope
from hmchain.application.data import activity, datasets, labels, long_work, registration
from hmchain.application.data.activity import ActivityReport
from hmchain.application.data.datasets import Description, Hit
from hmchain.application.data.labels import LabelCounts
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, LedgerName, Version
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.records.catalogue import RecordEntry
from hmchain.records.catalogue import Version as VersionView

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL)
SEE_LOG = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD, AUDITOR))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))

LABELS_BYTES_MAX = 64 << 20

routes = Routes("datasets")

Record = Annotated[str, Query(pattern="^[0-9a-f]{1,64}$", description="Of the record, as a version lists it.")]
Words = Annotated[str, Query(min_length=1, max_length=200, description="All of them stand in an entry.")]
Many = Annotated[int, Query(ge=1, le=1000, description="At most so many records.")]


class Pictures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Images of one size, to learn from."""

    into: LedgerName
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Of the dataset that they are made of; the newest if left out."""
    size: Annotated[int, msgspec.Meta(ge=8, le=1024)] = 64
    channels: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1
    classes: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...] = ()
    """Labels in the order that all hospitals use; sorted if left out."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class OfVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The newest if left out."""


@routes.get("/datasets", VIEW, commands=("data list",))
def list_versions(call: Call) -> list[VersionView]:
    """The datasets of this hospital, with their versions."""
    with call.records() as records:
        return list(datasets.versions(records))


@routes.get("/datasets:search", VIEW, commands=("data list",))
def search_records(call: Call, words: Words) -> list[Hit]:
    """The records whose entries have all these words."""
    with call.records() as records:
        return list(datasets.search(records, words))


@routes.get("/datasets/{dataset}", VIEW, commands=("data show",))
def show_version(call: Call, dataset: Dataset, version: Version = None, limit: Many = 10) -> Description:
    """What a version holds, and what was done to it."""
    with call.records() as records:
        return datasets.describe(records, dataset, version, limit)


@routes.get("/datasets/{dataset}/record", VIEW, commands=("data show",))
def show_record(call: Call, dataset: Dataset, record: Record, version: Version = None) -> RecordEntry:
    """One record's entry."""
    with call.records() as records:
        return datasets.entry(records, dataset, version, record)


@routes.post("/datasets/{dataset}/labels", CHANGE, bytes_max=LABELS_BYTES_MAX, commands=("data label",))
def label_records(call: Call, dataset: Dataset, upload: Upload, version: Version = None) -> LabelCounts:
    """Label records from a CSV file with the columns `patient,label` or `object,label`."""
    with call.records_alone() as records:
        return labels.apply(records, records.catalogue.version(dataset, version), upload.path)


@routes.post("/datasets/{dataset}/pictures", CHANGE, job=True, commands=("data prepare",),
             example=Pictures(into="brain-64"))  # fmt: skip
def prepare_pictures(call: Call, dataset: Dataset, body: Pictures) -> Job:
    """Make images of one size of a dataset's DICOM objects or pictures, to learn from."""
    return call.begin_on_records(
        "data prepare", dataset, long_work.prepare, dataset, body.version, body.into, alone=True,
        size=body.size, channels=body.channels, classes=body.classes, seed=body.seed,
    )  # fmt: skip


@routes.post("/datasets/{dataset}/card", CHANGE, job=True, commands=("data card",), example=OfVersion())
def write_card(call: Call, dataset: Dataset, body: OfVersion) -> Job:
    """Look at all records of a version and write its card."""
    return call.begin_on_records("data card", dataset, registration.write_card, dataset, body.version)


@routes.post("/datasets/{dataset}/verification", VIEW, job=True, commands=("data verify",), example=OfVersion())
def verify_version(call: Call, dataset: Dataset, body: OfVersion) -> Job:
    """Read every record of a version and compare them with what was registered."""
    return call.begin_apart(
        "data verify", dataset, registration.verify, call.folder, dataset, body.version, passphrase=call.passphrase
    )


Since = Annotated[int, Query(ge=0, le=2**53, description="Milliseconds since 1970.")]
What = Annotated[list[str], Query(max_length=40, description="Only this: extract, export, update, ...")]
Left = Annotated[bool, Query(description="Only what left the hospital, or its vault.")]


@routes.get("/data-log", SEE_LOG, commands=("data log",))
def show_data_log(call: Call, since_ms: Since = 0, what: What = [], left: Left = False) -> ActivityReport:  # noqa: B006
    """What was done with the hospital's data, by whom and when, and what left the hospital, with totals."""
    return activity.report(call.folder, since_ms=since_ms, what=what, left=left)
