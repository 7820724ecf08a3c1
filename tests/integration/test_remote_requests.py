"""Commands with `--node URL`: looked at, and decided, at a portal over HTTP, with a key that stays here."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn

from hmchain.interfaces.cli.main import main
from hmchain.keys import save_key
from support.api_bed import ApiBed
from support.request_bed import RequestBed

pytestmark = pytest.mark.process
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBed]:
    place = tmp_path_factory.mktemp("remote")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        origin = f"http://localhost:{listening.getsockname()[1]}"
        bed = ApiBed(RequestBed.found(place), place / "nodes", has_door=True, origin=origin)
        bed.bed.submit()
        server = uvicorn.Server(uvicorn.Config(bed.client("east").app, log_level="error", lifespan="off"))
        serving = threading.Thread(target=server.run, args=([listening],))
        serving.start()
        yield bed
        server.should_exit = True
        serving.join(20)
        bed.close()


def run(capsys: Captured, *arguments: str, expect: int = 0) -> dict[str, object]:
    status = main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert status == expect, printed
    found: dict[str, object] = json.loads(printed.out)
    return found


def test_a_portal_wants_to_know_who_asks(api: ApiBed, capsys: Captured) -> None:
    found = run(capsys, "request", "list", "--node", api.origin, expect=2)
    assert found["error"]["code"] == "nobody_asks"  # type: ignore[index]


LOOKS = (
    "request list", "request inbox", "request show relapse", "uses list", "uses duties", "uses why relapse",
    "study list", "model list", "release list", "share list", "share emergencies", "cohort datasets", "cohort list",
    "people list", "people show steward", "people powers", "people deeds steward", "policy history brain",
    "network ballots", "network parameters", "network upgrade show", "incident list", "ledger blocks --limit 3",
)  # fmt: skip


@pytest.mark.parametrize("command", LOOKS)
def test_a_portal_shows_what_the_node_shows(
    api: ApiBed, command: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_key(api.key("east/steward"), tmp_path / "mine.key", None)
    who = ("--as", "east/steward", "--key", str(tmp_path / "mine.key"))
    there = run(capsys, *command.split(), "--node", api.origin, *who)
    here = run(capsys, *command.split(), "--node", str(api.place / "east"))
    assert timeless(there) == timeless(here)
    assert main([*command.split(), "--node", api.origin, *who]) == 0, "shown to people, too"


def timeless(found: object) -> object:
    """An answer without the time at which it was asked for."""
    return {**found, "as_of_ms": 0} if isinstance(found, dict) and "as_of_ms" in found else found


def test_what_only_a_folder_can_do_says_so_of_an_address(api: ApiBed, capsys: Captured) -> None:
    found = run(capsys, "node", "status", "--node", api.origin, expect=2)
    assert found["error"]["code"] == "no_folder"  # type: ignore[index]


def test_a_steward_decides_from_elsewhere(
    api: ApiBed, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_key(api.key("east/steward"), tmp_path / "mine.key", None)
    who = ("--node", api.origin, "--as", "east/steward", "--key", str(tmp_path / "mine.key"))
    found = run(capsys, "request", "approve", "relapse", "--days", "30", "--yes", *who)
    assert [each["status"] for each in found["decisions"]] == ["approved", "waiting"]  # type: ignore[attr-defined]
    run(capsys, "request", "comment", "relapse", "--letter", str(_letter(tmp_path)), *who)
    monkeypatch.setenv("HMCHAIN_URL", api.origin)
    monkeypatch.setenv("HMCHAIN_PERSON", "east/steward")
    monkeypatch.setenv("HMCHAIN_KEY", str(tmp_path / "mine.key"))
    shown = run(capsys, "request", "show", "relapse")
    assert [each["text"] for each in shown["said"]] == ["Which scanners?"]  # type: ignore[attr-defined]
    again = run(capsys, "request", "approve", "relapse", "--yes", *who, expect=8)
    assert again["error"]["code"] == "request_not_asked"  # type: ignore[index]


def _letter(place: Path) -> Path:
    path = place / "letter.txt"
    path.write_text("Which scanners?")
    return path
