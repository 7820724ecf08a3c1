"""The folder of one hospital's node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain import files
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Network
from hmchain.application.site.settings import NodeSettings, NodeSettingsError, to_toml, with_setting
from hmchain.errors import InputError
from hmchain.records.objects import ObjectStore

RUN_BEGINS = "the node begins to run"
"""Stands in the log where a run begins, or a repair has ended those before."""


class NodeExistsError(InputError):
    """The folder holds a node already."""

    code = "node_exists"


class NotJoinedError(InputError):
    """The node belongs to no network yet."""

    code = "not_joined"


class NodeRunningError(InputError):
    """A process runs the node."""

    code = "node_running"


@dataclass(frozen=True)
class NodeFolder:
    """Where a node keeps what."""

    path: Path

    @property
    def toml(self) -> Path:
        """Its settings."""
        return self.path / "node.toml"

    @property
    def portal_toml(self) -> Path:
        """The settings of its portal, where they are not as they begin."""
        return self.path / "portal.toml"

    @property
    def portal(self) -> Path:
        """What its portal keeps."""
        return self.path / "portal"

    @property
    def portal_store(self) -> Path:
        """Sessions, tokens and passkeys of those who sign in at its portal."""
        return self.portal / "portal.db"

    @property
    def keys(self) -> Path:
        """Its private keys."""
        return self.path / "keys"

    @property
    def hospitals(self) -> Path:
        """The folder of its hospital, under the hospital's name, as in the folder of a run."""
        return self.path / "hospitals"

    def hospital(self, organisation: str) -> Path:
        """The folder of its hospital."""
        return self.hospitals / organisation

    @property
    def objects(self) -> Path:
        """The objects that members exchange, unless the settings name a store that all of them reach."""
        return self.path / "objects"

    @property
    def node_key(self) -> Path:
        """The private key that proves its connections."""
        return self.keys / "node.key"

    @property
    def object_credentials(self) -> Path:
        """Credentials for the shared store, where they are not in the environment."""
        return self.keys / "objects.toml"

    @property
    def introduction(self) -> Path:
        """Its introduction to the other members: public."""
        return self.path / "member.json"

    @property
    def network(self) -> Path:
        """The network it joined: public, the same everywhere."""
        return self.path / "network.json"

    @property
    def state_sync(self) -> Path:
        """Where it finds the snapshot to begin with, if it joined from one."""
        return self.path / "state-sync.json"

    @property
    def engine(self) -> Path:
        """CometBFT's home."""
        return self.path / "engine"

    @property
    def ledger(self) -> Path:
        """Blocks, and the state that they gave; every command that reads a ledger reads this one too."""
        return self.path / "ledger"

    @property
    def genesis(self) -> Path:
        """The genesis of the network."""
        return self.ledger / "genesis.json"

    @property
    def blocks(self) -> Path:
        """The log of blocks."""
        return self.ledger / "blocks.db"

    @property
    def state(self) -> Path:
        """The state."""
        return self.ledger / "state.db"

    @property
    def damaged(self) -> Path:
        """Files that a recovery put aside, with a number behind the name."""
        return self.path / "damaged"

    @property
    def before_restore(self) -> Path:
        """Files that a restoration put aside, with a number behind the name."""
        return self.path / "before-restore"

    @property
    def restoring(self) -> Path:
        """The files of a backup that are put in place just now."""
        return self.path / "restoring"

    @property
    def sent(self) -> Path:
        """Transactions of the hospital's people that no block has decided, a file each."""
        return self.path / "sent"

    @property
    def challenges(self) -> Path:
        """Digests of the right answers to what this node asked candidates, a file each."""
        return self.path / "challenges"

    @property
    def log(self) -> Path:
        """The log of node and CometBFT."""
        return self.path / "node.log"

    @property
    def agent_log(self) -> Path:
        """The log of its agent."""
        return self.path / "agent.log"

    @property
    def portal_log(self) -> Path:
        """The log of its portal: one JSON value a line."""
        return self.portal / "portal.log"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the node; holds its id."""
        return self.path / "node.lock"

    def settings(self) -> NodeSettings:
        """Read `node.toml`. Raises `NodeSettingsError` or `BadAddressError`."""

        def wrong(reason: str) -> NodeSettingsError:
            return NodeSettingsError(f"{self.toml}: {reason}", "docs/reference/cli.md shows a whole one")

        try:
            return files.read_toml(self.toml, NodeSettings, wrong)
        except OSError as error:
            raise NodeSettingsError(
                f"there is no node at {self.path}",
                "name its folder by --dir or HMCHAIN_NODE; or make one: "
                "`hmchain node init NAME --title TEXT --address HOST:PORT`",
            ) from error

    def write_settings(self, settings: NodeSettings) -> None:
        """Write a new `node.toml`, each setting with its explanation. Raises `NodeExistsError`."""
        if self.toml.exists():
            raise NodeExistsError(f"{self.path} holds a node already", "choose another folder with --dir")
        files.write_whole(self.toml, to_toml(settings).encode(), durable=True)

    def change_setting(self, name: str, value: list[str]) -> None:
        """Change one list in `node.toml`, and leave all else as people wrote it. Raises `NodeSettingsError`."""
        self.settings()
        changed = with_setting(self.toml.read_text("utf-8"), name, value)
        files.write_whole(self.toml, changed.encode(), durable=True)

    def joined(self) -> Network:
        """The network that the node has joined. Raises `NotJoinedError`."""
        if not self.network.is_file():
            raise NotJoinedError(f"{self.path} has joined no network", "join one with `hmchain network join FILE`")
        return network_file.load(self.network)

    def runner(self) -> str | None:
        """Who runs the node, or works on its folder (`process ID`); None if nobody does."""
        return files.holder(self.lock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other process from running the node. Raises `NodeRunningError`."""

        def refused(holder: str) -> NodeRunningError:
            return NodeRunningError(
                f"the node at {self.path} is in use by {holder}", "stop it with Ctrl-C or SIGTERM first"
            )

        with files.hold(self.lock, refused):
            yield


def exchanged_objects(folder: NodeFolder) -> ObjectStore:
    """The store of what members exchange, or the node's own where they share none. Raises as `shared_objects`."""
    return shared_objects(folder) or ObjectStore.directory(folder.objects)


def shared_objects(folder: NodeFolder) -> ObjectStore | None:
    """The store that a node's settings name; None if they name none. Raises what `ObjectStore.open` raises."""
    settings = folder.settings()
    if not settings.objects:
        return None
    credentials = folder.object_credentials if folder.object_credentials.exists() else None
    return ObjectStore.open(settings.objects, credentials=credentials, endpoint=settings.objects_endpoint)
