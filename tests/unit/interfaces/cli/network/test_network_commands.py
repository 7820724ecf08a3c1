"""`hmchain network` where no node runs: what is refused leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.node import joining, status
from hmchain.application.site import network
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli.main import main
from support.ledger_network import member

Captured = pytest.CaptureFixture[str]


def files(folder: NodeFolder) -> list[Path]:
    return sorted(path for path in folder.path.rglob("*") if path.is_file())


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeFolder:
    """A node whose keys a passphrase protects, and beside it the network file that it is to join."""
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "right")
    folder = NodeFolder(tmp_path / "node")
    listen = ("--title", "North", "--address", "north:1", "--dir", str(folder.path))
    assert main(["node", "init", "north", *listen]) == 0
    own = network.load_introduction(folder.introduction)
    network.save(network.found([own, Introduction(member("a"), "a" * 40, "a:1")], "net", 5), tmp_path / "network.json")
    return folder


def join(folder: NodeFolder) -> int:
    return main(["network", "join", str(folder.path.parent / "network.json"), "--dir", str(folder.path)])


def test_a_wrong_passphrase_leaves_a_node_that_has_not_joined(
    sealed: NodeFolder, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    before = files(sealed)
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "wrong")
    assert join(sealed) == 5
    assert files(sealed) == before
    assert main(["node", "status", "--dir", str(sealed.path)]) == 2
    told = capsys.readouterr().err
    assert "hmchain network join" in told and "recover" not in told
    monkeypatch.setenv("HMCHAIN_PASSPHRASE", "right")
    assert join(sealed) == 0


def test_a_node_that_joined_halfway_is_told_to_join_again(sealed: NodeFolder) -> None:
    joining.adopt(sealed, network.load(sealed.path.parent / "network.json"))  # the power failed after this
    found = status.node_status(sealed)
    assert "hmchain network join" in found.damage and "recover" not in found.damage


def test_a_folder_without_a_node_joins_nothing(sealed: NodeFolder, capsys: Captured) -> None:
    assert join(NodeFolder(sealed.path.parent / "nowhere")) == 2
    assert "hmchain node init" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("North", "--title", "North"), ("north", "--title", ""), ("north", "--title", "北病院")]
)
def test_names_are_checked_before_keys_are_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    place = tmp_path / "new"
    assert main(["node", "init", *arguments, "--address", "north:1", "--dir", str(place)]) == 2
    assert not place.exists()
