"""The folder of one hospital's node, and the settings file in it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from hmchain import files
from hmchain.application.site.network import check_address, check_peer
from hmchain.application.site.toml_text import toml_string
from hmchain.errors import InputError
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.members.membership import TITLE_CHARACTERS_MAX
from hmchain.records.objects import ObjectStore

DEFAULT_P2P = "0.0.0.0:26656"
DEFAULT_RPC = "127.0.0.1:26657"
RUN_BEGINS = "the node begins to run"
"""Stands in the log where a run begins, or a repair has ended those before."""

_TEMPLATE = """\
# One hospital's node. Its commands read this file; after a change, stop the node and start it again.

# Its name in the network, for ever, and what people call it.
organisation = {organisation}
title = {title}

# Host and port by which the other members reach this node. It is in the member file; tell them if it changes.
address = {address}

# Where the node listens for the other members' nodes: open this port to them.
p2p_listen = {p2p_listen}

# Where the node answers agents and commands. It asks nobody who they are: keep it on this machine.
rpc_listen = {rpc_listen}

# Nodes to dial besides those of the network file, as NODE_ID@HOST:PORT; also where one of those has moved.
peers = []

# Where all members keep encrypted updates: a directory that all reach, or s3://BUCKET/PREFIX.
# Empty: "objects" in this folder, where no other member finds them; enough until the first study.
objects = ""

# URL of the S3 server, if it is not Amazon's: objects_endpoint = "https://s3.example.org:9000". The credentials are in
# keys/objects.toml (access_key_id, secret_access_key; mode 600), or in the environment (AWS_ACCESS_KEY_ID, ...).
objects_endpoint = ""

# The cometbft program. Empty: the one of `make cometbft`, or on the PATH.
cometbft = ""

# What CometBFT writes into node.log: debug, info or error.
log_level = "error"

# Blocks between two snapshots of the state, for nodes that join; the last two are kept, each as large as the state.
snapshot_blocks = 1000

# Studies that withstand fewer participants pooling what they know are refused by this hospital's agent.
colluders_min = 0
"""


class NodeSettingsError(InputError):
    """The settings file of a node is missing or cannot be used."""

    code = "node_settings"


class NodeExistsError(InputError):
    """The folder holds a node already."""

    code = "node_exists"


class NodeRunningError(InputError):
    """A process runs the node."""

    code = "node_running"


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `node.toml` says; the comments there explain each setting."""

    organisation: str
    title: str
    address: str
    p2p_listen: str = DEFAULT_P2P
    rpc_listen: str = DEFAULT_RPC
    peers: tuple[str, ...] = ()
    objects: str = ""
    objects_endpoint: str = ""
    cometbft: str = ""
    log_level: str = "error"
    snapshot_blocks: Annotated[int, msgspec.Meta(ge=1)] = 1000
    colluders_min: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        for address in (self.address, self.p2p_listen, self.rpc_listen):
            check_address(address)
        for peer in self.peers:
            check_peer(peer)
        # The ledger would refuse them, long after keys were made and files were sent round.
        if not is_name(self.organisation):
            raise NodeSettingsError(
                f"{self.organisation!r} cannot name a hospital",
                "give up to 48 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
            )
        if not self.title.strip() or len(self.title) > TITLE_CHARACTERS_MAX:
            raise NodeSettingsError(
                "the hospital's title is empty or too long", f"give 1 to {TITLE_CHARACTERS_MAX} characters"
            )
        if self.log_level not in ("debug", "info", "error"):
            raise NodeSettingsError(f"log_level is {self.log_level!r}", "give debug, info or error")

    @property
    def rpc_url(self) -> str:
        """Where commands and agents ask the node."""
        host, _, port = self.rpc_listen.rpartition(":")
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - read, not bound


@dataclass(frozen=True)
class NodeFolder:
    """Where a node keeps what."""

    path: Path

    @property
    def toml(self) -> Path:
        """Its settings."""
        return self.path / "node.toml"

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
        """What the members exchange, unless the settings name a store that all of them reach."""
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
        """What it tells the other members: public."""
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
        """What the network began with."""
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
        """What a recovery put aside, with a number behind it."""
        return self.path / "damaged"

    @property
    def before_restore(self) -> Path:
        """What a restoration put aside, with a number behind it."""
        return self.path / "before-restore"

    @property
    def log(self) -> Path:
        """What node and CometBFT have to say."""
        return self.path / "node.log"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the node; holds its id."""
        return self.path / "node.lock"

    def settings(self) -> NodeSettings:
        """Read `node.toml`. Raises `NodeSettingsError` or `BadAddressError`."""
        try:
            raw = tomllib.loads(self.toml.read_text("utf-8"))
            return msgspec.convert(raw, NodeSettings)
        except OSError as error:
            raise NodeSettingsError(f"there is no node at {self.path}", "make one with `hmchain node init`") from error
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise NodeSettingsError(f"{self.toml}: {error}", "docs/reference/cli.md shows a whole one") from error

    def write_settings(self, settings: NodeSettings) -> None:
        """Write a new `node.toml`, each setting with its explanation. Raises `NodeExistsError`."""
        if self.toml.exists():
            raise NodeExistsError(f"{self.path} holds a node already", "choose another folder with --dir")
        fields = ("organisation", "title", "address", "p2p_listen", "rpc_listen")
        quoted = {name: toml_string(getattr(settings, name)) for name in fields}
        files.write_whole(self.toml, _TEMPLATE.format(**quoted).encode(), durable=True)

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


def shared_objects(folder: NodeFolder) -> ObjectStore | None:
    """The store that a node's settings name; None if they name none. Raises what `ObjectStore.open` raises."""
    settings = folder.settings()
    if not settings.objects:
        return None
    credentials = folder.object_credentials if folder.object_credentials.exists() else None
    return ObjectStore.open(settings.objects, credentials=credentials, endpoint=settings.objects_endpoint)
