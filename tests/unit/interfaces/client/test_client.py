"""The client at a portal that people sign in at: typed answers, signatures of what was read, problems as errors."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator

import httpx
import pytest

from hmchain.application.governance.requests.file import RequestFile, TransferAsked
from hmchain.application.node.meaning import Meaning
from hmchain.client import Asker, AsyncClient, Client, operations, read
from hmchain.errors import HMChainError, InputError, StudyError
from hmchain.interfaces.client import clients
from hmchain.interfaces.client.failures import NoSignerError, NotSafeError, OtherMessageError
from hmchain.interfaces.client.views import viewed
from hmchain.ledger.contracts.data.reviewing import RemarkRequest
from hmchain.ledger.engines.ledger import prepare
from hmchain.ledger.readers.people import PeopleView
from support.api_bed import ApiBed
from support.request_bed import RequestBed

ASKED = RequestFile(
    name="relapse", kind="transfer", diseases=["MONDO:0005072"], regions=["DE"], until=datetime.date(2024, 6, 30),
    datasets={"east": "brain", "north": "brain"}, transfer=TransferAsked(days=90),
    form={"title": "Relapse after surgery", "use": "Do early changes tell who will relapse?", "contact": "Dr West"},
)  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("client")
    bed = ApiBed(RequestBed.found(place), place / "nodes", has_door=True)
    yield bed
    bed.close()


def carried(api: ApiBed, hospital: str) -> httpx.MockTransport:
    """The way to a hospital's portal, in this process."""
    portal = api.client(hospital)

    def carry(request: httpx.Request) -> httpx.Response:
        portal.cookies.clear()
        content = request.read()
        found = portal.request(request.method, str(request.url), content=content, headers=dict(request.headers))
        return httpx.Response(found.status_code, content=found.content, headers={"content-type": "application/json"})

    return httpx.MockTransport(carry)


def at(api: ApiBed, who: str, agree: list[str] | None = None) -> Client:
    told = agree if agree is not None else []

    def agreed(found: Meaning) -> None:
        told.append(found.words)

    return Client("http://localhost", Asker(who, api.key(who), agree=agreed), carried(api, who.split("/")[0]))


def test_people_ask_and_decide_from_python(api: ApiBed) -> None:
    said: list[str] = []
    with at(api, "west/scientist", said) as west, at(api, "east/steward") as east:
        done = west.ask(operations.submit(ASKED))
        assert (len(done.sent), len(said), done.view) == (3, 3, None)
        (waiting,) = east.ask(operations.inbox("steward"))
        assert (waiting.todo.request, waiting.title) == ("relapse", "Relapse after surgery")
        shown = east.ask(operations.request("relapse"))
        assert shown.view.version == 1 and shown.form is not None and shown.form.contact == "Dr West"
        east.ask(operations.approve("relapse", version=1, days=30))
        found = west.ask(operations.request("relapse"))
        assert {each.organisation: each.status for each in found.view.decisions}["east"] == "approved"
        assert [each.view.request for each in west.ask(operations.requests(living=True))] == ["relapse"]


def test_the_same_flows_are_carried_out_beside_other_work(api: ApiBed) -> None:
    async def asked() -> tuple[PeopleView, PeopleView]:
        way = httpx.ASGITransport(api.client("north").app)
        signer = Asker("north/steward", api.key("north/steward"))
        async with AsyncClient("http://localhost", signer, way) as north:
            found = await asyncio.gather(*(north.ask(operations.people(of)) for of in ("east", "west")))
            return found[0], found[1]

    assert [each.organisation for each in asyncio.run(asked())] == ["east", "west"]


