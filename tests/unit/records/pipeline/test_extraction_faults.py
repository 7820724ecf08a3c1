"""Extraction that is cut short: by crashes, full disks, workers that are killed, and power cuts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.records.catalogue import CatalogueError
from hmchain.records.deidentification.outcome import Edition, Outcome
from hmchain.records.objects import DiskFullError
from hmchain.records.pipeline.extraction import Extraction
from hmchain.records.pipeline.workers import TRAVEL_BYTES_MAX, WorkerLostError
from hmchain.records.sources.item import Item, SourceError
from hmchain.records.vault.intake import Intake
from support.letters import BOOK, LETTERS, Bed, Editions, Letters, Redact, edition, letter
from support.letters import bed as bed

pytestmark = pytest.mark.network


class Killing(Redact):
    """Ends the process that it works in, as a system does that is short of memory."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().deidentify(item, reviewed=reviewed)


def test_a_crash_between_two_editions_loses_neither(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Letters({"a": edition(1, "one"), "b": edition(2, "two")})
    with monkeypatch.context() as broken, pytest.raises(CatalogueError):
        real, calls = bed.catalogue.add_items, iter(range(9))

        def crash(*what: Any) -> None:
            if next(calls) == 1:
                raise CatalogueError("power cut")
            real(*what)

        broken.setattr(bed.catalogue, "add_items", crash)
        Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()}).run(source)
    Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()}).run(source)
    (entry,) = bed.catalogue.records("book", 1)
    assert bed.texts() == {"1": b"TWO"} and entry.size == 3
    assert bed.catalogue.edition("book", 1, "1") == Edition(number=2)


