"""Warrants: what lets records of a dataset version go to another hospital, and is asked anew as they go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hmchain.application.sharing.manifest import Terms
from hmchain.application.site.hospital import Records
from hmchain.errors import InputError
from hmchain.ledger import contracts
from hmchain.ledger.state import State
from hmchain.records.catalogue import Version


class NotPermittedError(InputError):
    """Nothing that is in force lets these records go."""

    code = "no_permit"


@dataclass(frozen=True)
class Warrant:
    """What lets records of a version go: to whom, for what, until when; a request's permit, or an emergency."""

    cause: str
    """The request, or the emergency."""
    permit: bytes
    """Digest of what the hospital said yes to."""
    grantee: str
    dataset: str
    version: int
    purpose: str
    """The use by DUO's code."""
    until_ms: int
    holds: Callable[[State, int], bool]
    """Whether it is in force, by a state of the hospital's own node and a block time."""
    chosen: Callable[[Records, Version], Collection[str]]
    """The records that may go now."""
    announce: Callable[[Terms, bytes, bytes], contracts.Body]
    """The transaction that tells the ledger of manifest and envelope."""
    sought: bytes = b""
    """Of an emergency, which goes beside whatever else is sent, and says so, sealed, where no record is to go: what
    tells one who is sought from another."""

    @property
    def in_emergency(self) -> bool:
        """Whether an emergency lets them go, and no permit."""
        return bool(self.sought)
