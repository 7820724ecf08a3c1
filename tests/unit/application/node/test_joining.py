"""Founding and joining a network, as commands and pages ask for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hmchain.application.node import joining
from hmchain.application.node.joining import JoinedNetwork, WrongNetworkError
from hmchain.application.site import network as network_file
from hmchain.application.site.network import NetworkFileError
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.keys import WrongPassphraseError
from hmchain.ledger.engines.cometbft.home import config_file

NAMES = ("north", "south", "west")


def made(place: Path, name: str, port: int) -> NodeFolder:
    folder = NodeFolder(place / name)
    settings = NodeSettings(organisation=name, title=name.title(), address=f"{name}.example.org:{port}")
    joining.init(folder, settings, "long enough")
    return folder


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of three who have not joined yet; sealing their keys takes its time."""
    place = tmp_path_factory.mktemp("sealed")
    for port, name in enumerate(NAMES, 26656):
        made(place, name, port)
    return place


@pytest.fixture
def founders(sealed: Path, tmp_path: Path) -> list[NodeFolder]:
    shutil.copytree(sealed, tmp_path, dirs_exist_ok=True)
    return [NodeFolder(tmp_path / name) for name in NAMES]


@pytest.fixture
def file(tmp_path: Path, founders: list[NodeFolder]) -> Path:
    target = tmp_path / "net.json"
    founded = joining.found([each.introduction for each in founders], "net", target, round_trip_ms=160)
    assert founded.names == list(NAMES) and founded.tolerated == 0
    assert founded.network == network_file.load(target) and founded.network.genesis.parameters.round_trip_ms == 160
    return target


def test_a_network_file_is_never_overwritten(file: Path, founders: list[NodeFolder]) -> None:
    before = file.read_bytes()
    with pytest.raises(NetworkFileError, match="exists"):
        joining.found([each.introduction for each in founders], "net", file, round_trip_ms=50)
    assert file.read_bytes() == before


def test_a_founder_joins_and_a_stranger_follows(file: Path, founders: list[NodeFolder], tmp_path: Path) -> None:
    genesis = network_file.load(file).genesis
    stranger = made(tmp_path, "east", 26660)
    for folder, founder in ((founders[0], True), (stranger, False)):
        done = joining.join(folder, file, genesis=genesis.digest, passphrase="long enough")
        assert done == JoinedNetwork(genesis.chain_id, genesis.digest, founder)
        assert folder.joined().genesis == genesis and config_file(folder.engine).is_file()


def test_a_refusal_leaves_nothing_behind(file: Path, founders: list[NodeFolder]) -> None:
    folder = founders[0]
    with pytest.raises(WrongPassphraseError):
        joining.join(folder, file, passphrase="another")
    with pytest.raises(WrongNetworkError):
        joining.join(folder, file, genesis=bytes(32), passphrase="long enough")
    assert not folder.network.exists() and not folder.ledger.exists() and not config_file(folder.engine).exists()
