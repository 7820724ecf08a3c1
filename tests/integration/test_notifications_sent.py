"""Mail and webhook against real servers on loopback: encrypted, signed in, signed, nowhere else, and over a kill."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import multiprocessing
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from hmchain.application.site.outgoing import MailSettings, OutgoingSettingsError, WebhookSettings
from hmchain.application.watching import webhook
from hmchain.application.watching.delivery import DeliveryError, DeliverySecretError
from hmchain.application.watching.mail import MailServer, written
from hmchain.application.watching.outbox import Channel, Outbox
from hmchain.application.watching.webhook import KEY, SIGNATURE, Webhook, resolved
from support.certificates import authority
from support.ports import free_port

pytestmark = pytest.mark.process

PASSWORD, SECRET = "a long password", "a long secret"
HERE = "127.0.0.1"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    for name, secret in (("mail.password", PASSWORD), ("webhook.secret", SECRET)):
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)
    return folder


# -- mail -------------------------------------------------------------------------------------------------------------


class Letters:
    """Takes mail from who signs in with the password."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bool]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.rcpt_tos[0], envelope.content.decode(), session.ssl is not None))
        return "250 OK"


def _signed_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    is_it = isinstance(given, LoginPassword) and given.password == PASSWORD.encode()
    return AuthResult(success=is_it)


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[tuple[Letters, int]]:
    taken = Letters()
    server = Controller(
        taken, hostname=HERE, port=free_port(), tls_context=authority(tmp_path), require_starttls=True,
        authenticator=_signed_in, auth_required=True,
    )  # fmt: skip
    server.start()
    yield taken, server.port
    server.stop()


def settings(port: int, tmp_path: Path, **changed: Any) -> MailSettings:
    known: dict[str, Any] = {
        "host": HERE, "port": port, "sender": "portal@north.example", "user": "portal",
        "ca_file": str(tmp_path / "ca.pem"), "password_file": "mail.password",
        "people": {"steward": "steward@north.example"}, "timeout_seconds": 5,
    }  # fmt: skip
    return MailSettings(**known | changed)


def letter(settings: MailSettings) -> EmailMessage:
    return written(settings, settings.people["steward"], "ab" * 16, "https://portal.north.example", urgent=True,
                   made_ms=1_700_000_000_000)  # fmt: skip


def test_a_mail_goes_over_starttls_signed_in(letters: tuple[Letters, int], keys: Path, tmp_path: Path) -> None:
    taken, port = letters
    found = settings(port, tmp_path)
    MailServer.of(found, keys).send(letter(found))
    ((receiver, text, is_encrypted),) = taken.taken
    assert receiver == "steward@north.example" and is_encrypted
    assert f"Message-ID: <{'ab' * 16}@north.example>" in text and "https://portal.north.example/notifications" in text


@pytest.mark.parametrize("broken", ["password", "authority", "nobody listens"])
def test_a_mail_that_is_not_taken_says_so_without_a_secret(
    letters: tuple[Letters, int], keys: Path, tmp_path: Path, broken: str
) -> None:
    taken, port = letters
    changed: dict[str, Any] = {"timeout_seconds": 1}  # that server is slow to say no
    match broken:
        case "password":
            (keys / "mail.password").write_text("another password")
        case "authority":
            changed["ca_file"] = ""
        case _:
            port = free_port()
    found = settings(port, tmp_path, **changed)
    server = MailServer.of(found, keys)
    with pytest.raises(DeliveryError) as caught:
        server.send(letter(found))
    assert not taken.taken
    assert not [secret for secret in (PASSWORD, "another password") if secret in f"{caught.value} {server!r}"]


def test_settings_let_nothing_leave_in_clear_and_no_line_be_added(tmp_path: Path) -> None:
    for changed in (
        {"host": "mail.north.example", "security": "none"},
        {"sender": "portal@north.example\nBcc: all@elsewhere.example"},
        {"people": {"steward": "a@b.example, c@d.example"}},
        {"password_file": "../../etc/passwd"},
        {"user": ""},
    ):
        with pytest.raises(OutgoingSettingsError):
            settings(25, tmp_path, **changed)


def test_a_secret_that_others_can_read_is_not_used(keys: Path, tmp_path: Path) -> None:
    (keys / "mail.password").chmod(0o640)
    with pytest.raises(DeliverySecretError):
        MailServer.of(settings(25, tmp_path), keys)


# -- webhook ----------------------------------------------------------------------------------------------------------


