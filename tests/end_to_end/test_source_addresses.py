"""Addresses as people mistype them: each gets a clear error, before anything is made or asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.records.sources.fhir.client import PATIENCE
from hmchain.records.sources.http import PATIENT
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.steward import Steward
from support.steward import steward as steward

PROTOCOLS = ("dimse://PACS@{}", "mllp://{}", "dicomweb+https://{}/web", "fhir+https://{}/r4", "fhir-export+https://{}")
LONG = "a" * 64

BAD_PORTS = ("h:99999", "h:0", "h:-1", "h:abc", "h:1 1", "127.0.0.1:\u0663", "[::1]:x", "h:")
BAD_HOSTS = (
    ":104",
    "",
    "[::1:104",
    "[zz]:104",
    "a b:104",
    f"{LONG}.org:104",
    "a..b:104",
    "::1:104",
    "a:b:104",
    "a\u0000b:1",
)


@pytest.mark.parametrize("host_and_port", BAD_PORTS + BAD_HOSTS)
def test_a_port_or_host_that_cannot_be_is_a_clear_error(steward: Steward, host_and_port: str) -> None:
    for protocol in PROTOCOLS:
        if protocol.startswith("mllp") and host_and_port in ("", ":104"):
            continue  # it listens to this machine
        place = protocol.format(host_and_port)
        error = steward.run("extract", place, "--into", "x", expect=2)["error"]
        assert error["code"] == "unknown_source" and error["hint"], place
        if host_and_port in BAD_PORTS:
            assert "port" in error["what"]
    assert steward.run("list") == []


@pytest.mark.network
@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_http_to_another_machine_is_taken_only_if_that_is_wanted(
    steward: Steward, tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for waits in (PATIENT.__dict__, PATIENCE.__dict__):
        monkeypatch.setitem(waits, "pause", lambda seconds: None)  # between tries
    place = protocol.format("nobody.invalid:4711").replace("https", "http")
    refused = steward.run("inspect", place, expect=3 if place.startswith("dicomweb") else 2)["error"]
    assert "in clear" in refused["what"] and "--insecure-http" in refused["hint"]
    described = tmp_path / "source.toml"
    described.write_text(f'place = "{place}"\ninsecure_http = true\n')
    for said in ((place, "--insecure-http"), (str(described),)):
        assert "in clear" not in steward.run("inspect", *said, expect=3)["error"]["what"]


@pytest.mark.parametrize(
    ("place", "host"), [("mllp://", "127.0.0.1"), ("mllp://:{}", "127.0.0.1"), ("mllp://0.0.0.0:{}", "0.0.0.0")]
)
def test_a_listener_listens_to_this_machine_unless_told_otherwise(place: str, host: str) -> None:
    with open_source(SourceRequest(place=place.format(2576))) as source:
        assert f"received at {host} port" in source.described
        assert ("not encrypted" in source.warning) is (host == "0.0.0.0")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_name_that_no_machine_has_is_a_clear_error(
    steward: Steward, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for waits in (PATIENT.__dict__, PATIENCE.__dict__):
        monkeypatch.setitem(waits, "pause", lambda seconds: None)  # between tries
    error = steward.run("inspect", protocol.format("nobody.invalid:4711"), expect=3)["error"]
    assert error["code"] == "source" and error["hint"]


@pytest.mark.parametrize(
    "place", ["dimse+https://h", "dicomweb://h", "fhir+ftp://h", "mllp+https://h", "+https://h", "://h", "https://h"]
)
def test_a_protocol_that_is_none_is_a_clear_error(steward: Steward, place: str) -> None:
    error = steward.run("inspect", place, expect=2)["error"]
    assert error["code"] in ("unknown_source", "fhir_request") and error["hint"]


def test_what_an_address_must_not_hold_is_not_repeated(steward: Steward) -> None:
    for protocol in PROTOCOLS[2:]:
        error = steward.run("inspect", protocol.format("user:hunter2@h:x"), expect=2)["error"]
        assert "hunter2" not in str(error)


@pytest.mark.parametrize("receiver", ["h", ":1", "h:0", "h:99999", "h:x", "[::1]:x", "h:٣"])
def test_a_place_to_receive_at_that_cannot_be_is_a_clear_error(steward: Steward, tmp_path: Path, receiver: str) -> None:
    described = tmp_path / "pacs.toml"
    described.write_text(f'place = "dimse://PACS@127.0.0.1:1"\nreceiver = "{receiver}"\n')
    error = steward.run("inspect", str(described), expect=2)["error"]
    assert error["code"] == "unknown_source" and "receive" in error["what"]
