"""HTTP to a hospital's server, whatever is spoken over it: patience, trust, credentials, limits."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from hmchain.records.sources import http
from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.http import MomentaryError, Patience, WebConnection, WebServer, WebTrouble, is_loopback
from hmchain.records.sources.item import SourceError
from support.certificates import authority

URL = "https://server.example.org/base"


class NamedError(Exception):
    def __init__(self, trouble: WebTrouble, where: str) -> None:
        super().__init__(trouble, where)
        self.trouble, self.where = trouble, where


def connection(answer: httpx.Response | Exception, seen: list[httpx.Request] | None = None) -> WebConnection:
    def carry(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = WebServer(URL, Credential.bearer("secret-token"), transport=httpx.MockTransport(carry))
    return WebConnection(server, NamedError)


def attempts(*failures: MomentaryError) -> tuple[Patience, list[float], list[MomentaryError]]:
    waited: list[float] = []
    return Patience((1.0, 2.0), waited.append), waited, list(failures)


@pytest.mark.parametrize(
    ("asked", "waited"), [((None, None), [1.0, 2.0]), ((7.0, None), [7.0, 2.0]), ((0.0, 300.0), [0.0, 300.0])]
)
def test_it_is_tried_again_after_a_while_or_when_the_other_side_says(
    asked: tuple[float | None, ...], waited: list[float]
) -> None:
    patience, waits, failures = attempts(*(MomentaryError("busy", wait) for wait in asked))

    def attempt() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert patience.insist(attempt) == "done" and waits == waited


def test_the_last_failure_goes_through_and_a_long_wait_is_the_users() -> None:
    for wait, tries in ((None, 3), (301.0, 1)):
        patience, _, _ = attempts()
        seen: list[None] = []

        def attempt(wait: float | None = wait, seen: list[None] = seen) -> None:
            seen.append(None)
            raise MomentaryError("busy", wait)

        with pytest.raises(MomentaryError) as failure:
            patience.insist(attempt)
        assert failure.value.wait_s == wait and len(seen) == tries


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (httpx.ReadTimeout("x"), WebTrouble.SILENT),
        (httpx.ConnectError("x"), WebTrouble.UNREACHABLE),
        (httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"), WebTrouble.UNTRUSTED),
        (httpx.RemoteProtocolError("x"), WebTrouble.CUT_OFF),
        (httpx.DecodingError("x"), WebTrouble.CUT_OFF),
    ],
)
def test_what_fails_is_named_by_the_protocol(error: Exception, trouble: WebTrouble) -> None:
    with pytest.raises(NamedError) as failure, connection(error).answer("GET", "x"):
        pass
    assert (failure.value.trouble, failure.value.where) == (trouble, "server.example.org")


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        ("ftp://h", WebTrouble.NO_ADDRESS), ("h", WebTrouble.NO_ADDRESS), ("https://", WebTrouble.NO_ADDRESS),
        ("https://h:x", WebTrouble.NO_ADDRESS), ("https://u:p@h", WebTrouble.MORE_THAN_ADDRESS),
        ("https://h?a=b", WebTrouble.MORE_THAN_ADDRESS), ("http://h", WebTrouble.IN_CLEAR),
    ],
)  # fmt: skip
def test_an_address_is_checked_before_anything_is_asked(url: str, trouble: WebTrouble) -> None:
    with pytest.raises(NamedError) as failure:
        WebConnection(WebServer(url), NamedError)
    assert failure.value.trouble is trouble


def test_the_credential_goes_where_it_is_wanted_and_paths_are_below_the_base() -> None:
    seen: list[httpx.Request] = []
    web = connection(httpx.Response(200), seen)
    for with_credential in (True, False):
        with web.answer("GET", "studies", params={"limit": "1"}, with_credential=with_credential):
            pass
    assert [str(request.url) for request in seen] == [f"{URL}/studies?limit=1"] * 2
    assert [request.headers.get("Authorization") for request in seen] == ["Bearer secret-token", None]
    assert "secret" not in repr(web.server)


def test_an_answer_is_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 10)
    for size in (10, 11):
        with connection(httpx.Response(200, content=b" " * size)).answer("GET", "x") as response:
            if size == 10:
                assert len(http.whole(response, SourceError("too long"))) == 10
            else:
                with pytest.raises(SourceError, match="too long"):
                    http.whole(response, SourceError("too long"))


@pytest.mark.parametrize(
    ("status", "wait", "passes"), [(503, "7", True), (429, "later", True), (404, "7", False), (200, "", False)]
)
def test_a_status_says_whether_it_may_pass(status: int, wait: str, passes: bool) -> None:
    with connection(httpx.Response(status, headers={"Retry-After": wait})).answer("GET", "x") as response:
        if not passes:
            http.check_passing(response, "busy")
            return
        with pytest.raises(MomentaryError, match="busy") as failure:
            http.check_passing(response, "busy")
    assert (failure.value.status, failure.value.wait_s) == (status, 7.0 if wait == "7" else None)


class Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def served(tls: ssl.SSLContext) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


def test_a_server_is_believed_by_its_authority_alone(tmp_path: Path) -> None:
    server = served(authority(tmp_path))
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(NamedError) as failure, WebConnection(WebServer(url), NamedError).answer("GET", ""):
            pass
        assert failure.value.trouble is WebTrouble.UNTRUSTED
        trusting = WebConnection(WebServer(url, ca_file=tmp_path / "ca.pem"), NamedError)
        with trusting.answer("GET", "") as response:
            assert response.status_code == 204
        trusting.close()
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(NamedError) as failure:
        WebConnection(WebServer(url, ca_file=tmp_path / "nothing.pem"), NamedError)
    assert failure.value.trouble is WebTrouble.NO_AUTHORITY


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("localhost", True), ("127.0.0.2", True), ("[::1]", True), ("10.0.0.1", False), ("a.example", False)],
)
def test_this_machine_is_told_from_others(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own
