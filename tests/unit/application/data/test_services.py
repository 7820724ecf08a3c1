"""What a steward's commands do, asked for from a program: typed values come back, and nothing is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.application.data import (
    datasets,
    deidentification,
    erasure,
    export,
    extraction,
    quarantine,
    registration,
    upkeep,
)
from hmchain.application.data.erasure import Target
from hmchain.application.data.registered import ErasedVersionError
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import InputError
from hmchain.records.catalogue import UnknownVersionError
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import read_request

PICTURES = 3


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def north(tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[HospitalFolder]:
    """A hospital in no network, with three pictures; whatever is done there must print nothing."""
    place = hospital.create(tmp_path / "north")
    with hospital.open_records(place) as records, open_source(read_request(str(pictures))) as source:
        found = extraction.extract_into(records, "pictures", source, title="Pictures")
    assert (found.version.number, found.tally.records, found.passed_over) == (1, PICTURES, {})
    yield place
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


def test_a_version_is_registered_and_checked_without_a_network(north: HospitalFolder) -> None:
    steps: list[tuple[int, int | None]] = []
    made = registration.register(north, "pictures", progress=lambda done, of: steps.append((done, of)))
    assert made.version.closed and not made.published and made.count == 64
    assert made.card.is_file() and made.provenance.is_file()
    assert steps[-1] == (PICTURES, PICTURES)
    with pytest.raises(FrozenInstanceError):
        made.count = 1  # type: ignore[misc]
    checked = registration.verify(north, "pictures")
    assert (checked.records, checked.on_ledger) == (PICTURES, False)
    assert registration.register(north, "pictures").version == made.version


def test_datasets_are_told_as_the_catalogue_has_them(north: HospitalFolder) -> None:
    with hospital.read_records(north) as records:
        (version,) = datasets.versions(records)
        told = datasets.describe(records, "pictures", None, limit=2)
        assert told.version == version and told.dataset.title == "Pictures" and len(told.entries) == 2
        one = told.entries[0]
        assert datasets.entry(records, "pictures", None, one.record) == one
        assert {hit.record for hit in datasets.search(records, "png")} >= {one.record}
        with pytest.raises(UnknownVersionError):
            datasets.entry(records, "pictures", None, "nothing of the kind")
        assert quarantine.waiting(records).total == 0


def test_an_erasure_says_what_went_and_what_the_ledger_knows(north: HospitalFolder) -> None:
    registration.register(north, "pictures")
    with hospital.read_records(north) as records:
        record = datasets.describe(records, "pictures", None, limit=1).entries[0].record
    gone = erasure.erase(north, "pictures", Target(record=record))
    assert (gone.done.records, gone.done.versions, gone.withdrawn, gone.pending) == (1, (("pictures", 1),), (), None)
    with pytest.raises(ErasedVersionError):
        registration.verify(north, "pictures")
    with hospital.open_records(north) as records:
        assert erasure.lift_opt_out(records, Target(record=record)).lifted == 1
        assert erasure.opt_out(records, Target(record=record)).opted_out


def test_files_leave_the_vault_as_they_are_asked_for(north: HospitalFolder, pictures: Path, tmp_path: Path) -> None:
    with hospital.read_records(north) as records:
        version = records.catalogue.version("pictures", None)
        written = export.export(records, version, tmp_path / "out")
        assert written == export.ExportedRecords(tmp_path / "out", PICTURES, "files", "index.csv")
        with open_source(read_request(str(pictures))) as source:
            clean = deidentification.deidentify(records, source, tmp_path / "clean", "another")
    assert clean.trial.records.total() == PICTURES
    assert len(list((tmp_path / "clean").glob("*.png"))) == PICTURES
    with open_source(read_request(str(pictures))) as source:
        some = deidentification.inspect(source, limit=1)
        assert (some.trial.items, some.limited_to) == (1, 1), "who is shown some must know that there may be more"


def test_a_vault_is_checked_mirrored_and_brought_back(north: HospitalFolder, tmp_path: Path) -> None:
    with hospital.read_records(north) as records:
        assert upkeep.check(records).sound
        assert upkeep.mirror(records, str(tmp_path / "replica")).copied == PICTURES
    made = upkeep.backup(north, tmp_path / "north.backup")
    back = upkeep.restore(made.file, tmp_path / "again", made.key, str(tmp_path / "replica"))
    assert (back.objects, back.lost) == (PICTURES, 0)
    with hospital.read_records(hospital.locate(back.folder)) as records:
        assert upkeep.check(records).scrub.records == PICTURES


@pytest.mark.parametrize(
    "named", [{}, {"patient": ""}, {"patient": "1", "record": "2"}, {"subject": "a", "record": ""}]
)
def test_exactly_one_thing_can_be_named(named: dict[str, str]) -> None:
    with pytest.raises(InputError):
        Target(**named)
