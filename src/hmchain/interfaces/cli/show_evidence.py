"""Evidence as the terminal shows it."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.disclosure.evidence import Evidence
from hmchain.application.disclosure.page import summary_rows
from hmchain.interfaces.cli import output


def show_evidence(found: Evidence, page: Path | None = None) -> None:
    """Each part with what it says, and where more of it is."""
    output.say(f"What {found.kind} {found.study} tells of {found.organisation}'s patients:")
    output.table(("part", "finding", "in figures"), summary_rows(found))
    if not found.is_whole:
        output.remark("What is not said is never good news: it could not be computed.")
    output.fields((("digest", found.digest.hex()), ("page", str(page) if page else "")))