def test_what_the_vault_got_before_a_crash_is_catalogued_after_it(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise CatalogueError("power cut")

    source = Letters({"a": letter(1), "b": letter(2)})
    with monkeypatch.context() as broken, pytest.raises(CatalogueError):
        broken.setattr(bed.catalogue, "add_items", crash)
        bed.extraction().run(source)
    assert len(bed.texts()) == 2 and bed.catalogue.version("book").records == 0
    tally = bed.extraction().run(source)
    assert (tally.records, tally.duplicates) == (2, 0)
    assert bed.catalogue.version("book").records == len(bed.texts()) == 2


def test_a_full_disk_loses_nothing(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Letters({str(i): letter(i) for i in range(4)})

    def full(_: object) -> list[bytes]:
        raise DiskFullError("there is no room")

    with monkeypatch.context() as broken, pytest.raises(DiskFullError):
        broken.setattr(bed.store, "put_many", full)
        bed.extraction().run(source)
    assert bed.extraction().run(source).records + 0 == 4
    assert len(bed.texts()) == 4


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_disk_that_is_full_in_the_middle_leaves_no_entry_without_its_record(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    source = Letters({str(i): letter(i, f"text {i}") for i in range(6)})
    put, calls = bed.store.put_many, iter(range(10))

    def full_once(data: Any) -> list[bytes]:
        if next(calls) == fails_at:
            raise DiskFullError("there is no room")
        return put(data)

    with monkeypatch.context() as broken, pytest.raises(DiskFullError):
        broken.setattr(bed.store, "put_many", full_once)
        bed.extraction().run(source, batch=2)
    listed = {entry.record for entry in bed.catalogue.records("book", 1)}
    assert listed <= set(bed.texts())
    bed.extraction().run(source)
    assert len(bed.texts()) == bed.catalogue.version("book").records == 6


def test_workers_give_the_same_in_the_same_order(bed: Bed, tmp_path: Path) -> None:
    large = b"x" * (TRAVEL_BYTES_MAX + 1)
    texts = {str(i): letter(i, f"text {i}") for i in range(12)} | {"large": b"Jane Roe\n99\n" + large}
    tally = bed.extraction().run(Letters(texts), workers=2)
    other = Bed(tmp_path / "other")
    assert other.extraction().run(Letters(texts)) == tally
    assert bed.texts() == other.texts()
    assert list(bed.catalogue.records("book", 1)) == list(other.catalogue.records("book", 1))
    other.close()


def test_what_workers_sealed_in_vain_is_not_left_behind(bed: Bed) -> None:
    texts = {str(i): letter(i % 6, f"text {i % 6}") for i in range(12)} | {"other": letter(0, "something else")}
    tally = bed.extraction().run(Letters(texts), workers=2)
    assert (tally.records, tally.duplicates, tally.held) == (6, 6, 1)
    assert bed.vault.verify().unnamed == 0
    assert bed.vault.verify().sound


def test_workers_take_no_code_from_the_folder_that_a_steward_stands_in(
    bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multiprocessing.py").write_text("raise SystemExit(1)  # came with what was sent")
    monkeypatch.chdir(tmp_path)
    tally = bed.extraction().run(Letters({"1": letter(1, "one"), "2": letter(2, "two")}), workers=2)
    assert tally.records == 2 and "PYTHONSAFEPATH" not in os.environ


def test_workers_pass_on_what_a_source_cannot_give(bed: Bed) -> None:
    texts = {str(i): letter(i) for i in range(5)}
    tally = bed.extraction().run(Letters(texts, gone=frozenset("3")), workers=2)
    assert (tally.records, tally.unavailable) == (4, 1)


@pytest.mark.parametrize("stop_before", ["1", "9", "30"])
def test_workers_finish_what_a_source_gave_before_it_went_away(bed: Bed, stop_before: str) -> None:
    texts = {str(i): letter(i, f"text {i}") for i in range(40)}
    with pytest.raises(SourceError, match="went away"):
        bed.extraction().run(Letters(texts, stop_before=stop_before), workers=2)
    assert len(bed.texts()) == bed.catalogue.version("book").records == int(stop_before)


def test_a_worker_that_is_killed_is_named_and_the_run_goes_on_after_it(bed: Bed) -> None:
    texts = {str(i): letter(i, f"text {i}") for i in range(20)}
    rules = {LETTERS: Killing()}
    with pytest.raises(WorkerLostError, match="ended"):
        Extraction(bed.catalogue, bed.vault, BOOK, 1, rules).run(Letters(texts), workers=2)
    bed.extraction().run(Letters(texts))
    assert len(bed.texts()) == bed.catalogue.version("book").records == 20


MIXES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["dear reader", "hello", "SECRET", "DAMAGED"])), max_size=12
)


@given(mix=MIXES, faults=st.lists(st.integers(0, 12), max_size=4), batch=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_whatever_stops_it_and_wherever_the_end_is_the_same(
    mix: list[tuple[int, str]], faults: list[int], batch: int
) -> None:
    """Faults strike at the n-th write of a run, into the store, the vault or the catalogue: before it or after it."""
    texts = {str(i): letter(number, text) for i, (number, text) in enumerate(mix)}
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        whole, broken = Bed(Path(one)), Bed(Path(two))
        whole.extraction().run(Letters(texts), batch=batch)
        for fault in faults:
            with pytest.MonkeyPatch.context() as patches:
                strike_at(fault, broken, patches)
                with suppress(PowerCut):
                    broken.extraction().run(Letters(texts), batch=batch)
        broken.extraction().run(Letters(texts), batch=batch)
        assert ended(broken) == ended(whole)
        assert broken.extraction().run(Letters(texts)).items == 0
        whole.close()
        broken.close()


class PowerCut(Exception):
    """What the property test stops a run with."""


def strike_at(fault: int, bed: Bed, patches: pytest.MonkeyPatch) -> None:
    """Raise at the write of that number: at even numbers before it is done, at odd numbers after it."""
    writes = count()

    def struck(write: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **named: Any) -> Any:
            number = next(writes)
            if number == fault and fault % 2 == 0:
                raise PowerCut
            done = write(*given, **named)
            if number == fault:
                raise PowerCut
            return done

        return instead

    for place, name in (
        (bed.store, "put_many"), (bed.store, "put_stream"), (Intake, "enter"), (bed.catalogue, "add_items"),
    ):  # fmt: skip
        patches.setattr(place, name, struck(getattr(place, name)))


def ended(bed: Bed) -> tuple[object, ...]:
    held = [(item.item, item.code, item.state) for item in bed.catalogue.quarantine.items()]
    names = [(name, version) for name, version in bed.vault.versions()]
    entries = list(bed.catalogue.records("book", 1))
    actions = bed.catalogue.actions("book", 1)
    waiting = {record: bed.vault.get(*place, record) for place in names for record in bed.vault.records(*place)}
    # The keys of item names differ from hospital to hospital, so that quarantine is compared by what it holds.
    return (bed.texts(), entries, actions, bed.catalogue.duplicates("book", 1), sorted(waiting.values()),
            sorted(each[1:] for each in held))  # fmt: skip
