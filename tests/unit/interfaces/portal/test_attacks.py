"""What strangers try at a portal: names of nowhere, answers without end, other users of the machine."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from hmchain.application.access.permissions import Operation
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal import app, hosts
from hmchain.interfaces.portal.connections import OneLength, Prompt
from hmchain.interfaces.portal.hosts import OwnNames
from hmchain.interfaces.portal.pages import ALL
from hmchain.interfaces.portal.registry import Next, answer
from hmchain.interfaces.portal.review import neighbours
from support.chromium import listener
from support.door import Door, door, opened_door
from support.finished_run import run_directory
from support.portal_client import portal_of

__all__ = ["door", "run_directory"]
ORIGIN = "http://localhost:8470"
DEEP = "[" * 20_000


@pytest.fixture(scope="module")
def run(run_directory: Path) -> Iterator[TestClient]:
    with portal_of(run_directory) as found:
        yield found


@pytest.fixture
def client(door: Door) -> Iterator[TestClient]:
    site = Site(door.place, door.live, ("a",), by_session_or_token(door.access), access=door.access)
    with TestClient(app.create(site), ORIGIN, raise_server_exceptions=False, follow_redirects=False) as found:
        yield found


def test_a_page_is_packed_and_says_what_only_it_knows_in_other_letters_each_time(client: TestClient) -> None:
    client.cookies.set("hmchain-a", "secret", domain="localhost.local")
    told = [client.get("/sign-in") for _ in range(2)]
    assert {each.headers["content-encoding"] for each in told} == {"gzip"}
    tokens = [re.findall(r'name="csrf" [a-z]+="([0-9a-f]{128})"', each.text) for each in told]
    assert len(tokens[0]) > 1 and len({*tokens[0]}) == 1, "one page says one thing, which packs well"
    assert tokens[0] != tokens[1]
    plain = client.get("/sign-in", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and "<main" in plain.text


@pytest.mark.parametrize("wanted", ["nowhere", "../../etc", "\x00", "<b>"])
def test_a_hospital_of_nowhere_is_none_of_this_run(run: TestClient, wanted: str) -> None:
    asked = run.get("/steward/datasets", params={"hospital": wanted})
    assert asked.status_code == 404 and "unknown_hospital" in asked.text
    assert run.get("/v1/datasets", params={"hospital": wanted}).json()["code"] == "unknown_hospital"


def test_a_hospital_that_was_chosen_in_another_run_s_portal_is_forgotten(run: TestClient) -> None:
    usual = run.get("/v1/datasets").json()
    kept = {"Cookie": "hospital=elsewhere"}
    assert run.get("/v1/datasets", headers=kept).json() == usual
    assert run.get("/steward/datasets", headers=kept).status_code == 200


def bodies() -> Iterator[tuple[str, str]]:
    told = base64.urlsafe_b64encode(DEEP.encode()).decode().rstrip("=")
    answer = f'"id": "AA", "rawId": "AA", "type": "public-key", "response": {{"clientDataJSON": "{told}"'
    yield "nested in the body", f'{{"answer": {{"a": {DEEP}}}}}'
    yield (
        "nested in what the browser signs",
        f'{{"answer": {{{answer}, "authenticatorData": "AA", "signature": "AA"}}}}}}',
    )


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in bodies()])
def test_an_answer_that_is_nested_without_end_is_refused(client: TestClient, body: str) -> None:
    found = client.post("/v1/sign-in/passkey", content=body, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) in ((400, "bad_body"), (400, "challenge")), found.text


def test_a_portal_of_this_machine_answers_no_other_user_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reached(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("somebody else's program got through")

    asked: list[tuple[Any, Any]] = []

    def is_others(client: Any, server: Any) -> bool:
        asked.append((client, server))
        return True

    monkeypatch.setattr(hosts, "is_others", is_others)
    client = TestClient(OwnNames(reached, 80), "http://localhost:80", client=("127.0.0.1", 40_000))
    assert client.get("/", headers={"Host": "localhost:80"}).status_code == 403
    assert asked == [(("127.0.0.1", 40_000), ("localhost", 80))]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 200), ({"Origin": "http://127.0.0.1:80", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "null"}, 403), ({"Origin": "http://localhost:81"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)  # fmt: skip
def test_another_site_s_page_has_no_work_done_by_a_run_s_portal(
    monkeypatch: pytest.MonkeyPatch, sent: dict[str, str], status: int
) -> None:
    monkeypatch.setattr(hosts, "is_others", lambda client, server: False)
    client = TestClient(OwnNames(PlainTextResponse("done"), 80), "http://localhost:80", client=("192.0.2.1", 1))
    assert client.post("/v1/models/tiny/predictions", headers={"Host": "localhost:80", **sent}).status_code == status


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "0100007F"), ("::1", "00000000000000000000000001000000")],
)
def test_whose_a_connection_is_stands_in_the_kernel_s_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, written: str
) -> None:
    rows = [f"0: {written}:1F90 {written}:2106 01 0:0 0:0 0 4242 0 1"]
    table = tmp_path / "tcp"
    table.write_text("head\n" + "\n".join(rows) + "\n")
    monkeypatch.setattr(neighbours, "TABLES", (str(table),))
    assert neighbours.is_others((host, 0x1F90), (host, 0x2106))
    assert not neighbours.is_others((host, 0x1F91), (host, 0x2106)), "nobody can say"
    monkeypatch.setattr("os.getuid", lambda: 4242)
    assert not neighbours.is_others((host, 0x1F90), (host, 0x2106))


def test_who_may_not_decide_over_the_api_does_not_decide_in_a_review() -> None:
    review = [each for room in ALL for each in room.all if each.path.startswith("/steward/quarantine/")]
    assert len(review) >= 4
    assert {each.rule.operation for each in review} == {Operation.DECIDE}


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers once it has the whole of a request."""
    await Request(scope, receive).body()
    await PlainTextResponse("here")(scope, receive, send)


