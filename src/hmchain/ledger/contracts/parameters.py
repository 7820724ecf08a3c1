"""Network parameters: changed only by a vote of the members (see `membership`)."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import reputation
from hmchain.ledger.context import require
from hmchain.ledger.state import State, Table


class Parameters(Record, frozen=True):
    """Integers that all members agree on."""

    epoch_blocks_min: int = reputation.EPOCH_BLOCKS_MIN
    """An epoch has max(this, 10 n) non-empty blocks."""
    jail_blocks_per_member: int = reputation.JAIL_BLOCKS_PER_MEMBER
    jail_ms: int = reputation.JAIL_MS
    """A validator is jailed after no vote in `jail_blocks_per_member` * n blocks and this much block time."""
    expiry_ms_max: int = 3_600_000
    """How far ahead a transaction's expiry may lie; nonces are remembered until then."""
    deadline_blocks_min: int = 3
    """A deadline passes only after this many blocks: after a halt, block time jumps."""


_PARAMETERS = Table("parameters", Parameters)


def current(state: State) -> Parameters:
    """The parameters in force."""
    return _PARAMETERS.get(state) or Parameters()


def require_sound(parameters: Parameters) -> None:
    """Refuse (`bad_parameters`) what would stop the chain or switch a safeguard off."""
    require(1 <= parameters.epoch_blocks_min <= 100_000, "bad_parameters")
    require(1 <= parameters.jail_blocks_per_member <= 1000, "bad_parameters")
    require(1_000 <= parameters.jail_ms <= 30 * 86_400_000, "bad_parameters")
    require(60_000 <= parameters.expiry_ms_max <= 3_600_000, "bad_parameters")
    require(3 <= parameters.deadline_blocks_min <= 1000, "bad_parameters")


def change(state: State, parameters: Parameters) -> None:
    """Put new parameters in force; refuse (`bad_parameters`) unsound ones."""
    require_sound(parameters)
    _PARAMETERS.put(state, parameters)
