"""People of a real network at their portals: asked, decided and signed from Python, in blocks of all four nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date, timedelta

import httpx
import pytest
from starlette.testclient import TestClient

from hmchain.application.access.settings import PortalSettings
from hmchain.application.access.sign_in import Access
from hmchain.application.governance.requests.file import RequestFile, TransferAsked
from hmchain.application.node.live import open_live
from hmchain.application.node.opening import open_hospital
from hmchain.application.site.keyring import key_file
from hmchain.client import Asker, Client, operations
from hmchain.interfaces.api import app
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.contracts.data.datasets import PublishVersion
from support.sites import Consortium, register
from support.sites import consortium as consortium

pytestmark = pytest.mark.network
ORIGIN = "http://localhost"


@contextmanager
def person(consortium: Consortium, name: str, office: str) -> Iterator[Client]:
    """Somebody who signed in at the own hospital's portal."""
    folder = consortium.sites[name].folder
    with ExitStack() as held:
        live = held.enter_context(open_live(folder.path))
        access = held.enter_context(closing(Access(folder, PortalSettings(origin=ORIGIN), live)))
        site = Site(folder.path, live, (name,), by_session_or_token(access), access=access)
        held.callback(site.jobs.close)
        portal = held.enter_context(TestClient(app.create(site), ORIGIN))

        def carry(request: httpx.Request) -> httpx.Response:
            portal.cookies.clear()
            found = portal.request(
                request.method, str(request.url), content=request.read(), headers=dict(request.headers)
            )
            return httpx.Response(found.status_code, content=found.content)

        key = load_key(SigningKey, key_file(folder.keys, office), None)
        yield held.enter_context(Client(ORIGIN, Asker(f"{name}/{office}", key), httpx.MockTransport(carry)))


def test_a_request_goes_from_portal_to_portal(consortium: Consortium) -> None:
    register(consortium.sites["north"], "brain")
    with open_hospital(consortium.sites["north"].folder) as member:
        member.require(member.hospital.as_steward(PublishVersion("brain", 1, bytes(32), 512)))
    asked = RequestFile(
        name="relapse", kind="transfer", datasets={"north": "brain"}, regions=["DE"],
        until=date.today() + timedelta(days=200), transfer=TransferAsked(days=90),
        form={"title": "Relapse after surgery", "use": "Who will relapse?", "contact": "Dr West"},
    )  # fmt: skip
    with person(consortium, "west", "scientist") as west, person(consortium, "north", "steward") as north:
        sent = west.ask(operations.submit(asked)).sent
        assert len(sent) == 3
        (waiting,) = (each for each in north.ask(operations.inbox()) if each.todo.request == "relapse")
        assert waiting.title == "Relapse after surgery"
        north.ask(operations.comment("relapse", "Which scanners?"))
        done = north.ask(operations.approve("relapse", version=1, days=30))
        assert north.ask(operations.transaction(done.sent[0].hex())).digest == done.sent[0]
        found = west.ask(operations.request("relapse"))
        assert [each.status for each in found.view.decisions] == ["approved"]
        assert [each.text for each in found.said] == ["Which scanners?"]
