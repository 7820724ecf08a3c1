"""The settings of one hospital's node, as they stand in `node.toml`, each with its explanation."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_type_hints

import msgspec

from hmchain.application.site.network import check_address, check_peer
from hmchain.errors import InputError
from hmchain.ledger.chain import SNAPSHOT_BLOCKS
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.members.membership import TITLE_CHARACTERS_MAX

DEFAULT_P2P = "0.0.0.0:26656"
DEFAULT_RPC = "127.0.0.1:26657"
_KEY = re.compile(r"[0-9a-f]{64}")
LOG_LEVELS = ("debug", "info", "error")

HEAD = "One hospital's node. Its commands read this file; after a change, stop the node and start it again."


class NodeSettingsError(InputError):
    """The settings file of a node is missing or cannot be used."""

    code = "node_settings"


def says(text: str) -> msgspec.Meta:
    """The comment above a setting; one without it stands below the setting before it."""
    return msgspec.Meta(description=text)


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node's settings, in the order in which `node.toml` has them."""

    organisation: Annotated[str, says("Its name in the network, for ever, and what people call it.")]
    title: str
    address: Annotated[
        str,
        says(
            "Host and port by which the other members reach this node. "
            "It is in the member file; tell them if it changes."
        ),
    ]
    p2p_listen: Annotated[str, says("Where the node listens for the other members' nodes: open this port to them.")] = (
        DEFAULT_P2P
    )
    rpc_listen: Annotated[
        str,
        says("Where the node answers agents and commands. It asks nobody who they are: keep it on this machine."),
    ] = DEFAULT_RPC
    peers: Annotated[
        tuple[str, ...],
        says(
            "Nodes to dial besides those of the network file, as NODE_ID@HOST:PORT; also where one of those has moved."
        ),
    ] = ()
    objects: Annotated[
        str,
        says("""\
Where all members keep encrypted updates: a directory that all reach, or s3://BUCKET/PREFIX.
Empty: "objects" in this folder, where no other member finds them: then the agent takes part in no study."""),
    ] = ""
    objects_endpoint: Annotated[
        str,
        says("""\
URL of the S3 server, if it is not Amazon's: objects_endpoint = "https://s3.example.org:9000". The credentials are in
keys/objects.toml (access_key_id, secret_access_key; mode 600), or in the environment (AWS_ACCESS_KEY_ID, ...)."""),
    ] = ""
    cometbft: Annotated[str, says("The cometbft program. Empty: the one of `make cometbft`, or on the PATH.")] = ""
    log_level: Annotated[str, says("What CometBFT writes into node.log: debug, info or error.")] = "error"
    snapshot_blocks: Annotated[
        int,
        msgspec.Meta(ge=1),
        says(
            "Blocks between two snapshots of the state, for nodes that join; "
            "the last two are kept, each as large as the state."
        ),
    ] = SNAPSHOT_BLOCKS
    colluders_min: Annotated[
        int,
        msgspec.Meta(ge=0),
        says("Studies that withstand fewer participants pooling what they know are refused by this hospital's agent."),
    ] = 0
    trainers: Annotated[
        tuple[str, ...],
        says("""\
Trainers of others that this hospital's agent may run, as FILE.py:CLASS@DIGEST or MODULE:CLASS@DIGEST. They run with all
its rights: read them first, then `hmchain node trainers FILE.py:CLASS --accept` writes them here."""),
    ] = ()

    acts_as: Annotated[
        str,
        says("""\
The person that commands act as where --as is not given, with the key keys/people/NAME.key. Empty: the hospital's
offices, with the keys of steward and scientist."""),
    ] = ""
    confirmed_keys: Annotated[
        tuple[str, ...],
        says("""\
Steward's keys, in hex, that the other members gave this hospital by a vote since its own was lost. The agent obeys
nothing that is decided after such a vote until the key stands here: `hmchain people recover trust` writes it."""),
    ] = ()

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
        if not self.title.strip() or len(self.title) > TITLE_CHARACTERS_MAX or not self.title.isprintable():
            what = "the hospital's title is empty, too long, or not all of it can be printed"
            raise NodeSettingsError(what, f"give 1 to {TITLE_CHARACTERS_MAX} characters")
        if any(not _KEY.fullmatch(key) for key in self.confirmed_keys):
            raise NodeSettingsError("confirmed_keys holds what is no key", "`hmchain people recover trust` writes them")
        if self.log_level not in LOG_LEVELS:
            raise NodeSettingsError(f"log_level is {self.log_level!r}", "give debug, info or error")

    @property
    def confirmed(self) -> frozenset[bytes]:
        """The keys of `confirmed_keys`."""
        return frozenset(bytes.fromhex(key) for key in self.confirmed_keys)

    @property
    def rpc_url(self) -> str:
        """Where commands and agents ask the node."""
        host, _, port = self.rpc_listen.rpartition(":")
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - read, not bound


def to_toml(settings: NodeSettings) -> str:
    """The text of a new `node.toml`."""
    return explained(settings, HEAD)


def explained(settings: msgspec.Struct, head: str) -> str:
    """The text of a new file of settings, each below its explanation; what is not set is left out."""
    import tomlkit  # takes a tenth of a second, and most commands write none

    document = tomlkit.document().add(tomlkit.comment(head))
    _explain(settings, document)
    return document.as_string()


def _explain(settings: msgspec.Struct, into: Any) -> None:
    import tomlkit

    for name, kind in get_type_hints(type(settings), include_extras=True).items():
        value = getattr(settings, name)
        if value is None:
            continue
        if isinstance(value, msgspec.Struct):
            _explain(value, table := tomlkit.table())
            into.add(name, table)
            continue
        if text := _explanation(kind):
            into.add(tomlkit.nl())
            for line in text.splitlines():
                into.add(tomlkit.comment(line))
        into.add(name, msgspec.to_builtins(value))


def with_setting(text: str, name: str, value: list[str]) -> str:
    """The text of a `node.toml` with one list changed, and all else as people wrote it."""
    import tomlkit

    document = tomlkit.parse(text)
    document[name] = tomlkit.item(value).multiline(len(value) > 0)
    return document.as_string()


def _explanation(kind: object) -> str:
    found = (each.description for each in getattr(kind, "__metadata__", ()))
    return next((text for text in found if text is not None), "")
