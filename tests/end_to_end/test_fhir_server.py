"""Extraction from a real FHIR server (fhirstarter): all pages, once each, through refusals and a crash."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from hmchain.records.deidentification.fhir.deidentifier import FhirDeidentifier
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.sources.credentials import Credential
from hmchain.records.sources.fhir.client import FhirClient
from hmchain.records.sources.fhir.files import FhirFiles
from hmchain.records.sources.fhir.server import FhirSearch
from hmchain.records.sources.http import Patience, WebServer
from hmchain.records.sources.item import Item, SourceError
from support.health_records import AS_OF, ndjson, profile, pseudonyms, resources
from support.oracles import environment
from support.paths import TESTS
from support.ports import free_port

pytestmark = [
    pytest.mark.process,
    pytest.mark.network,
    pytest.mark.timeout(300),
]  # the server's environment may have to be made first

APP = TESTS / "support" / "fhir_server_app.py"
TOKEN = "let-me-in"
TYPES = ("Patient", "Observation")
PATIENTS, OBSERVATIONS = 23, 4


class Server:
    """The server, which can be killed and started again at the same address."""

    def __init__(self, data: Path) -> None:
        self._python = environment("fhirstarter", "fhirstarter==4.2.0", "uvicorn")
        self._data = data
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self._python), str(APP), str(self._data), str(self.port), TOKEN]
        self._process = subprocess.Popen(command, env=os.environ | {"FHIR_SEQUENCE": "R4B"})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/metadata", trust_env=False, timeout=5)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        self.kill()
        pytest.fail("the FHIR server does not start")

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    @contextmanager
    def client(self, token: str = TOKEN) -> Iterator[FhirClient]:
        """A client that does not wait long."""
        hasty = Patience((0.5, 1.0), lambda seconds: time.sleep(min(seconds, 0.05)))
        server = WebServer(f"http://127.0.0.1:{self.port}", Credential.bearer(token), patience=hasty)
        with FhirClient(server) as client:
            yield client


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server has, as a bulk file."""
    path = tmp_path_factory.mktemp("fhir") / "all.ndjson"
    some = [each for each in resources(PATIENTS, OBSERVATIONS) if each["resourceType"] in TYPES]
    path.write_bytes(ndjson(some))
    return path


@pytest.fixture(scope="module")
def server(export: Path) -> Iterator[Server]:
    made = Server(export)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def records(items: Iterator[Item]) -> dict[str, bytes]:
    """What the items become; none may be held, and none may come twice."""
    rules = FhirDeidentifier(profile("longitudinal"), pseudonyms(), AS_OF)
    found: dict[str, bytes] = {}
    for item in items:
        for outcome in rules.deidentify(item):
            assert isinstance(outcome, Clean) and outcome.record not in found
            found[outcome.record] = b"".join(bytes(piece) for piece in outcome.pieces())
    return found


def test_a_server_gives_the_same_records_as_its_export(server: Server, export: Path) -> None:
    with server.client() as client:
        source = FhirSearch(client, TYPES, page_size=10)
        assert source.count() == PATIENTS * (1 + OBSERVATIONS)
        live = records(source.items(lambda name: False))
    assert live == records(FhirFiles(export).items(lambda name: False))
    assert len(live) == PATIENTS * (1 + OBSERVATIONS)


def test_without_the_right_token_nothing_comes(server: Server) -> None:
    with server.client(token="guessed") as client, pytest.raises(SourceError, match=r"refuses access \(401\)"):
        list(FhirSearch(client, TYPES).items(lambda name: False))


def test_a_type_that_the_server_does_not_have_is_named(server: Server) -> None:
    with server.client() as client, pytest.raises(SourceError, match="answers 404"):
        list(FhirSearch(client, ("Condition",)).items(lambda name: False))


@pytest.mark.network
def test_a_server_that_crashes_and_comes_back_loses_nothing_and_gives_nothing_twice(server: Server) -> None:
    kept: list[str] = []
    with server.client() as client, pytest.raises(SourceError, match="cannot be reached"):
        for item in FhirSearch(client, TYPES, page_size=10).items(kept.__contains__):
            kept.append(item.mark)
            if len(kept) == 42:
                server.kill()
    assert 42 <= len(kept) < PATIENTS * (1 + OBSERVATIONS)
    server.start()
    with server.client() as client:
        kept += [item.mark for item in FhirSearch(client, TYPES, page_size=10).items(kept.__contains__)]
    assert len(kept) == len(set(kept)) == PATIENTS * (1 + OBSERVATIONS)
