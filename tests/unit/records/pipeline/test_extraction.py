"""Extraction: from items to records at rest, nothing twice and nothing lost, whatever stops it."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.keys import SecretKey, WrappingKey
from hmchain.records.catalogue import Catalogue, CatalogueError, Dataset
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.deidentification.outcome import REMOVED, Action, Clean, Edition, Held, Outcome
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.objects import DiskFullError, MissingObjectError, ObjectStore
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import CONFLICT, Extraction, quarantine_of
from hmchain.records.pipeline.workers import TRAVEL_BYTES_MAX, WorkerLostError
from hmchain.records.sources.item import Item, ItemUnavailableError, SourceError
from hmchain.records.sources.marks import mark
from hmchain.records.vault import MissingRecordError, Vault, VersionClosedError
from hmchain.records.vault.intake import Intake

LETTERS = "letters"
BOOK = Dataset("book", "A book", "library", load_profile("basic"), 0)


@dataclass
class Letters:
    """A source of short texts; `damage` maps a name to what happens when the item is opened or given."""

    texts: dict[str, bytes]
    stop_before: str = ""
    gone: frozenset[str] = frozenset()
    marked: bool = False
    """Whether its items have marks: what an earlier run knew by name is then not known."""
    opened: list[str] = field(default_factory=list)

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        for name in self.texts:
            if name == self.stop_before:
                raise SourceError("the archive went away", "run it again")
            known = mark(name, self.texts[name]) if self.marked else name
            if not done(known):
                yield Item(name, LETTERS, partial(self._open, name), mark=known)

    def count(self) -> int | None:
        return len(self.texts)

    def _open(self, name: str) -> io.BytesIO:
        if name in self.gone:
            raise ItemUnavailableError("this one cannot be had", "run it again")
        self.opened.append(name)
        return io.BytesIO(self.texts[name])


class Redact:
    """Takes the first line as the author, the second as the record's id, and keeps the rest in upper case."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        with item.open() as file:
            author, number, *rest = file.read().split(b"\n")
        if b"SECRET" in rest and not reviewed:
            yield Held("secret", "it says that it is secret", releasable=True)
        elif b"DAMAGED" in rest:
            yield Held("damaged", "it is damaged", releasable=False)
        else:
            text = b"\n".join(rest).upper()
            yield Clean(
                number.decode(), f"s{len(author)}", "text/plain", lambda: [text],
                {"length": str(len(text))}, (Action("author", REMOVED),),
            )  # fmt: skip


class Killing(Redact):
    """Ends the process that it works in, as a system does that is short of memory."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield from super().deidentify(item, reviewed=reviewed)


def letter(number: int, text: str = "dear reader", author: str = "Jane Roe") -> bytes:
    return f"{author}\n{number}\n{text}".encode()


class Bed:
    """A catalogue, a vault and a dataset with an open version."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore.directory(folder / "objects", durable=False)
        self.vault = Vault.create(folder / "vault", self.store, WrappingKey.generate())
        self.catalogue = Catalogue(folder / "catalogue.db", SecretKey.generate())
        self.catalogue.add_dataset(BOOK)
        self.catalogue.open_version("book", "letters", 0)

    def extraction(self) -> Extraction:
        return Extraction(self.catalogue, self.vault, BOOK, 1, {LETTERS: Redact()})

    def close(self) -> None:
        self.vault.close()
        self.catalogue.close()

    def texts(self) -> dict[str, bytes]:
        return dict(self.vault.read("book", 1))


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.close()


def test_items_become_records_in_vault_and_catalogue(bed: Bed) -> None:
    seen: list[tuple[int, int | None]] = []
    tally = bed.extraction().run(
        Letters({"a": letter(1), "b": letter(2, "hello")}), progress=lambda done, of: seen.append((done, of))
    )
    assert (tally.items, tally.records, tally.size, tally.held) == (2, 2, 16, 0)
    assert bed.texts() == {"1": b"DEAR READER", "2": b"HELLO"}
    assert [(entry.record, entry.size) for entry in bed.catalogue.records("book", 1)] == [("1", 11), ("2", 5)]
    assert bed.catalogue.actions("book", 1)[0].count == 2
    assert seen == [(1, 2), (2, 2)]


def test_a_second_run_opens_nothing_again(bed: Bed) -> None:
    source = Letters({"a": letter(1), "b": letter(2)})
    bed.extraction().run(source)
    source.opened.clear()
    tally = bed.extraction().run(source)
    assert (tally.items, tally.resumed, tally.records) == (0, 2, 0)
    assert source.opened == []


