"""A portal's watch: begun with it, ended with it, and none of a finished run."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hmchain.application.access.permissions import Operation
from hmchain.application.access.principal import Principal
from hmchain.application.jobs.jobs import OVER
from hmchain.application.node import joining
from hmchain.application.site import hospital
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.outgoing import MailSettings
from hmchain.application.site.settings import NodeSettings
from hmchain.application.watching.delivery import DeliverySecretError
from hmchain.application.watching.findings import Examination, Subject, Verdict, fail
from hmchain.application.watching.machine_facts import LOOK_SECONDS, MachineFacts
from hmchain.correlation import correlated
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal import app
from hmchain.interfaces.portal.watching import Outgoing, watched
from support.ledger_network import Network
from support.still_ledger import StillDirectory

ORIGIN = Outgoing("https://portal.a.example")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = NodeFolder(tmp_path / "node")
    joining.init(folder, NodeSettings(organisation="a", title="A", address="a:1"))
    network = Network.found(tmp_path / "ledger")
    network.ledger.close()
    who = Principal("a", "erin", frozenset(), scopes=frozenset({Operation.VIEW}))
    return Site(folder.path, StillDirectory(network.directory), ("a",), lambda request: who)


def test_it_begins_and_ends_with_the_portal(site: Site, tmp_path: Path) -> None:
    with watched(site, ORIGIN, tmp_path / "portal.db") as watch:
        assert watch.outbox is not None and watch.local is not None
        assert "watch the portal" in {each.name for each in threading.enumerate()}
    assert "watch the portal" not in {each.name for each in threading.enumerate()}
    lines = [json.loads(line) for line in site.node.portal_log.read_text("utf-8").splitlines()]
    assert [each["event"] for each in lines] == ["started", "stopped"]


def test_a_job_is_told_of_with_the_request_that_began_it(site: Site, tmp_path: Path) -> None:
    def broken(_progress: object) -> None:
        raise ValueError("of Jane Doe")

    with watched(site, ORIGIN, tmp_path / "portal.db") as watch:
        with correlated("request-1"):
            jobs = [site.jobs.start("data extract", "brain", "a/erin", work) for work in (broken, lambda _: {"n": 1})]
        deadline = time.monotonic() + 60
        while not all(site.jobs.get(each.id).state in OVER for each in jobs):
            assert time.monotonic() < deadline, site.jobs.all()
            time.sleep(0.01)
        assert b'hmchain_jobs{kind="data extract",status="done"} 1.0' in watch.metrics.text()
    lines = [json.loads(line) for line in site.node.portal_log.read_text("utf-8").splitlines()]
    told = [each for each in lines if each["event"] == "job"]
    assert {each["request"] for each in told} == {"request-1"} and len(told) == len(jobs)
    (failed,) = [each for each in told if each["level"] == "error"]
    assert failed["error"] == "ValueError" and failed["route"] == "data extract"
    assert "Jane" not in site.node.portal_log.read_text("utf-8") and "brain" not in str(told)


def test_a_secret_that_is_not_there_is_told_at_the_start(site: Site, tmp_path: Path) -> None:
    mail = MailSettings(host="mail.a.example", sender="a@a.example", user="a", password_file="mail.password")
    with pytest.raises(DeliverySecretError), watched(site, Outgoing("", mail), tmp_path / "portal.db"):
        pass


def test_of_a_finished_run_nothing_is_remembered(tmp_path: Path, site: Site) -> None:
    place = hospital.create(tmp_path / "run" / "hospitals" / "a")
    run = Site(place.path.parent.parent, site.live, ("a",), site.authenticate)
    with watched(run, ORIGIN, tmp_path / "portal.db") as watch:
        assert watch.outbox is None
    assert not (tmp_path / "portal.db").exists()


def test_a_machine_is_looked_at_now_and_then(tmp_path: Path) -> None:
    broken, looked, now = fail(Subject.DISK, "room", "full", "free some"), list[Path](), [0.0]

    def examined(path: Path) -> Examination:
        looked.append(path)
        return Examination(str(path), "a", 0, Verdict.FAIL, (broken,))

    place = hospital.create(tmp_path / "a")
    facts = MachineFacts(place.path, place, examined=examined, seconds=lambda: now[0])
    assert not facts.get().failures
    for seconds in (0.0, 1.0, LOOK_SECONDS):
        now[0] = seconds
        facts.look()
    assert len(looked) == 2 and facts.get().failures == (broken,)


def test_a_program_without_a_token_is_told_so_and_not_led_to_a_page(site: Site) -> None:
    nobody = Site(site.place, site.live, site.hospitals, lambda request: None)
    with TestClient(app.create(nobody), "http://localhost", follow_redirects=False) as client:
        refused = client.get("/metrics")
        assert refused.status_code == 401 and refused.json()["code"] == "not_signed_in"
        assert client.get("/healthz").json() == {"alive": True}
