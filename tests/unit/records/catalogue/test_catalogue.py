"""The catalogue: what there is, where it came from, and nothing that tells who a patient is."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hmchain.keys import SecretKey
from hmchain.records.catalogue import (
    Catalogue,
    CatalogueError,
    Dataset,
    HeldItem,
    ItemDone,
    RecordEntry,
    UnknownVersionError,
)
from hmchain.records.catalogue.entries import PENDING, RELEASED
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.deidentification.outcome import REMOVED, SHIFTED, Action
from hmchain.records.deidentification.profile import load_profile

LOCAL = SecretKey(bytes(32))
BRAIN = Dataset("brain", "Brain MRI", "tumours", load_profile("longitudinal"), 1000)


def record(number: int, subject: str = "s0", **attributes: str) -> RecordEntry:
    return RecordEntry(f"{number:032x}", subject, "dicom", "application/dicom", 10 + number, "tumour", attributes)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "catalogue.db", LOCAL) as opened:
        opened.add_dataset(BRAIN)
        opened.open_version("brain", "a folder", 2000)
        yield opened


def done(catalogue: Catalogue, name: str, *records: RecordEntry, **more: object) -> ItemDone:
    return ItemDone(catalogue.projects.item_digest("tumours", name), records, **more)  # type: ignore[arg-type]


def test_datasets_come_back_with_their_rules(catalogue: Catalogue) -> None:
    assert catalogue.datasets() == [BRAIN]
    assert catalogue.dataset("brain") == BRAIN
    assert catalogue.dataset("lung") is None


def test_a_version_counts_what_it_holds(catalogue: Catalogue) -> None:
    catalogue.add_items("brain", 1, [done(catalogue, "a", record(1), record(2)), done(catalogue, "b", record(3, "s1"))])
    version = catalogue.version("brain")
    assert (version.records, version.subjects, version.size, version.held) == (3, 2, 36, 0)
    assert list(catalogue.records("brain", 1)) == [record(1), record(2), record(3, "s1")]
    assert catalogue.record("brain", 1, record(3).record) == record(3, "s1")
    assert catalogue.record("brain", 1, "nothing") is None


def test_a_closed_version_is_followed_by_the_next(catalogue: Catalogue) -> None:
    assert catalogue.open_version("brain", "elsewhere", 3000).number == 1
    catalogue.close_version("brain", 1, b"r" * 32, 4000)
    assert catalogue.version("brain", 1).closed
    assert catalogue.open_version("brain", "elsewhere", 5000).number == 2
    assert [version.number for version in catalogue.versions("brain")] == [1, 2]
    with pytest.raises(UnknownVersionError, match="version 3 of dataset brain"):
        catalogue.version("brain", 3)
    with pytest.raises(UnknownVersionError, match="dataset lung"):
        catalogue.version("lung")


def test_items_are_remembered_by_keyed_digests_only(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.add_items("brain", 1, [done(catalogue, "/ward 7/Roe^Jane.dcm", record(1))])
    assert catalogue.is_done("brain", 1, catalogue.projects.item_digest("tumours", "/ward 7/Roe^Jane.dcm"))
    assert not catalogue.is_done("brain", 1, catalogue.projects.item_digest("tumours", "/ward 7/Doe^John.dcm"))
    catalogue.close()
    assert b"Roe" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_digests_of_items_differ_between_projects_and_hospitals(catalogue: Catalogue, tmp_path: Path) -> None:
    with Catalogue(tmp_path / "other.db", LOCAL) as other:
        digests = {
            catalogue.projects.item_digest("tumours", "a"),
            catalogue.projects.item_digest("x", "a"),
            other.projects.item_digest("x", "a"),
        }
    assert len(digests) == 3


def test_project_keys_need_the_hospitals_key(catalogue: Catalogue, tmp_path: Path) -> None:
    key = catalogue.projects.key("tumours")
    with Catalogue(tmp_path / "catalogue.db", LOCAL) as again:
        assert again.projects.key("tumours") == key
    with (
        Catalogue(tmp_path / "catalogue.db", SecretKey(b"x" * 32)) as stranger,
        pytest.raises(Exception, match="another key"),
    ):
        stranger.projects.key("tumours")


def test_actions_add_up(catalogue: Catalogue) -> None:
    one, two = Action("PatientName", REMOVED, 2), Action("StudyDate", SHIFTED)
    catalogue.add_items("brain", 1, [done(catalogue, "a", actions=(one, two)), done(catalogue, "b", actions=(one,))])
    found = {(entry.element, entry.done): entry.count for entry in catalogue.actions("brain", 1)}
    assert found == {("PatientName", REMOVED): 4, ("StudyDate", SHIFTED): 1}


def test_search_finds_all_words_and_survives_any_text(catalogue: Catalogue) -> None:
    mr, ct = record(1, modality="MR", body="HEAD"), record(2, modality="CT", body="HEAD")
    catalogue.add_items("brain", 1, [done(catalogue, "a", mr, ct)])
    assert {hit[2] for hit in catalogue.search("head")} == {mr.record, ct.record}
    assert [hit[2] for hit in catalogue.search("mr head")] == [mr.record]
    assert catalogue.search("") == catalogue.search("lung") == []


def test_labels_are_given_later_and_found(catalogue: Catalogue) -> None:
    catalogue.add_items("brain", 1, [done(catalogue, "a", record(1), record(2))])
    catalogue.label("brain", 1, {record(2).record: "glioma"})
    assert [entry.label for entry in catalogue.records("brain", 1)] == ["tumour", "glioma"]
    assert [hit[2] for hit in catalogue.search("glioma")] == [record(2).record]
    assert [hit[2] for hit in catalogue.search("tumour")] == [record(1).record]


@given(text=st.text())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_search_text_breaks_the_query(catalogue: Catalogue, text: str) -> None:
    assert catalogue.search(text) == []


def test_quarantine_is_listed_and_reviewed(catalogue: Catalogue) -> None:
    name = catalogue.projects.item_digest("tumours", "a")
    held = HeldItem(name, "brain", 1, "dicom", "", "burned_in_text", "a screenshot", True)
    catalogue.add_items("brain", 1, [ItemDone(name, held=held)])
    assert catalogue.quarantine.items() == catalogue.quarantine.items("brain") == [held]
    assert catalogue.quarantine.items("lung") == []
    assert catalogue.version("brain").held == 1
    catalogue.quarantine.decide(held, RELEASED, "M. Curie", 9000)
    (after,) = catalogue.quarantine.items()
    assert (after.state, after.reviewer, after.reviewed_ms) == (RELEASED, "M. Curie", 9000)
    assert held.state == PENDING and catalogue.version("brain").held == 0


def test_a_patient_is_forgotten_everywhere(catalogue: Catalogue) -> None:
    catalogue.add_items("brain", 1, [done(catalogue, "a", record(1, body="HEAD"), record(2, "s1", body="HEAD"))])
    assert catalogue.forget(None, 9000, subject="s0") == [("brain", 1)]
    assert [entry.subject for entry in catalogue.records("brain", 1)] == ["s1"]
    assert [hit[2] for hit in catalogue.search("head")] == [record(2).record]
    assert catalogue.forget("brain", 9000, record=record(2).record) == [("brain", 1)]
    assert catalogue.version("brain").records == 0


def test_what_goes_wrong_half_way_leaves_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError):
        catalogue.add_items("brain", 1, [done(catalogue, "a", record(1)), done(catalogue, "b", record(1))])
    assert catalogue.version("brain").records == 0
    assert not catalogue.is_done("brain", 1, catalogue.projects.item_digest("tumours", "a"))


def test_only_the_owner_may_read_the_file(catalogue: Catalogue, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "catalogue.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["text", "version"])
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "catalogue.db"
    if damage == "text":
        path.write_text("not a database at all, but long enough to be looked at" * 20)
    else:
        Catalogue(path, LOCAL).close()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
    with pytest.raises(CatalogueError, match=r"catalogue\.db"):
        Catalogue(path, LOCAL)


def test_a_catalogue_of_the_version_before_is_brought_along(tmp_path: Path) -> None:
    """Its items still wait, and what is new about them is not known."""
    path = tmp_path / "old.db"
    with Catalogue(path, LOCAL) as made:
        made.add_dataset(BRAIN)
        made.open_version("brain", "a folder", 2000)
        name = made.projects.item_digest("tumours", "a")
        made.add_items("brain", 1, [ItemDone(name, held=HeldItem(name, "brain", 1, "dicom", "", "x", "a scan", True))])
    with sqlite3.connect(path) as old:
        for index in ("item", "state", "code", "modality", "kind", "series", "device", "patient", "dataset"):
            old.execute(f"DROP INDEX held_by_{index}")
        for column in ("regions", "series", "modality", "device", "patient", "content"):
            old.execute(f"ALTER TABLE held DROP COLUMN {column}")
        for table in ("decisions", "votes", "blanked_devices", "consents", "bases", "optout_lists", "listed"):
            old.execute(f"DROP TABLE {table}")
        for column in ("file", "became"):
            old.execute(f"ALTER TABLE items DROP COLUMN {column}")
        old.execute("PRAGMA user_version = 2")
    with Catalogue(path, LOCAL) as found:
        (held,) = found.quarantine.waiting(name.hex()[:8])
        assert (held.reason, held.regions, held.series, held.content) == ("a scan", (), "", b"")
        assert found.is_done("brain", 1, name) and not found.account("brain", 1).files
        found.quarantine.decide(held, RELEASED, "M. Curie", 9000)
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(CatalogueError, match="another version"):
        Catalogue(path, LOCAL)


def test_a_hundred_waiting_items_are_chosen_counted_and_paged_by_what_is_known_of_them(catalogue: Catalogue) -> None:
    held = [
        HeldItem(
            bytes([number]) * 32, "brain", 1, "dicom", "", "damaged" if number % 10 == 0 else "burned_in_text", "why",
            True, series=f"{number % 4}aa", modality="US" if number % 2 else "MR", device="d", patient=f"p{number % 5}",
        )
        for number in range(100)
    ]  # fmt: skip
    catalogue.add_items("brain", 1, [ItemDone(each.item, held=each) for each in held])
    waiting = catalogue.quarantine
    assert waiting.count(HeldFilter(code="damaged")) == 10
    assert waiting.counts(HeldFilter(state=PENDING))["modality"] == {"MR": 50, "US": 50}
    assert waiting.counts(HeldFilter(state=PENDING)) == waiting.counts(HeldFilter(dataset="brain", state=PENDING))
    chosen = list(waiting.chosen(HeldFilter(series="1", modality="US", patient="p1")))
    assert chosen == [each for each in held if each.series == "1aa" and each.patient == "p1"]
    first = waiting.page(HeldFilter(dataset="brain"), 30)
    assert [*first, *waiting.page(HeldFilter(dataset="brain"), 100, first[-1])] == held
    assert waiting.waiting("07") == [held[7]] and waiting.waiting("0", 20) == held[:16]
    assert waiting.waiting("zz") == waiting.waiting("'; --") == []
