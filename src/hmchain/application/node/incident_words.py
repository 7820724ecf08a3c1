"""What transactions about incidents ask for, in words, and which incident they are about."""

from __future__ import annotations

from collections.abc import Iterable

from hmchain.canonical import Record
from hmchain.clock import utc
from hmchain.ledger.contracts.members.incidents import (
    AcknowledgeIncident,
    CloseIncident,
    ContainIncident,
    NoteIncident,
    OpenIncident,
)


def about(body: Record) -> str:
    """The incident that is said to be contained or over; empty for what contradicts nothing."""
    return f"incident {body.incident}" if isinstance(body, ContainIncident | CloseIncident) else ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    match body:
        case OpenIncident():
            noticed = f"noticed on {utc(body.detected_ms)[:16]} UTC"
            stolen = f", stolen: {_listed(key.hex()[:16] for key in body.keys)}" if body.keys else ""
            return (
                f"open incident {body.incident} ({body.kind}, {body.severity}) of {_listed(body.affected)}, "
                f"{noticed}{stolen}{_with(body.evidence)}"
            )
        case AcknowledgeIncident():
            return f"say that incident {body.incident} is known here{_with(body.evidence)}"
        case NoteIncident():
            more = (*body.measures, *body.affected, *(f"stolen {key.hex()[:16]}" for key in body.keys))
            return f"add to incident {body.incident}{': ' * bool(more)}{', '.join(more)}{_with(body.evidence)}"
        case ContainIncident():
            return (
                f"say that incident {body.incident} is contained here: {_listed(body.measures)}{_with(body.evidence)}"
            )
        case CloseIncident():
            return f"say that incident {body.incident} is over{_with(body.evidence)}"
    return ""


def _with(evidence: bytes) -> str:
    return f", with the document {evidence.hex()[:12]}" if evidence else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
