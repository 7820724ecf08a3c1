"""The files by which hospitals become one network: introductions, and the one that all of them start from.

Only public keys and addresses are exchanged. What arrives by mail is compared by telephone: an introduction has a
fingerprint, the network file the digest of its genesis.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from hmchain import decoding
from hmchain.canonical import Record
from hmchain.errors import InputError
from hmchain.files import read, write_whole
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.genesis import SALT_BYTES, Genesis
from hmchain.ledger.state import State

R = TypeVar("R", bound=Record)

_NODE_ID = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([0-9]{1,5})")


class NetworkFileError(InputError):
    """A file that hospitals exchange is unreadable, or does not fit the others."""

    code = "network_file"


class BadAddressError(InputError):
    """An address is not a host and a port."""

    code = "bad_address"


class Introduction(Record, frozen=True):
    """A hospital's introduction to the others before there is a network. Holds no secret."""

    member: Member
    node_id: str
    """CometBFT's name of its node: 40 hex digits, the hash of the key that its connections are proven with."""
    address: str
    """Where the others' nodes reach it: host and port."""

    @property
    def fingerprint(self) -> str:
        """What people read aloud: of name, title and keys, as every member's ballot shows it too.

        Not of the address: it may change, and a wrong one can only fail to connect.
        """
        return self.member.fingerprint


class Peer(Record, frozen=True):
    """Where one member's node is."""

    organisation: str
    node_id: str
    address: str


class Network(Record, frozen=True):
    """The start of every founding member: the genesis, and where the nodes are.

    The genesis digest anchors everything that follows. Addresses are not in it: they change, and a wrong one can only
    fail to connect, since a connection proves the node's key.
    """

    genesis: Genesis
    peers: tuple[Peer, ...]

    def peer(self, organisation: str) -> Peer:
        """Where a member's node is. Raises `NetworkFileError` if it is no founding member."""
        found = next((peer for peer in self.peers if peer.organisation == organisation), None)
        if found is None:
            raise NetworkFileError(f"{organisation} is no founding member", "give its member file to `network init`")
        return found

    def member(self, organisation: str) -> Member | None:
        """A founding member, or None."""
        return next((member for member in self.genesis.members if member.organisation == organisation), None)


_NAMES: dict[type[Record], str] = {Introduction: "member file", Network: "network file"}


def found(
    introductions: Sequence[Introduction],
    name: str,
    time_ms: int,
    parameters: Parameters | None = None,
    salt: bytes | None = None,
) -> Network:
    """The network of those who introduced themselves; without a `salt` (32 bytes) a random one is drawn.

    Raises `NetworkFileError` if two introductions clash, `GenesisError` if one cannot be admitted.
    """
    ordered = sorted(introductions, key=lambda each: each.member.organisation)
    _require_unlike("the name", [each.member.organisation for each in ordered])
    _require_unlike("the node key", [each.node_id for each in ordered])
    _require_unlike("the address", [each.address for each in ordered])
    founding = genesis_file.found(
        name, time_ms, (each.member for each in ordered), salt or os.urandom(SALT_BYTES), parameters
    )
    trial = State()
    try:
        genesis_file.initialise(trial, founding)
    finally:
        trial.close()
    peers = tuple(Peer(each.member.organisation, each.node_id, each.address) for each in ordered)
    return Network(founding, peers)


def check_address(text: str) -> str:
    """A host and a port, as in `north.example.org:26656`. Raises `BadAddressError`."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise BadAddressError(f"{text!r} is no address", "give host and port, as in north.example.org:26656")
    return text


def check_peer(text: str) -> str:
    """A node to dial, `NODE_ID@HOST:PORT`. Raises `BadAddressError`."""
    node, at, address = text.partition("@")
    if not at or not _NODE_ID.fullmatch(node):
        raise BadAddressError(
            f"{text!r} names no node", "give NODE_ID@HOST:PORT; the id, 40 hex digits, is in network.json"
        )
    check_address(address)
    return text


def save(record: Introduction | Network, path: Path) -> None:
    """Write a file to hand on: JSON that people can read, with the names of what stands in a member file."""
    content = _named(record) if isinstance(record, Introduction) else record
    write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n", durable=True)


def save_record(record: Record, path: Path) -> None:
    """Write another file to hand on, with the names of what stands in it."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(_named(record)), indent=1) + b"\n", durable=True)


def _named(value: object) -> object:
    """A record as a table; lists of values were member files before, and are read still."""
    if not isinstance(value, Record):
        return value
    return {name: _named(getattr(value, name)) for name in value.__struct_fields__}


def _in_order(content: object, kind: type) -> object:
    """A table as the list that a record is converted from. Raises `msgspec.ValidationError`."""
    if not (isinstance(content, dict) and issubclass(kind, Record)):
        return content
    fields = msgspec.structs.fields(kind)
    if content.keys() != {field.name for field in fields}:
        raise msgspec.ValidationError("other fields than it must have")
    return [_in_order(content[field.name], field.type) for field in fields]


def load_introduction(path: Path) -> Introduction:
    """Read a member file. Raises `NetworkFileError`."""
    introduction = _load(path, Introduction)
    require_sound(introduction, path)
    return introduction


def require_sound(introduction: Introduction, path: Path) -> None:
    """Raise `NetworkFileError` unless a hospital from a file has a name that files may have too, and a node."""
    if not is_name(introduction.member.organisation):
        raise NetworkFileError(f"{path} names no hospital", "ask its sender for it again")
    if not _NODE_ID.fullmatch(introduction.node_id):
        raise NetworkFileError(f"{path} names no node", "ask its sender for it again")
    check_address(introduction.address)


def load(path: Path) -> Network:
    """Read a network file. Raises `NetworkFileError`, and `ProtocolError` for a network that needs another program."""
    network = _load(path, Network)
    genesis_file.require_form(network.genesis)
    if [peer.organisation for peer in network.peers] != [m.organisation for m in network.genesis.members]:
        raise NetworkFileError(f"{path} names other nodes than members", "ask its sender for it again")
    return network


def load_record(path: Path, kind: type[R], name: str) -> R:
    """Read a file of `save_record`, a `name` for people. Raises `NetworkFileError`."""
    return _load(path, kind, name)


def read_record(data: bytes, kind: type[R], name: str) -> R:
    """The same of a file that was sent. Raises `NetworkFileError`."""
    try:
        return _decoded(data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NetworkFileError(f"what was sent is no {name}", "ask for the file again") from error


def _decoded(data: bytes, kind: type[R]) -> R:
    content = decoding.from_json(data, object)
    if kind is Network and isinstance(content, list) and content:
        genesis_file.require_protocol_of(content[0])
    return decoding.converted(_in_order(content, kind), kind)


def _load(path: Path, kind: type[R], name: str = "") -> R:
    try:
        return _decoded(read(path), kind)
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror}", "check the path and its owner") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NetworkFileError(f"{path} is no {name or _NAMES[kind]}", "ask its sender for it again") from error


def _require_unlike(what: str, values: Sequence[str]) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise NetworkFileError(f"two members have {what} {twice}", "each hospital introduces itself, once")
