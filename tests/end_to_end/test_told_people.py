"""People are told, by a real mail server and webhook, of what another hospital did: once, over a kill too."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from support.ports import free_port
from support.sites import Consortium, Site, answer, hmchain, until
from support.sites import consortium as consortium

pytestmark = pytest.mark.network
HERE = "127.0.0.1"


class Letters:
    def __init__(self) -> None:
        self.taken: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content.decode())
        return "250 OK"


class Hook(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__((HERE, 0), Told)
        self.told: list[dict[str, Any]] = []


class Told(http.server.BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def servers() -> Iterator[tuple[Letters, int, Hook]]:
    letters, hook = Letters(), Hook()
    port = free_port()
    mail = Controller(letters, hostname=HERE, port=port)
    mail.start()
    threading.Thread(target=hook.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield letters, port, hook
    finally:
        mail.stop()
        hook.shutdown()
        hook.server_close()


@contextmanager
def portal(site: Site) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "hmchain", "portal", "--dir", str(site.folder.path), "--no-browser"]
    process = subprocess.Popen([*command, "--listen", f"{HERE}:0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http"), address
        yield address, process
    finally:
        process.terminate()
        process.wait(60)


def settings(port: int, hook: Hook) -> str:
    return f"""
[mail]
host = "{HERE}"
port = {port}
security = "none"
sender = "portal@north.example"
people = {{ steward = "steward@north.example" }}

[webhook]
url = "http://{HERE}:{hook.server_address[1]}/hook"
secret_file = "webhook.secret"
"""


def tell(site: Site, name: str, kind: str) -> None:
    hmchain("incident", "open", name, kind, "--severity", "high", "--yes", "--dir", str(site.folder.path))


def test_people_are_told_of_an_incident_elsewhere(consortium: Consortium) -> None:
    north, south = consortium.sites["north"], consortium.sites["south"]
    secret = north.folder.keys / "webhook.secret"
    secret.write_text("a secret")
    secret.chmod(0o600)
    with servers() as (letters, port, hook):
        north.folder.portal_toml.write_text(settings(port, hook))
        with portal(north) as (address, process):
            until(lambda: httpx.get(f"{address}/readyz").status_code == 200, "a portal that is ready")
            assert httpx.get(f"{address}/metrics").status_code == 401, "nobody is signed in"
            hmchain(
                "incident",
                "open",
                "stolen-laptop",
                "key",
                "--severity",
                "high",
                "--yes",
                "--dir",
                str(south.folder.path),
            )
            until(lambda: [each for each in hook.told if each["kind"] == "incident"], "the webhook")
            until(lambda: [each for each in letters.taken if "urgent" in each], "the mail")
            process.kill()
            process.wait(60)
        with portal(north) as (address, _):
            hmchain(
                "incident", "open", "second", "malware", "--severity", "low", "--yes", "--dir", str(south.folder.path)
            )
            until(lambda: len([each for each in hook.told if each["kind"] == "incident"]) > 1, "the second webhook")
            until(lambda: len([each for each in letters.taken if "urgent" in each]) > 1, "the second mail")
    told = [each["id"] for each in hook.told]
    assert len(told) == len(set(told)), "each once, over the kill"
    assert not [word for word in ("stolen-laptop", "second", "malware") if word in str(hook.told) + str(letters.taken)]
    assert all(re.search(r"http://\S+/notifications", each) for each in letters.taken)
    assert answer("node", "status", "--dir", str(north.folder.path))["running"], "the node does not notice"
    lines = [json.loads(line) for line in north.folder.portal_log.read_text("utf-8").splitlines()]
    events = [each["event"] for each in lines]
    assert events.count("started") == 2 and events.count("stopped") == 1, "one was killed"
    assert {"mail", "webhook"} <= {each.get("channel") for each in lines}


def test_secrets_of_settings_are_asked_for_at_the_start(consortium: Consortium, tmp_path: Path) -> None:
    west = consortium.sites["west"]
    west.folder.portal_toml.write_text('[webhook]\nurl = "https://chat.example/"\nsecret_file = "nowhere.secret"\n')
    told = hmchain("portal", "--dir", str(west.folder.path), "--no-browser", "--listen", f"{HERE}:0", status=5)
    assert "delivery_secret" in told
    west.folder.portal_toml.unlink()
