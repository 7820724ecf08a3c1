"""Transfers as people read them: who gave what to whom, whether it may be used now, and what is owed for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hmchain.errors import InputError
from hmchain.ledger.contracts.data import datasets, transfers
from hmchain.ledger.contracts.data.transfers import Transfer
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.state import State


class UnknownTransferError(InputError):
    """The ledger has no transfer of this name."""

    code = "unknown_transfer"


class Standing(StrEnum):
    """How it stands with a transfer at a block's time."""

    OFFERED = "offered"
    """It waits for the grantee."""
    RECEIVED = "received"
    WAITS = "waits"
    """The permit is not in force, or records of what was not received yet were erased: nothing of it may be used."""
    TO_ERASE = "to erase"
    """The grant is over, and the receipt of its erasure is owed."""
    OVERDUE = "overdue"
    """So is that receipt."""
    ERASED = "erased"
    LOST = "lost"
    """Its grantee lost the vault that had it: no key was destroyed."""


@dataclass(frozen=True)
class TransferView:
    """A transfer, at the time of the last block."""

    name: str
    request: str
    """Empty where an emergency took its place."""
    giver: str
    dataset: str
    version: int
    grantee: str
    purpose: str
    """The use by DUO's code."""
    standing: Standing
    usable: bool
    """Whether the grantee may use it now."""
    until_ms: int
    granted_by: str
    granted_ms: int
    received_ms: int
    """0 if it was not."""
    ended_ms: int
    """When the grant ended for good; 0 while it has not."""
    reason: str
    """Why the giver took it back, as a code; empty otherwise."""
    due_ms: int
    """Until when the receipt of the erasure is to be there; 0 while none is owed."""
    erased_by: str
    erased_ms: int
    statement: str
    """What the receipt says: one of `transfers.STATEMENTS`."""
    evidence: bytes
    manifest: bytes
    envelope: bytes
    content: bytes
    withdrawn: bool
    """Whether records of the version were erased at the giver since: it may want to take the grant back."""

    def __str__(self) -> str:
        what = f"{self.giver}/{self.dataset} version {self.version} to {self.grantee}"
        return f"{self.name}: {what}, {self.standing}"

    @property
    def is_over(self) -> bool:
        """Whether it may never be used again."""
        return self.ended_ms > 0


def transfer(state: State, name: str) -> TransferView:
    """One transfer. Raises `UnknownTransferError`."""
    found = transfers.transfer(state, name)
    if found is None:
        raise UnknownTransferError(f"nothing was given under the name {name!r}", "`hmchain share list` has all names")
    return view(state, found)


def listed(state: State, organisation: str = "") -> tuple[TransferView, ...]:
    """All transfers, or an organisation's: what is owed first, what is overdue before all, then in order of name."""
    found = (view(state, each) for each in transfers.transfers(state, organisation))
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.standing), each.due_ms, each.name)))


_ORDER = (
    Standing.OVERDUE, Standing.TO_ERASE, Standing.OFFERED, Standing.WAITS, Standing.RECEIVED, Standing.LOST,
    Standing.ERASED,
)  # fmt: skip


def view(state: State, entry: Transfer) -> TransferView:
    """A transfer as it stands after the last block."""
    time_ms = standings.time_ms(state)
    usable, due_ms = transfers.is_usable(state, entry, time_ms), transfers.erasure_due_ms(state, entry, time_ms)
    version = datasets.version(state, entry.giver, entry.dataset, entry.version)
    return TransferView(
        name=entry.name, request=entry.request, giver=entry.giver, dataset=entry.dataset, version=entry.version,
        grantee=entry.grantee, purpose=entry.purpose, standing=_standing(entry, due_ms, time_ms, usable=usable),
        usable=usable, until_ms=entry.until_ms, granted_by=str(entry.granted_by), granted_ms=entry.granted_ms,
        received_ms=entry.received_ms, ended_ms=transfers.ended_ms(state, entry, time_ms) or 0, reason=entry.reason,
        due_ms=due_ms or 0, erased_by=", ".join(map(str, entry.erased_by)), erased_ms=entry.erased_ms,
        statement=entry.statement, evidence=entry.evidence, manifest=entry.manifest, envelope=entry.envelope,
        content=entry.content, withdrawn=version is not None and version.withdrawn > 0,
    )  # fmt: skip


def _standing(entry: Transfer, due_ms: int | None, time_ms: int, *, usable: bool) -> Standing:
    if entry.status is transfers.Status.ERASED:
        return Standing.LOST if entry.statement == transfers.VAULT_LOST else Standing.ERASED
    if due_ms is not None:
        return Standing.OVERDUE if time_ms > due_ms else Standing.TO_ERASE
    if not usable:
        return Standing.WAITS
    return Standing.OFFERED if entry.status is transfers.Status.OFFERED else Standing.RECEIVED
