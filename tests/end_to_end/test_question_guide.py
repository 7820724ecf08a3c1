"""The guide `docs/how-to/from-question-to-model.md`, followed literally over four real nodes: who gives what, and sees.

Each person has a desk of its own at the node of its hospital; the tables of the guide say which files change hands.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.desks import Office
from support.guides import Section, sections
from support.paths import REPOSITORY
from support.sites import Consortium, answer
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(900)]

GUIDE = REPOSITORY / "docs" / "how-to" / "from-question-to-model.md"
REQUEST = "tell-apart"


@pytest.fixture(scope="module")
def guide() -> list[Section]:
    return sections(GUIDE)


@pytest.fixture(scope="module")
def office(consortium: Consortium, guide: list[Section], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office.of(consortium, guide, tmp_path_factory.mktemp("desks")) as office:
        yield office


def test_every_block_says_who_gives_it(guide: list[Section]) -> None:
    assert not [section.title for section in guide if section.untitled]


def test_people_of_four_hospitals_go_from_a_question_to_a_model(office: Office) -> None:
    east, north = str(office.nodes["east"]), str(office.nodes["north"])
    report = answer("uses", "list", "--dataset", "scans", "--dir", east)
    (found,) = [each for each in report["uses"] if each["made"]]
    assert (found["request"], found["said_by"]) == (REQUEST, ["east/s1", "east/s2"])
    assert answer("study", "status", "--study", REQUEST, "--dir", north)["status"] == "finished"
    (used,) = answer("request", "show", REQUEST, "--dir", east)["machine"]
    assert report["machine"] == [used] and used["work_ms"] > 0 and not used["over"], "by what east's agent measured"
    assert answer("study", "show", REQUEST, "--dir", east)["machine"] == used
    for name in ("east", "north", "south"):
        assert (office.nodes[name] / "studies" / REQUEST / "model.safetensors").exists()
    assert not (office.nodes["west"] / "studies" / REQUEST).exists(), "West stayed out"


def test_the_policy_s_no_stands_with_its_reason(office: Office) -> None:
    shown = answer("request", "show", REQUEST, "--dir", str(office.nodes["west"]))
    (word,) = [each for each in shown["view"]["decisions"] if each["organisation"] == "west"]
    assert (word["status"], word["reasons"], word["decided_by"]) == ("denied", ["regions"], [])


def test_nothing_that_people_wrote_left_with_the_auditor_s_file(office: Office) -> None:
    sent = office.desks["the auditor"].file("ledger.zip").read_bytes()
    assert not any(word in sent for word in (b"Rivera", b"EA1/017", b"Dark or bright", b"committee"))