@contextmanager
def served(application: Any) -> Iterator[tuple[str, int]]:
    """An application as a portal serves it, and where."""
    server = uvicorn.Server(uvicorn.Config(application, http=Prompt, log_level="critical", lifespan="off"))
    with listener() as taken:
        taken.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        yield taken.getsockname()
        server.should_exit = True
        thread.join()


def all_of(connection: socket.socket) -> bytes:
    """What comes until it is closed."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


def heard_by(said: bytes) -> bytes:
    """All that somebody is answered who says so much, and no more, until the connection is closed."""
    with served(OneLength(reads_all)) as address, socket.create_connection(address, timeout=30) as stranger:
        stranger.sendall(said)
        return all_of(stranger)


SLOW = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nslow"
TWICE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nX: ", SLOW])
def test_who_connects_and_does_not_go_on_makes_room(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prompt, "head_seconds", 0.05)
    monkeypatch.setattr(Prompt, "body_seconds", 0.05)
    assert b"200 OK" not in heard_by(said)


def test_a_request_with_two_ends_is_the_last_one_of_its_connection() -> None:
    heard = heard_by(TWICE + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 400 ") and b"200 OK" not in heard


def test_half_requests_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prompt, "connections_max", 3)

    half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1"
    with served(reads_all) as address, ExitStack() as held:
        strangers = [held.enter_context(socket.create_connection(address, timeout=30)) for _ in range(3)]
        for each in strangers:
            each.sendall(half)
        whole = held.enter_context(socket.create_connection(address, timeout=30))
        whole.sendall(half + b"2")
        assert b"200 OK" in whole.recv(4096)
        with suppress(ConnectionResetError):
            assert all_of(strangers[0]) == b"", "the one that waited longest is closed"


def big_forms() -> Iterator[tuple[str, bytes, str, int]]:
    def parts(value: bytes, count: int) -> bytes:
        return b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n' % value * count + b"--X--\r\n"

    plain = "multipart/form-data; boundary=X"
    yield "more than fits in memory a hundred times", parts(b"a" * 60_000, 1), plain, 413
    yield "a character set that takes minutes to decode", parts(b"a" * 20_000, 1), f"{plain}; charset=punycode", 400
    yield "the same, otherwise written", parts(b"a", 1), "Multipart/Form-Data;charset=idna;boundary=X", 400
    yield "a file where there is none", parts(b"a", 1).replace(b'"a"', b'"a"; filename="x"'), plain, 400


@pytest.mark.parametrize(("body", "kind", "status"), [pytest.param(*each, id=name) for name, *each in big_forms()])
def test_strangers_forms_hold_up_nobody(client: TestClient, body: bytes, kind: str, status: int) -> None:
    sent = client.post("/display", content=body, headers={"Content-Type": kind})
    assert sent.status_code == status, sent.text


def test_who_goes_away_in_the_middle_is_no_error_of_ours(client: TestClient) -> None:
    async def went(scope: Any, receive: Any, send: Any) -> None:
        async def gone() -> Message:
            return {"type": "http.disconnect"}

        await client.app(scope, gone, send)

    other = TestClient(went, ORIGIN)  # which raises what nobody thought of
    asked = {"Content-Type": "application/json"}
    assert other.post("/v1/sign-in/challenge", content=b"{}", headers=asked).status_code == 499
    assert other.post("/display", data={"next": "/"}).status_code == 499


def test_over_https_no_neighbour_puts_words_into_a_page(tmp_path: Path) -> None:
    origin, forged = "https://portal.example", {"Cookie": "said=Send%20your%20key"}
    with opened_door(tmp_path / "node", origin=origin) as door:
        made = app.create(Site(door.place, door.live, ("a",), by_session_or_token(door.access), access=door.access))
        made.router.routes.insert(0, Route("/done", lambda request: answer(Next("/sign-in", "It is done."), request)))
        client = TestClient(made, origin, follow_redirects=False)
        assert "Send your key" not in client.get("/sign-in", headers=forged).text
        (kept,) = client.get("/done").headers.get_list("set-cookie")
        assert kept.startswith("__Host-said=") and "Secure" in kept and "Path=/" in kept and "Domain" not in kept
