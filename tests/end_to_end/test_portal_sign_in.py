"""Signing in from a real browser: by key, by a passkey of its own, at the organisation; and what other pages can do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from hmchain.application.access.settings import OidcSettings
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal import app
from hmchain.ledger.contracts.members.people import PersonRef
from support.browser import Page, browser, needs_browser
from support.door import Door, opened_door
from support.oidc_provider import SECRET, provided

pytestmark = [pytest.mark.network, needs_browser]
S1 = PersonRef("a", "s1")
DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@contextmanager
def served(door: Door) -> Iterator[None]:
    """The portal of a door, at the port of its settings."""
    access = door.access
    site = Site(door.place, door.live, ("a",), by_session_or_token(access), access=access)
    server = uvicorn.Server(uvicorn.Config(app.create(site), port=access.settings.port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the portal did not start"
            thread.join(0.05)
        yield
    finally:
        server.should_exit = True
        thread.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A portal that answers, with an organisation's sign-in beside it."""
    with provided() as provider:
        (tmp_path / "node" / "keys").mkdir(parents=True)
        (tmp_path / "node" / "keys" / "oidc.secret").write_text(SECRET)
        oidc = OidcSettings(issuer=provider.issuer, client_id="portal", secret_file="oidc.secret")
        with opened_door(tmp_path / "node", listen=f"127.0.0.1:{free_port()}", oidc=oidc) as found, served(found):
            yield found


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path) as found:
        yield found


def asked(page: Page, method: str, path: str, body: Any = None, csrf: str = "") -> Any:
    """What a page of the portal's is answered."""
    sent = {"method": method, "headers": {"Content-Type": "application/json", "X-Csrf": csrf}}
    sent |= {} if body is None else {"body": json.dumps(body)}
    return page.see(f"fetch({json.dumps(path)}, {json.dumps(sent)}).then(answer => answer.json())")


def enter(page: Page, door: Door, csrf: str = "") -> dict[str, Any]:
    who = {"organisation": "a", "person": "s1"}
    found = asked(page, "POST", "/v1/sign-in/challenge", who, csrf)
    signature = door.key(S1).sign(bytes.fromhex(found["message"])).hex()
    body = {**who, "challenge": found["challenge"], "signature": signature}
    return dict(asked(page, "POST", "/v1/sign-in/key", body, csrf))


def test_a_browsers_own_passkey_signs_in_and_adds_to_a_session(page: Page, door: Door) -> None:
    page.open(f"{door.settings.address}/v1/sign-in")
    page.call("WebAuthn.enable")
    page.call("WebAuthn.addVirtualAuthenticator", options=DEVICE)
    csrf = enter(page, door)["csrf"]
    assert page.see("document.cookie") == ""
    options = asked(page, "POST", "/v1/passkeys/options", None, csrf)
    made = page.see(
        f"navigator.credentials.create({{publicKey: PublicKeyCredential.parseCreationOptionsFromJSON("
        f"{json.dumps(options)})}}).then(made => made.toJSON())"
    )
    assert asked(page, "POST", "/v1/passkeys", {"name": "this browser", "answer": made}, csrf)["name"] == "this browser"
    asked(page, "DELETE", "/v1/session", None, csrf)
    assert asked(page, "GET", "/v1/session")["code"] == "not_signed_in"
    for factors in (["passkey"], ["key", "passkey"]):
        if len(factors) == 2:
            csrf = enter(page, door, csrf)["csrf"]
        options = asked(page, "POST", "/v1/sign-in/passkey/options", None, csrf)
        answer = page.see(
            f"navigator.credentials.get({{publicKey: PublicKeyCredential.parseRequestOptionsFromJSON("
            f"{json.dumps(options)})}}).then(found => found.toJSON())"
        )
        entered = asked(page, "POST", "/v1/sign-in/passkey", {"answer": answer}, csrf)
        assert entered["session"]["factors"] == factors
        csrf = entered["csrf"]


def test_the_organisations_sign_in_comes_back_to_the_session_that_began_it(page: Page, door: Door) -> None:
    """The provider is another site to the browser, which brings our strict cookie to no answer of it."""
    page.open(f"{door.settings.address}/v1/sign-in")
    enter(page, door)
    page.call("Page.navigate", url=f"{door.settings.address}/v1/oidc/start?next=/v1/session")
    page.wait("location.pathname === '/v1/session' && document.readyState === 'complete'")
    shown = json.loads(page.see("document.body.innerText"))
    assert (shown["person"], shown["factors"]) == ("s1", ["key", "oidc"])


EVIL = """<!doctype html><title>evil</title><iframe src="{portal}/v1/session"></iframe>
<form id="form" method="post" action="{portal}/v1/tokens" enctype="text/plain">
<input name='{{"name":"x","scopes":["view"],"a":"' value='"}}'></form>"""


def test_another_page_on_the_same_machine_does_nothing_with_the_session(page: Page, door: Door) -> None:
    """Ports are no sites: a page at another port of this machine sends the portal's cookie along."""
    portal = door.settings.address

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.format(portal=portal).encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            page.open(f"{portal}/v1/sign-in")
            enter(page, door)
            page.open(f"http://localhost:{server.server_port}/")
            for sent in ({"method": "DELETE"}, {"method": "POST", "mode": "no-cors", "body": "{}"}, {"method": "GET"}):
                how = json.dumps({"credentials": "include", **sent})
                read = page.see(f"fetch('{portal}/v1/session', {how}).then(found => found.text(), () => 'not read')")
                assert read in ("not read", "")
            page.call("Runtime.evaluate", expression="document.getElementById('form').submit()")
            page.wait("location.port !== '" + str(server.server_port) + "' && document.readyState === 'complete'")
            assert json.loads(page.see("document.body.innerText"))["code"] == "foreign_page"
        finally:
            server.shutdown()
            thread.join()
        page.open(f"{portal}/v1/session")
        assert json.loads(page.see("document.body.innerText"))["person"] == "s1"
        assert door.access.sessions.all_of("token", S1) == []
    assert any("frame" in said.lower() for said in page.complaints), "the frame was shown"
