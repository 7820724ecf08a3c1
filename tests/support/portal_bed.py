"""The portals of hospitals of an embedded network, as people use them: a form, what is to be signed, the next page."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from starlette.testclient import TestClient

from hmchain.application.access.principal import Principal
from hmchain.interfaces.portal import app
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
        told = re.search(r'data-sign="([^"]*)"', found.text)
        assert told is not None, (path, found.status_code, main_of(found.text) if found.text else "")
        for each in json.loads(unescape(told[1])):
            signature = self.key(who).sign(bytes.fromhex(each["message"])).hex()
            self.ask("POST", who, "/transactions", json={"message": each["message"], "signature": signature})
        return main_of(found.text)
