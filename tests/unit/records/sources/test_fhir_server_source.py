"""Asking FHIR servers, over an in-process transport: paging, refusals, retries, export, and what none may do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from hmchain.records.sources import http
from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.fhir.client import FhirClient, FhirRequestError
from hmchain.records.sources.fhir.server import DEFAULT_TYPES, FhirExport, FhirSearch
from hmchain.records.sources.http import Patience, WebServer
from hmchain.records.sources.item import Item, SourceError
from support.health_records import bundle, ndjson, observation, patient

BASE = "https://fhir.example.org/r4"

Answerer = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers by functions, the last one for good, and remembers what it was asked and how long was waited."""

    def __init__(self, *answers: Answerer, base: str = BASE) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []
        self.client = FhirClient(
            WebServer(
                base,
                Credential.bearer("secret-token"),
                patience=Patience((0.5, 1.0), self.waits.append),
                transport=httpx.MockTransport(self._answer),
            )
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)

    def names(self, types: tuple[str, ...] = ("Patient",), done: frozenset[str] = frozenset()) -> list[str]:
        return [item.name for item in self.items(types, done)]

    def items(self, types: tuple[str, ...] = ("Patient",), done: frozenset[str] = frozenset()) -> list[Item]:
        return list(FhirSearch(self.client, types).items(done.__contains__))


def page(*some: dict[str, object], next_link: str = "", **more: object) -> Answerer:
    link = [{"relation": "next", "url": next_link}] if next_link else []
    return lambda request: httpx.Response(200, json=bundle(some, "searchset", link=link, **more))


def status(code: int, **headers: str) -> Answerer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(code, headers=named, text="Ada Muster may not be seen")


def failing(error: type[httpx.TransportError]) -> Answerer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("broken")

    return answer


# -- search ------------------------------------------------------------------------------------------------------------


def test_pages_are_followed_for_every_type() -> None:
    server = Server(
        page(patient(1), patient(2), next_link=f"{BASE}/Patient?page=2"),
        page(patient(3)),
        page(observation(1, 1), next_link="Observation?page=2"),
        page(),
    )
    assert server.names(("Patient", "Observation")) == [
        "Patient/p1/_history/1", "Patient/p2/_history/1", "Patient/p3/_history/1", "Observation/o1-1",
    ]  # fmt: skip
    asked = [str(request.url) for request in server.requests]
    assert asked[0] == f"{BASE}/Patient?_count=200" and asked[3] == f"{BASE}/Observation?page=2"
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer secret-token"}


def test_what_is_kept_is_left_out_of_the_next_run_and_a_new_version_is_not() -> None:
    done = frozenset(item.mark for item in Server(page(patient(1), patient(2))).items())
    changed = patient(1, meta={"versionId": "2"})
    assert Server(page(changed, patient(2))).names(done=done) == ["Patient/p1/_history/2"]


def test_what_changed_without_a_new_version_is_given_again() -> None:
    unversioned = [patient(number, meta={}) for number in (1, 2)]
    done = frozenset(item.mark for item in Server(page(*unversioned)).items())
    assert Server(page(unversioned[0], patient(2, meta={}, gender="other"))).names(done=done) == ["Patient/p2"]


def test_only_what_changed_since_is_asked_for() -> None:
    server = Server(page(patient(1)))
    list(FhirSearch(server.client, ("Patient",), since="2026-11-01").items(lambda name: False))
    assert dict(server.requests[0].url.params) == {"_lastUpdated": "ge2026-11-01", "_count": "200"}


def test_an_outcome_among_the_matches_is_no_item_and_a_resource_without_id_has_a_name() -> None:
    nameless = {"resourceType": "Patient"}
    [name] = Server(page({"resourceType": "OperationOutcome"}, nameless)).names()
    assert len(name) == 64


def test_the_server_counts() -> None:
    server = Server(page(total=3), page(total=4))
    assert FhirSearch(server.client, ("Patient", "Observation")).count() == 7
    assert server.requests[0].url.params["_summary"] == "count"
    assert FhirSearch(Server(page()).client).count() is None
    assert FhirSearch(Server(status(500)).client).count() is None


def test_a_page_that_points_to_itself_is_a_loop() -> None:
    server = Server(page(patient(1), next_link=f"{BASE}/Patient?_count=200"))
    with pytest.raises(SourceError, match="go round in a loop"):
        server.names()
    assert len(server.requests) == 2


def test_a_loop_under_ever_new_addresses_is_a_loop() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return page(patient(1), next_link=f"{BASE}/Patient?cursor={len(server.requests)}")(request)

    server = Server(answer)
    with pytest.raises(SourceError, match="go round in a loop"):
        server.names()
    assert len(server.requests) == 2


