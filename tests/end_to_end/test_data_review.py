"""A reviewer with much to decide: many at once, by what they have in common; two people; and never the same twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.site import hospital
from hmchain.keys import SigningKey, load_key, save_key
from hmchain.records.catalogue.decisions import Vote
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.pipeline.review import Reviewer
from support.dicom_objects import ct, written
from support.steward import TWO, Steward
from support.steward import steward as steward


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """Nine screenshots of an ultrasound device in three series of three patients, and two damaged files."""
    folder = tmp_path / "screens"
    folder.mkdir()
    for number in range(9):
        shot = ct(
            SOPInstanceUID=f"1.2.4.{number}", SeriesInstanceUID=f"1.2.5.{number % 3}", PatientID=f"p{number % 3}",
            Modality="US", Manufacturer="Acme", ManufacturerModelName="Sono 3", BurnedInAnnotation="YES",
        )  # fmt: skip
        (folder / f"{number}.dcm").write_bytes(written(shot))
    for number in (1, 2):
        (folder / f"short{number}.dcm").write_bytes(written(ct(SOPInstanceUID=f"1.2.6.{number}"))[: 300 + number])
    return folder


def test_a_reviewer_clears_what_is_damaged_and_a_series_at_once_and_the_next_version_asks_nothing(
    steward: Steward, screens: Path
) -> None:
    assert steward.run("extract", str(screens), "--into", "us")["held"] == 11
    assert steward.run("quarantine", "reject", "--reason", "damaged", "--reviewer", "Curie")["rejected"] == 2
    waiting = steward.run("quarantine", "list", "--modality", "us")
    assert (
        len(waiting) == 9
        and len({held["series"] for held in waiting}) == len({held["patient"] for held in waiting}) == 3
    )
    assert len({held["device"] for held in waiting}) == 1 and "content" not in waiting[0]
    series = waiting[0]["series"][:10]
    done = steward.run("quarantine", "release", "--series", series, "--reviewer", "Curie", "--yes")
    assert (done["released"], done["records"], done["refused"]) == (3, 3, {})
    done = steward.run("quarantine", "reject", "--device", waiting[0]["device"][:8], "--reviewer", "Meitner")
    assert done["rejected"] == 6
    assert "Nothing waits" in steward.show("quarantine", "list")
    steward.run("register", "us")
    again = steward.run("extract", str(screens), "--into", "us")
    assert (again["records"], again["held"]) == (3, 0)
    said = {held["reviewer"] for held in steward.run("quarantine", "list", "--decided") if held["version"] == 2}
    assert said == {"Curie", "Meitner"}
    (last, *_) = decided = steward.run("quarantine", "decisions")
    assert len(decided) == 11 and {each["reviewer"] for each in decided} == {"Curie", "Meitner"}
    back = ("quarantine", "decisions", "--take-back")
    assert steward.run(*back, last["content"][:8], "--reviewer", "Curie") == decided[1:]
    assert steward.run(*back, last["content"][:8], "--reviewer", "Curie", expect=2)["error"]["code"] == "not_held"
    assert "rejected" in steward.show("quarantine", "decisions")
    assert steward.run("quarantine", "ask-again", "--modality", "US")["taken_back"] == 8
    (log,) = [each for each in steward.run("log")["entries"] if each["what"] == "release"]
    assert (log["items"], log["records"], log["person"]) == (3, 3, "Curie")


def test_several_ids_and_what_nobody_can_release(steward: Steward, screens: Path, tmp_path: Path) -> None:
    steward.run("extract", str(screens), "--into", "us")
    listed = steward.run("quarantine", "list")
    two = [held["item"][:12] for held in listed if held["releasable"]][:2]
    steward.run("quarantine", "look", *two, "--output", str(tmp_path / "seen"))
    assert sorted(path.stem for path in (tmp_path / "seen").iterdir()) == sorted(two)
    assert steward.run("quarantine", "release", *two, "--reviewer", "Curie", "--yes")["released"] == 2
    nowhere = steward.run("quarantine", "release", "--all", "--blank-found", "--reviewer", "Curie", "--yes")
    assert (nowhere["released"], nowhere["refused"]["no_writing_found"]) == (0, 7), "there is no place to blank"
    rest = steward.run("quarantine", "release", "--all", "--reviewer", "Curie", "--yes")
    assert (rest["released"], rest["refused"]) == (7, {"damaged": 2})
    for arguments, code in (
        (["--reviewer", "Curie", "--yes"], "nothing_chosen"),
        (["--all", "--yes"], "no_reviewer"),
        (["--all", "--reviewer", "Curie"], "not_confirmed"),
        (["0", "1", "2", "3", "zz", "--reviewer", "Curie", "--yes"], "not_held"),
    ):
        assert steward.run("quarantine", "release", *arguments, expect=2)["error"]["code"] == code


def test_where_the_profile_wants_two_people_one_alone_lets_nothing_through(
    steward: Steward, screens: Path, tmp_path: Path
) -> None:
    (tmp_path / "careful.toml").write_text(TWO)
    steward.run("extract", str(screens), "--into", "us", "--profile", str(tmp_path / "careful.toml"))
    assert steward.run("quarantine", "release", "--all", "--reviewer", "Curie", "--yes", expect=2)["error"]["code"] == (
        "no_reviewer"
    )
    keys = [tmp_path / f"{name}.key" for name in ("Curie", "Meitner")]
    for key in keys:
        steward.run("person", "add", key.stem, str(key))
    release = ("quarantine", "release", "--modality", "US", "--yes", "--person")
    for _ in range(2):  # the same person twice is one person, under whatever name
        done = steward.run(*release, str(keys[0]))
        assert (done["released"], done["waiting_for_another"]) == (0, 9)
    assert steward.run(*release, str(keys[0]), "--person", str(keys[0]))["released"] == 0
    assert "Curie, one more must" in steward.show("quarantine", "list").replace("\n", " ")
    assert steward.run(*release, str(keys[1]))["released"] == 9
    found = [held for held in steward.run("quarantine", "list", "--decided") if held["state"] == "released"]
    assert len(found) == 9 and {held["reviewer"] for held in found} == {"Curie and Meitner"}


def test_a_vote_that_somebody_wrote_into_the_file_counts_for_nothing(
    steward: Steward, screens: Path, tmp_path: Path
) -> None:
    (tmp_path / "careful.toml").write_text(TWO)
    steward.run("extract", str(screens), "--into", "us", "--profile", str(tmp_path / "careful.toml"))
    steward.run("person", "add", "Curie", str(tmp_path / "Curie.key"))
    save_key(SigningKey.generate(), tmp_path / "stranger.key")
    stranger = Reviewer("Meitner", load_key(SigningKey, tmp_path / "stranger.key"))
    with hospital.open_records(hospital.locate(steward.folder)) as records:
        kept = records.catalogue.quarantine
        (held, *_) = [each for each in kept.items() if each.releasable]
        kept.vote([(held, stranger.vote(held, "released", 1)), (held, Vote("released", "Joliot", 1, (), bytes(32)))])
    done = steward.run("quarantine", "release", held.item.hex(), "--person", str(tmp_path / "Curie.key"))
    assert (done["released"], done["waiting_for_another"]) == (0, 1)


def test_a_profile_says_one_person_or_two(tmp_path: Path) -> None:
    (tmp_path / "careful.toml").write_text(TWO)
    assert load_profile(str(tmp_path / "careful.toml")).review.persons == 2
    assert load_profile("basic").review.persons == 1


def test_a_misspelt_filter_is_not_taken_for_an_empty_desk(steward: Steward, screens: Path) -> None:
    steward.run("extract", str(screens), "--into", "us")
    assert steward.run("quarantine", "list", "su", expect=2)["error"]["code"] == "no_such_version"
    assert steward.run("quarantine", "list", "--dataset", "su", expect=2)["error"]["code"] == "no_such_version"
    assert len(steward.run("quarantine", "list", "--dataset", "us", "--reason", "damaged")) == 2
    assert (
        steward.run("quarantine", "review", "su", "--reviewer", "Curie", expect=2)["error"]["code"] == "no_such_version"
    )
    typo = ("quarantine", "reject", "--dataset", "su", "--reviewer", "Curie")
    assert steward.run(*typo, expect=2)["error"]["code"] == "no_such_version"
    assert "11 items in all" in steward.show("quarantine", "list", "--reason", "burnt_in")


def test_at_80_columns_the_list_keeps_whole_ids_and_reasons_and_drops_what_is_needed_least(
    steward: Steward, screens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    dataset = "cardiology-ultrasound-2025-spring"
    steward.run("extract", str(screens), "--into", dataset)
    ids = {held["item"][:12] for held in steward.run("quarantine", "list")}
    shown = steward.show("quarantine", "list", "--decided")
    table = [line for line in shown.splitlines() if line[:12] in ids]
    assert max(map(len, table)) <= 80
    rows = [line.split() for line in table]
    assert len(rows) == 11 and all(row[1] == dataset for row in rows)
    assert {row[2] for row in rows} == {"burned_in_text:", "damaged:"}


def test_a_steward_sees_why_at_80_columns_and_counts_that_add_up(
    steward: Steward, screens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    steward.run("extract", str(screens), "--into", "us")
    waits = steward.run("register", "us", expect=2)["error"]
    assert waits["code"] == "empty_version" and "quarantine list us" in waits["hint"], "11 wait: nothing to extract"
    made = steward.show("export", "us", "--output", str(tmp_path / "none"))
    assert "Not among them: 11 items wait in quarantine" in made
    said = steward.show("quarantine", "list", "--limit", "3")
    assert "may show a name" in " ".join(said.split()) and "3 of 11 are shown; --limit N" in said
    typed = steward.show("quarantine", "list", "--as", "dcm")
    assert "Nothing waits that fits; 11 items" in typed and "burned_in_text, damaged" in typed and "dicom" in typed
    nowhere = steward.show("quarantine", "release", "--all", "--blank-found", "--reviewer", "Curie", "--yes")
    assert "9 items [no_writing_found]" in nowhere and "without --blank-found" in nowhere
    for number in range(9, 45):
        series = written(ct(SOPInstanceUID=f"1.2.4.{number}", SeriesInstanceUID=f"1.2.5.{number}", Modality="US"))
        (screens / f"{number}.dcm").write_bytes(series)
    steward.run("extract", str(screens), "--into", "us")
    rows = [line.split() for line in steward.show("quarantine", "list").splitlines() if line.startswith("series ")]
    assert len(rows) == 7 and rows[-1][1:4] == ["(others,", "or", "none)"]
    assert sum(int(row[4] if row[1] == "(others," else row[2]) for row in rows) == 47, rows
