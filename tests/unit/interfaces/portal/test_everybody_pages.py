"""The pages of everybody: home by role, notifications, search, people; and the auditor's verification as work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hmchain.application.node.search import Found, Sort
from hmchain.application.watching.notifications import Kind, Notification
from hmchain.application.watching.personal import Shown
from hmchain.interfaces.portal.layout import render
from hmchain.interfaces.portal.page import Frame
from hmchain.interfaces.portal.pages.everybody import notifications, places
from hmchain.interfaces.portal.pages.everybody.search import results

__all__ = ["run_directory"]
from support.finished_run import NAMES, STUDY, run_directory
from support.portal_client import Links, main_of, portal_of

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def portal(run_directory: Path) -> Iterator[TestClient]:
    with portal_of(run_directory) as found:
        yield found


def seen(portal: TestClient, path: str, status: int = 200) -> str:
    found = portal.get(path)
    assert found.status_code == status, main_of(found.text)
    return main_of(found.text)


def test_each_role_has_a_home_with_what_waits(portal: TestClient) -> None:
    assert portal.get("/").headers["location"] == "/steward"
    for role in ("steward", "scientist", "auditor"):
        told = seen(portal, f"/{role}")
        assert "How things stand" in told and "Where to go" in told


def test_search_finds_heights_digests_and_names(portal: TestClient) -> None:
    assert portal.get("/search?q=2").headers["location"] == "/auditor/blocks/2"
    (transaction, *_) = [each for each in Links(portal.get("/auditor/blocks/2").text).found if "/transactions/" in each]
    digest = transaction.rpartition("/")[2]
    assert portal.get(f"/search?q={digest[:8]}").headers["location"] == transaction
    told = seen(portal, f"/search?q={STUDY}")
    assert "request" in told and "study" in told and "model" in told
    assert portal.get("/search?q=north/steward").headers["location"] == "/people/north/steward"
    assert "Nothing on this ledger is called so." in seen(portal, "/search?q=zzzz")
    assert portal.get("/search?q=" + "a" * 300).status_code == 400


def test_people_are_told_with_roles_and_what_they_may_do(portal: TestClient) -> None:
    told = seen(portal, "/people")
    assert "steward" in told and "an office" in told
    assert all(f"/people/{name}" in Links(portal.get("/people").text).found for name in NAMES)
    assert "acts as" in seen(portal, "/people/north/steward")
    assert portal.get("/people/nowhere").status_code == 404
    assert portal.get("/people/north/nobody").status_code == 404


def test_the_ledger_is_verified_as_work_that_one_can_look_at(portal: TestClient) -> None:
    begun = portal.post("/auditor/verify", data={"genesis": "", "block": ""})
    assert begun.status_code == 303, begun.text
    deadline = time.monotonic() + 60
    while "under way" in (told := seen(portal, begun.headers["location"])) or "waits" in told:
        assert time.monotonic() < deadline, told
    assert "all of it holds" in told and "No anchor was given" in told
    wrong = portal.post("/auditor/verify", data={"genesis": "0" * 64})
    while "under way" in (told := seen(portal, wrong.headers["location"])) or "waits" in told:
        assert time.monotonic() < deadline, told
    assert "It does not hold:" in told and "anchor_mismatch" in told
    assert "Verification" in seen(portal, "/auditor/verify")
    for typed in ({"genesis": "abc"}, {"block": "1"}, {"block": "x:" + "0" * 64}):
        assert portal.post("/auditor/verify", data=typed).status_code == 400
    assert portal.get("/auditor/verify/0123456789abcdef").status_code == 404


def notification(kind: Kind, command: str, about: str = "") -> Notification:
    return Notification("0" * 32, kind, True, about, f"see {HOSTILE}", command, 0, True, ("steward",))


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (notification(Kind.DECISION, "request show tiny", "tiny"), "/requests/tiny"),
        (notification(Kind.DECISION, "release show out"), "/releases/out"),
        (notification(Kind.DECISION, "share erase relapse-east", "relapse"), "/steward/transfers/relapse-east"),
        (notification(Kind.DECISION, "policy confirm brain"), "/policies"),
        (notification(Kind.INCIDENT, "incident acknowledge lost"), "/auditor/incidents/lost"),
        (notification(Kind.STUDY, "", "tiny"), "/studies/tiny"),
        (notification(Kind.BALLOT, "network vote 3f", "3f"), "/operator/ballots"),
        (notification(Kind.MACHINE, ""), "/operator/machine"),
        (notification(Kind.TASK, ""), ""),
    ],
)
def test_what_waits_leads_to_where_it_is_done(found: Notification, place: str) -> None:
    assert places.of_notification(found) == place


def test_names_of_others_stay_text() -> None:
    shown = notifications.notifications([Shown(notification(Kind.TASK, HOSTILE, HOSTILE), seen=False)], HOSTILE)
    found = results(HOSTILE, [Found(sort, HOSTILE, HOSTILE) for sort in Sort])
    for page in (shown, found):
        assert "<script>alert" not in render(page, Frame("/"))