def test_a_source_that_goes_away_loses_nothing(bed: Bed) -> None:
    texts = {str(i): letter(i, f"text {i}") for i in range(10)}
    with pytest.raises(SourceError, match="went away"):
        bed.extraction().run(Letters(texts, stop_before="6"))
    assert len(bed.texts()) == 6
    tally = bed.extraction().run(Letters(texts))
    assert (tally.resumed, tally.records) == (6, 4)
    assert len(bed.texts()) == bed.catalogue.version("book").records == 10


def test_an_item_that_cannot_be_had_is_asked_for_again(bed: Bed) -> None:
    texts = {"a": letter(1), "b": letter(2), "c": letter(3)}
    assert bed.extraction().run(Letters(texts, gone=frozenset("b"))).unavailable == 1
    assert sorted(bed.texts()) == ["1", "3"]
    assert bed.extraction().run(Letters(texts)).records == 1


def test_the_same_record_again_is_a_duplicate(bed: Bed) -> None:
    tally = bed.extraction().run(Letters({"a": letter(1), "b": letter(1), "c": letter(2)}))
    assert (tally.records, tally.duplicates, tally.held) == (2, 1, 0)
    assert bed.catalogue.duplicates("book", 1) == 1


def test_one_identifier_with_two_contents_is_held(bed: Bed) -> None:
    tally = bed.extraction().run(Letters({"a": letter(1), "b": letter(1, "something else")}))
    assert (tally.records, tally.held) == (1, 1)
    (held,) = bed.catalogue.quarantine.items("book")
    assert (held.code, held.releasable) == (CONFLICT, True)
    assert bed.texts() == {"1": b"DEAR READER"}
    with pytest.raises(review.NotReleasableError, match="which to take"):
        review.release(bed.extraction(), bed.catalogue, bed.vault, held, "M. Curie", 5)


def test_a_reviewer_says_which_of_two_contents_to_take(bed: Bed) -> None:
    bed.extraction().run(Letters({"a": letter(1), "b": letter(1, "something else"), "c": letter(1, "a third")}))
    first, second = bed.catalogue.quarantine.items("book")
    tally = review.release(bed.extraction(), bed.catalogue, bed.vault, first, "M. Curie", 5, replacing=True)
    assert (tally.records, tally.updated, tally.held) == (0, 1, 0)
    taken = bed.texts()
    assert taken in ({"1": b"SOMETHING ELSE"}, {"1": b"A THIRD"})
    (entry,) = bed.catalogue.records("book", 1)
    assert entry.size == len(taken["1"]) and entry.attributes == {"length": str(entry.size)}
    review.reject(bed.catalogue, bed.vault, second, "M. Curie", 6)
    assert bed.texts() == taken and {held.state for held in bed.catalogue.quarantine.items("book")} == {
        RELEASED,
        REJECTED,
    }
    assert bed.catalogue.search("24") == []  # the words of the first are gone


def edition(number: int, text: str, day: int | None = None) -> bytes:
    """A letter that says its edition: by a number, or a day."""
    return f"Jane Roe\n1\n{'day' if day else 'edition'} {day or number}\n{text}".encode()


