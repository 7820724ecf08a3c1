"""What all events of the ledger are: a kind, and texts in the order of its fields."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.blocks import Event


class LedgerEvent(Record, frozen=True):
    """Something that happened in a block, for agents and pages to act on. A class without a tag is what kinds share."""

    @property
    def kind(self) -> str:
        """The name of its kind on the ledger."""
        return str(self.__struct_config__.tag)

    def encode(self) -> Event:
        """What stands in a receipt or block."""
        texts: list[str] = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            texts += value if isinstance(value, tuple) else [value.hex() if isinstance(value, bytes) else str(value)]
        return Event(self.kind, tuple(texts))


class AboutMember(LedgerEvent, frozen=True):
    """Something that one organisation did, or that was done to it."""

    organisation: str
