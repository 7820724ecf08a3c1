"""Genesis: what a chain starts from. Its digest is the trust anchor of every audit."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain.canonical import Record, digest, encode
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import TimeMs
from hmchain.ledger.context import require_name
from hmchain.ledger.contracts import membership, parameters, standings
from hmchain.ledger.contracts.membership import Member
from hmchain.ledger.contracts.parameters import Parameters
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal


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

    @property
    def digest(self) -> bytes:
        """32 bytes: printed when the network is made, and given to `audit verify --genesis`."""
        return digest("hmchain genesis", encode(self))


def initialise(state: State, genesis: Genesis) -> None:
    """Fill an empty state; nothing is committed yet. Raises `GenesisError` for members that cannot be admitted."""
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
    """Write the genesis file, JSON that people can read."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(genesis), indent=1))


def load(path: Path) -> Genesis:
    """Read a genesis file. Raises `GenesisError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Genesis)
    except OSError as error:
        raise GenesisError(f"{path} cannot be read", "give the directory of a ledger") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "restore it; a node's `hmchain network join FILE` writes it anew"
        raise GenesisError(f"{path} is not a genesis file", hint) from error
