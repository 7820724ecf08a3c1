"""Somebody is cut off by the ledger in the middle of something: what was begun before ends there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.jobs.jobs import Job, Jobs
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.one_origin import csrf_of
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal import app
from hmchain.ledger.contracts.members.enrolment import ChangeRoles, SuspendPerson
from hmchain.plain import Progress
from support.door import Door, door

__all__ = ["door"]
ORIGIN = "http://localhost:8470"
SEND = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "path", "kind", "body"),
    [
        ("POST", "/v1/tokens", JSON, b'{"name": "a thief", "scopes": ["view"], "days": 1}'),
        ("PUT", "/v1/optouts/national?as_of=2026-01-01", "text/plain", b"4711\n"),
        ("POST", "/notifications/seen", FORM, b"id=1&csrf="),
        ("POST", "/steward/quarantine/review/apply", FORM, b"csrf="),
    ],
)
def test_what_came_to_its_end_after_a_suspension_is_not_done(
    door: Door, method: str, path: str, kind: str, body: bytes
) -> None:
    site = Site(door.place, door.live, ("a",), by_session_or_token(door.access), access=door.access)
    secret = door.enter("s1").secret
    given = csrf_of(secret)
    whole = body + (given.encode() if body.endswith(b"csrf=") else b"")

    def slowly() -> Iterator[bytes]:
        yield whole[:3]
        assert door.machine.office("a", SuspendPerson("s1")) == "ok"
        yield whole[3:]

    headers = {
        "Cookie": f"hmchain-a={secret}",
        "Content-Type": kind,
        "X-Csrf": given,
        "Content-Length": str(len(whole)),
    }
    with TestClient(app.create(site), ORIGIN, raise_server_exceptions=False, follow_redirects=False) as client:
        answer = client.request(method, path, content=slowly(), headers=headers)
    assert answer.status_code == 401 and "out by now" in answer.text


def begun(door: Door, jobs: Jobs, meanwhile: threading.Event, done: list[str]) -> Job:
    """A job of s1's, which takes a step once something happened meanwhile."""
    site = Site(door.place, door.live, ("a",), by_session_or_token(door.access), access=door.access, jobs=jobs)
    secret = door.enter("s1").secret
    request = Request({"type": "http", "method": "POST", "headers": [(b"authorization", f"Bearer {secret}".encode())]})
    who = site.authenticate(request)

    def work(progress: Progress) -> dict[str, str]:
        meanwhile.wait()
        progress(1, 2)
        done.append("sent")
        return {}

    return Call(site, request, who, SEND).begin("data send", "scans", work)


@pytest.mark.parametrize(
    ("change", "code"), [(SuspendPerson("s1"), "not_signed_in"), (ChangeRoles("s1", ("auditor",)), "not_allowed")]
)
def test_long_work_ends_with_the_word_of_whoever_began_it(
    door: Door, change: SuspendPerson | ChangeRoles, code: str
) -> None:
    meanwhile, done = threading.Event(), list[str]()
    with closing(Jobs()) as jobs:
        all_begun = [begun(door, jobs, meanwhile, done) for _ in range(3)]
        assert door.machine.office("a", change) == "ok"
        meanwhile.set()
        ended = [jobs.wait(each.id, 60) for each in all_begun]
    assert [(each.state, each.code) for each in ended] == [("failed", code)] * 3
    assert not done


def test_long_work_goes_on_when_people_have_gone_home(door: Door) -> None:
    meanwhile, done = threading.Event(), list[str]()
    with closing(Jobs()) as jobs:
        job = begun(door, jobs, meanwhile, done)
        door.later(hours=13)
        meanwhile.set()
        assert jobs.wait(job.id, 60).state == "done"
    assert done == ["sent"]
