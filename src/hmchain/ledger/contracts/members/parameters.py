"""Network parameters, which a vote of the members changes (see `membership`), and what the founding fixed for ever."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import reputation
from hmchain.ledger.context import require
from hmchain.ledger.state import State, Table


class Parameters(Record, frozen=True):
    """Integers that all members agree on."""

    epoch_blocks_min: int = reputation.EPOCH_BLOCKS_MIN
    """An epoch has at least max(this, 10 n) non-empty blocks."""
    epoch_ms: int = reputation.EPOCH_MS
    """An epoch takes at least this much block time."""
    jail_blocks_per_member: int = reputation.JAIL_BLOCKS_PER_MEMBER
    jail_ms: int = reputation.JAIL_MS
    """A validator is jailed after no vote in `jail_blocks_per_member` * n blocks and this much block time, if blocks of
    f + 1 proposers show it."""
    expiry_ms_max: int = 3_600_000
    """How far ahead a transaction's expiry may lie; nonces are remembered until then."""
    deadline_blocks_min: int = 3
    """A deadline passes only after this many blocks, and after f + 2: after a halt, block time jumps."""
    deadline_ms_min: int = 10_000
    """No phase of a study may be shorter: an honest hospital that needs a few blocks must not be late for it."""
    proposal_ms: int = 30 * 86_400_000
    """How long stewards have to approve a proposed study and agents to join it."""
    agreement_ms: int = 3 * 86_400_000
    """How long agents have to agree keys, and then to confirm them."""
    round_trip_ms: int = 50
    """Largest round trip between two members' nodes: CometBFT's pauses on every node follow from it."""


RANGES = {
    "epoch_blocks_min": (1, 100_000),
    "epoch_ms": (1, 30 * 86_400_000),
    "jail_blocks_per_member": (1, 1000),
    "jail_ms": (1_000, 30 * 86_400_000),
    "expiry_ms_max": (60_000, 3_600_000),
    "deadline_blocks_min": (3, 1000),
    "deadline_ms_min": (1_000, 3_600_000),
    "proposal_ms": (60_000, 365 * 86_400_000),
    "agreement_ms": (10_000, 30 * 86_400_000),
    "round_trip_ms": (10, 2_000),
}
"""What each may be, both ends included: less or more would stop the chain or switch a safeguard off."""


class Founding(Record, frozen=True):
    """What contracts and agents may know of the genesis."""

    salt: bytes
    """32 random bytes, of this chain alone: what is derived from them is no other chain's."""
    notice_ms: int
    """How long ahead a change of the rules must be agreed."""


_PARAMETERS = Table("parameters", Parameters)
_FOUNDING = Table("founding", Founding)


def current(state: State) -> Parameters:
    """The parameters in force."""
    return _PARAMETERS.get(state) or Parameters()


def found(state: State, founding: Founding) -> None:
    """Keep what the genesis says."""
    _FOUNDING.put(state, founding)


def founding(state: State) -> Founding:
    """What the genesis said."""
    kept = _FOUNDING.get(state)
    assert kept is not None  # written before the first block
    return kept


def out_of_range(parameters: Parameters) -> list[str]:
    """Names of those that may not be as they are."""
    return [name for name, (least, most) in RANGES.items() if not least <= getattr(parameters, name) <= most]


def change(state: State, parameters: Parameters) -> None:
    """Put new parameters in force; refuse (`bad_parameters`) what is out of range."""
    require(not out_of_range(parameters), "bad_parameters")
    _PARAMETERS.put(state, parameters)