def test_a_problem_is_an_error_of_ours_with_its_code(api: ApiBed) -> None:
    with at(api, "east/steward") as east:
        for flow, family, code in (
            (operations.request("nothing"), InputError, "unknown_request"),
            (operations.submit(ASKED), InputError, "not_allowed"),
            (operations.reject("relapse", "ethics", version=9), StudyError, "request_changed"),
            (read("/nothing", dict), InputError, "no_route"),
        ):
            with pytest.raises(HMChainError) as caught:
                east.ask(flow)
            assert (caught.value.code, isinstance(caught.value, family)) == (code, True)


def test_nothing_is_signed_that_is_not_this_persons(api: ApiBed) -> None:
    """A portal that was taken over hands out another person's transaction; and a program's token signs nothing."""
    north = api.bed.user("north/steward")
    message = prepare(north.signer.public, north.node, RemarkRequest("relapse", True, bytes(32))).message
    honest = carried(api, "east")

    def evil(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/approval"):
            return httpx.Response(202, json={"message": message.hex(), "more": []})
        return honest.handle_request(request)

    steward = Asker("east/steward", api.key("east/steward"))
    for asker, error in ((steward, OtherMessageError), (Asker(token="a program"), NoSignerError)):
        with Client("http://localhost", asker, httpx.MockTransport(evil)) as client, pytest.raises(error):
            client.ask(operations.approve("relapse"))


FIRST = b"""retry: 3000

id: 5-0
: here

id: 6-0
event: dataset.registered
data: {"height":6}

event: problem
data: {"code":"storage"}

id: 7-0
event: cut
"""
AGAIN = b'id: 6-1\nevent: dataset.registered\ndata: {"height":6}\n\n'


def test_events_go_on_where_the_line_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clients, from the place that the portal named last, though nothing had happened there; until it says no."""
    monkeypatch.setattr(clients, "AGAIN_SECONDS", 0.0)
    asked: list[str] = []

    def stream(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        match len(asked) % 4:
            case 1:
                return httpx.Response(200, content=FIRST.split(b"id: 6-0")[0])
            case 2:
                return httpx.Response(200, content=FIRST)
            case 3:
                return httpx.Response(200, content=AGAIN)
        return httpx.Response(401, json={"code": "not_signed_in", "detail": "nobody is signed in"})

    async def beside(seen: list[str]) -> None:
        async with AsyncClient("http://localhost", Asker(token="one"), httpx.MockTransport(stream)) as client:
            async for each in client.events():
                seen.append(each["id"])

    def waiting(seen: list[str]) -> None:
        with Client("http://localhost", Asker(token="one"), httpx.MockTransport(stream)) as client:
            for each in client.events():
                seen.append(each["id"])

    for follow in (waiting, lambda seen: asyncio.run(beside(seen))):
        seen: list[str] = []
        asked.clear()
        with pytest.raises(HMChainError, match="nobody is signed in"):
            follow(seen)
        assert seen == ["6-0", "6-1"]
        assert [url.partition("/v1/events")[2] for url in asked] == ["", "?after=5-0", "?after=6-0", "?after=6-1"]


def test_the_portal_answers_where_events_are_asked_for(api: ApiBed) -> None:
    forged = Asker(token="forged")
    with Client("http://localhost", forged, carried(api, "east")) as client, pytest.raises(HMChainError) as caught:
        next(client.events())
    assert caught.value.code == "not_signed_in"


@pytest.mark.parametrize(
    "url", ["http://portal.example", "ftp://localhost", "https://a:b@portal.example", "https://", "http://127.0.0.1.x"]
)
def test_secrets_go_nowhere_in_clear(url: str) -> None:
    with pytest.raises(NotSafeError):
        Client(url)


def test_a_view_that_is_none_is_said_to_be_none() -> None:
    assert viewed({"a": ["00ff"]}, dict[str, tuple[bytes, ...]]) == {"a": (b"\x00\xff",)}
    for value, kind in (("zz", bytes), (1, str), (True, int), ({"more": 1}, PeopleView), ([1], dict[str, int])):
        with pytest.raises(ValueError, match="this is no"):
            viewed(value, kind)
