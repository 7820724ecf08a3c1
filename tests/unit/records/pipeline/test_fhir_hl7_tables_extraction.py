"""FHIR, HL7 v2 and tables through the pipeline: stopped anywhere and run again, nothing twice, nothing lost, and a
patient who is erased is gone from all of them."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hmchain.keys import SecretKey, WrappingKey
from hmchain.records.catalogue import Catalogue, Dataset, HeldItem
from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier
from hmchain.records.deidentification.tables.deidentifier import TableDeidentifier
from hmchain.records.objects import ObjectStore
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import CONFLICT, Extraction, ExtractionTally
from hmchain.records.pipeline.workers import Deidentifiers
from hmchain.records.sources.fhir import files as fhir_files
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.hl7.files import Hl7Files
from hmchain.records.sources.item import FHIR, HL7, TABLE, Item, Source, SourceError
from hmchain.records.sources.tables import TableFiles, load_schema
from hmchain.records.vault import Vault
from support.health_records import (
    AS_OF,
    ndjson,
    observation,
    omop_measurement,
    profile,
    pseudonyms,
    resources,
    result_message,
)

PATIENTS = 6
NAME = "clinical"


@dataclass(frozen=True)
class Interrupted:
    """A source that goes away after some items."""

    source: Source
    after: int

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        yield from itertools.islice(self.source.items(done), self.after)
        raise SourceError("the source went away", "run it again")

    def count(self) -> int | None:
        return self.source.count()


class Hospital:
    """A vault, a catalogue, and the three kinds of exports about the same patients."""

    def __init__(self, folder: Path) -> None:
        export = folder / "export"
        export.mkdir()
        fhir = [each | {"id": each["id"].removeprefix("p")} for each in resources(PATIENTS, observations=4)]
        (export / "all.ndjson").write_bytes(ndjson(fhir).replace(b"Patient/p", b"Patient/"))
        messages = [result_message(number, number % PATIENTS) for number in range(20)]
        (export / "batch.hl7").write_text("".join(messages), newline="")
        omop_measurement(60, PATIENTS - 1).write_csv(export / "measurement.csv")
        schema = load_schema("omop")
        self.sources: list[Source] = [FhirFiles(export), Hl7Files(export), TableFiles(export, schema)]
        rules, names = profile("longitudinal"), pseudonyms()
        self._rules: Deidentifiers = {
            FHIR: FhirDeidentifier(rules, names, AS_OF),
            HL7: Hl7Deidentifier(rules, names, AS_OF),
            TABLE: TableDeidentifier(rules, names, schema, AS_OF),
        }
        store = ObjectStore.directory(folder / "objects", durable=False)
        self.vault = Vault.create(folder / "vault", store, WrappingKey.generate())
        self.catalogue = Catalogue(folder / "catalogue.db", SecretKey.generate())
        self._dataset = Dataset(NAME, "Clinical records", "project", rules, 0)
        self.catalogue.add_dataset(self._dataset)
        self.catalogue.open_version(NAME, "exports", 0)

    def extract(self, source: Source) -> ExtractionTally:
        return Extraction(self.catalogue, self.vault, self._dataset, 1, self._rules).run(source)

    def release(self, held: HeldItem) -> None:
        run = Extraction(self.catalogue, self.vault, self._dataset, 1, self._rules)
        review.release(run, self.catalogue, self.vault, held, "M. Curie", 0, replacing=True)

    def contents(self) -> dict[str, bytes]:
        return dict(self.vault.read(NAME, 1))

    def close(self) -> None:
        self.vault.close()
        self.catalogue.close()


@pytest.fixture
def hospitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Hospital]]:
    """Makes hospitals with the same exports; FHIR comes in small blocks, so that it can stop within a file."""
    monkeypatch.setattr(fhir_files, "BLOCK_BYTES", 4096)
    made: list[Hospital] = []

    def make() -> Hospital:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Hospital(folder))
        return made[-1]

    yield make
    for hospital in made:
        hospital.close()


def test_what_is_stopped_anywhere_ends_as_what_is_not(hospitals: Callable[[], Hospital]) -> None:
    whole, stopped = hospitals(), hospitals()
    for source in whole.sources:
        assert whole.extract(source).held == 0
    expected = whole.contents()
    assert len(expected) == PATIENTS * 7 + 20 + PATIENTS - 1
    for source in stopped.sources:
        for after in (0, 1, 3):
            with pytest.raises(SourceError, match="went away"):
                stopped.extract(Interrupted(source, after))
        last = stopped.extract(source)
        assert (last.duplicates, last.held) == (0, 0)
    assert stopped.contents() == expected


def test_an_erased_patient_is_gone_from_every_kind_and_nobody_else_is(hospitals: Callable[[], Hospital]) -> None:
    hospital = hospitals()
    for source in hospital.sources:
        hospital.extract(source)
    before = {entry.record: entry for entry in hospital.catalogue.records(NAME, 1)}
    subject = pseudonyms().subject("3")
    mine = {record for record, entry in before.items() if entry.subject == subject}
    assert {before[record].kind for record in mine} == {FHIR, HL7, TABLE}
    hospital.vault.erase_subject(subject)
    left = hospital.contents()
    assert set(left) == set(before) - mine
    assert all(subject.encode() not in content for content in left.values())


def versioned(value: int, meta: dict[str, str] | None) -> Item:
    """An export that holds one Observation, as it is at some time."""
    changed = observation(1, 1, id="glucose", valueQuantity={"value": value}, meta=meta)
    return Item(f"export {value}.json", FHIR, lambda: io.BytesIO(ndjson([changed])))


@dataclass(frozen=True)
class Exports:
    """Items in order."""

    given: tuple[Item, ...]

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        return (item for item in self.given if not done(item.name))

    def count(self) -> int | None:
        return len(self.given)


@pytest.mark.parametrize(
    "metas",
    [
        ({"versionId": "9"}, {"versionId": "10"}),
        ({"lastUpdated": "2024-05-01T23:30:00-05:00"}, {"lastUpdated": "2024-05-02T05:00:00Z"}),
        (
            {"lastUpdated": "2024-05-01T10:00:00Z", "versionId": "3"},
            {"lastUpdated": "2024-05-02T10:00:00Z", "versionId": "2"},
        ),
    ],
    ids=["by number", "by time, in other zones", "by time before number"],
)
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_latest_state_of_a_resource_is_what_stays(
    hospitals: Callable[[], Hospital], metas: tuple[dict[str, str], ...], in_order: bool, at_once: bool
) -> None:
    hospital = hospitals()
    exports = [versioned(number, meta) for number, meta in enumerate(metas, start=1)][:: 1 if in_order else -1]
    tallies = [
        hospital.extract(Exports(tuple(part))) for part in ([exports] if at_once else [[each] for each in exports])
    ]
    assert sum(tally.held for tally in tallies) == 0 and sum(tally.records for tally in tallies) == 1
    [kept] = hospital.contents().values()
    assert json.loads(kept)["valueQuantity"] == {"value": 2}
    assert hospital.catalogue.edition(NAME, 1, next(iter(hospital.contents()))) is not None


def test_of_two_states_without_a_number_or_time_a_person_says_which(hospitals: Callable[[], Hospital]) -> None:
    hospital = hospitals()
    assert hospital.extract(Exports((versioned(1, None), versioned(2, {"versionId": "2"})))).held == 1
    (held,) = hospital.catalogue.quarantine.items(NAME)
    assert held.code == CONFLICT and held.releasable
    hospital.release(held)
    [kept] = hospital.contents().values()
    assert json.loads(kept)["valueQuantity"] == {"value": 2} and hospital.catalogue.version(NAME).held == 0
