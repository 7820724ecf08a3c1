"""The validators and what is on its way for them, as records of the state; `standings` writes them."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.proposer import Validator


class Change(Record, frozen=True):
    """One validator's new power."""

    organisation: str
    power: int
    key: bytes
    """The validator key that has it from then on."""
    former: bytes
    """The key that it is taken from; empty unless the key changes."""


class Pending(Record, frozen=True):
    """Changes of power that are on their way."""

    height: int
    """From this height on they act."""
    changes: tuple[Change, ...]


class Handover(Record, frozen=True):
    """A validator key that was replaced in this block; its power follows at the block's end."""

    organisation: str
    former: bytes


class ValidatorSet(Record, frozen=True):
    """The validators and their priorities before the election of `height`'s proposer."""

    height: int
    validators: tuple[Validator, ...]
    pending: tuple[Pending, ...]
    handovers: tuple[Handover, ...]


class FormerKey(Record, frozen=True):
    """A validator key that was replaced; what it signed while it had power is still its owner's doing."""

    organisation: str
    key: bytes
    until_height: int
    """From this height on it has no power."""


class LastHandover(Record, frozen=True):
    """When an organisation's power went over to a new key last: nobody has to read all keys that there ever were."""

    until_height: int
    """As in its `FormerKey`."""
