"""What transactions about releases ask for, in words."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger.contracts.learning.releases import AskRelease, Audience, DecideRelease, Decision, WithdrawRelease

AUDIENCES: dict[str, str] = {
    Audience.APPLICANT: "those who asked for it",
    Audience.MEMBERS: "all members of the network",
    Audience.PUBLIC: "everybody",
}


def audience_words(audience: str) -> str:
    """For whom a release is."""
    return AUDIENCES[Audience(audience)]


def about(body: Record) -> str:
    """The release that it is about; empty for what is about something else."""
    match body:
        case AskRelease():
            return f"release {body.name}"
        case DecideRelease() | WithdrawRelease():
            return f"release {body.release}"
    return ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    match body:
        case AskRelease():
            where = f" in {', '.join(body.regions)}" if body.regions else ""
            whom = AUDIENCES[body.audience]
            made = f"what {body.study} made"
            if body.table is not None:
                made = f"a table of version {body.table.version} of dataset {body.table.dataset}"
            return f"ask that {made} ({body.artefact.hex()[:12]}) leave for {whom}{where}: {body.name}"
        case DecideRelease(decision=Decision.GRANTED):
            return f"let release {body.release} ({body.asked.hex()[:12]}) leave, for good once all hospitals say so"
        case DecideRelease():
            return f"keep release {body.release} inside ({body.reason})"
        case WithdrawRelease():
            return f"ask no more for release {body.release}"
    return ""
