"""A portal that is watched: its log holds nothing that was typed, ids go through, and it says whether it can answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from hmchain import correlation
from hmchain.application.access.permissions import Operation
from hmchain.application.access.principal import Principal
from hmchain.application.node import joining
from hmchain.application.security import log
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import log_of, record
from hmchain.application.site.settings import NodeSettings
from hmchain.application.watching.lines import Happened, LineLog
from hmchain.application.watching.outbox import Outbox
from hmchain.interfaces.api import app
from hmchain.interfaces.api.site import Authenticate, Site
from hmchain.interfaces.api.watch import Watch
from hmchain.ledger.contracts.members.incidents import OpenIncident
from support.ledger_network import Network
from support.still_ledger import StillDirectory

ID = "Abc-123.def_456"
SECRETS = ("jane-doe", "s3cret-token", "1970-01-01", "patient")


def person(*roles: str) -> Authenticate:
    who = Principal("a", "erin", frozenset(roles), scopes=frozenset({Operation.VIEW}))
    return lambda request: who


class Portal:
    """A hospital's portal beside a node that does not run, and its log."""

    def __init__(self, folder: NodeFolder, live: StillDirectory, log: Path, authenticate: Authenticate) -> None:
        self.site = Site(folder.path, live, ("a",), authenticate)
        self.log, self.folder, self.live = log, folder, live
        self.app: FastAPI = app.create(self.site, Watch(self.site, LineLog(log, bytes_max=20_000)))

    def client(self) -> TestClient:
        return TestClient(self.app, "http://localhost", raise_server_exceptions=False)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Portal]:
    folder = NodeFolder(tmp_path / "node")
    joining.init(folder, NodeSettings(organisation="a", title="A", address="a:1", rpc_listen="127.0.0.1:1"))
    network = Network.found(tmp_path / "ledger")
    network.fill(2)
    network.ledger.close()
    yield Portal(folder, StillDirectory(network.directory), tmp_path / "portal" / "portal.log", person("operator"))


def test_a_line_holds_nothing_that_was_asked_for(portal: Portal) -> None:
    with portal.client() as client:
        client.get(f"/v1/{SECRETS[0]}", params={"token": SECRETS[1]}, headers={"Authorization": f"Bearer {SECRETS[1]}"})
        client.get(f"/v1/transactions/{'ab' * 8}", params={"born": SECRETS[2]})
        client.request(SECRETS[0].upper(), "/v1/blocks", content=SECRETS[3], headers={"User-Agent": SECRETS[3]})
    text = portal.log.read_text("utf-8")
    assert not [secret for secret in SECRETS if secret in text.lower()]
    told = [(line["method"], line["route"], line["status"]) for line in portal.lines()]
    assert told == [("GET", "none", 404), ("GET", "/v1/transactions/{digest}", 404), ("other", "/v1/blocks", 405)]
    assert portal.log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", ["short", "a" * 65, "with space", "<script>alert(1)</script>", "-begins", ""])
def test_an_id_that_is_none_is_repeated_nowhere(portal: Portal, given: str) -> None:
    with portal.client() as client:
        answered = client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert answered != given and len(answered) == 16
    assert portal.lines()[-1]["request"] == answered


def test_an_id_goes_through_and_down_to_what_a_request_causes(portal: Portal) -> None:
    @portal.app.get("/causes")
    def causes() -> dict[str, str]:
        record(portal.folder, Event(Kind.SIGN_OUT))
        return {"id": correlation.current()}

    with portal.client() as client:
        answer = client.get("/causes", headers={"X-Request-Id": ID})
    assert answer.json() == {"id": ID} and answer.headers["X-Request-Id"] == ID
    assert [line.typed.request for line in log.read(log_of(portal.folder))][-1] == ID
    assert portal.lines()[-1]["request"] == ID and not correlation.current()


def test_what_nobody_thought_of_is_told_without_its_words(portal: Portal) -> None:
    @portal.app.get("/breaks")
    def breaks() -> None:
        raise ValueError(f"cannot read {SECRETS[0]}")

    with portal.client() as client:
        answer = client.get("/breaks")
    assert answer.status_code == 500 and answer.json()["code"] == "unexpected"
    failed, asked = portal.lines()[-2:]
    assert (failed["event"], failed["error"], failed["route"]) == ("failed", "ValueError", "/breaks")
    assert failed["at"][-1].endswith(" breaks") and failed["request"] == asked["request"]
    assert answer.headers["X-Request-Id"] == failed["request"] and failed["request"] in answer.json()["hint"]
    assert asked["status"] == 500 and SECRETS[0] not in portal.log.read_text("utf-8")


def test_the_log_does_not_grow_for_ever(portal: Portal) -> None:
    with portal.client() as client:
        for _ in range(200):
            client.get("/healthz")
    assert portal.log.stat().st_size < 21_000 and portal.log.with_name("portal.log.1").exists()


def test_alive_is_not_ready(portal: Portal) -> None:
    with portal.client() as client:
        assert client.get("/healthz").json() == {"alive": True}
        answer = client.get("/readyz")
        assert answer.status_code == 503
        parts = {part["name"]: part["ready"] for part in answer.json()["parts"]}
        assert parts["ledger"] and not parts["node"], "the node does not run"
        assert str(portal.folder.path) not in answer.text
        portal.live.directory = portal.folder.path / "none"
        again = Portal(portal.folder, portal.live, portal.log, person())
    with again.client() as client:
        told = client.get("/readyz")
    assert {part["name"]: part["ready"] for part in told.json()["parts"]}["ledger"] is False


def test_metrics_are_for_operators(portal: Portal) -> None:
    with portal.client() as client:
        found = client.get("/metrics")
        assert found.status_code == 200 and b"hmchain_ledger_followed 1.0" in found.content
        assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
        examined = client.get("/v1/doctor").json()
    assert examined["organisation"] == "a" and examined["findings"]
    other = Portal(portal.folder, portal.live, portal.log, person("scientist"))
    with other.client() as client:
        for path in ("/metrics", "/v1/doctor"):
            assert client.get(path).status_code == 403
        assert client.get("/readyz").status_code == 503, "anybody may ask"


def test_a_log_without_room_stops_nobody(tmp_path: Path) -> None:
    lines = LineLog(tmp_path / "portal.log")
    (tmp_path / "portal.log").unlink()
    (tmp_path / "portal.log").mkdir()
    lines.write(Happened.STARTED)


def test_everybody_sees_and_marks_their_own_notifications(portal: Portal, tmp_path: Path) -> None:
    network = Network.found(tmp_path / "other")
    opened = OpenIncident("breach", "malware", "high", ("b",), (), network.send.clock.ms, bytes(32))
    network.block(network.send("c", opened))
    network.ledger.close()
    outbox = Outbox(tmp_path / "portal.db")
    who = Principal("a", "steward", frozenset({"steward"}), scopes=frozenset({Operation.VIEW}))
    site = Site(portal.folder.path, StillDirectory(network.directory), ("a",), lambda request: who)
    made = app.create(site, Watch(site, LineLog(None), outbox=outbox))
    with TestClient(made, "http://localhost") as client:
        (shown,) = client.get("/v1/notifications").json()["items"]
        assert shown["notification"]["kind"] == "incident" and not shown["seen"]
        ids = [shown["notification"]["id"], "f" * 32]
        assert client.post("/v1/notifications/seen", json={"ids": ids}).json() == {"marked": 1}
        assert client.get("/v1/notifications").json()["items"][0]["seen"]
        assert client.post("/v1/notifications/seen", json={"ids": ["no id"]}).status_code == 400
    outbox.close()
