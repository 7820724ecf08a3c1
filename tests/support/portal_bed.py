"""The portals of hospitals of an embedded network, as people use them: a form, what is to be signed, the next page."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from starlette.testclient import TestClient

from hmchain.application.access.principal import Principal
from hmchain.application.jobs.jobs import JobState
from hmchain.interfaces.portal import app
from hmchain.keys import SigningKey
from support.api_bed import HEADER, ApiBed
from support.portal_client import main_of


class PortalBed(ApiBed):
    """Portals of a bed's hospitals, with pages."""

    def client(self, hospital: str) -> TestClient:
        """The portal of a hospital."""
        if hospital not in self._clients:
            made = app.create(self.site(hospital))
            self._clients[hospital] = TestClient(made, "http://localhost", follow_redirects=False)
        return self._clients[hospital]

    def principal(self, who: str) -> Principal | None:
        """Somebody who is signed in."""
        return self._who(who)

    def page(self, who: str, path: str, status: int = 200) -> str:
        """What a page says to somebody."""
        return main_of(self.html(who, path, status))

    def html(self, who: str, path: str, status: int = 200) -> str:
        """A page as somebody gets it."""
        found = self.client(who.split("/")[0]).get(path, headers={HEADER: who})
        assert found.status_code == status, (path, found.status_code, found.text[-2_000:])
        return str(found.text)

    def send(self, who: str, path: str, fields: Any = None, status: int = 303, **more: Any) -> Any:
        """A form as somebody sends it; the response."""
        found = self.client(who.split("/")[0]).post(path, data=fields or {}, headers={HEADER: who}, **more)
        assert found.status_code == status, (path, found.status_code, main_of(found.text) if found.text else "")
        return found

    def act(self, who: str, path: str, fields: Any = None, **more: Any) -> str:
        """A form, and what it asks to sign signed by the key of whoever sent it, and sent; the page that was signed."""
        client = self.client(who.split("/")[0])
        found = client.post(path, data=fields or {}, headers={HEADER: who}, **more)
        assert self._sign(who, found.text), (path, found.status_code, main_of(found.text) if found.text else "")
        return main_of(found.text)

    def carry_out(self, who: str, path: str, fields: Any = None) -> str:
        """A form that begins long work, all that it comes to signed, and what the page says that it leads to."""
        while True:
            here = str(self.send(who, path, fields).headers["location"]).partition("#")[0]
            self._await_work(who)
            page = self.html(who, here)
            if (after := self._sign(who, page)) is None:
                return main_of(page)
            signed = self.html(who, after)
            if f'hx-post="{path}"' not in signed:
                return main_of(signed)

    def _sign(self, who: str, page: str) -> str | None:
        """Sign what a page asks to sign, and send it; the page to see then. None where it asks for nothing."""
        told = re.search(r'data-sign="([^"]*)" data-after="([^"]*)"', page)
        for each in json.loads(unescape(told[1])) if told else ():
            signature = self.key(who).sign(bytes.fromhex(each["message"])).hex()
            self.ask("POST", who, "/transactions", json={"message": each["message"], "signature": signature})
        return unescape(told[2]) if told else None

    def sign_at(self, page: str, key: SigningKey, route: str, status: int = 200) -> Any:
        """Sign what a page asks to sign with a key, and send it to a route, as nobody who is signed in."""
        told = re.search(r'data-sign="([^"]*)"', page)
        assert told is not None, main_of(page)
        (each,) = json.loads(unescape(told[1]))
        body = {"message": each["message"], "signature": key.sign(bytes.fromhex(each["message"])).hex()}
        found = self.client("east").post(f"/v1{route}", json=body)
        assert found.status_code == status, found.text
        return found

    def _await_work(self, who: str) -> None:
        jobs = self.client(who.split("/")[0]).app.state.site.jobs  # type: ignore[attr-defined]
        found = jobs.wait(jobs.all()[0].id, 60)
        assert found.state is JobState.DONE, found
