"""Whom the guard takes for one person: by all that the hospital knows today, whatever it knew before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from hmchain.application.consent import persons
from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.data import extraction, patients, preparation
from hmchain.application.disclosure.differencing import Cohort
from hmchain.application.releases import register
from hmchain.application.releases.register import HeldAgainst, People
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.records.catalogue import ItemDone
from hmchain.records.catalogue.optouts import PATIENT, OptOut
from hmchain.records.deidentification.patients import Patient, PatientNote
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import read_request
from support import consent_bed
from support.consent_bed import DATASET

PEOPLE, LEAST = 40, 10


@pytest.fixture
def place(tmp_path: Path) -> HospitalFolder:
    return consent_bed.founded(tmp_path, PEOPLE)


@pytest.fixture
def records(place: HospitalFolder) -> Iterator[Records]:
    with hospital.open_records(place) as records:
        yield records


def number(of: int) -> Patient:
    return Patient(f"p{of}")


def opt_out(records: Records, *numbers: int) -> None:
    whose = (records.catalogue.patients.persons_of(number(each))[0] for each in numbers)
    records.catalogue.opt_outs.add([OptOut(PATIENT, each) for each in whose], 0)


def people(records: Records, release: str, dataset: str = DATASET, version: int = 1) -> People:
    """Those whose records a study may have now, as its agent writes them down."""
    found = persons.persons_of(records, usable(records, dataset, version, Use(UseKind.TRAIN, ("HRESCH",)), 0))
    names = frozenset((person, name) for person, each in found.items() for name in each)
    return People(release, (Cohort(release, frozenset(found)),), names)


def told(records: Records, before: People, after: People) -> set[int]:
    """Of how many people what leaves now tells beside what left before."""
    after = replace(after, known=persons.known(records.folder))
    with register.opened(records.folder.path / "some.db") as cohorts:
        cohorts.put(before, 1, 1)
        return {each.persons for each in cohorts.differences(after, HeldAgainst(lambda left: False, LEAST))}


def test_many_patients_who_are_merged_meanwhile_hide_nobody(records: Records) -> None:
    before = people(records, "before")
    opt_out(records, PEOPLE - 1)
    for each in range(0, 12, 2):
        patients.merge(records, number(each), number(each + 1))
    assert told(records, before, people(records, "after")) == {1}


def test_a_merge_that_is_taken_back_hides_nobody(records: Records) -> None:
    for each in range(0, 12, 2):
        patients.merge(records, number(each), number(each + 1))
    before = people(records, "before")
    opt_out(records, PEOPLE - 1)
    for each in range(0, 12, 2):
        patients.part(records, number(each))
    assert told(records, before, people(records, "after")) == {1}


def test_records_that_were_extracted_after_a_merge_are_of_the_same_people(records: Records, tmp_path: Path) -> None:
    before = people(records, "before")
    records.catalogue.close_version(DATASET, 1, records.vault.commit(DATASET, 1).root, 1)
    for each in range(0, 12, 2):
        patients.merge(records, number(each), number(each + 1))
    with open_source(read_request(str(tmp_path / "export.ndjson"))) as source:
        extraction.extract_into(records, DATASET, source)
    assert told(records, before, people(records, "same", version=2)) == set()
    opt_out(records, PEOPLE - 1)
    assert told(records, before, people(records, "after", version=2)) == {1}


def test_a_patient_under_another_number_is_the_same(records: Records) -> None:
    """One project knows them by the hospital's numbers, and the other by those that their insurance gave."""
    before = people(records, "before")
    (cohort,) = before.cohorts
    insured = {person: bytes(reversed(person)) for person in cohort.persons}
    notes = tuple(PatientNote(old, b"", (new,)) for old, new in insured.items())
    records.catalogue.add_items(DATASET, 1, [ItemDone(bytes(32), patients=notes)])
    fewer = frozenset(sorted(insured.values())[1:])
    assert told(records, before, People("after", (Cohort("after", fewer),))) == {1}


def test_a_number_that_many_have_beside_their_own_joins_nobody(records: Records) -> None:
    before = people(records, "before")
    (cohort,) = before.cohorts
    notes = tuple(PatientNote(person, b"", (bytes(32),)) for person in cohort.persons)
    records.catalogue.add_items(DATASET, 1, [ItemDone(bytes(32), patients=notes)])
    assert told(records, before, before) == set()


def pictures(records: Records, folder: Path, project: str, count: int) -> People:
    """Pictures of nobody who is known, in a project of their own."""
    for each in range(count):
        path = folder / ("ill" if each % 2 else "well") / f"{each}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(each).integers(0, 256, (16, 16), np.uint8)).save(path)
    request = msgspec.structs.replace(read_request(str(folder)), labels_from="folders")
    with open_source(request) as source:
        extraction.extract_into(records, project, source, title="Scans", project=project, profile="basic")
    return people(records, project, project)


def test_a_picture_of_nobody_is_the_same_in_every_project_and_at_every_size(records: Records, tmp_path: Path) -> None:
    before = pictures(records, tmp_path / "one", "one", PEOPLE)
    assert told(records, before, pictures(records, tmp_path / "all", "all", PEOPLE)) == set()
    assert told(records, before, pictures(records, tmp_path / "two", "two", PEOPLE - 1)) == {1}
    for name, size in (("one", 16), ("two", 12)):
        preparation.prepare(records, records.catalogue.version(name), f"{name}-made", size=size)
    small, large = people(records, "small", "two-made"), people(records, "large", "one-made")
    assert told(records, large, small) == told(records, before, small) == {1}
