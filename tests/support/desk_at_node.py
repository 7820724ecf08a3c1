"""A hospital's commands at its node, whose ledger runs in this process: members a to d, all by fixed keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.node import opening
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction, Peer
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.interfaces.cli.main import main
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.cometbft.home import node_id
from hmchain.ledger.protocols import FOUNDING
from support.kept_node import keyring
from support.ledger_network import Network, member, signing_key


class _Shared:
    """The ledger, which no command closes."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def close(self) -> None: ...


@dataclass
class DeskAtNode:
    """Nodes of several hospitals over one ledger, and what their commands print."""

    directory: Path
    network: Network
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def found(
        cls,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        protocol: int = FOUNDING,
    ) -> DeskAtNode:
        desk = cls(directory, Network.found(directory / "run" / "ledger", protocol=protocol), capsys)
        monkeypatch.chdir(directory)
        monkeypatch.setattr(opening, "open_ledger", lambda folder, *_: _Shared(desk.network.ledger))
        return desk

    @property
    def close(self) -> Callable[[], None]:
        return self.network.ledger.close

    def folder(self, name: str) -> NodeFolder:
        """A member's node, made when somebody first goes there."""
        folder = NodeFolder(self.directory / name)
        return folder if folder.toml.exists() else self.node(name)

    def node(self, name: str, *, joined: bool = True) -> NodeFolder:
        """A node's folder: settings, keys, introduction, and the network's file."""
        folder, nowhere = NodeFolder(self.directory / name), "127.0.0.1:1"
        folder.path.mkdir()
        own = {"organisation": name, "title": name.upper()}
        folder.write_settings(NodeSettings(**own, address=nowhere, p2p_listen=nowhere, rpc_listen=nowhere))
        keyring(name).save(folder.keys)
        peer = node_id(signing_key(name, "validator").public)
        network_file.save(Introduction(member(name), peer, nowhere), folder.introduction)
        if joined:
            founding = self.network.ledger.genesis
            peers = tuple(Peer(each.organisation, peer, nowhere) for each in founding.members)
            network_file.save(network_file.Network(founding, peers), folder.network)
            folder.ledger.symlink_to(self.directory / "run" / "ledger")
            assert genesis_file.load(folder.genesis) == founding
        return folder

    def gives(self, name: str, *arguments: str, status: int = 0) -> str:
        """What a hospital's command prints."""
        self.network.send.clock.ms += 1000
        found = main([*arguments, "--dir", str(self.folder(name).path)])
        printed = self.capsys.readouterr()
        assert found == status, printed.err
        return printed.out + printed.err

    def tells(self, name: str, *arguments: str) -> Any:
        """The JSON value of a hospital's command."""
        self.network.send.clock.ms += 1000
        found = main([*arguments, "--json", "--dir", str(self.folder(name).path)])
        printed = self.capsys.readouterr()
        assert found == 0, printed.err
        return json.loads(printed.out)
