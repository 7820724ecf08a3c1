"""Events of what hospitals share, of incidents and of anchored logs: see `events`."""

from __future__ import annotations

from hmchain.ledger.ledger_event import AboutMember, LedgerEvent


class AboutTransfer(LedgerEvent, frozen=True):
    """Something about records that a hospital gave to another."""

    transfer: str
    giver: str
    grantee: str


class RecordsGranted(AboutTransfer, frozen=True, tag="transfer.granted"):
    """A hospital gave records of a dataset version."""

    request: str
    """Under whose permit; empty for an emergency."""
    dataset: str
    version: int
    until_ms: int


class RecordsReceived(AboutTransfer, frozen=True, tag="transfer.received"):
    """The grantee opened and checked what it was given."""


class GrantRevoked(AboutTransfer, frozen=True, tag="transfer.revoked"):
    """The giver took its grant back: what was given is to be erased."""

    person: str
    reason: str


class ErasureConfirmed(AboutTransfer, frozen=True, tag="transfer.erased"):
    """A steward of the grantee signed that nothing of it can be read there any more."""

    person: str
    statement: str


class LogAnchored(AboutMember, frozen=True, tag="log.anchored"):
    """An organisation said how far the log of its security events is."""

    size: int
    head: bytes


class LogRestored(AboutMember, frozen=True, tag="log.restored"):
    """Anchored lines of an organisation's log are lost; it goes on from a copy."""

    anchored: int
    size: int
    head: bytes
    person: str
