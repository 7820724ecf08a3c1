"""What transactions about records that travel ask for, in words; of those in an emergency too."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.clock import utc
from hmchain.ledger.contracts.data import break_glass, transfers


def about(body: Record) -> str:
    """The transfer that a transaction is about; empty for what is about something else."""
    if isinstance(body, break_glass.ReviewGlass):
        return f"emergency {body.name}"
    if isinstance(body, break_glass.LiftBar):
        return f"the bar of {body.grantee} at {body.giver}"
    return f"transfer {body.name}" if isinstance(body, transfers.Bodies) else ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    return _of_transfer(body) or _of_emergency(body)


def _of_transfer(body: Record) -> str:
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
            return f"sign of {body.name} ({body.manifest.hex()[:12]}): {STATED.get(body.statement, body.statement)}"
    return ""


def _of_emergency(body: Record) -> str:
    match body:
        case break_glass.BreakGlass():
            what = f"ask {body.giver} at once for one patient's records of {body.dataset}, as {body.name}"
            return f"{what}, for treatment alone ({body.reason}); {body.giver} judges afterwards whether it had to be"
        case break_glass.AnswerGlass():
            return f"answer emergency {body.name} with what there is of the patient"
        case break_glass.ReviewGlass():
            erased = "" if body.verdict == break_glass.Status.JUSTIFIED else ": what was given is to be erased at once"
            return f"say that emergency {body.name} was {body.verdict}{erased}"
        case break_glass.LiftBar():
            what = f"let {body.grantee} ask {body.giver} in emergencies again, since what was misused was looked into"
            return f"{what}; the other hospital has to say so too"
    return ""


STATED = {
    transfers.KEYS_DESTROYED: "no record can be read here any more: all its keys were destroyed",
    transfers.NEVER_OPENED: "nothing was ever opened here",
    transfers.VAULT_LOST: "the vault that had its keys is lost: nobody destroyed them, and a copy of it opens them",
}
"""What a receipt says, by its statement."""
