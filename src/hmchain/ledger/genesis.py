"""Genesis: what a chain starts from. Its digest is the trust anchor of every audit."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain import files
from hmchain.canonical import Record, digest, encode
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import TimeMs
from hmchain.ledger.context import require_name
from hmchain.ledger.contracts import membership, parameters, standings
from hmchain.ledger.contracts.membership import Member
from hmchain.ledger.contracts.parameters import Parameters
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

PROTOCOL = 1
"""The state machine's version: programs of one protocol give the same state. It grows with any change of what blocks
do, and a chain keeps the one that it was founded with."""


class ProtocolError(LedgerError):
    """A chain follows another protocol than this program does: it would come to another state, and stand alone."""

    code = "protocol"


class GenesisError(LedgerError):
    """A genesis file is unreadable, or cannot found a chain."""

    code = "genesis"


class Genesis(Record, frozen=True):
    """The founding members and rules."""

    chain_id: str
    time_ms: TimeMs
    members: tuple[Member, ...]
    """In order of organisation."""
    parameters: Parameters
    protocol: int = PROTOCOL
    """Of the program that founded it."""

    @property
    def digest(self) -> bytes:
        """32 bytes: printed when the network is made, and given to `audit verify --genesis`."""
        return digest("hmchain genesis", encode(self))


def require_protocol(genesis: Genesis) -> None:
    """Raise `ProtocolError` unless this program follows the chain's protocol."""
    if genesis.protocol != PROTOCOL:
        raise ProtocolError(
            f"{genesis.chain_id} follows protocol {genesis.protocol}, and this program protocol {PROTOCOL}",
            "install the version of hmchain that the other members run",
        )


def initialise(state: State, genesis: Genesis) -> None:
    """Fill an empty state; nothing is committed yet.

    Raises `GenesisError` for members that cannot be admitted, and `ProtocolError`.
    """
    require_protocol(genesis)
    names = [member.organisation for member in genesis.members]
    if not names or names != sorted(set(names)):
        raise GenesisError("the founding members are not in order of organisation", "sort them, each once")
    try:
        require_name(genesis.chain_id)
        parameters.change(state, genesis.parameters)
        for member in genesis.members:
            membership.admit(state, member, 0)
    except Refusal as refusal:
        state.rollback()
        raise GenesisError(f"the genesis is refused: {refusal.code}", "correct the genesis file") from refusal
    standings.initialise(state, 1)


def save(genesis: Genesis, path: Path) -> None:
    """Write the genesis file, JSON that people can read; on disk when this returns: blocks rest on it."""
    files.write_whole(path, msgspec.json.format(msgspec.json.encode(genesis), indent=1), durable=True)


def load(path: Path) -> Genesis:
    """Read a genesis file. Raises `GenesisError` and `ProtocolError`."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Genesis)
    except OSError as error:
        raise GenesisError(f"{path} cannot be read", "give the directory of a ledger") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "restore it; a node's `hmchain network join FILE` writes it anew"
        raise GenesisError(f"{path} is not a genesis file", hint) from error
    require_protocol(found)
    return found
