"""Hospitals with real records, one of which asks another for some: DICOM, FHIR, a table and pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from hmchain.application.data import extraction, publication
from hmchain.application.data.labels import CLASS_IMAGES_MIN
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import decisions
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.sharing import erasing, giving, receiving, sending
from hmchain.application.sharing.erasing import ErasedTransfer
from hmchain.application.sharing.giving_book import GivenPage, GivingBook
from hmchain.application.sharing.receiving import ReceivedRecords
from hmchain.application.sharing.sending import GivenRecords
from hmchain.application.site.hospital import HospitalFolder, Records, open_records, read_records
from hmchain.clock import now_ms
from hmchain.keys import Opener
from hmchain.ledger.contracts.data import transfers
from hmchain.ledger.contracts.data.transfers import RevokeGrant, Transfer
from hmchain.records.objects import ObjectStore
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.dicom_objects import ct, written
from support.health_records import ndjson, resources
from support.opened import OPENED
from support.request_bed import RequestBed
from support.study_bed import Bed

REQUEST = "relapse"
GIVER, GRANTEE = "east", "west"
_FILE = """
name = "{name}"
kind = "transfer"
purposes = ["health-research"]
regions = ["DE"]
until = {until}
[datasets]
{giver} = "{dataset}"
[transfer]
days = 90
{plan}
[form]
title = "Relapse after surgery"
use = "Do early changes in MRI tell who will relapse?"
contact = "Dr West, +49 1"
"""
_SCHEMA = """
title = "Laboratory"
[tables.labs.columns]
patient = { type = "text", role = "subject" }
glucose = { type = "number", role = "value" }
"""
_PROFILE = """
name = "own"
title = "Few people"
[table]
k_min = 1
l_min = 1
"""


def _dicom(folder: Path) -> dict[str, Any]:
    for number in range(6):
        slice_ = ct(PatientID=f"MRN-{number % 3}", SOPInstanceUID=f"1.2.3.{number}")
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        (folder / f"{number}.dcm").write_bytes(written(slice_))
    return {}


def _family(folder: Path) -> dict[str, Any]:
    """Slices of three patients, whose other number is the insurance's of all of them."""
    for number in range(6):
        other = Dataset()
        other.PatientID = "FAMILY-1"
        slice_ = ct(PatientID=f"MRN-{number % 3}", SOPInstanceUID=f"1.2.3.{number}")
        slice_.OtherPatientIDsSequence = [other]
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        (folder / f"{number}.dcm").write_bytes(written(slice_))
    return {}


def _fhir(folder: Path) -> dict[str, Any]:
    (folder / "ward.ndjson").write_bytes(ndjson(resources(3)))
    return {}


def _table(folder: Path) -> dict[str, Any]:
    (folder.parent / "labs.toml").write_text(_SCHEMA)
    (folder / "labs.csv").write_text("patient,glucose\n" + "".join(f"MRN-{n},{5 + n / 10}\n" for n in range(6)))
    return {"kind": "table", "schema": str(folder.parent / "labs.toml")}


def _image(folder: Path) -> dict[str, Any]:
    for number in range(5):
        Image.fromarray(np.full((16, 16), 40 * number, np.uint8)).save(folder / f"{number}.png")
    return {"kind": "image"}


def _labelled(folder: Path) -> dict[str, Any]:
    """Enough of two classes to learn from."""
    noise = np.random.Generator(np.random.PCG64(5))
    for number in range(2 * CLASS_IMAGES_MIN):
        (folder / ("ill" if number % 2 else "well")).mkdir(exist_ok=True)
        picture = noise.integers(0, 255, (16, 16), np.uint8)
        Image.fromarray(picture).save(folder / ("ill" if number % 2 else "well") / f"{number}.png")
    return {"kind": "image", "labels_from": "folders"}


SOURCES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "dicom": _dicom, "fhir": _fhir, "table": _table, "image": _image,
}  # fmt: skip
"""Fill a folder, and say what it holds."""
_LABELLED = {"labelled": _labelled, "family": _family}


