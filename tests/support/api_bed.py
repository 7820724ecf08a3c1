"""The API of hospitals of an embedded network, asked as the portal's people ask: prepared, signed, sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from hmchain.application.access.permissions import Operation
from hmchain.application.access.principal import Principal
from hmchain.application.access.settings import PortalSettings
from hmchain.application.access.sign_in import Access
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.interfaces.api import app
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.keys import SigningKey
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.ledger import LedgerReader
from support.apart import here
from support.request_bed import RequestBed

HEADER = "x-test-person"
"""Names who asks: EAST/STEWARD."""


@dataclass(frozen=True)
class BedLedger:
    """The ledger of a bed, opened for each question."""

    place: Path
    ledger: Ledger

    @property
    def height(self) -> int:
        return int(self.ledger.state.height)

    @property
    def words(self) -> str:
        return ""

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        with open_ledger(self.place) as found:
            yield found

    aside = reader
    """Opened for each question, it is aside for all of them."""

    def now_ms(self) -> int:
        return self.ledger.now_ms()


@dataclass
class ApiBed:
    """Portals of a bed's hospitals, one a hospital, each with its node's folder."""

    bed: RequestBed
    place: Path
    has_door: bool = False
    """People sign in; else a header says who asks."""
    origin: str = "http://localhost"
    seconds: Callable[[], float] = time.monotonic
    """The clock of how often people may ask."""
    _doors: list[Access] = field(default_factory=list)
    _clients: dict[str, TestClient] = field(default_factory=dict)

    def client(self, hospital: str) -> TestClient:
        """The API of a hospital's portal."""
        if hospital not in self._clients:
            made = TestClient(app.create(self.site(hospital)), "http://localhost", raise_server_exceptions=False)
            self._clients[hospital] = made
        return self._clients[hospital]

    def site(self, hospital: str) -> Site:
        run = self.bed.bed.directory
        folder = NodeFolder(self.place / hospital)
        folder.hospitals.mkdir(parents=True)
        folder.write_settings(NodeSettings(organisation=hospital, title=hospital, address=f"{hospital}.example.org:1"))
        folder.ledger.symlink_to(run / "ledger")
        folder.keys.symlink_to(run / "hospitals" / hospital / "keys")
        folder.hospital(hospital).symlink_to(run / "hospitals" / hospital)
        folder.objects.symlink_to(run / "objects")
        live = BedLedger(run / "ledger", self.bed.bed.consortium.ledger)
        if not self.has_door:
            who = lambda request: self._who(request.headers.get(HEADER, ""))  # noqa: E731
            return Site(folder.path, live, (hospital,), who, apart=here)
        access = Access(folder, PortalSettings(origin=self.origin), live, seconds=self.seconds)
        self._doors.append(access)
        return Site(folder.path, live, (hospital,), by_session_or_token(access), access=access, apart=here)

    def close(self) -> None:
        """Close the doors, jobs and network."""
        for client in self._clients.values():
            client.app.state.site.jobs.close()  # type: ignore[attr-defined]
        for each in self._doors:
            each.close()
        self.bed.close()

    def _who(self, name: str) -> Principal | None:
        if not name:
            return None
        organisation, person = name.split("/")
        public = self.key(name).public.raw
        state = self.bed.bed.consortium.ledger.state
        known = people.person(state, organisation, person)
        office = membership.credential(state, public)
        roles = known.roles if known is not None else (office.role,) if office is not None else ()
        return Principal(organisation, person, frozenset(roles), public, frozenset(Operation))

    def key(self, name: str) -> SigningKey:
        """The key of a person, wherever it lies."""
        signer = self.bed.user(name).signer
        assert isinstance(signer, SigningKey)
        return signer

    def get(self, who: str, path: str, **more: Any) -> Any:
        """What somebody reads at the own hospital's portal."""
        return self.ask("GET", who, path, **more).json()

    def ask(self, method: str, who: str, path: str, *, at: str = "", status: int = 200, **more: Any) -> Any:
        """The response to somebody, whose status is looked at."""
        client = self.client(at or who.split("/")[0])
        found = client.request(method, f"/v1{path}", headers={HEADER: who}, **more)
        assert found.status_code == status, (method, path, found.status_code, found.text[:2_000])
        return found

    def work(self, who: str, path: str, body: object) -> dict[str, Any]:
        """Have long work done, signing what it comes to; returns what came of it."""
        while True:
            job = self.ask("POST", who, path, json=body, status=202).json()
            while job["state"] in ("waiting", "running"):
                time.sleep(0.02)  # until the next answer, which is looked at
                job = self.ask("GET", who, f"/jobs/{job['id']}").json()
            assert job["state"] == "done", job
            if set(job["result"]) != {"to_sign"}:
                found: dict[str, Any] = job["result"]
                return found
            self._send(who, job["result"]["to_sign"])

    def do(self, who: str, path: str, body: object = None, *, method: str = "POST", **more: Any) -> list[str]:
        """Have something prepared, sign all of it, and send it; returns what was signed, in words."""
        if body is not None:
            more["json"] = body
        return self._send(who, self.ask(method, who, path, status=202, **more).json())

    def _send(self, who: str, asked: dict[str, Any]) -> list[str]:
        said = []
        for each in (asked, *asked["more"]):
            signature = self.key(who).sign(bytes.fromhex(each["message"])).hex()
            self.ask("POST", who, "/transactions", json={"message": each["message"], "signature": signature})
            said.append(each["words"])
        return said
