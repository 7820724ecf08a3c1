"""A portal beside a real node: its metrics follow the network, and the loss of the node is seen and told."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from hmchain.application.access.permissions import Operation
from hmchain.application.access.principal import Principal
from hmchain.application.node.live import LiveLedger, open_live
from hmchain.application.watching.lines import LineLog
from hmchain.interfaces.api import app
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.api.watch import Watch
from support.sites import Consortium, register, until
from support.sites import consortium as consortium

pytestmark = pytest.mark.network

OPERATOR = Principal("north", "erin", frozenset({"operator"}), scopes=frozenset({Operation.VIEW}))


def told(client: TestClient) -> dict[str, float]:
    text = client.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(hmchain_[^ ]+) (\S+)$", text, re.MULTILINE)}


def client_of(consortium: Consortium, live: LiveLedger) -> TestClient:
    site = Site(consortium.sites["north"].folder.path, live, ("north",), lambda request: OPERATOR)
    return TestClient(app.create(site, Watch(site, LineLog(None))), "http://localhost")


def test_metrics_follow_the_network(consortium: Consortium) -> None:
    north, south = consortium.sites["north"], consortium.sites["south"]
    with open_live(north.folder.path) as live, client_of(consortium, live) as client:
        until(lambda: client.get("/readyz").status_code == 200, f"a portal that is ready: {client.get('/readyz').text}")
        found = told(client)
        assert found["hmchain_node_up"] == found["hmchain_ledger_followed"] == 1
        assert found["hmchain_peers"] == 3 and found["hmchain_network_health"] == 0
        assert found['hmchain_store_up{store="objects"}'] == 1
        before = found["hmchain_ledger_height"]
        register(north, "watched")
        until(lambda: told(client)["hmchain_ledger_height"] > before, "the block in the metrics")
        south.stop()
        until(lambda: told(client)['hmchain_member_connected{member="south"}'] == 0, "the loss of south")
        assert told(client)["hmchain_network_health"] == 1
        south.start()
        until(lambda: told(client)['hmchain_member_connected{member="south"}'] == 1, "south")
        north.stop()
        until(lambda: told(client)["hmchain_node_up"] == 0, "the loss of the node")
        until(lambda: client.get("/readyz").status_code == 503, "a portal that is not ready")
        assert client.get("/healthz").status_code == 200, "the portal itself lives"
        north.start()
        until(lambda: client.get("/readyz").status_code == 200, "a portal that is ready again")
