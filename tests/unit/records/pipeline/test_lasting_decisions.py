"""What a reviewer decided holds for the same content in the next version and in other projects; a change asks anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import msgspec

from hmchain.records.catalogue import Dataset
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.deidentification.outcome import Held, Outcome
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import Extraction, ExtractionTally
from hmchain.records.sources.item import Item
from support.letters import BOOK, LETTERS, Bed, Letters, Redact, letter
from support.letters import bed as bed

OTHER = replace(BOOK, name="other", project="another library")
TEXTS = {"a": letter(7, "SECRET"), "b": letter(8, "SECRET"), "c": letter(9)}


class Stronger(Redact):
    """As `Redact`, and finds more."""

    def deidentify(self, item: Item, *, reviewed: bool = False) -> Iterator[Outcome]:
        for outcome in super().deidentify(item, reviewed=reviewed):
            yield replace(outcome, reason="a name on page 3") if isinstance(outcome, Held) else outcome


def extract(bed: Bed, dataset: Dataset, number: int, texts: dict[str, bytes], rules: Redact) -> ExtractionTally:
    return Extraction(bed.catalogue, bed.vault, dataset, number, {LETTERS: rules}).run(Letters(texts, marked=True))


def decide(bed: Bed) -> None:
    """Release the letter `a`, reject `b`, and go on to the next version."""
    extract(bed, BOOK, 1, TEXTS, Redact())
    for held in bed.catalogue.quarantine.items():
        if review.original_name(bed.vault, held) == "a":
            review.release(bed.extraction(), bed.catalogue, bed.vault, held, "M. Curie", 5)
        else:
            review.reject(bed.catalogue, bed.vault, held, "L. Meitner", 6)
    bed.catalogue.close_version("book", 1, bytes(32), 0)
    bed.catalogue.open_version("book", "letters", 0)
    bed.catalogue.add_dataset(OTHER)
    bed.catalogue.open_version("other", "letters", 0)


def test_the_next_version_and_another_project_ask_nobody_again(bed: Bed) -> None:
    decide(bed)
    for dataset, number in ((BOOK, 2), (OTHER, 1)):
        tally = extract(bed, dataset, number, TEXTS, Redact())
        assert (tally.items, tally.records, tally.held, tally.released, tally.rejected) == (3, 2, 0, 1, 1)
        assert set(dict(bed.vault.read(dataset.name, number))) == {"7", "9"}
        found = [held for held in bed.catalogue.quarantine.items(dataset.name) if held.version == number]
        said = {held.state: held.reviewer for held in found}
        assert said == {RELEASED: "M. Curie", REJECTED: "L. Meitner"}
        again = extract(bed, dataset, number, TEXTS, Redact())
        assert (again.resumed, again.items) == (3, 0)


def test_a_changed_file_is_asked_about_anew(bed: Bed) -> None:
    decide(bed)
    changed = {"a": letter(7, "SECRET\nand more"), "b": letter(8, "SECRET\nand more")}
    tally = extract(bed, BOOK, 2, changed, Redact())
    assert (tally.held, tally.released, tally.rejected) == (2, 0, 0)


def test_what_is_held_for_another_reason_is_asked_about_anew_and_what_was_rejected_stays_out(bed: Bed) -> None:
    decide(bed)
    tally = extract(bed, BOOK, 2, TEXTS, Stronger())
    assert (tally.held, tally.released, tally.rejected) == (1, 0, 1)
    (held,) = [each for each in bed.catalogue.quarantine.items() if each.state == PENDING]
    assert review.original_name(bed.vault, held) == "a" and held.reason == "a name on page 3"


def test_a_profile_that_wants_two_people_asks_again_for_what_one_released(bed: Bed) -> None:
    decide(bed)
    two = replace_persons(OTHER)
    tally = extract(bed, two, 1, TEXTS, Redact())
    assert (tally.held, tally.released, tally.rejected) == (1, 0, 1)


def replace_persons(dataset: Dataset) -> Dataset:
    profile = msgspec.structs.replace(dataset.profile, review=type(dataset.profile.review)(persons=2))
    return replace(dataset, profile=profile)


def test_what_is_kept_of_a_decision_is_no_digest_of_the_file(bed: Bed) -> None:
    decide(bed)
    contents = {held.content for held in bed.catalogue.quarantine.items()}
    assert len(contents) == 2 and not contents & {sha256(text).digest() for text in TEXTS.values()}
    assert {held.patient for held in bed.catalogue.quarantine.items()} == {""}
    assert bed.catalogue.quarantine.decisions.forget(contents) == 2
    assert extract(bed, BOOK, 2, TEXTS, Redact()).held == 2