@dataclass
class SharingBed:
    """A consortium whose hospital East has records, and whose hospital West asks for them."""

    asking: RequestBed

    @classmethod
    def found(cls, place: Path) -> Self:
        return cls(RequestBed(Bed.found(place / "run", now_ms=now_ms()), place))

    @classmethod
    def reopened(cls, place: Path) -> Self:
        """The same in another process."""
        bed = Bed(place / "run", ("east", "north", "south", "west"), now_ms=now_ms())
        bed.adopt(Consortium.open(bed.directory, clock_ms=bed.clock, learn=bed.learn))
        OPENED.append(bed)
        return cls(RequestBed(bed, place))

    @property
    def bed(self) -> Bed:
        return self.asking.bed

    @property
    def objects(self) -> ObjectStore:
        """The store that members share."""
        return self.bed.consortium.objects

    def folder(self, name: str) -> HospitalFolder:
        return self.bed.consortium.hospitals[name].folder

    def steward(self, name: str) -> LedgerUser:
        return self.asking.user(f"{name}/steward")

    def fill(self, kind: str, name: str = GIVER, dataset: str = "head", project: str | None = None) -> None:
        """Extract records of a kind and publish them."""
        source = self.asking.place / f"{name}-{dataset}" / "source"
        source.mkdir(parents=True)
        said = (SOURCES | _LABELLED)[kind](source)
        profile = source.parent / "own.toml"
        profile.write_text(_PROFILE)
        with open_records(self.folder(name)) as records:
            with open_source(SourceRequest(place=str(source), **said)) as opened:
                extraction.extract_into(
                    records, dataset, opened, title="A dataset", project=project, profile=str(profile),
                    schema=said.get("schema", ""),
                )  # fmt: skip
            self.publish(records, dataset)

    def publish(self, records: Records, dataset: str) -> None:
        """Fix the open version of a dataset and put its root on the ledger."""
        version = publication.fix(records, dataset)
        user = self.steward(records.folder.organisation)
        publication.publish(user, version, publication.schema_of(records, version))

    def share_store(self, name: str) -> None:
        """Have a hospital keep its ciphertext where the members' objects lie."""
        folder, place = self.folder(name), self.bed.directory / "objects"
        shutil.copytree(folder.records, place, dirs_exist_ok=True)
        (folder.path / "records.toml").write_text(f'location = "{place}"\n')

    def ask(self, dataset: str = "head", name: str = REQUEST, giver: str = GIVER, plan: str = "") -> None:
        """West asks for a dataset for a year, and its steward says yes."""
        until = (datetime.now(UTC) + timedelta(days=300)).date()
        text = _FILE.format(name=name, until=until, giver=giver, dataset=dataset, plan=plan)
        self.asking.submit(text, f"{GRANTEE}/scientist")
        self.asking.approve(f"{giver}/steward", name)

    def asked(self, request: str = REQUEST, giver: str = GIVER) -> giving.Asked:
        user = self.steward(giver)
        return giving.asked(user.state, giver, request, user.ledger.now_ms())

    def give(
        self, request: str = REQUEST, giver: str = GIVER, wanted: giving.Asked | None = None, **said: Any
    ) -> GivenRecords:
        asked = wanted or self.asked(request, giver)
        return giving.give(self.folder(giver), self.steward(giver), self.objects, asked, **said)

    def receive(self, name: str, by: str = GRANTEE, **said: Any) -> ReceivedRecords:
        return receiving.receive(self.folder(by), self.steward(by), self.objects, name, **said)

    def erase(self, name: str, by: str = GRANTEE, **said: Any) -> ErasedTransfer:
        return erasing.erase(self.folder(by), self.steward(by), self.objects, name, **said)

    def revoke(self, name: str, giver: str = GIVER) -> None:
        self.steward(giver).send(RevokeGrant(name, "misuse"))

    def end_permit(self, request: str = REQUEST, giver: str = GIVER) -> None:
        """The giver takes its yes to the request back."""
        papers = self.asking.papers(f"{giver}/steward")
        decisions.revoke(self.steward(giver), papers, self.asking.seen(request), "misuse")

    def small_pages(self, monkeypatch: pytest.MonkeyPatch, places: int = 2) -> None:
        monkeypatch.setattr(sending, "PAGE_PLACES", places)

    def pages_sent(self, giver: str) -> list[GivenPage]:
        """The pages that lie in the store for what a hospital has not given yet."""
        with closing(self.book(giver)) as book:
            return [page for entry in book.entries() if not entry.done for page in book.pages(entry.name)]

    def book(self, giver: str) -> GivingBook:
        return GivingBook(self.folder(giver).giving, self.bed.consortium.hospitals[giver].keys.local)

    def files_of_records(self, giver: str) -> list[Path]:
        """The objects of its records in the members' store, in order."""
        own = {path.name for path in self.folder(giver).records.glob("??/*")}
        return sorted(path for path in (self.bed.directory / "objects").glob("??/*") if path.name in own)

    def file(self, address: bytes) -> Path:
        """An object in the members' store."""
        return self.bed.directory / "objects" / address.hex()[:2] / address.hex()

    def opening(self, name: str) -> Opener:
        """What opens what others sealed to a hospital."""
        return self.bed.consortium.hospitals[name].keys.opening

    def datasets(self, name: str) -> list[str]:
        with read_records(self.folder(name)) as records:
            return [entry.name for entry in records.catalogue.datasets()]

    def opt_out(self, name: str) -> str:
        """Have the first record of a hospital's dataset taken back; returns its id."""
        with open_records(self.folder(name)) as records:
            record = records.vault.records("head", 1)[0]
            records.catalogue.opt_outs.add([records.catalogue.opt_outs.of_record(record)], 1)
        return record

    def transfers(self) -> list[Transfer]:
        return transfers.transfers(self.bed.state)

    def transfer(self, name: str) -> Transfer:
        return transfers.require_transfer(self.bed.state, name)

    def contents(self, name: str, dataset: str) -> dict[str, bytes]:
        """All records of a hospital's dataset, in clear."""
        with read_records(self.folder(name)) as records:
            return dict(records.vault.read(dataset, 1))


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[SharingBed]:
    made = SharingBed.found(tmp_path)
    yield made
    made.asking.close()