def test_a_few_empty_pages_are_none_and_very_many_are() -> None:
    empty = [page(next_link=f"{BASE}/Patient?cursor={number}") for number in range(5)]
    assert Server(*empty, page(patient(1))).names() == ["Patient/p1/_history/1"]

    def answer(request: httpx.Request) -> httpx.Response:
        return page(next_link=f"{BASE}/Patient?cursor={len(server.requests)}")(request)

    server = Server(answer)
    with pytest.raises(SourceError, match="go round in a loop"):
        server.names()


# -- refusals and retries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_is_final_and_names_the_way_out(code: int) -> None:
    server = Server(status(code))
    with pytest.raises(SourceError, match=rf"refuses access \({code}\).*credential") as caught:
        server.names()
    assert len(server.requests) == 1
    assert "Ada" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize(("code", "what"), [(404, "answers 404"), (302, "redirects"), (400, "answers 400")])
def test_what_will_not_pass_is_not_tried_again(code: int, what: str) -> None:
    server = Server(status(code, Location="https://elsewhere.example.org"))
    with pytest.raises(SourceError, match=what):
        server.names()
    assert len(server.requests) == 1


def test_429_waits_as_long_as_the_server_says() -> None:
    server = Server(status(429, Retry_After="7"), page(patient(1)))
    assert server.names() == ["Patient/p1/_history/1"]
    assert server.waits == [7.0]


def test_a_date_in_retry_after_is_a_time_to_wait_for() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server = Server(status(503, Retry_After=soon), page(patient(1)))
    server.names()
    assert 50 < server.waits[0] <= 60
    server = Server(status(503, Retry_After="when I like"), page(patient(1)))
    server.names()
    assert server.waits == [0.5]


def test_a_server_that_wants_to_be_left_alone_for_long_is() -> None:
    server = Server(status(429, Retry_After="86400"))
    with pytest.raises(SourceError, match="asks for 86400 s"):
        server.names()
    assert server.waits == []


@pytest.mark.parametrize(
    "trouble", [status(500), failing(httpx.ReadTimeout), failing(httpx.ConnectError), failing(httpx.ReadError)]
)
def test_what_may_pass_is_tried_again_a_few_times(trouble: Answerer) -> None:
    server = Server(trouble, trouble, page(patient(1)))
    assert server.names() == ["Patient/p1/_history/1"]
    assert server.waits == [0.5, 1.0]
    server = Server(trouble)
    with pytest.raises(SourceError, match="what was extracted is kept"):
        server.names()
    assert len(server.requests) == 3


def test_a_server_that_goes_down_in_the_middle_keeps_what_came_before() -> None:
    server = Server(page(patient(1), next_link=f"{BASE}/Patient?page=2"), status(500))
    names = []
    with pytest.raises(SourceError):
        for item in FhirSearch(server.client, ("Patient",)).items(lambda name: False):
            names.append(item.name)
    assert names == ["Patient/p1/_history/1"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"resourceType": "Bundle", "entry": 5}', b"{" * 9000])
def test_an_answer_that_is_no_bundle_is_named(body: bytes) -> None:
    with pytest.raises(SourceError, match="not what was asked for"):
        Server(lambda request: httpx.Response(200, content=body)).names()


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1 << 20)

    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * (1 << 16)

    with pytest.raises(SourceError, match="ask for smaller pages"):
        Server(lambda request: httpx.Response(200, content=endless())).names()


@pytest.mark.parametrize(
    "link",
    ["https://evil.example.org/Patient", "http://fhir.example.org/r4/Patient", "https://fhir.example.org:444/x", "http://["],
)  # fmt: skip
def test_a_link_away_from_the_server_is_not_followed(link: str) -> None:
    server = Server(page(patient(1), next_link=link))
    with pytest.raises(SourceError, match="link that"):
        server.names()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "base", ["ftp://x", "fhir.example.org", "https://", "https://user:pass@x/", "https://x/?a=b", "http://hospital.example.org"]
)  # fmt: skip
def test_an_address_that_is_none_or_in_clear_is_refused(base: str) -> None:
    with pytest.raises(FhirRequestError) as caught:
        FhirClient(WebServer(base))
    assert "pass" not in str(caught.value)


def test_this_machine_may_be_asked_in_clear_and_a_credential_is_never_shown() -> None:
    for base in ("http://[::1]:8080/fhir", "http://localhost/fhir"):
        FhirClient(WebServer(base)).close()
    FhirClient(WebServer("http://hospital.example.org", allow_plain=True)).close()
    with pytest.raises(FhirRequestError, match="in clear") as failure:
        FhirClient(WebServer("http://hospital.example.org"))
    assert "--insecure-http" in failure.value.hint
    with FhirClient(WebServer("http://127.0.0.1:8080/fhir", Credential.bearer("secret-token"))) as client:
        assert "secret" not in repr(client)
        assert "secret" not in repr(FhirSearch(client))


