"""People who decide: each with a key of their own, two of them together."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.site import hospital, persons
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.persons import PersonNameError, PersonsMissingError, UnknownPersonError
from hmchain.keys import SigningKey, save_key

WORDS = ("release", "breast/1", "3f2a")


@pytest.fixture
def place(tmp_path: Path) -> HospitalFolder:
    return hospital.create(tmp_path / "north")


def test_two_people_sign_the_same_words_and_both_signatures_hold(place: HospitalFolder, tmp_path: Path) -> None:
    for name in ("Ada", "Marie"):
        persons.add(place, name, tmp_path / f"{name}.key")
    found = persons.approve(place, [tmp_path / "Marie.key", tmp_path / "Ada.key"], WORDS, needed=2)
    assert [each.name for each in found] == ["Ada", "Marie"] and all(each.holds for each in found)
    other = persons.approve(place, [tmp_path / "Ada.key"], (*WORDS[:2], "3f2b"), needed=1)
    assert other[0].statement != found[0].statement


def test_one_person_is_not_two_whatever_the_files_are_called(place: HospitalFolder, tmp_path: Path) -> None:
    persons.add(place, "Ada", tmp_path / "a.key")
    (tmp_path / "b.key").write_bytes((tmp_path / "a.key").read_bytes())
    (tmp_path / "b.key").chmod(0o600)
    with pytest.raises(PersonsMissingError, match="takes 2 people, and 1 signed"):
        persons.approve(place, [tmp_path / "a.key", tmp_path / "b.key"], WORDS, needed=2)
    with pytest.raises(PersonNameError, match="the key of Ada"):
        persons.add(place, "Eve", tmp_path / "b.key")


def test_a_key_of_nobody_decides_nothing(place: HospitalFolder, tmp_path: Path) -> None:
    persons.add(place, "Ada", tmp_path / "a.key")
    save_key(SigningKey.generate(), tmp_path / "eve.key")
    with pytest.raises(UnknownPersonError):
        persons.approve(place, [tmp_path / "a.key", tmp_path / "eve.key"], WORDS, needed=2)
    persons.remove(place, "ada")
    with pytest.raises(UnknownPersonError):
        persons.approve(place, [tmp_path / "a.key"], WORDS, needed=1)


@pytest.mark.parametrize("name", ["", "  ", "A\nB", "x" * 65, "ada"])
def test_a_name_is_one_and_nobody_elses(place: HospitalFolder, tmp_path: Path, name: str) -> None:
    persons.add(place, "Ada", tmp_path / "a.key")
    with pytest.raises(PersonNameError):
        persons.add(place, name, tmp_path / "other.key")
    assert not (tmp_path / "other.key").exists()
