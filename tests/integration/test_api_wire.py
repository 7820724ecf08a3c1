"""A real portal, asked over the wire what no client of ours would ask: it answers, is never at fault, and lives.

Each way is bytes as they go over the socket, since libraries would refuse or mend most of them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hmchain.interfaces.api.app import ROUTES
from support.api_fuzz import Fuzzed
from support.finished_run import run_directory

__all__ = ["run_directory"]

pytestmark = [pytest.mark.process, pytest.mark.network, pytest.mark.timeout(1800)]
DEEP = 100_000
JSON = "application/json"


@dataclass(frozen=True)
class Portal:
    """A portal that runs."""

    address: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = JSON, *more: str) -> tuple[int, bytes]:
        """The status, and all that came; 0 where the connection was closed without an answer."""
        place = urlsplit(self.address)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {place.netloc}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *([f"Content-Type: {kind}"] if kind else []),
            *more,
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return self.send(head + body)

    def send(self, whole: bytes) -> tuple[int, bytes]:
        place = urlsplit(self.address)
        with closing(socket.create_connection((place.hostname or "", place.port or 0), timeout=60)) as line:
            with suppress(ConnectionError):  # it answers before all is there
                line.sendall(whole)
            came = bytearray()
            with suppress(ConnectionError):
                while piece := line.recv(1 << 16):
                    came += piece
        found = re.match(rb"HTTP/1\.1 (\d{3})", came)
        return (int(found[1]) if found else 0), bytes(came)

    @property
    def lives(self) -> bool:
        return self.process.poll() is None and self.ask("GET", "/healthz")[0] == 200


@contextmanager
def served(run: Path) -> Iterator[Portal]:
    command = [sys.executable, "-m", "hmchain", "portal", "--dir", str(run), "--no-browser", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith("http")), "")
        assert line, process.wait()
        yield Portal(line.strip().rstrip("/"), process)
        process.terminate()


@pytest.fixture(scope="module")
def portal(run_directory: Path) -> Iterator[Portal]:
    with served(run_directory) as found:
        yield found


def good(portal: Portal, *asked: object) -> None:
    """Ask, and see that it is no fault of the portal's."""
    status, came = portal.ask(*asked)  # type: ignore[arg-type]
    assert status and status < 500, (str(asked)[:300], status, came[:500])


BODIES = {
    "nothing": b"",
    "a null byte": b'{"person": "s\\u00001", "public": "00"}',
    "a raw null byte": b'{"person": "s\x001", "public": "00"}',
    "a lone surrogate": b'{"person": "\\ud800", "public": "\\udfff"}',
    "no UTF-8": b'{"person": "\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"person": "s1"}',
    "a huge number": b'{"days": 1' + b"0" * 5_000 + b"}",
    "a huge exponent": b'{"days": 1e999999, "version": -1e-999999}',
    "no number": b'{"days": NaN, "version": Infinity}',
    "deep lists": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep and closed": b'{"answer": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a key twice": b'{"person": "s1", "person": "s2", "public": "00"}',
    "a key of Python's": b'{"__class__": "x", "__proto__": {}}',
    "a text alone": b'"s1"',
    "null": b"null",
    "more behind": b"{} {}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_none(portal: Portal, body: bytes) -> None:
    for route in ROUTES:
        if route.takes is not None:
            good(portal, route.method, _filled(route.path), body)
    assert portal.lives


def test_another_kind_of_body(portal: Portal) -> None:
    for kind in (
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "APPLICATION/JSON",
        ";",
        "a/b/c",
        "x" * 4_000,
    ):
        for path in ("/v1/people/possession", "/v1/proofs/check", "/v1/terms"):
            good(portal, "POST", path, b"{}", kind)
    assert portal.lives


def test_other_methods(portal: Portal) -> None:
    for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PROPFIND", "get", "X" * 60):
        for path in ("/v1/blocks", "/v1/session", "/v1/openapi.json", "/v1/errors", "/healthz", "/v1/transactions"):
            good(portal, method, path)
    assert portal.lives


PARTS = (
    "..",
    "%2e%2e",
    "%2f",
    "a%2fb",
    "%5c",
    "%00",
    "a%00",
    "%0a",
    "a%0a",
    "%c0%af",
    "%ff",
    "%ed%a0%80",
    "%25",
    "%",
    "a" * 4_000,
    ";",
    "%3f",
    "%23",
    "\xe9",
    "..;",
    ".",
    "%7e",
    "{name}",
    "-",
    "%E2%80%AE",
)


def test_what_stands_in_a_path(portal: Portal) -> None:
    """Percent-encoded slashes and dots, null bytes and what is no UTF-8, in the place of each name."""
    paths = {route.path: route.method for route in ROUTES if "{" in route.path}
    for number, (path, method) in enumerate(paths.items()):
        for part in PARTS[number % 3 :: 3]:
            good(portal, method, re.sub(r"\{\w+\}", lambda found, part=part: part, path), b"{}")
    assert portal.lives


def test_what_stands_behind_a_question_mark(portal: Portal) -> None:
    for query in (
        "limit=" + "9" * 400,
        "limit=-1&offset=1e9",
        "from=%00",
        "limit=1&limit=2",
        "q=%ff",
        "q=%ed%a0%80",
        "q=" + "a" * 5_000,
        "since_ms=9007199254740993",
        "of=%2e%2e%2f",
        "hospital=%0d%0aX:1",
        "&&&==",
        "%",
        "q[]=1",
        "what=" + "&what=" * 500,
    ):
        for path in ("/v1/blocks", "/v1/search", "/v1/data-log", "/v1/uses", "/v1/people", "/v1/studies", "/v1/codes"):
            good(portal, "GET", f"{path}?{query}")
    assert portal.lives


def test_headers_that_no_client_sends(portal: Portal) -> None:
    for header in (
        "Authorization: Bearer " + "x" * 20_000,
        "Authorization: Bearer \xff\xfe",
        "Authorization: Basic Og==",
        "Authorization:",
        "Cookie: " + "a=b; " * 2_000,
        'Cookie: hospital="\\303"; ;;=',
        "If-None-Match: " + '"x",' * 2_000,
        "Idempotency-Key: \xe9",
        "X-Request-Id: " + "z" * 5_000,
        "X-Request-Id: \x01",
        "Last-Event-ID: 99999999999999999-9",
        "Accept: " + "*/*," * 3_000,
        "Range: bytes=0-1,5-",
        "Transfer-Encoding: gzip",
        "Expect: 200-ok",
        "Content-Encoding: gzip",
        "Accept-Encoding: \xff",
        "X-Forwarded-For: " + "::," * 1_000,
        "Upgrade: websocket",
        "X: " + "y" * 200_000,
    ):
        status, came = portal.ask("GET", "/v1/blocks", b"", "", header)
        assert status < 500, (header[:80], status, came[:300])
    assert portal.lives


def test_what_is_no_request(portal: Portal) -> None:
    for whole in (
        b"\x00" * 1_000,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v1/blocks\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /v1/blocks HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"A" * 200_000,
        b"POST /v1/proofs/check HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/proofs/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/proofs/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ):
        status, came = portal.send(whole)
        assert status < 500, (whole[:60], status, came[:300])
    assert portal.lives


def test_it_is_as_described_over_the_wire(portal: Portal) -> None:
    found = Fuzzed(portal.address).run("examples")
    assert not found.complaints, "\n".join(map(str, found.complaints[:20]))
    assert len(found.answered) > 30


def _filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "a1b2", path)
