"""DICOMweb against servers that misbehave: refusals, failures, silence, paging, cut answers."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.sources import http, spool
from hmchain.records.sources.credentials import Credential, CredentialError, read_credential
from hmchain.records.sources.dicom import web_client
from hmchain.records.sources.dicom.dicomweb import DicomWeb
from hmchain.records.sources.dicom.multipart import TruncatedError, first_part
from hmchain.records.sources.dicom.selection import Selection
from hmchain.records.sources.http import Patience, WebServer
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from support.certificates import authority

NOBODY: Callable[[str], bool] = lambda name: False  # noqa: E731
OBJECT = b"\0" * 128 + b"DICM" + b"content \r\n--not the boundary\r\n" * 9
Answer = tuple[int, str, bytes]


class Archive(BaseHTTPRequestHandler):
    """A DICOMweb server of 3 studies of one series of 2 objects; `behave` may answer in its place."""

    behave: Callable[[str, int], Answer | None] = staticmethod(lambda path, seen: None)
    seen: list[str]
    pages = True

    def do_GET(self) -> None:
        self.seen.append(self.path)
        parts = urlsplit(self.path)
        status, kind, content = type(self).behave(parts.path, len(self.seen)) or self.answer(parts.path, parts.query)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer(self, path: str, query: str) -> Answer:
        kinds = {"studies": ("0020000D", 3), "series": ("0020000E", 1), "instances": ("00080018", 2)}
        tag, count = kinds.get(path.rsplit("/", 1)[-1], ("", 0))
        if not tag:
            return (
                200,
                'multipart/related; boundary="b-b"',
                b"--b-b\r\nContent-Type: x\r\n\r\n" + OBJECT + b"\r\n--b-b--",
            )
        matches = [{tag: {"vr": "UI", "Value": [f"1.{number}"]}} for number in range(count)]
        asked = parse_qs(query)
        if self.pages:
            first = int(asked.get("offset", ["0"])[0])
            matches = matches[first : first + int(asked["limit"][0])]
        return (200, "application/dicom+json", json.dumps(matches).encode()) if matches else (204, "", b"")

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(
    behave: Callable[[str, int], Answer | None] | None = None, *, pages: bool = True, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    members = {"seen": seen, "pages": pages} | ({"behave": staticmethod(behave)} if behave else {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Archive,), members))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/dicom-web", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    def __init__(self) -> None:
        self.waited: list[float] = []

    def patience(self) -> Patience:
        return Patience((1.0, 2.0), self.waited.append)


def source(url: str, **settings: Any) -> DicomWeb:
    page = settings.pop("page", 500)
    return DicomWeb(WebServer(url, **{"patience": Patience((), time.sleep), "timeout_s": 5.0, **settings}), page=page)


@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_all_pages_are_read(page: int) -> None:
    with serving() as (url, _):
        names = [item.name for item in source(url, page=page).items(NOBODY)]
    assert names == [f"1.{study}/1.0/1.{index}" for study in range(3) for index in range(2)]


@pytest.mark.parametrize("page", [2, 3, 500])
def test_a_server_that_knows_no_paging_gives_each_object_once(page: int) -> None:
    with serving(pages=False) as (url, seen):
        names = [item.name for item in source(url, page=page).items(NOBODY)]
    assert len(names) == len(set(names)) == 6
    assert len(seen) < 20


def test_an_object_comes_as_it_is_whatever_is_in_it() -> None:
    with serving() as (url, _):
        pacs = source(url)
        with next(pacs.items(NOBODY)).open() as file:
            assert file.read() == OBJECT
        pacs.close()


@pytest.mark.parametrize(
    ("status", "what", "hint"),
    [
        (401, "does not let us in", "credential"),
        (403, "refuses this account", "administrator"),
        (404, "no DICOMweb service", "address"),
        (302, "answers with 302", "address"),
        (418, "answers with 418", "log"),
    ],
)
def test_a_refusal_is_told_at_once_with_the_way_out(status: int, what: str, hint: str) -> None:
    clock = Clock()
    refusal = (status, "text/plain", b"Doe^John is not here")
    with serving(lambda path, seen: refusal) as (url, seen), pytest.raises(SourceError, match=what) as failure:
        source(url, patience=clock.patience()).check()
    assert hint in failure.value.hint and "Doe" not in str(failure.value)
    assert len(seen) == 1 and not clock.waited


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failing_server_is_asked_again_after_a_while(status: int) -> None:
    clock = Clock()
    with serving(lambda path, seen: (status, "text/plain", b"") if seen < 3 else None) as (url, seen):
        source(url, patience=clock.patience()).check()
    assert clock.waited == [1.0, 2.0] and len(seen) == 3


def test_a_server_that_goes_on_failing_stops_the_run() -> None:
    clock = Clock()
    with (
        serving(lambda path, seen: (503, "text/plain", b"")) as (url, seen),
        pytest.raises(SourceError, match=r"fails \(503\)") as failure,
    ):
        source(url, patience=clock.patience()).check()
    assert len(seen) == 3 and "same command" in failure.value.hint


def test_a_server_that_is_not_there() -> None:
    with serving() as (url, _):
        pass
    clock = Clock()
    with pytest.raises(SourceError, match="cannot be reached") as failure:
        source(url, patience=clock.patience()).check()
    assert clock.waited == [1.0, 2.0] and "same command" in failure.value.hint


def test_a_silent_server_is_not_waited_for_for_ever() -> None:
    release = threading.Event()

    def behave(path: str, seen: int) -> Answer:
        release.wait(10)
        return 204, "", b""

    with serving(behave) as (url, _):
        with pytest.raises(SourceError, match=r"silent for 0\.2 s"):
            source(url, timeout_s=0.2).check()
        release.set()


@pytest.mark.parametrize("content", [b"<html>Login</html>", b"{}", b"[1]", b"\xff"])
def test_something_else_than_dicomweb(content: bytes) -> None:
    wrong = pytest.raises(SourceError, match="does not answer as DICOMweb does")
    with serving(lambda path, seen: (200, "text/html", content)) as (url, _), wrong:
        source(url).check()


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1000)
    monkeypatch.setattr(web_client, "OBJECT_BYTES_MAX", 100)
    too_long = pytest.raises(SourceError, match="too long an answer")
    with serving(lambda path, seen: (200, "x", b" " * 2000)) as (url, _), too_long:
        source(url).check()
    with serving() as (url, _), pytest.raises(ItemUnavailableError, match="larger than is read"):
        next(source(url).items(NOBODY)).open()


@pytest.mark.parametrize(("status", "gone"), [(404, True), (410, True), (500, True), (503, False), (401, False)])
def test_one_object_that_is_not_given_is_told_from_a_server_that_fails(status: int, gone: bool) -> None:
    """An archive that lost one file says 404 or 500 for ever: it must not stop the run before all others."""
    with serving(lambda path, seen: (status, "", b"") if path.endswith("instances/1.1") else None) as (url, _):
        first, second = list(source(url).items(NOBODY))[:2]
        first.open().close()
        with pytest.raises(SourceError) as failure:
            second.open()
    assert isinstance(failure.value, ItemUnavailableError) is gone


def test_an_object_cut_short_is_fetched_again() -> None:
    def behave(path: str, seen: int) -> Answer | None:
        if path.endswith("instances/1.0") and seen < 6:
            return 200, "multipart/related; boundary=b-b", b"--b-b\r\n\r\n" + OBJECT[:200]
        return None

    clock = Clock()
    with serving(behave) as (url, _):
        item = next(source(url, patience=clock.patience()).items(NOBODY))
        with item.open() as file:
            assert file.read() == OBJECT
    assert clock.waited


def test_a_full_disk_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "new_spool", partial(Path("/dev/full").open, "w+b"))
    with serving() as (url, _), pytest.raises(SourceError, match="there is no room") as failure:
        next(source(url).items(NOBODY)).open()
    assert "TMPDIR" in failure.value.hint and not isinstance(failure.value, ItemUnavailableError)


def test_uids_that_would_lead_elsewhere_are_passed_over() -> None:
    hostile = json.dumps([{"0020000D": {"Value": [uid]}} for uid in ("../../admin", "..", "1.2?x=1", "1/2", "")])

    def behave(path: str, seen: int) -> Answer | None:
        return (200, "x", hostile.encode()) if path.endswith("studies") else None

    with serving(behave) as (url, seen):
        pacs = source(url)
        assert list(pacs.items(NOBODY)) == []
    assert all(urlsplit(path).path.endswith("/studies") for path in seen)
    assert pacs.finds.reasons == {"no valid UID": 5}


def test_conditions_that_a_server_ignores_are_checked_here() -> None:
    with serving() as (url, seen):
        pacs = DicomWeb(WebServer(url), Selection(patients=frozenset({"17"})))
        assert list(pacs.items(NOBODY)) == []  # the server lists all studies, of nobody
    assert "PatientID=17" in seen[0]


# --- credentials and encryption -----------------------------------------------------------------------------------


def test_a_credential_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACS_LOGIN", "reader:s3cret")
    (tmp_path / "token").write_text("eyJ0b2tlbiJ9\n")
    basic, bearer = read_credential("env:PACS_LOGIN"), read_credential(f"file:{tmp_path / 'token'}")
    assert basic == Credential("Basic cmVhZGVyOnMzY3JldA==")  # RFC 7617
    assert bearer == Credential("Bearer eyJ0b2tlbiJ9")
    assert "cmVh" not in repr(WebServer("https://x.example", basic)) and "eyJ" not in repr(bearer)


@pytest.mark.parametrize("place", ["env:NOTHING_THERE", "file:/nothing", "reader:s3cret", "s3cret"])
def test_a_credential_that_is_not_there(place: str) -> None:
    with pytest.raises(CredentialError) as failure:
        read_credential(place)
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("token", [None, Credential.bearer("x")], ids=["anybody", "a user"])
def test_nothing_is_asked_in_clear_of_another_machine_unless_that_is_wanted(token: Credential | None) -> None:
    with pytest.raises(SourceError, match="in clear") as failure:
        DicomWeb(WebServer("http://pacs.example.org/dicom-web", token))
    assert "--insecure-http" in failure.value.hint
    DicomWeb(WebServer("http://pacs.example.org/dicom-web", token, allow_plain=True)).close()
    for host in ("127.0.0.1:8042", "127.0.0.2", "[::1]:8042", "localhost"):
        DicomWeb(WebServer(f"http://{host}/dicom-web", token)).close()


def test_no_proxy_of_the_environment_gets_to_see_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (proxy, seen):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with serving() as (url, asked):
            source(url).check()
    assert asked and not seen


def test_an_address_holds_no_more_than_an_address() -> None:
    with pytest.raises(SourceError, match="more than an address") as failure:
        DicomWeb(WebServer("https://reader:s3cret@pacs.example.org/dicom-web"))
    assert "s3cret" not in str(failure.value)
    with pytest.raises(SourceError, match="not the address"):
        DicomWeb(WebServer("pacs.example.org"))


def test_a_server_must_prove_who_it_is(tmp_path: Path) -> None:
    with serving(tls=authority(tmp_path)) as (url, seen):
        with pytest.raises(SourceError, match="cannot be verified") as failure:
            source(url).check()
        assert "authority" in failure.value.hint and not seen
        source(url, ca_file=tmp_path / "ca.pem").check()
    with pytest.raises(SourceError, match="not a certificate file"):
        source(url, ca_file=tmp_path / "nothing.pem")


# --- multipart ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=80), st.lists(st.integers(1, 40), max_size=30), st.binary(max_size=20))
def test_a_part_is_read_however_the_message_is_cut(content: bytes, cuts: list[int], preamble: bytes) -> None:
    boundary = b"=-b"
    if b"--" + boundary in content or b"--" + boundary in preamble:
        return
    message = preamble + b"\r\n--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n" + content
    message += b"\r\n--" + boundary + b"--\r\nepilogue"
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(message[at : at + cut])
        at += cut
    pieces.append(message[at:])
    assert b"".join(first_part(pieces, boundary)) == content


@given(st.integers(0, 60))
def test_a_part_without_its_end_is_truncated(kept: int) -> None:
    message = b"--b\r\nContent-Type: application/dicom\r\n\r\ncontent of it\r\n--b"
    with pytest.raises(TruncatedError):
        b"".join(first_part([message[: min(kept, len(message) - 1)]], b"b"))
