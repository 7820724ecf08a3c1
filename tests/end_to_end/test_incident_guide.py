"""The rehearsal in `docs/how-to/incidents.md`, word for word over four real nodes: a key is stolen, and cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.desks import Office
from support.guides import Section, sections
from support.paths import REPOSITORY
from support.sites import NAMES, Consortium, answer, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

GUIDE = REPOSITORY / "docs" / "how-to" / "incidents.md"
INCIDENT = "lost-laptop"


@pytest.fixture(scope="module")
def guide() -> list[Section]:
    return sections(GUIDE)


@pytest.fixture(scope="module")
def office(consortium: Consortium, guide: list[Section], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    learned = {"BALLOT": r"([0-9a-f]{12}) +remove west", "CHANGE": r"people confirm ([0-9a-f]{12})"}
    with Office.of(consortium, guide, tmp_path_factory.mktemp("desks"), learned) as office:
        yield office


def test_every_block_says_who_gives_it(guide: list[Section]) -> None:
    assert not [section.title for section in guide if section.untitled]


def test_a_stolen_key_is_noticed_cut_off_told_contained_and_closed(office: Office, consortium: Consortium) -> None:
    until(consortium.agree, "one state on four nodes")
    for name in NAMES:
        shown = answer("incident", "show", INCIDENT, "--signed", "--dir", str(office.nodes[name]))
        view, signed = shown["view"], shown["signed"]
        assert (view["stage"], view["opener"], view["affected"]) == ("closed", "east/o1", ["east"])
        assert [(each["of"], each["signs"]) for each in view["keys"]] == [("east/s1", False)]
        deeds = [(each["deed"], each["by"]) for each in view["said"]]
        assert deeds[:1] + sorted(deeds[1:4]) + deeds[4:] == [
            ("open", "east/o1"), ("acknowledge", "north/steward"), ("acknowledge", "south/steward"),
            ("acknowledge", "west/steward"), ("contain", "east/steward"), ("close", "east/o1"),
        ]  # fmt: skip
        assert [each["kind"] for each in signed if each["code"] == "ok"][-1] == "propose_action"
        assert "on the train" in shown["papers"][0]["text"], f"{name} can read the letter"


def test_the_thief_s_ballot_came_to_nothing(office: Office) -> None:
    (removal,) = [
        each for each in answer("network", "ballots", "--dir", str(office.nodes["west"])) if "west" in str(each)
    ]
    assert removal["yes"] == []
    assert answer("incident", "list", "--living", "--dir", str(office.nodes["west"])) == []


def test_no_letter_left_with_the_auditor_s_file(office: Office) -> None:
    assert b"train" not in office.desks["the auditor"].file("ledger.zip").read_bytes()
