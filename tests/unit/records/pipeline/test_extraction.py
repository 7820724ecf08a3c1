"""Extraction: from items to records at rest, nothing twice and nothing lost, whatever stops it."""

from __future__ import annotations

from itertools import permutations

import pytest

from hmchain.records.catalogue.entries import REJECTED, RELEASED
from hmchain.records.deidentification.outcome import Edition
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import CONFLICT, Extraction
from hmchain.records.sources.item import SourceError
from hmchain.records.vault import VersionClosedError
from support.letters import BOOK, LETTERS, Bed, Editions, Letters, edition, letter
from support.letters import bed as bed


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
