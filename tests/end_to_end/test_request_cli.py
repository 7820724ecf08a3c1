"""A request at the command line of four running nodes: asked, given back, asked again, decided by each, and ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.node.opening import open_hospital
from hmchain.application.site.node import exchanged_objects
from hmchain.clock import now_ms
from support.sites import SCHEMA, Consortium, answer, hmchain, images, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]

FILE = """
name = "relapse"
kind = "evaluate"
regions = ["DE"]
until = {until}
[datasets]
east = "scans"
south = "scans"
[form]
title = "Relapse after surgery"
use = "Do early changes in MRI tell who will relapse?"
contact = "Dr North"
[attachments]
protocol = "protocol.txt"
"""


def at(consortium: Consortium, name: str) -> tuple[str, str]:
    return "--dir", str(consortium.sites[name].folder.path)


def published(consortium: Consortium) -> None:
    for order, name in enumerate(("east", "south")):
        with open_hospital(consortium.sites[name].folder) as member:
            member.hospital.store_images("scans", {"train": images(24, order), "validation": images(8, order)})
            member.require(member.hospital.register("scans", SCHEMA))
            member.require(member.hospital.publish("scans", 1))


def asked(consortium: Consortium, name: str) -> list[str]:
    """What a hospital's people are told to do."""
    return [each["todo"]["command"] for each in answer("request", "inbox", *at(consortium, name))]


def test_a_request_is_asked_returned_decided_and_closed(
    consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    published(consortium)
    north, east, south = (at(consortium, name) for name in ("north", "east", "south"))
    assert 'east = "scans"' in Path(answer("request", "new", "empty", *north)["file"]).read_text()
    year = 1970 + now_ms() // 31_556_952_000
    file = tmp_path / "relapse.toml"
    file.write_text(FILE.format(until=f"{year + 1}-06-30"))
    (tmp_path / "protocol.txt").write_text("Who is asked, and when.")
    assert "scans version 1" in hmchain("request", "check", "relapse.toml", *north)
    assert "is before east, south" in hmchain("request", "submit", "relapse.toml", *north)
    until(lambda: asked(consortium, "east") == ["request show relapse"], "the request at East's node")
    shown = hmchain("request", "show", "relapse", *east)
    for words in ("Relapse after surgery", "tell who will relapse?", "a person must look", "protocol.txt", "at worst"):
        assert words in shown
    assert "not for this hospital" in hmchain("request", "show", "relapse", *at(consortium, "west"))
    (tmp_path / "why.txt").write_text("Of whom exactly?")
    hmchain("request", "return", "relapse", "--reason", "incomplete", "--letter", "why.txt", "--yes", *east)
    until(lambda: asked(consortium, "north") == ["request show relapse"], "the return at North's node")
    assert "Of whom exactly?" in hmchain("request", "show", "relapse", *north)
    file.write_text(file.read_text().replace("Do early", "In adults, do early"))
    assert answer("request", "submit", "relapse.toml", *north)["version"] == 2
    until(lambda: "In adults" in hmchain("request", "show", "relapse", *south), "the new version at South's node")
    assert "stays as wrapping.key.earlier-*" in hmchain("node", "rotate-key", "wrapping", "--yes", *south)
    assert "In adults" in hmchain("request", "show", "relapse", *south), "sealed to the key before"
    (tmp_path / "terms.txt").write_text("Do not try to find anybody.")
    hmchain("request", "licences", "relapse", "terms.txt", "--yes", *south)
    assert "may be used for relapse" in hmchain("request", "approve", "relapse", "--yes", *south)
    until(lambda: "find anybody." in hmchain("request", "terms", "relapse", *north), "South's terms at North's node")
    assert "1 terms of relapse are accepted" in hmchain("request", "accept", "relapse", "--yes", *north)
    hmchain("request", "reject", "relapse", "--reason", "privacy", "--yes", *east)
    words = answer("request", "show", "relapse", *north)["view"]["decisions"]
    until(lambda: "rejected" in hmchain("request", "show", "relapse", *north), "East's word at North's node")
    words = answer("request", "show", "relapse", *north)["view"]["decisions"]
    assert [(each["organisation"], each["status"], each["holds"]) for each in words] == [
        ("east", "rejected", False), ("south", "approved", True),
    ]  # fmt: skip
    redact(consortium)
    assert "nothing is allowed by it" in hmchain("request", "close", "relapse", "--yes", *north)


def redact(consortium: Consortium) -> None:
    """Its applicant takes the protocol back: its ciphertext lies there still, and nobody can open it."""
    north, south = at(consortium, "north"), at(consortium, "south")
    papers = answer("request", "show", "relapse", *north)["papers"]
    digest = next(each["digest"] for each in papers if each["kind"] == "protocol")
    lying = len(list(exchanged_objects(consortium.sites["north"].folder).list()))
    hmchain("request", "redact", "relapse", digest[:12], "--yes", *north)
    until(lambda: "redacted" in hmchain("request", "show", "relapse", *south), "the redaction at South's node")
    assert len(list(exchanged_objects(consortium.sites["north"].folder).list())) == lying - 1
    refused = hmchain("request", "document", "relapse", digest[:12], "--output", "out.txt", *south, status=4)
    assert "document_redacted" in refused and not Path("out.txt").exists()
