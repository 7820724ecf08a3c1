"""A reviewer's desk: marks reach what they say, are taken back, and outlive what goes wrong; two people decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hmchain.application.data import extraction, quarantine
from hmchain.application.data.devices import blanking, device_rules
from hmchain.application.data.lasting import take_device_back
from hmchain.application.data.quarantine import Choice
from hmchain.application.data.reviewing import Desk, RectanglesError
from hmchain.application.site import hospital, persons
from hmchain.application.site.hospital import HospitalFolder
from hmchain.keys import SigningKey, load_key
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline import review
from hmchain.records.pipeline.review import Reviewer
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from hmchain.records.vault import Vault
from support.dicom_objects import ct, written
from support.steward import TWO


@pytest.fixture
def north(tmp_path: Path) -> HospitalFolder:
    """A hospital in which six images of two series wait, and a damaged one; two people must release."""
    folder = tmp_path / "export"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.dcm").write_bytes(shot(number))
    (folder / "short.dcm").write_bytes(written(ct(SOPInstanceUID="1.2.6.1"))[:300])
    (tmp_path / "careful.toml").write_text(TWO)
    place = hospital.create(tmp_path / "north")
    with hospital.open_records(place) as records, open_source(SourceRequest(place=str(folder))) as source:
        extraction.extract_into(records, "head", source, profile=str(tmp_path / "careful.toml"))
    return place


def shot(number: int) -> bytes:
    """An image of a device that says that it writes into its pictures."""
    made = ct(
        SOPInstanceUID=f"1.2.4.{number}", SeriesInstanceUID=f"1.2.5.{number % 2}", BurnedInAnnotation="YES",
        Manufacturer="Acme", ManufacturerModelName="Sono 3",
    )  # fmt: skip
    return written(made)


@contextmanager
def desk(place: HospitalFolder, *who: Reviewer) -> Iterator[Desk]:
    with Desk(place, None, who or [Reviewer("Curie")], HeldFilter()) as opened:
        yield opened


def person(place: HospitalFolder, name: str) -> Reviewer:
    key = place.path / f"{name}.key"
    persons.add(place, name, key)
    return Reviewer(name, load_key(SigningKey, key))


def applied(opened: Desk) -> tuple[str, ...]:
    assert opened.apply()
    opened.finish()
    return opened.progress.said


def test_a_mark_reaches_a_series_or_all_and_passes_over_what_nobody_can_release(north: HospitalFolder) -> None:
    with desk(north) as opened:
        page = opened.page()
        (damaged,) = [each.number for each in page.entries if not each.item.releasable]
        first = next(each.number for each in page.entries if each.item.releasable)
        assert opened.count(first, "series") == opened.mark([first], "released", scope="series") == 3
        assert opened.mark([damaged], "released") == 0
        assert opened.mark([damaged], "released", scope="filter") == 6
        assert opened.marks() == {"released": 6, "rejected": 0, "blanked": 0, "taken": 0, "devices": 0}
        assert opened.mark([first], "") == 1 and opened.marks()["released"] == 5
        assert opened.mark([first], "released", scope="filter", found=True) == 0, "no writing was found in any"
        assert opened.mark([first], "released", ((0, 0, 1, 1),), scope="filter", found=True) == 6
        opened.undo_all()
        assert opened.page().total == 7 and not any(opened.marks().values())


def test_two_people_decide_in_turn_and_what_either_wanted_blanked_is(north: HospitalFolder) -> None:
    curie, meitner = person(north, "Curie"), person(north, "Meitner")
    with desk(north) as opened:
        opened.page()
        opened.mark([0], "released", scope="filter")
        (said,) = applied(opened)
        assert "wants 2 people" in said and opened.marks()["released"] == 6, "marks outlive what went wrong"
    with desk(north, curie) as opened:
        opened.page()
        opened.mark([0], "released", ((0, 0, 2, 2),), scope="filter")
        assert applied(opened) == ("6 wait for another person, who must release them too.",)
        assert {each.released_by for each in opened.page().entries} == {("Curie",), ()}
    with desk(north, meitner) as opened:
        opened.page()
        opened.mark([0], "released", ((4, 4, 1, 1),), scope="filter")
        assert applied(opened) == ("6 released: 6 records.",)
        assert opened.page().total == 1
    with hospital.read_records(north) as records:
        done = {(each.element, each.done) for each in records.catalogue.actions("head", 1)}
        assert any(element == "parts of the pixels" for element, _ in done), done


def test_while_another_command_changes_the_records_marks_wait(north: HospitalFolder) -> None:
    with desk(north) as opened:
        number = opened.page().entries[0].number
        opened.mark([number], "rejected")
        with hospital.alone(north):
            (said,) = applied(opened)
        assert "changes the records" in said and opened.marks()["rejected"] == 1
        assert applied(opened) == ("1 rejected; their copies here are erased.",)
        assert opened.entry(number) is None and "does not wait" in opened.view(number).problem


def images(opened: Desk) -> list[int]:
    """The items on the desk that are not damaged."""
    return [each.number for each in opened.page().entries if each.item.releasable]


def blank_from_now_on(opened: Desk, index: int) -> tuple[str, ...]:
    """Blank an item, and all of its device from now on."""
    number = images(opened)[index]
    assert opened.mark([number], "released", WHOLE) == 1 and opened.from_now_on(number, WHOLE)
    return applied(opened)


def blanked(place: HospitalFolder) -> int:
    """The number of devices that an extraction into the dataset blanks."""
    with hospital.read_records(place) as records:
        dataset = records.catalogue.dataset("head")
        assert dataset is not None
        return len(blanking(records, dataset).profile.dicom.blank)


WHOLE = ((0, 0, 8, 8),)


def test_one_person_has_no_device_blanked_from_now_on_where_two_must_release(north: HospitalFolder) -> None:
    curie, meitner = person(north, "Curie"), person(north, "Meitner")
    with desk(north) as opened:
        (said,) = blank_from_now_on(opened, 0)
        assert "wants 2 people" in said and blanked(north) == 0
    with hospital.read_records(north) as records:
        assert not device_rules(records), "nothing is written of what did not go through"
    with desk(north, curie) as opened:
        assert "another person" in blank_from_now_on(opened, 0)[-1]
        assert "another person" in blank_from_now_on(opened, 1)[-1], "one person twice is one person"
        assert blanked(north) == 0
    with desk(north, meitner) as opened:
        assert blank_from_now_on(opened, 0) == (
            "1 released: 1 records.",
            "Images of 1 devices are blanked from now on.",
        )
    assert blanked(north) == 1
    later = north.path / "later"
    later.mkdir()
    (later / "x.dcm").write_bytes(shot(9))
    with hospital.open_records(north) as records:
        with open_source(SourceRequest(place=str(later))) as source:
            assert extraction.extract_into(records, "head", source).tally.held == 0
        (rule,) = device_rules(records)
        assert (rule.reviewer, rule.signed, rule.in_force) == ("Curie and Meitner", 2, True)
        persons.remove(north, "Meitner")
        assert blanked(north) == 0, "who is not of the hospital any more does not count"
        take_device_back(records, 1, "Curie")
        assert not device_rules(records)


def test_what_another_decided_meanwhile_does_not_stop_what_is_marked(north: HospitalFolder) -> None:
    with desk(north) as opened:
        waiting = [each.number for each in opened.page().entries]
        opened.mark(waiting, "rejected")
        with hospital.open_records(north) as records:
            quarantine.reject(records, Choice((opened.page().entries[0].item.item.hex(),)), [Reviewer("Meitner")])
        assert applied(opened) == (
            "1 were decided meanwhile elsewhere, or wait for another reason now: look at those again.",
            "6 rejected; their copies here are erased.",
        )
        assert opened.page().total == 0


def test_marks_outlive_a_page_that_was_killed_and_are_nobody_elses(north: HospitalFolder) -> None:
    curie = person(north, "Curie")
    with desk(north, curie) as opened:
        first, second, third, *_ = images(opened)
        opened.mark([first, second], "released", WHOLE)
        opened.from_now_on(first, WHOLE)
        opened.mark([third], "rejected")
        opened.mark([second], "")
        left = opened.marks()
    (file,) = north.marks.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("ab") as added:
        added.write(file.read_bytes().splitlines()[0][:-40] + b"\n")
    for other in (person(north, "Meitner"), Reviewer("Curie")):
        with desk(north, other) as opened:
            assert not any(opened.marks().values()), "each person's marks are that person's"
    with desk(north, curie) as opened:
        assert opened.marks() == left == {"released": 1, "rejected": 1, "blanked": 1, "taken": 0, "devices": 1}
        applied(opened)
    with desk(north, curie) as opened:
        assert not any(opened.marks().values())


def test_the_copies_that_a_killed_apply_left_are_erased_by_the_next_one(
    north: HospitalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(north) as opened:
        waiting = [each.number for each in opened.page().entries]
        first = opened.page().entries[0].item
        with monkeypatch.context() as killed:
            killed.setattr(Vault, "erase_many", lambda *_: None)
            opened.mark(waiting[:1], "rejected")
            applied(opened)
        opened.mark(waiting[1:], "rejected")
        applied(opened)
    with hospital.read_records(north) as records:
        assert not review.is_kept(records.vault, first) and not records.vault.records("head/quarantine", 1)


def test_marks_that_somebody_wrote_into_the_file_of_another_count_for_nothing(north: HospitalFolder) -> None:
    curie, meitner = person(north, "Curie"), person(north, "Meitner")
    with desk(north, meitner) as opened:
        opened.mark(images(opened), "released")
        (theirs,) = north.marks.iterdir()
    with desk(north, curie) as opened:
        opened.mark(images(opened)[:1], "released")
        (own,) = set(north.marks.iterdir()) - {theirs}
    own.write_bytes(own.read_bytes() + theirs.read_bytes())
    with desk(north, curie) as opened:
        assert opened.marks()["released"] == 1


def test_rectangles_that_blank_nothing_or_are_too_many_are_refused(north: HospitalFolder) -> None:
    with desk(north) as opened:
        number = images(opened)[0]
        for wrong in (((99, 0, 8, 8),), tuple((0, 0, 1 + each, 1) for each in range(65))):
            with pytest.raises(RectanglesError):
                opened.mark([number], "released", wrong)
        for wrong in (((0, 0, 1, 1),), ((1, 0, 8, 8),), ((0, 0, 8, 8), (0, 8, 8, 8))):
            with pytest.raises(RectanglesError):
                opened.from_now_on(number, wrong)
        opened.mark([number], "released", WHOLE)
        opened.from_now_on(number, WHOLE)
        opened.mark([number], "")
        assert not any(opened.marks().values()), "a device without a release is not on the list"