@pytest.mark.parametrize(
    ("types", "since"), [((), ""), (("patient",), ""), (("Patient?x=1",), ""), (("Patient",), "now")]
)
def test_types_and_times_that_are_none_are_refused(types: tuple[str, ...], since: str) -> None:
    with pytest.raises(FhirRequestError):
        FhirSearch(Server(page()).client, types, since)


# -- bulk export -------------------------------------------------------------------------------------------------------


def accepted(request: httpx.Request) -> httpx.Response:
    return httpx.Response(202, headers={"Content-Location": f"{BASE}/jobs/1"})


def manifest(*urls: str, with_token: bool = True) -> Answerer:
    output = [{"type": "Patient", "url": url} for url in urls]
    return lambda request: httpx.Response(200, json={"output": output, "requiresAccessToken": with_token, "error": []})


def lines(*some: dict[str, object]) -> Answerer:
    return lambda request: httpx.Response(200, content=ndjson(some))


def test_an_export_is_asked_for_waited_for_read_and_deleted() -> None:
    server = Server(
        accepted,
        status(202, Retry_After="3"),
        status(202),
        manifest(f"{BASE}/files/1", f"{BASE}/files/2"),
        lines(patient(1), patient(2)),
        lines(patient(3)),
        status(202),
    )
    names = [item.name for item in FhirExport(server.client, ("Patient",), "2026-11-01").items(lambda name: False)]
    assert names == [f"Patient/p{number}/_history/1" for number in (1, 2, 3)]
    first, last = server.requests[0], server.requests[-1]
    assert first.headers["Prefer"] == "respond-async"
    assert dict(first.url.params) == {"_type": "Patient", "_since": "2026-11-01T00:00:00Z"}
    assert (last.method, str(last.url)) == ("DELETE", f"{BASE}/jobs/1")
    assert server.waits == [3.0, 4.0]


def test_files_elsewhere_never_get_the_credential() -> None:
    there = "https://storage.example.org/signed"
    server = Server(accepted, manifest(there, with_token=False), lines(patient(1)), status(202))
    assert len(list(FhirExport(server.client).items(lambda name: False))) == 1
    assert "Authorization" not in server.requests[2].headers
    for url, with_token in ((there, True), ("http://storage.example.org/clear", False)):
        server = Server(accepted, manifest(url, with_token=with_token), lines(patient(1)))
        with pytest.raises(SourceError, match="another server"):
            list(FhirExport(server.client).items(lambda name: False))
        assert len(server.requests) == 2


def test_a_server_without_export_is_told_from_one_that_takes_too_long() -> None:
    with pytest.raises(SourceError, match="makes no bulk export"):
        list(FhirExport(Server(page()).client).items(lambda name: False))
    slow = FhirExport(Server(accepted, status(202)).client, wait_seconds_max=60)
    with pytest.raises(SourceError, match="not ready in time"):
        list(slow.items(lambda name: False))


def test_an_export_file_that_breaks_off_keeps_what_came_before() -> None:
    def breaking() -> Iterator[bytes]:
        yield json.dumps(patient(1)).encode() + b"\n{"
        raise httpx.ReadError("broken")

    server = Server(
        accepted, manifest(f"{BASE}/files/1"), lambda request: httpx.Response(200, content=breaking())
    )  # fmt: skip
    names = []
    with pytest.raises(SourceError, match="broke off"):
        for item in FhirExport(server.client).items(lambda name: False):
            names.append(item.name)
    assert names == ["Patient/p1/_history/1"]


def test_a_server_without_every_usual_type_gives_what_it_has_and_one_without_any_is_named() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        kind = request.url.path.rsplit("/", 1)[-1]
        served = {"Patient": patient(1), "Medication": {"resourceType": "Medication", "id": "m"}}
        return page(served[kind])(request) if kind in served else httpx.Response(404)

    assert Server(answer).names(DEFAULT_TYPES) == ["Patient/p1/_history/1", "Medication/m"]
    with pytest.raises(SourceError, match="answers 404"):
        Server(answer).names(("Patient", "Observation"))
    with pytest.raises(SourceError, match="answers 404"):
        Server(status(404)).names(DEFAULT_TYPES)


def test_an_export_that_refuses_a_type_is_asked_for_all() -> None:
    server = Server(status(400), status(202, Content_Location=f"{BASE}/job"), page())
    with pytest.raises(SourceError):  # what comes then is no manifest
        list(FhirExport(server.client).items(lambda mark: False))
    assert "_type" in server.requests[0].url.params and "_type" not in server.requests[1].url.params