class Editions(Redact):
    """As `Redact`, for letters whose third line says their edition."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        with item.open() as file:
            said, number = file.read().split(b"\n")[2].decode().split(" ")
        made = Edition(number=int(number)) if said == "edition" else Edition(f"2024-01-{int(number):02}")
        for outcome in super().deidentify(item, reviewed=reviewed):
            text = b"".join(outcome.pieces()).split(b"\n", 1)[1] if isinstance(outcome, Clean) else b""
            yield replace(outcome, edition=made, pieces=partial(tuple, [text])) if text else outcome


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("runs", ["one run", "three runs"])
def test_the_latest_edition_takes_the_place_of_the_others(bed: Bed, order: tuple[int, ...], runs: str) -> None:
    letters = {f"{number}": edition(number, f"text {number}") for number in order}
    sources = [Letters(letters)] if runs == "one run" else [Letters({name: text}) for name, text in letters.items()]
    tallies = [Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()}).run(source) for source in sources]
    assert bed.texts() == {"1": b"TEXT 3"} and not bed.catalogue.quarantine.items("book")
    assert sum(tally.records for tally in tallies) == 1
    assert sum(tally.updated + tally.duplicates for tally in tallies) == 2
    assert bed.catalogue.edition("book", 1, "1") == Edition(number=3)
    assert bed.catalogue.version("book").records == 1 and bed.vault.verify().damaged == ()


def test_an_edition_with_the_same_content_is_remembered_as_the_latest(bed: Bed) -> None:
    letters = {"a": edition(1, "same"), "b": edition(3, "same"), "c": edition(2, "other")}
    tally = Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()}).run(Letters(letters))
    assert bed.texts() == {"1": b"SAME"} and (tally.records, tally.updated, tally.held) == (1, 0, 0)


def test_a_label_outlives_the_edition_that_it_was_given_to(bed: Bed) -> None:
    run = Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()})
    run.run(Letters({"a": edition(1, "one")}))
    bed.catalogue.label("book", 1, {"1": "good"})
    run.run(Letters({"b": edition(2, "two")}))
    (entry,) = bed.catalogue.records("book", 1)
    assert (entry.label, entry.size) == ("good", 3) and len(bed.catalogue.search("good")) == 1


def test_editions_that_cannot_be_compared_wait_for_a_person(bed: Bed) -> None:
    letters = {"a": edition(1, "one"), "b": edition(1, "another"), "c": edition(0, "dated", day=3)}
    Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()}).run(Letters(letters))
    assert [held.code for held in bed.catalogue.quarantine.items("book")] == [CONFLICT, CONFLICT]


def test_a_version_that_is_registered_keeps_its_edition(bed: Bed) -> None:
    run = Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()})
    run.run(Letters({"a": edition(1, "one")}))
    before = bed.vault.commit("book", 1)
    with pytest.raises(VersionClosedError):
        run.run(Letters({"b": edition(2, "two")}))
    bed.catalogue.open_version("book", "letters", 1)
    later = Extraction(bed.catalogue, bed.vault, BOOK, 2, {LETTERS: Editions()})
    later.run(Letters({"a": edition(1, "one"), "b": edition(2, "two")}))
    assert dict(bed.vault.read("book", 2)) == {"1": b"TWO"} and dict(bed.vault.read("book", 1)) == {"1": b"ONE"}
    assert bed.vault.commit("book", 1) == before


def test_workers_let_the_latest_edition_win_too(bed: Bed) -> None:
    letters = {f"{number}": edition(number, f"text {number}") for number in (2, 1, 4, 3)}
    run = Extraction(bed.catalogue, bed.vault, BOOK, 1, {LETTERS: Editions()})
    run.run(Letters(letters), workers=2)
    assert bed.texts() == {"1": b"TEXT 4"} and bed.vault.sweep() == 0
    assert bed.vault.verify().damaged == ()


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


def test_an_unknown_kind_is_held(bed: Bed) -> None:
    tally = Extraction(bed.catalogue, bed.vault, BOOK, 1, {}).run(Letters({"a": letter(1)}))
    assert tally.held == 1
    assert bed.catalogue.quarantine.items("book")[0].code == "unknown_kind"


def test_a_held_item_waits_encrypted_with_its_name(bed: Bed, tmp_path: Path) -> None:
    bed.extraction().run(Letters({"Jane Roe.txt": letter(1, "SECRET")}))
    (held,) = bed.catalogue.quarantine.items("book")
    assert held.state == PENDING
    with review.held_content(bed.vault, held) as file:
        assert file.read() == letter(1, "SECRET")
    review.write_content(bed.vault, held, tmp_path / "look")
    assert (tmp_path / "look").stat().st_mode & 0o077 == 0
    (tmp_path / "look").unlink()
    assert review.original_name(bed.vault, held) == "Jane Roe.txt"
    on_disk = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"Jane" not in on_disk and b"SECRET" not in on_disk


def test_a_released_item_becomes_the_record_it_would_have_been(bed: Bed) -> None:
    bed.extraction().run(Letters({"a": letter(7, "SECRET")}))
    held = review.find_held(bed.catalogue, bed.catalogue.quarantine.items("book")[0].item.hex()[:6])
    tally = review.release(bed.extraction(), bed.catalogue, bed.vault, held, "M. Curie", 5)
    assert tally.records == 1 and bed.texts() == {"7": b"SECRET"}
    (after,) = bed.catalogue.quarantine.items("book")
    assert (after.state, after.reviewer) == (RELEASED, "M. Curie")
    with pytest.raises((MissingRecordError, MissingObjectError)):
        bed.vault.get(quarantine_of("book"), 1, held.item.hex())
    assert bed.extraction().run(Letters({"a": letter(7, "SECRET")})).resumed == 1


def test_the_same_item_waits_once_in_each_version_and_dataset_and_each_has_an_id(bed: Bed) -> None:
    other = replace(BOOK, name="another book")
    bed.catalogue.add_dataset(other)
    for dataset in (BOOK, other):
        for number in (1, 2):
            bed.catalogue.open_version(dataset.name, "letters", 0)
            texts = {"a": letter(7, "SECRET"), "b": letter(8, "DAMAGED")}
            run = Extraction(bed.catalogue, bed.vault, dataset, number, {LETTERS: Redact()})
            assert run.run(Letters(texts)).held == 2
            bed.catalogue.close_version(dataset.name, number, bytes(32), 0)
    waiting = bed.catalogue.quarantine.items()
    assert len({held.item for held in waiting}) == len(waiting) == 8
    for held in waiting:
        for letters in (64, 12):
            found = review.find_held(bed.catalogue, held.item.hex()[:letters])
            assert found == held
        with review.held_content(bed.vault, found) as file:
            assert file.read() in (letter(7, "SECRET"), letter(8, "DAMAGED"))
        review.reject(bed.catalogue, bed.vault, found, "M. Curie", 5)
    assert {held.state for held in bed.catalogue.quarantine.items()} == {REJECTED}


def test_two_items_of_one_name_both_wait(bed: Bed) -> None:
    for text in ("SECRET", "SECRET\nas well"):
        assert bed.extraction().run(Letters({"IM0001": letter(7, text)}, marked=True)).held == 1
    assert len({held.item for held in bed.catalogue.quarantine.items()}) == 2


def test_what_somebody_decided_about_is_not_asked_again_though_the_item_was_moved(bed: Bed) -> None:
    texts = {"a": letter(7, "SECRET"), "b": letter(8, "SECRET"), "c": letter(9, "SECRET")}
    bed.extraction().run(Letters(texts))
    names = {review.original_name(bed.vault, held): held for held in bed.catalogue.quarantine.items()}
    review.reject(bed.catalogue, bed.vault, names["a"], "M. Curie", 5)
    review.release(bed.extraction(), bed.catalogue, bed.vault, names["b"], "M. Curie", 5)
    before = bed.catalogue.quarantine.items()
    tally = bed.extraction().run(Letters(texts, marked=True))
    assert (tally.items, tally.held, tally.duplicates, tally.records) == (3, 0, 3, 0)
    assert bed.catalogue.quarantine.items() == before
    assert set(bed.texts()) == {"8"}


def test_too_short_an_id_says_how_many_it_could_be(bed: Bed) -> None:
    bed.extraction().run(Letters({str(number): letter(number, "SECRET") for number in range(17)}))
    first = {held.item.hex()[0] for held in bed.catalogue.quarantine.items()}
    refusals = []
    for begin in first:
        with suppress(review.NotHeldError):
            review.find_held(bed.catalogue, begin)
            continue
        with pytest.raises(review.NotHeldError) as refused:
            review.find_held(bed.catalogue, begin)
        refusals.append(refused.value)
    assert refusals and all("more letters" in refused.hint for refused in refusals)


def test_a_rejected_item_stays_out(bed: Bed) -> None:
    bed.extraction().run(Letters({"a": letter(7, "DAMAGED")}))
    held = review.find_held(bed.catalogue, bed.catalogue.quarantine.items("book")[0].item.hex())
    review.reject(bed.catalogue, bed.vault, held, "M. Curie", 5)
    assert bed.catalogue.quarantine.items("book")[0].state == REJECTED
    assert bed.vault.records(quarantine_of("book"), 1) == []
    assert bed.extraction().run(Letters({"a": letter(7, "DAMAGED")})).held == 0
    with pytest.raises(review.NotHeldError, match="no waiting item"):
        review.find_held(bed.catalogue, held.item.hex())
    with pytest.raises(review.NotHeldError):
        review.find_held(bed.catalogue, "")


def test_with_batches_of_one_an_item_is_durable_before_the_next_is_asked_for(bed: Bed) -> None:
    class Watching(Letters):
        def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
            for before, item in enumerate(super().items(done)):
                assert bed.catalogue.version("book").records == before
                yield item

    assert bed.extraction().run(Watching({str(i): letter(i) for i in range(3)}), batch=1).records == 3
