"""What transactions about records that travel ask for, in words."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.clock import utc
from hmchain.ledger.contracts.data import transfers


def about(body: Record) -> str:
    """The transfer that a transaction is about; empty for what is about something else."""
    return f"transfer {body.name}" if isinstance(body, transfers.Bodies) else ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    match body:
        case transfers.GrantRecords():
            which = f"records of {body.dataset} version {body.version}"
            until = f"until {utc(body.until_ms)[:16]} UTC"
            return f"give {which} to {body.grantee} as {body.name}, {until}, under request {body.request}"
        case transfers.ReceiveRecords():
            return f"say that {body.name} was received whole ({body.manifest.hex()[:12]})"
        case transfers.RevokeGrant():
            return f"take back what was given as {body.name} for good ({body.reason}): it is to be erased"
        case transfers.ConfirmErasure():
            return f"sign that of {body.name} ({body.manifest.hex()[:12]}) {STATED.get(body.statement, body.statement)}"
    return ""


STATED = {
    transfers.KEYS_DESTROYED: "no record can be read here any more: all its keys were destroyed",
    transfers.NEVER_OPENED: "nothing was ever opened here",
}
"""What a receipt says, by its statement."""
