"""Events as they happen: in order, from where a reader was cut off, for as long as it may look."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from hmchain.application.access.principal import Principal
from hmchain.application.node.live import Place
from hmchain.interfaces.api import app
from hmchain.interfaces.api.routes import events
from hmchain.interfaces.api.site import anybody
from support.api_client import site_of
from support.finished_run import run_directory

__all__ = ["run_directory"]
pytestmark = pytest.mark.process

WAIT_SECONDS = 60.0


@contextmanager
def served(run: Path, who: dict[str, bool]) -> Iterator[str]:
    """The API of a run at a port of this machine, as long as somebody may look."""
    let_in = anybody("east")

    def authenticate(request: object) -> Principal | None:
        return let_in(request) if who["may"] else None  # type: ignore[arg-type]

    with site_of(run, authenticate) as site, socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app.create(site), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.force_exit = server.should_exit = True
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()


def read(address: str, count: int, after: str) -> list[tuple[str, str]]:
    """So many events after a place, as (id, kind)."""
    found: list[tuple[str, str]] = []
    with httpx.stream(
        "GET", f"{address}/v1/events", headers={"Last-Event-ID": after}, timeout=WAIT_SECONDS, trust_env=False
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        place = ""
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                place = value
            elif name == "event":
                found.append((place, value))
            if len(found) == count:
                break
    return found


def test_a_reader_that_was_cut_off_goes_on_and_misses_nothing(run_directory: Path) -> None:
    with served(run_directory, {"may": True}) as address:
        whole = read(address, 40, "0-0")
        parts = read(address, 15, "0-0")
        parts += read(address, 25, parts[-1][0])
    assert parts == whole
    places = [tuple(map(int, place.split("-"))) for place, _ in whole]
    assert places == sorted(set(places))
    assert {"dataset.registered", "study.proposed"} <= {kind for _, kind in whole}


def test_a_reader_goes_on_after_a_block_of_which_it_read_all(run_directory: Path) -> None:
    with served(run_directory, {"may": True}) as address:
        ((place, _),) = read(address, 1, str(Place.end_of(3)))
    assert int(place.split("-")[0]) > 3


def test_who_may_look_no_more_is_cut_off(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    who = {"may": True}
    with (
        served(run_directory, who) as address,
        httpx.stream("GET", f"{address}/v1/events", timeout=WAIT_SECONDS, trust_env=False) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        who["may"] = False
        list(lines)  # it ends
    assert not who["may"]


def test_so_many_streams_and_no_more(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EACH_MAX", 1)
    with served(run_directory, {"may": True}) as address:
        with httpx.stream("GET", f"{address}/v1/events?after=0-0", timeout=WAIT_SECONDS, trust_env=False) as stream:
            lines = stream.iter_lines()  # kept: a reader that is let go of closes the stream
            next(lines)
            found = httpx.get(f"{address}/v1/events", timeout=WAIT_SECONDS, trust_env=False)
        assert (found.status_code, found.json()["code"]) == (429, "too_many_streams")
