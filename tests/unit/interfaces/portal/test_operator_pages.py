"""The operator's pages of a finished run, and views of what a run has not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hmchain.application.watching import findings
from hmchain.application.watching.findings import Examination, Subject, Verdict
from hmchain.interfaces.portal.layout import render
from hmchain.interfaces.portal.page import Frame
from hmchain.interfaces.portal.pages.operator import ballots, machine
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.rules import ParametersView

__all__ = ["run_directory"]
from support.finished_run import NAMES, run_directory
from support.portal_client import main_of, portal_of

FRAME = Frame("/operator")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def portal(run_directory: Path) -> Iterator[TestClient]:
    with portal_of(run_directory) as found:
        yield found


def seen(portal: TestClient, path: str) -> str:
    found = portal.get(path)
    assert found.status_code == 200, main_of(found.text)
    return main_of(found.text)


def test_health_of_a_run_says_that_nothing_runs(portal: TestClient) -> None:
    told = seen(portal, "/operator")
    assert (
        "a finished run" in told
        and "it stands still" not in told
        and "1 may fail or lie" in told
        and "What to do now" in told
    )
    assert "no machine of its own" in seen(portal, "/operator/machine")


def test_validators_are_told_with_their_votes_and_their_course(portal: TestClient) -> None:
    deadline = time.monotonic() + 60
    while "executing each of them again" in (told := seen(portal, "/operator/network")):
        assert time.monotonic() < deadline, told
    assert all(name in told for name in NAMES)
    assert "100.0%" in told and "has the lowest reputation" in told and "protocol in force" in told


def test_no_ballot_is_told_as_none(portal: TestClient) -> None:
    assert "Nothing is put to the vote." in seen(portal, "/operator/ballots")


def ballot(*, is_open: bool, yes: tuple[str, ...]) -> BallotView:
    return BallotView(
        b"\x01" * 32, f"remove {HOSTILE}", (("name", HOSTILE),), 7, yes, 3, not is_open, False, False, 1_800_000_000_000
    )


@pytest.mark.parametrize(("yes", "words"), [((), "Vote yes"), (("north",), "Take my yes back")])
def test_who_may_vote_is_asked_once_more(yes: tuple[str, ...], words: str) -> None:
    found = [ballot(is_open=True, yes=yes), ballot(is_open=False, yes=yes)]
    page = render(ballots.ballots(ballots.Votes(found, ParametersView({}, ()), "north", True, "secret")), FRAME)
    assert HOSTILE not in page and words in main_of(page)
    assert page.count('name="csrf"') == 1
    watched = render(ballots.ballots(ballots.Votes(found, ParametersView({}, ()), "north", False, "")), FRAME)
    assert "<form" not in watched[watched.index("<main") :].partition("</main>")[0]
    assert "hmchain network" in main_of(watched)


def test_what_failed_stands_first_with_the_command_that_mends_it() -> None:
    found = (
        findings.ok(Subject.KEYS, "sealed", "all keys are sealed"),
        findings.fail(Subject.DISK, "room", f"the disk is full of {HOSTILE}", "make room: `hmchain node backup FILE`"),
    )
    page = render(machine.machine(Examination("/srv", "north", 0, Verdict.FAIL, found)), FRAME)
    told = main_of(page)
    assert HOSTILE not in page and "1 check failed" in told
    assert told.index("the disk is full") < told.index("all keys are sealed")
    assert "<code>hmchain node backup FILE</code>" in page
