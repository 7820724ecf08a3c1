"""What waits for a reviewer: held, released, rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hmchain.keys import SecretKey
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.deidentification.hl7.deidentifier import Hl7Deidentifier
from hmchain.records.deidentification.profile import Profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.objects import MissingObjectError
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import Extraction, quarantine_of
from hmchain.records.sources.item import Item
from hmchain.records.vault import MissingRecordError, Vault
from support.letters import BOOK, LETTERS, Bed, Letters, Redact, letter
from support.letters import bed as bed


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


def test_a_held_item_is_asked_for_once_more_than_one_that_passes(bed: Bed) -> None:
    """A server is asked for an object each time that it is opened."""
    letters = Letters({"a": letter(1), "b": letter(2, "SECRET")})
    bed.extraction().run(letters)
    assert letters.opened == ["a", "b", "b"]


def test_who_was_killed_while_releasing_an_item_cannot_reject_it_and_leave_its_record(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed.extraction().run(Letters({"a": letter(7, "SECRET")}))
    (held,) = bed.catalogue.quarantine.items("book")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr(Vault, "erase_many", killed)
        review.release(bed.extraction(), bed.catalogue, bed.vault, held, "M. Curie", 5)
    assert bed.texts() == {"7": b"SECRET"} and bed.catalogue.quarantine.items("book")[0].state == RELEASED
    with pytest.raises(review.NotHeldError):
        review.find_held(bed.catalogue, held.item.hex())
    assert review.erase_decided(bed.catalogue, bed.vault, "book", 1) == 2, "the item and its name"


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


@pytest.mark.parametrize(("keep", "stays"), [(frozenset(), False), (frozenset({"OBX-5"}), True)], ids=str)
def test_what_a_reviewer_is_told_of_goes_with_the_release_unless_its_place_is_kept(
    bed: Bed, keep: frozenset[str], stays: bool
) -> None:
    header, patient = "MSH|^~\\&|A|B|C|D|2024||ORU^R01|1|P|2.5.1", "PID|1||48213^^^H^MR||Roe^Jane"
    message = "\r".join((header, patient, "OBX|1|NM|2345-7^^LN||48213"))
    rules = {LETTERS: Hl7Deidentifier(Profile(name="p", title=""), Pseudonyms(SecretKey(bytes(32)), "a project"))}
    run = Extraction(bed.catalogue, bed.vault, BOOK, 1, rules)
    assert run.run(Letters({"a": message.encode()})).held == 1
    (held,) = bed.catalogue.quarantine.items("book")
    assert "48213" not in held.reason
    (finding,) = review.findings(rules, bed.vault, held)
    assert (finding.place, finding.word) == ("OBX-5", "48213")
    who = [review.Reviewer("M. Curie")]
    done = review.release_all(run, bed.catalogue, bed.vault, [(held, ())], who, 5, keep=keep)
    assert [tally.records for tally in done.tallies] == [1]
    (text,) = bed.texts().values()
    assert (b"48213" in text) is stays