class Hook(http.server.BaseHTTPRequestHandler):
    """Remembers what it was told."""

    server: HookServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", f"http://{HERE}:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class HookServer(http.server.ThreadingHTTPServer):
    status = 204

    def __init__(self, trust: ssl.SSLContext | None) -> None:
        super().__init__((HERE, 0), Hook)
        self.told: list[tuple[str, dict[str, str], bytes]] = []
        if trust is not None:
            self.socket = trust.wrap_socket(self.socket, server_side=True)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[HookServer]:
    server = HookServer(authority(tmp_path))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def way(server: HookServer, keys: Path, tmp_path: Path, **changed: Any) -> Webhook:
    url = f"https://{HERE}:{server.server_address[1]}/hook?room=1"
    known: dict[str, Any] = {"url": url, "secret_file": "webhook.secret", "ca_file": str(tmp_path / "ca.pem")}
    return Webhook.of(WebhookSettings(**known | changed), keys)


def test_a_webhook_is_told_over_https_and_can_check_who_tells(hook: HookServer, keys: Path, tmp_path: Path) -> None:
    way(hook, keys, tmp_path).send(b'{"kind": "incident"}', "key-1", 5000)
    ((path, headers, body),) = hook.told
    assert path == "/hook?room=1" and json.loads(body) == {"kind": "incident"} and headers[KEY] == "key-1"
    expected = hmac.new(SECRET.encode(), b"5000." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"t=5000,v1={expected}"


@pytest.mark.parametrize("status", [301, 307, 400, 500])
def test_only_yes_is_a_yes_and_no_other_place_is_gone_to(
    hook: HookServer, keys: Path, tmp_path: Path, status: int
) -> None:
    hook.status = status
    with pytest.raises(DeliveryError, match=str(status)):
        way(hook, keys, tmp_path).send(b"{}", "key-1", 1)
    assert len(hook.told) == 1


def test_a_certificate_of_nobody_known_is_not_trusted(hook: HookServer, keys: Path, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError):
        way(hook, keys, tmp_path, ca_file="").send(b"{}", "key-1", 1)
    assert not hook.told


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example/hook", "ftp://chat.example/", "https://", "https://user:word@chat.example/",
        "file:///etc/passwd", "https://chat.example:port/", "gopher://127.0.0.1:25/",
    ],
)  # fmt: skip
def test_no_other_address_can_be_set(url: str) -> None:
    with pytest.raises(OutgoingSettingsError):
        WebhookSettings(url=url, secret_file="webhook.secret")


INNER = ("10.0.0.7", "192.168.1.1", "172.16.0.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.7")
NEVER = (
    HERE,
    "169.254.169.254",
    "::1",
    "0.0.0.0",
    "fe80::1",
    "224.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::",
    "::127.0.0.1",
    "fd00:ec2::254",
    "192.0.0.192",
)


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have every name answer with these."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize("address", [*INNER, *NEVER])
def test_a_name_that_leads_inside_leads_nowhere(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for addresses in ((address,), ("93.184.215.14", address)):
        named(monkeypatch, *addresses)
        with pytest.raises(DeliveryError, match="inside"):
            resolved("chat.example", 443, private=False)


@pytest.mark.parametrize("address", NEVER)
def test_this_machine_is_reached_by_no_name_even_where_inner_ones_may_be(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    named(monkeypatch, address)
    with pytest.raises(DeliveryError):
        resolved("chat.example", 443, private=True)


def test_inner_addresses_are_for_those_who_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in INNER:
        named(monkeypatch, address)
        assert resolved("chat.example", 443, private=True) == address
    named(monkeypatch, "93.184.215.14")
    assert resolved("chat.example", 443, private=False) == "93.184.215.14"


def test_the_name_is_asked_once_and_the_answer_connected_to(
    hook: HookServer, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers with another address the second time (DNS rebinding) is not asked twice."""
    monkeypatch.setattr(webhook, "resolved", lambda *_, **__: HERE)
    asked: list[object] = []
    honest = socket.getaddrinfo

    def listening(host: Any, *arguments: Any, **more: Any) -> Any:
        asked.append(host)
        return honest(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", listening)
    url = f"https://chat.example:{hook.server_address[1]}/"
    with pytest.raises(DeliveryError, match="SSLCertVerificationError"):  # the certificate is of 127.0.0.1
        way(hook, keys, tmp_path, url=url).send(b"{}", "key-1", 1)
    assert set(asked) <= {HERE}


# -- over a kill ------------------------------------------------------------------------------------------------------


def _queue_and_die(path: Path) -> None:
    outbox = Outbox(path)
    outbox.queue(Channel.WEBHOOK, "hospital", ["one", "two"], 0, apart=True)
    outbox.due(0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_loses_no_message_and_makes_none_twice(tmp_path: Path) -> None:
    path = tmp_path / "portal.db"
    process = multiprocessing.get_context("fork").Process(target=_queue_and_die, args=(path,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    outbox = Outbox(path)
    assert outbox.queue(Channel.WEBHOOK, "hospital", ["one", "two"], 1, apart=True) == 0
    messages = outbox.due(1)
    assert sorted(id for each in messages for id in each.ids) == ["one", "two"]
    outbox.done(messages[0])
    outbox.close()
    assert [each.key for each in Outbox(path).due(2)] == [messages[1].key], "the same key as before"
